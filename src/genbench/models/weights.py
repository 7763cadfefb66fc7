"""Networks to a file and back without unpickling anything."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from genbench import __version__
from genbench.config import MODEL_TARGET
from genbench.data.images import ImageShape
from genbench.errors import UserError
from genbench.models.interface import Model


def build(model: Mapping[str, Any], shape: ImageShape) -> Model:
    """The model that a conf/model/*.yaml describes, for images of one shape, freshly initialised.

    Args:
        model: `_target_` (the class) and its hyperparameters.
        shape: of the images.

    Raises:
        UserError: the class does not accept a value.
    """
    try:
        built = instantiate(dict(model), shape=shape, _convert_="all", _recursive_=False)
    except InstantiationException as error:
        cause = error.__cause__ or error
        if not isinstance(cause, TypeError | ValueError | ImportError | AttributeError):
            raise
        raise UserError(f"model {model.get('_target_')}: {str(cause).strip().splitlines()[0]}") from error
    assert isinstance(built, Model), f"{type(built)}: see interface.py"
    return built


def save(network: Model, model: Mapping[str, Any], shape: ImageShape, path: Path) -> None:
    """Write a model's state and, as metadata, all that `load` needs to build it."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    about = {"version": __version__, "model": dict(model), "shape": shape}
    # One key: safetensors writes several in an order that differs from file to file.
    save_file(state, path, {"genbench": json.dumps(about)})


def load(path: Path) -> tuple[Model, ImageShape]:
    """The model in a weights.safetensors, on the CPU and in evaluation mode, and its images' shape.

    Raises:
        UserError: the file is absent or broken.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads(file.metadata()["genbench"])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is not a dict)
        model, shape = about["model"], ImageShape(*about["shape"])
        if not MODEL_TARGET.fullmatch(model["_target_"]):  # whoever wrote the file must not choose what is called
            raise ValueError(f"{model['_target_']} is no model of genbench")
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): train the run again") from error
    with torch.random.fork_rng(devices=[]):
        network = build(model, shape)
    network.load_state_dict(state)
    return network.eval(), shape


def parameters(model: Model) -> dict[str, int]:
    """Trainable parameters of each network, by its name in the model."""
    counts = {
        name: sum(p.numel() for p in child.parameters() if p.requires_grad) for name, child in model.named_children()
    }
    return {name: n for name, n in counts.items() if n > 0}


def description(path: Path) -> dict[str, Any]:
    """The class (`_target_`) and the hyperparameters of the model in a weights.safetensors that `load` has read."""
    with safe_open(path, framework="pt") as file:
        model: dict[str, Any] = json.loads(file.metadata()["genbench"])["model"]
    return model
