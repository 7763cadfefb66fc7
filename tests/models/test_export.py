"""Whatever a model is made of, its files compute what it does and hold no more than that needs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.optim import Optimizer

from genbench.data.batches import Batch
from genbench.data.images import ImageShape
from genbench.models.export import SUFFIXES, export, networks
from genbench.models.gan import DCGAN
from genbench.models.model import Conditional, Model, Update
from genbench.models.pixels import KINDS
from genbench.models.vae import VAE
from genbench.models.vae_prior import VAEWithPrior
from genbench.models.vaegan import VAEGAN
from tests.models.test_flow import flow
from tests.models.test_gan import gan
from tests.models.test_vae import vae
from tests.models.test_vae_prior import begun

pytestmark = pytest.mark.slow
SHAPE = ImageShape(1, 28, 28)


class Bare(Model):
    """A model that is not trained here."""

    def make_optimizers(self) -> dict[str, Optimizer]:
        return {}

    def updates(self, batch: Batch, noise: Tensor) -> Iterator[Update]:
        raise NotImplementedError

    def losses(self, batch: Batch, noise: Tensor) -> dict[str, Tensor]:
        return {}


class Odd(Bare):
    """Two networks, one that is not used, one without tensors, and a parameter and a buffer of its own."""

    scale: Tensor

    def __init__(self, shape: ImageShape) -> None:
        super().__init__(shape, noise_shape=(3,))
        self.first = nn.Linear(3, 8)
        self.second = nn.Linear(8, 784)
        self.critic = nn.Linear(784, 1)
        self.squash = nn.Sigmoid()
        self.offset = nn.Parameter(torch.ones(1))
        self.register_buffer("scale", torch.tensor([2.0]))

    def sample(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        images: Tensor = self.squash(self.second(self.first(noise)) * self.scale + self.offset)
        return images.view(-1, *SHAPE)


class Told(Bare, Conditional):
    """One image a class, from noise that is an image."""

    def __init__(self, shape: ImageShape, classes: int = 0) -> None:
        super().__init__(shape, noise_shape=tuple(shape), classes=classes)
        self.table = nn.Embedding(max(1, classes), 784)

    def sample(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        assert labels is not None
        images: Tensor = self.table(labels).view(-1, *SHAPE)
        return (images + 0.1 * noise).sigmoid()


def written(model: Model, form: str, folder: Path, shape: ImageShape = SHAPE) -> dict[str, Path]:
    paths = {}
    for name, (function, rows) in networks(model, shape).items():
        paths[name] = folder / f"{name}{SUFFIXES[form]}"
        assert export(function, rows, form, paths[name], {}) < 1e-5
    return paths


@pytest.mark.parametrize("form", SUFFIXES)
def test_a_model_of_any_build_is_exported(form: str, tmp_path: Path) -> None:
    assert list(written(Odd(SHAPE), form, tmp_path)) == ["generator"]
    assert list(written(Told(SHAPE, 4), form, tmp_path)) == ["generator"]


@pytest.mark.parametrize(("form", "classes"), [("onnx", 3), ("torch_export", 0), ("safetensors", 3)])
def test_a_fitted_prior_and_a_solver_are_exported(form: str, classes: int, tmp_path: Path) -> None:
    for prior in ("mixture", "flow"):
        model = begun(prior, classes)
        assert list(written(model, form, tmp_path, model.shape)) == ["decoder", "encoder"]
    solved = flow(classes=classes)
    solved.sample_options = {"steps": 1}  # of heun: two calls of the network
    assert list(written(solved, form, tmp_path, solved.shape)) == ["generator"]


@pytest.mark.parametrize("form", SUFFIXES)
@pytest.mark.parametrize(("likelihood", "prior"), list(zip(KINDS, ("normal", "mixture", "flow"), strict=True)))
def test_every_likelihood_is_exported(likelihood: Any, prior: Any, form: str, tmp_path: Path) -> None:
    """With the Gaussian's deviation, which samples do not need, the Gaussian itself was taken out: a traceback."""
    small = ImageShape(1, 8, 8)
    for model in (VAE(small, likelihood=likelihood), VAEWithPrior(small, prior=prior, likelihood=likelihood)):
        paths = written(model, form, tmp_path, small)
        assert list(paths) == ["decoder", "encoder"]
        if form == "torch_export":
            states = [torch.export.load(path).state_dict for path in paths.values()]
            assert {name.split(".")[1] for name in states[1]} == {"encoder"}
            assert {name.split(".")[1] for name in states[0]} <= {"decoder", "prior"}


@pytest.mark.parametrize("form", ["onnx", "torch_export"])
def test_the_gans_kin_are_exported(form: str, tmp_path: Path) -> None:
    small = ImageShape(3, 8, 8)
    style = DCGAN(small, 3, latent_size=4, generator="style", loss="hinge", conditional=True)
    assert list(written(style, form, tmp_path, small)) == ["generator"]
    assert list(written(DCGAN(small, 3, conditional=True, loss="r3"), form, tmp_path, small)) == ["generator"]
    assert list(written(VAEGAN(small, 3, conditional=True), form, tmp_path, small)) == ["decoder", "encoder"]


def test_the_weights_are_named_as_plain_pytorch_names_them(tmp_path: Path) -> None:
    two = {"first.weight", "first.bias", "second.weight", "second.bias", "offset", "scale"}
    assert set(load_file(written(Odd(SHAPE), "safetensors", tmp_path)["generator"])) == two
    paths = {**written(gan(), "safetensors", tmp_path), **written(vae(), "safetensors", tmp_path)}
    assert set(load_file(paths["generator"])) == set(gan().generator.get_submodule("body").state_dict())
    assert set(load_file(paths["decoder"])) == set(vae().decoder.body.state_dict())
    assert set(load_file(paths["encoder"])) == set(vae().encoder.state_dict())


def test_no_file_holds_a_network_that_it_does_not_need(tmp_path: Path) -> None:
    paths = {**written(gan(), "torch_export", tmp_path), **written(vae(), "torch_export", tmp_path)}
    expected = {"generator": gan().generator, "decoder": vae().decoder, "encoder": vae().encoder}
    assert set(paths) == set(expected)
    for name, network in expected.items():
        state = torch.export.load(paths[name]).state_dict
        assert set(state) == {f"model.{name}.{key}" for key in network.state_dict()}


def test_exporting_leaves_the_model_whole() -> None:
    model = gan()
    before = set(model.state_dict())
    networks(model, SHAPE)
    assert set(model.state_dict()) == before


def test_a_file_that_lacks_weights_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def losing(state: dict[str, Tensor], metadata: dict[str, Any]) -> bytes:
        return save(dict(list(state.items())[1:]), metadata)

    monkeypatch.setattr("genbench.models.export.save", losing)
    ((function, rows),) = networks(gan(), SHAPE).values()
    with pytest.raises(RuntimeError, match="Missing"):
        export(function, rows, "safetensors", tmp_path / "lost.safetensors", {})


@pytest.mark.parametrize("form", SUFFIXES)
def test_not_a_number_is_no_small_difference(form: str, tmp_path: Path) -> None:
    model = gan()
    with torch.no_grad():
        next(model.generator.parameters()).fill_(torch.nan)
    ((function, rows),) = networks(model, SHAPE).values()
    with pytest.raises(RuntimeError, match="nan away"):
        export(function, rows, form, tmp_path / f"broken{SUFFIXES[form]}", {})
