"""Networks to a file and back without unpickling anything."""

import copy
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from genbench import __version__
from genbench.cache import regular_file
from genbench.data.batches import Batch
from genbench.data.images import ImageShape, Split
from genbench.errors import UserError
from genbench.models.hyperparameters import NOT_THE_CLASS, check_hyperparameters, hyperparameters, module_of
from genbench.models.model import Conditional, Model
from genbench.wording import shown

LARGEST = 4 * 2**30  # bytes of a weights file
_ANEW = "train the run again, or get the file anew"
_ABOUT = {"version", "model", "shape", "classes", "networks", "checksum", "about"}


@dataclass(frozen=True)
class Loaded:
    """A finished model, on the CPU and in evaluation mode, and what its file says of it."""

    model: Model
    shape: ImageShape
    classes: tuple[str, ...]  # names by label; empty where the images had none
    about: Mapping[str, Any]  # the model's YAML
    whole: bool = True  # False: only the networks that drawing needs are there

    def labels(self, label: int | str | Sequence[int] | None, n: int) -> Tensor | None:
        """(n,) int64, the classes of n samples; None where nobody asks for a class.

        Args:
            label: a class's name or number, for all; or a number for each. Where all names are numbers, the one that is
                called so: of the classes 1 to 10 the label 1 is not the second.
            n: how many samples.

        Raises:
            UserError: there is no such class, or the model was not told any.
        """
        if label is None:
            return None
        if not self.model.classes:
            raise UserError(f"label={label}: this model was not told the classes of its images: leave it out")
        numbered = bool(self.classes) and all(name.isdecimal() for name in self.classes)
        by_name = isinstance(label, str) or (isinstance(label, int) and numbered)
        if by_name and str(label) not in self.classes:
            raise UserError(f"label={label}: there is no such class; there are {', '.join(self.classes)}")
        number = self.classes.index(str(label)) if by_name else label
        wanted = torch.full((n,), number) if isinstance(number, int) else torch.as_tensor(number, dtype=torch.int64)
        if wanted.shape != (n,) or not bool(((wanted >= 0) & (wanted < self.model.classes)).all()):
            most = self.model.classes - 1
            raise UserError(f"label={label}: give a class from 0 to {most}, or one for each of the {n} samples")
        return wanted


def model_class(target: str, code: str | None = None) -> type[Model]:
    """The class that a YAML's `_target_` names.

    Args:
        target: package.module.Class.
        code: the folder whose modules the user allows to be run, if there is one.

    Raises:
        UserError: nobody has allowed it to be run, or it is no model.
    """
    name, _, class_name = target.rpartition(".")
    path = module_of(target, code)
    folder = None if code is None or name.startswith("genbench.") else str(path.parent.resolve())
    if folder is not None and folder not in sys.path:
        sys.path.append(folder)  # for as long as the process lives: the module may import others there at any time
    try:
        module = import_module(name)
        if module.__file__ is None or not path.samefile(module.__file__):
            raise UserError(f"{path}: a module called {name} is there already ({module.__file__}): rename yours")
        found = getattr(module, class_name)
    except (ImportError, AttributeError, SyntaxError) as error:
        raise UserError(f"{path}: {type(error).__name__}: {str(error).strip().splitlines()[0]}") from error
    if not (isinstance(found, type) and issubclass(found, Model)):
        raise UserError(f"{path}: {class_name} is no genbench.models.model.Model")
    return found


def build(model: Mapping[str, Any], shape: ImageShape, classes: int = 0, code: str | None = None) -> Model:
    """The model that a conf/model/*.yaml describes, for images of one shape, freshly initialised.

    Args:
        model: `_target_` (the class), its hyperparameters, and perhaps `sample` (defaults of its sampling options).
        shape: of the images.
        classes: how many classes they have.
        code: see `model_class`.

    Raises:
        UserError: the class may not be run, or does not accept a value.
    """
    target = str(model["_target_"])
    check_hyperparameters(model, code)
    if model.get("conditional") is True and not classes:
        raise UserError("model.conditional=true: these images have no classes: leave it out")
    kind = model_class(target, code)
    values = {key: value for key, value in model.items() if key not in NOT_THE_CLASS}
    try:
        built = kind(shape, classes, **values) if issubclass(kind, Conditional) else kind(shape, **values)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise UserError(f"model {target}: {str(error).strip().splitlines()[0]}") from error
    told = classes if built.hparams.get("conditional", True) else 0  # a model may have a word for it
    if isinstance(built, Conditional) and built.classes != told:
        raise TypeError(f"{target}: its constructor must hand `classes` on: super().__init__(..., classes=classes)")
    built.sample_options = dict(model.get("sample") or {})
    return built


def check_effect(model: Model, told: Mapping[str, Any], code: str | None = None) -> None:
    """Refuse hyperparameters that change nothing: they would give the same training a second name.

    Their defaults stand in every YAML, and in the names of runs, and are let pass.

    Args:
        model: as built.
        told: its YAML.
        code: see `model_class`.

    Raises:
        UserError: one has another value than by default.
    """
    for name, about in hyperparameters(str(told["_target_"]), code).items():
        if name in model.idle and told.get(name, about.default) != about.default:
            raise UserError(
                f"model.{name}={shown(told[name])}: has no effect without {model.idle[name]}: leave it at"
                f" {shown(about.default)}"
            )


