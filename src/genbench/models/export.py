"""A finished model's networks in forms that need no genbench: each is read back and compared before it is kept."""

import copy
import io
import json
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.export import ExportedProgram

from genbench import __version__
from genbench.data.images import ImageShape
from genbench.models.model import Model, Posterior
from genbench.places import MARK

TOLERANCE = 1e-4  # of pixels in [0, 1], means and log-variances; other libraries round otherwise
TRACED = 2  # rows of the batch that a network is traced with
SUFFIXES = {"onnx": ".onnx", "torch_export": ".pt2", "safetensors": ".safetensors"}  # of the files, by form
SIZES = (1, 7)  # rows of the batches that it is tried on

Outputs = tuple[Tensor, ...]


class Generate(nn.Module):
    """Noise z (N, ...) to images (N, C, H, W) in [0, 1]."""

    inputs: tuple[str, ...] = ("z",)
    outputs = ("images",)

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, z: Tensor) -> Outputs:
        """As a tuple of one."""
        return (self.model.sample(z, None, **self.model.sample_options),)


class GenerateClass(Generate):
    """Noise z (N, ...) and labels (N,) int64 to images (N, C, H, W) in [0, 1]."""

    inputs = ("z", "labels")

    def forward(self, z: Tensor, labels: Tensor) -> Outputs:  # type: ignore[override]
        """As a tuple of one."""
        return (self.model.sample(z, labels, **self.model.sample_options),)


class Encode(nn.Module):
    """Images (N, C, H, W) in [0, 1] to mean and log-variance of q(z|x), each (N, latent_size)."""

    inputs: tuple[str, ...] = ("images",)
    outputs = ("mean", "log_variance")

    def __init__(self, model: Posterior) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Outputs:
        """Mean and log-variance."""
        return self.model.encode(images)


class EncodeClass(Encode):
    """Images (N, C, H, W) in [0, 1] and labels (N,) int64 to mean and log-variance of q(z|x), each (N, latent_size)."""

    inputs = ("images", "labels")

    def forward(self, images: Tensor, labels: Tensor) -> Outputs:  # type: ignore[override]
        """Mean and log-variance."""
        return self.model.encode(images, labels)


Function = Generate | Encode


def networks(model: Model, shape: ImageShape) -> dict[str, tuple[Function, tuple[Tensor, ...]]]:
    """What there is to export, by name: the function and inputs (7, ...) of it, in evaluation mode."""
    model.eval()
    random = torch.Generator().manual_seed(0)
    n = max(SIZES)
    z = torch.randn(n, *model.noise_shape, generator=random)
    labels = (torch.arange(n) % model.classes,) if model.classes else ()
    generate = GenerateClass(model) if model.classes else Generate(model)
    if not isinstance(model, Posterior):
        return {"generator": (_alone(generate, (z, *labels)), (z, *labels))}
    images = torch.rand(n, *shape, generator=random)
    encode = EncodeClass(model) if model.classes else Encode(model)
    return {
        "decoder": (_alone(generate, (z, *labels)), (z, *labels)),
        "encoder": (_alone(encode, (images, *labels)), (images, *labels)),
    }


def _alone(function: Function, rows: tuple[Tensor, ...]) -> Function:
    """A copy without the tensors of networks of which its outputs need none: those of a generator's discriminator."""
    program = _trace(function, rows)
    names = {**program.graph_signature.inputs_to_parameters, **program.graph_signature.inputs_to_buffers}
    # model.<network>.<tensor>
    used = {names[node.name].split(".")[1] for node in program.graph.nodes if node.name in names and node.users}
    alone = copy.deepcopy(function)
    for name, network in alone.model.named_children():
        if name not in used and network.state_dict():
            _take_out_tensors(network)
    return alone


def _take_out_tensors(network: nn.Module) -> None:
    """Leave what a network can do without them: a likelihood has a mean without the deviation that it has learnt."""
    for module in network.modules():
        module._parameters.clear()
        module._buffers.clear()


