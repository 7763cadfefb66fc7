"""A finished model's networks in forms that need no genbench: each is read back and compared before it is kept."""

import json
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from genbench import __version__
from genbench.data.images import ImageShape
from genbench.errors import UserError
from genbench.models.interface import Encoding, Model

TOLERANCE = 1e-4  # of pixels in [0, 1], means and log-variances; other libraries round otherwise
SIZES = (1, 7)  # batches on which an exported network is tried; it is traced with 2

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
    """What there is to export, by name: the function and two inputs of it, in evaluation mode."""
    model.eval()
    random = torch.Generator().manual_seed(0)
    z = torch.randn(2, model.latent_size, generator=random)
    if not isinstance(model, Encoding):
        return {"generator": (Generate(model), z)}
    return {"decoder": (Generate(model), z), "encoder": (Encode(model), torch.rand(2, *shape, generator=random))}


@torch.no_grad()
def export(
    function: Generate | Encode, example: Tensor, name: str, form: str, path: Path, about: dict[str, Any]
) -> float:
    """Write one network.

    Args:
        function: what is exported.
        example: an input of two rows.
        name: of the network in the model: generator, decoder or encoder.
        form: onnx, torch_export or safetensors.
        path: of the file.
        about: what a reader should know; goes into the file.

    Returns:
        The largest difference between what the file computes and what the model does.

    Raises:
        UserError: the libraries for ONNX are not installed.
        RuntimeError: the file does not compute the same.
    """
    about = {"genbench": __version__, "input": function.inputs, "outputs": list(function.outputs), **about}
    text = {key: value if isinstance(value, str) else json.dumps(value) for key, value in about.items()}
    compute = {"onnx": _onnx, "torch_export": _torch_export, "safetensors": _safetensors}[form](
        function, example, name, path, text
    )
    worst = 0.0
    for size in SIZES:
        rows = example.repeat(-(-size // 2), *[1] * (example.ndim - 1))[:size]
        for ours, theirs in zip(function(rows), compute(rows), strict=True):
            worst = max(worst, float((ours - theirs).abs().max()))
    if not worst <= TOLERANCE:
        raise RuntimeError(f"{path.name} computes something else than the model: it is {worst:.2g} away")
    return worst


def _onnx(
    function: Generate | Encode, example: Tensor, name: str, path: Path, about: dict[str, str]
) -> Callable[[Tensor], Outputs]:
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401  (torch.onnx needs it)
    except ImportError as error:
        raise UserError(f"format=onnx needs {error.name}: pip install 'genbench[export]'") from error
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter about itself
        torch.onnx.export(
            function,
            (example,),
            path,
            input_names=[function.inputs],
            output_names=list(function.outputs),
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    written = onnx.load(path)
    onnx.helper.set_model_props(written, about)
    onnx.checker.check_model(written)
    onnx.save(written, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def compute(rows: Tensor) -> Outputs:
        return tuple(torch.from_numpy(found) for found in session.run(None, {function.inputs: rows.numpy()}))

    return compute


def _torch_export(
    function: Generate | Encode, example: Tensor, name: str, path: Path, about: dict[str, str]
) -> Callable[[Tensor], Outputs]:
    program = torch.export.export(function, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    with path.open("wb") as file:
        torch.export.save(program, file, extra_files={f"{key}.txt": value for key, value in about.items()})
    with path.open("rb") as written:
        module = torch.export.load(written).module()

    def compute(rows: Tensor) -> Outputs:
        return tuple(module(rows))

    return compute


def _safetensors(
    function: Generate | Encode, example: Tensor, name: str, path: Path, about: dict[str, str]
) -> Callable[[Tensor], Outputs]:
    network = function.model.get_submodule(name)  # type: ignore[union-attr]
    state = {key: value.detach().clone().contiguous() for key, value in network.state_dict().items()}
    save_file(state, path, {"genbench": json.dumps(about)})  # one key: several come in an order of their own
    read = load_file(path)

    def compute(rows: Tensor) -> Outputs:
        found: Outputs = torch.func.functional_call(
            function, {f"model.{name}.{key}": value for key, value in read.items()}, (rows,)
        )
        return found

    return compute
