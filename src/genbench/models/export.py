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
from genbench.models.interface import Encoding, Model

TOLERANCE = 1e-4  # of pixels in [0, 1], means and log-variances; other libraries round otherwise
TRACED = 2  # rows of the batch that a network is traced with
SIZES = (1, 7)  # rows of the batches that it is tried on

Outputs = tuple[Tensor, ...]


class Generate(nn.Module):
    """Latent vectors z (N, latent_size) to images (N, C, H, W) in [0, 1]."""

    inputs, outputs = "z", ("images",)

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, z: Tensor) -> Outputs:
        """As a tuple of one."""
        return (self.model.generate(z),)


class Encode(nn.Module):
    """Images (N, C, H, W) in [0, 1] to mean and log-variance of q(z|x), each (N, latent_size)."""

    inputs, outputs = "images", ("mean", "log_variance")

    def __init__(self, model: Encoding) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Outputs:
        """Mean and log-variance."""
        return self.model.encode(images)


def networks(model: Model, shape: ImageShape) -> dict[str, tuple[Generate | Encode, Tensor]]:
    """What there is to export, by name: the function and inputs (7, ...) of it, in evaluation mode."""
    model.eval()
    random = torch.Generator().manual_seed(0)
    z = torch.randn(max(SIZES), model.latent_size, generator=random)
    if not isinstance(model, Encoding):
        return {"generator": (_alone(Generate(model), z), z)}
    images = torch.rand(max(SIZES), *shape, generator=random)
    return {"decoder": (_alone(Generate(model), z), z), "encoder": (_alone(Encode(model), images), images)}


def _alone(function: Generate | Encode, rows: Tensor) -> Generate | Encode:
    """A copy without the networks that its outputs do not depend on: a generator without its discriminator."""
    program = _trace(function, rows)
    names = {**program.graph_signature.inputs_to_parameters, **program.graph_signature.inputs_to_buffers}
    # model.<network>.<tensor>
    used = {names[node.name].split(".")[1] for node in program.graph.nodes if node.name in names and node.users}
    alone = copy.deepcopy(function)
    for name, network in list(alone.model.named_children()):  # type: ignore[union-attr]
        if network.state_dict() and name not in used:
            delattr(alone.model, name)
    return alone


def _trace(function: Generate | Encode, rows: Tensor) -> ExportedProgram:
    """The function as a graph, for any number of rows."""
    batch = torch.export.Dim("batch")
    program = torch.export.export(function, (rows[:TRACED],), dynamic_shapes=({0: batch},))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # would carry this machine's paths into the files
    return program


@torch.no_grad()
def export(function: Generate | Encode, rows: Tensor, form: str, path: Path, about: dict[str, Any]) -> float:
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
        "what": function.__doc__,
        "input": function.inputs,
        "outputs": list(function.outputs),
        **about,
    }
    write = {"onnx": _onnx, "torch_export": _torch_export, "safetensors": _safetensors}[form]
    compute = write(function, rows, path, about)
    differences = [
        (ours - theirs).abs().max()
        for size in SIZES
        for ours, theirs in zip(function(rows[:size]), compute(rows[:size]), strict=True)
    ]
    worst = float(torch.stack(differences).max())  # NaN if there is one
    if not worst <= TOLERANCE:
        raise RuntimeError(f"{path.name} computes something else than the model: it is {worst:.2g} away")
    return worst


def _texts(about: dict[str, Any]) -> dict[str, str]:
    """For forms whose metadata are texts: what is none as JSON."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in about.items()}


def _onnx(function: Generate | Encode, rows: Tensor, path: Path, about: dict[str, Any]) -> Callable[[Tensor], Outputs]:
    import onnxruntime

    program = torch.onnx.export(
        _trace(function, rows),
        input_names=[function.inputs],
        output_names=list(function.outputs),
        dynamic_shapes=({0: "batch"},),  # the dimension's name
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.model.metadata_props.update(_texts(about))
    program.save(path, external_data=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def compute(rows: Tensor) -> Outputs:
        return tuple(torch.from_numpy(found) for found in session.run(None, {function.inputs: rows.numpy()}))

    return compute


def _torch_export(
    function: Generate | Encode, rows: Tensor, path: Path, about: dict[str, Any]
) -> Callable[[Tensor], Outputs]:
    content = io.BytesIO()
    extra_files = {f"{key}.txt": value for key, value in _texts(about).items()}
    torch.export.save(_trace(function, rows), content, extra_files=extra_files)
    path.write_bytes(content.getvalue())
    with path.open("rb") as written:
        module = torch.export.load(written).module()

    def compute(rows: Tensor) -> Outputs:
        return tuple(module(rows))

    return compute


def _safetensors(
    function: Generate | Encode, rows: Tensor, path: Path, about: dict[str, Any]
) -> Callable[[Tensor], Outputs]:
    state = function.state_dict()
    # The names as nn.Sequential has them: without model.generator.body., which all have in common.
    levels = zip(*(name.split(".")[:-1] for name in state), strict=False)  # as deep as the shallowest
    shared = "".join(f"{level[0]}." for level in takewhile(lambda level: len(set(level)) == 1, levels))
    short = {name.removeprefix(shared): tensor.clone().contiguous() for name, tensor in state.items()}
    path.write_bytes(save(short, {"genbench": json.dumps(about)}))  # one key: several come in an order of their own
    read = {shared + name: tensor for name, tensor in load_file(path).items()}

    def compute(rows: Tensor) -> Outputs:
        # Strict: a tensor that the file lacks is not taken from the model.
        found: Outputs = torch.func.functional_call(function, read, (rows,), strict=True)
        return found

    return compute