def _trace(function: Function, rows: tuple[Tensor, ...]) -> ExportedProgram:
    """The function as a graph, for any number of rows."""
    batch = torch.export.Dim("batch")
    inputs = tuple(row[:TRACED] for row in rows)
    program = torch.export.export(function, inputs, dynamic_shapes=tuple({0: batch} for _ in rows))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # would carry this machine's paths into the files
    return program


@torch.no_grad()
def export(function: Function, rows: tuple[Tensor, ...], form: str, path: Path, about: dict[str, Any]) -> float:
    """Write one network.

    Args:
        function: what is exported; one of `networks`.
        rows: inputs of it.
        form: onnx, torch_export or safetensors.
        path: of the file.
        about: what a reader should know; goes into the file.

    Returns:
        The largest difference between what the file computes and what the model does.

    Raises:
        RuntimeError: the file does not compute the same.
    """
    about = {
        "genbench": __version__,
        "software": f"{MARK} {__version__}",
        "what": function.__doc__,
        "input": function.inputs[0] if len(function.inputs) == 1 else list(function.inputs),
        "outputs": list(function.outputs),
        **about,
    }
    write = {"onnx": _onnx, "torch_export": _torch_export, "safetensors": _safetensors}[form]
    compute = write(function, rows, path, about)
    differences = [
        (ours - theirs).abs().max()
        for some in ([row[:size] for row in rows] for size in SIZES)
        for ours, theirs in zip(function(*some), compute(*some), strict=True)
    ]
    worst = float(torch.stack(differences).max())  # NaN if there is one
    if not worst <= TOLERANCE:
        raise RuntimeError(f"{path.name} computes something else than the model: it is {worst:.2g} away")
    return worst


def _texts(about: dict[str, Any]) -> dict[str, str]:
    """For forms whose metadata are texts: what is none as JSON."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in about.items()}


def _onnx(function: Function, rows: tuple[Tensor, ...], path: Path, about: dict[str, Any]) -> Callable[..., Outputs]:
    import onnxruntime

    program = torch.onnx.export(
        _trace(function, rows),
        input_names=list(function.inputs),
        output_names=list(function.outputs),
        dynamic_shapes=({0: "batch"}, *({} for _ in rows[1:])),  # the dimension's name; the others share it
        dynamo=True,
        verbose=False,
    )
    if program is None:
        raise RuntimeError("PyTorch's exporter returned no ONNX program")
    program.model.metadata_props.update(_texts(about))
    program.save(path, external_data=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def compute(*rows: Tensor) -> Outputs:
        given = {name: row.numpy() for name, row in zip(function.inputs, rows, strict=True)}
        return tuple(torch.from_numpy(found) for found in session.run(None, given))

    return compute


def _torch_export(
    function: Function, rows: tuple[Tensor, ...], path: Path, about: dict[str, Any]
) -> Callable[..., Outputs]:
    content = io.BytesIO()
    extra_files = {f"{key}.txt": value for key, value in _texts(about).items()}
    torch.export.save(_trace(function, rows), content, extra_files=extra_files)
    path.write_bytes(content.getvalue())
    with path.open("rb") as written:
        module = torch.export.load(written).module()

    def compute(*rows: Tensor) -> Outputs:
        return tuple(module(*rows))

    return compute


def _safetensors(
    function: Function, rows: tuple[Tensor, ...], path: Path, about: dict[str, Any]
) -> Callable[..., Outputs]:
    state = function.state_dict()
    # The names as nn.Sequential has them: without model.generator.body., which all have in common.
    levels = zip(*(name.split(".")[:-1] for name in state), strict=False)  # as deep as the shallowest
    shared = "".join(f"{level[0]}." for level in takewhile(lambda level: len(set(level)) == 1, levels))
    short = {name.removeprefix(shared): tensor.clone().contiguous() for name, tensor in state.items()}
    path.write_bytes(save(short, {"genbench": json.dumps(about)}))  # one key: several come in an order of their own
    read = {shared + name: tensor for name, tensor in load_file(path).items()}

    def compute(*rows: Tensor) -> Outputs:
        # Strict: a tensor that the file lacks is not taken from the model.
        found: Outputs = torch.func.functional_call(function, read, rows, strict=True)
        return found

    return compute