def check_batch(model: Model, train: Split, images: int) -> None:
    """Refuse to train a model on fewer images at a time than it needs: BatchNorm needs something to compare with.

    Args:
        model: as built.
        train: the training images.
        images: of a step, of each process.

    Raises:
        UserError: it cannot.
    """
    if images < model.least_images:
        raise UserError(
            f"data.batch_size: {type(model).__name__} needs {model.least_images} images a step in each process, or"
            " fewer model.critic_steps"
        )
    if images > 1:
        return
    labels = None if train.labels is None else train.labels[:1]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        tried = copy.deepcopy(model).train()
        try:
            tried.losses(Batch(train.images[:1], labels), torch.randn(1, *model.noise_shape))
        except ValueError as error:
            raise UserError(
                f"data.batch_size: {type(model).__name__} cannot be trained on one image at a time"
                f" ({str(error).splitlines()[0]}): take 2 or more for each process"
            ) from error


def save(
    network: Model,
    model: Mapping[str, Any],
    shape: ImageShape,
    classes: Sequence[str],
    path: Path,
    networks: Sequence[str] = (),
) -> None:
    """Write a model's state and, as metadata, all that `load` needs to build it.

    Args:
        network: the model.
        model: its YAML.
        shape: of its images.
        classes: their names by label.
        path: of the file.
        networks: the only ones that are kept; empty: all.
    """
    state = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in network.state_dict().items()
        if not networks or name.split(".")[0] in networks
    }
    about = {
        "version": __version__,
        "model": dict(model),
        "shape": shape,
        "classes": list(classes),
        **({"networks": list(networks)} if networks else {}),
        "checksum": checksum(state),
    }
    about["about"] = _digest(about)
    # One key: safetensors writes several in an order that differs from file to file.
    save_file(state, path, {"genbench": json.dumps(about)})


def load(path: Path, code: str | None = None) -> Loaded:
    """The model in a weights.safetensors.

    Raises:
        UserError: the file is absent or broken, or its class is not one that may be run; see `model_class`.
    """
    try:
        with safe_open(regular_file(path, LARGEST), framework="pt") as file:
            about = json.loads(file.metadata()["genbench"])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is not a dict)
        model, shape = dict(about["model"]), ImageShape(*map(int, about["shape"]))
        classes, networks = (tuple(map(str, about.get(key, ()))) for key in ("classes", "networks"))
        target = str(model["_target_"])
        if about.get("checksum", "") not in ("", checksum(state)):  # files of before have none
            raise ValueError("its checksum is wrong")
        if about.get("about", "") not in ("", _digest(about)) or not about.keys() <= _ABOUT:
            raise ValueError("what it says of itself is damaged")
        if min(shape) < 1 or shape.height % 4 or shape.width % 4:
            raise ValueError(f"there are no images of {'x'.join(map(str, shape))}")
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): {_ANEW}") from error
    model["_target_"] = {"genbench.models.gan.GAN": "genbench.models.gan.DCGAN"}.get(target, target)  # its first name
    try:
        with torch.random.fork_rng(devices=[]):
            _check_sizes(model, shape, len(classes), code, state, networks)
            network = build(model, shape, len(classes), code)
            _keep(network, networks)
        network.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(f"{path} cannot be read (its weights are not those of {target}): {_ANEW}") from error
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    network.stage = list(network.stages)[-1]
    return Loaded(network.eval(), shape, classes, model, not networks)


def _keep(network: Model, networks: Sequence[str]) -> None:
    """Take out the networks whose weights a file does not hold: one with other weights must not be used unawares."""
    for name, child in list(network.named_children()):
        if networks and name not in networks and child.state_dict():
            delattr(network, name)


def _check_sizes(
    model: Mapping[str, Any],
    shape: ImageShape,
    classes: int,
    code: str | None,
    state: Mapping[str, Tensor],
    networks: Sequence[str],
) -> None:
    """Refuse, before memory is asked for, to build a model of other sizes than its weights have.

    Raises:
        RuntimeError: they differ.
    """
    try:
        with torch.device("meta"):  # tensors that have a size and take no memory
            built = build(model, shape, classes, code)
            _keep(built, networks)
            wanted = {name: value.shape for name, value in built.state_dict().items()}
    except (RuntimeError, NotImplementedError):  # a class that looks at its values: it is built as it is
        return
    if wanted != {name: value.shape for name, value in state.items()}:
        raise RuntimeError("the weights have other names or sizes")


def _digest(about: Mapping[str, Any]) -> str:
    """16 hex digits of all that a file says of its weights."""
    content = {key: value for key, value in about.items() if key != "about"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def checksum(state: Mapping[str, Tensor]) -> str:
    """16 hex digits of all tensors' names, shapes and bytes."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def parameters(model: Model) -> dict[str, int]:
    """Trainable parameters of each network, by its name in the model."""
    counts = {
        name: sum(p.numel() for p in child.parameters() if p.requires_grad) for name, child in model.named_children()
    }
    return {name: n for name, n in counts.items() if n > 0}
