"""What needs the model itself: asked of models that declare it, absent with a reason otherwise."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType, SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import Optimizer

from genbench.config.train import EvaluationConfig
from genbench.data.batches import Batch
from genbench.data.images import ImageData, ImageShape, Split, evenly_spaced
from genbench.errors import UserError
from genbench.evaluation import class_accuracy, likelihood, of_run, reconstruction, usefulness
from genbench.evaluation.catalogue import catalogue
from genbench.evaluation.conditions import labels_of, labels_to_draw
from genbench.evaluation.entry import Entry
from genbench.evaluation.extractors import Embedding
from genbench.evaluation.of_run import estimates
from genbench.models.gan import DCGAN
from genbench.models.model import Conditional, Model, Reconstruction, Update
from genbench.models.vae import VAE
from genbench.models.weights import build
from genbench.runs.records import Absent, Estimate
from tests.digits import optdigits

FULL = EvaluationConfig(level="full", nll_samples=8, nll_images=4)


@pytest.fixture(scope="module")
def data() -> ImageData:
    return optdigits()


class Bands(Conditional, Reconstruction):
    """Remembers the labels that it was given; its reconstructions are half as bright."""

    def __init__(self, shape: ImageShape, classes: int = 0) -> None:
        super().__init__(shape, noise_shape=tuple(shape), classes=classes)
        self.told: list[Tensor | None] = []

    def sample(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        self.told.append(labels)
        return noise.sigmoid()

    def reconstruct(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        self.told.append(labels)
        return images * 0.5

    def make_optimizers(self) -> dict[str, Optimizer]:
        return {}

    def updates(self, batch: Batch, noise: Tensor) -> Iterator[Update]:
        raise NotImplementedError

    def losses(self, batch: Batch, noise: Tensor) -> Mapping[str, Tensor]:
        raise NotImplementedError


def test_a_vae_has_what_it_declares(data: ImageData) -> None:
    model = VAE(data.shape, latent_size=2).eval()
    found = estimates(model, data, FULL)
    assert list(found) == ["nll", "class_accuracy", "usefulness", "active_units", "mse"]
    nll, accuracy, without, units, mse = (found[name] for name in found)
    assert accuracy == without == Absent(absent="the model is not told classes")
    assert isinstance(nll, Estimate)
    assert (nll.n, nll.method) == (4, "importance sampling, 8 samples an image")
    assert nll.mean > 0
    assert isinstance(units, Estimate)
    assert units.mean in (0, 1, 2)
    assert isinstance(mse, Estimate)
    assert (mse.n, mse.method) == (64, "encoder")


def test_a_likelihood_of_two_latents_is_integrated_where_that_is_no_more_work(
    data: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)  # the grid spans what the encoder makes of the images
    monkeypatch.setattr(likelihood, "_LARGEST_STEP", 6.5)
    found, other = (likelihood.nll(VAE(data.shape, latent_size=size).eval(), data, FULL) for size in (2, 3))
    assert isinstance(found, Estimate) and isinstance(other, Estimate)
    assert found.method == "integrated over 9 points"
    assert other.method.startswith("importance sampling")


def test_a_density_of_grey_pixels_has_no_likelihood_of_black_and_white_ones(data: ImageData) -> None:
    for kind in ("gaussian", "continuous_bernoulli"):
        model = build({"_target_": "genbench.models.vae.VAE", "likelihood": kind}, data.shape)
        assert isinstance(model, VAE)
        found = likelihood.nll(model.eval(), data, FULL)
        assert isinstance(found, Absent)
        assert found.absent.startswith("the model's likelihood is a density of grey pixels")


@pytest.mark.slow
def test_a_gan_says_why_it_has_no_likelihood(data: ImageData) -> None:
    small = replace(data, test=Split(data.test.images[:2], None))
    found = estimates(DCGAN(data.shape).eval(), small, FULL)
    assert found["nll"] == Absent(absent="no likelihood: implicit model")
    assert found["active_units"] == Absent(absent="no posterior: the model has no encoder")
    assert isinstance(found["mse"], Estimate)
    assert found["mse"].method.startswith("latent optimisation")


def test_the_fast_level_asks_nothing_of_the_model(data: ImageData) -> None:
    level = FULL.model_copy(update={"level": "fast"})
    found = estimates(VAE(data.shape), data, level)
    assert set(found.values()) == {Absent(absent="not measured by evaluation=fast")}


def test_a_reconstruction_is_the_models_own_and_in_its_class(data: ImageData) -> None:
    model = Bands(data.shape, classes=10)
    found = reconstruction.mse(model, data, FULL)
    assert isinstance(found, Estimate)
    pixels = data.test.images.float().div(255)
    assert found.mean == pytest.approx(float((pixels / 2).square().mean()), rel=0.1)
    (told,) = model.told
    assert told is not None
    assert told.tolist() == evenly_spaced(data.test, 64).labels.tolist()  # type: ignore[union-attr]


class Known(Bands):
    """Its samples of a class are training images of that class, or all of one."""

    def __init__(self, data: ImageData, right: bool = True) -> None:
        super().__init__(data.shape, classes=10)
        assert data.train.labels is not None
        firsts = [data.train.images[data.train.labels == (label if right else 0)][:20] for label in range(10)]
        self.images = torch.stack(firsts).float().div(255)

    def sample(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        assert labels is not None
        which = noise.flatten(1).sum(1).mul(1000).long().remainder(20)
        return self.images[labels, which]


def test_the_class_that_was_asked_for_is_found_or_not(data: ImageData, monkeypatch: pytest.MonkeyPatch) -> None:
    def classifier(images: Tensor) -> Embedding:
        """Sure that an image's class is that of the training image which it is."""
        assert data.train.labels is not None
        distances = torch.cdist(images.flatten(1).float(), data.train.images.flatten(1).float())
        return Embedding(images, functional.one_hot(data.train.labels[distances.argmin(1)], 10).float())

    space = SimpleNamespace(embed=classifier, facts={"test_accuracy": "0.987"})
    monkeypatch.setattr(class_accuracy, "load_spaces", lambda *_: SimpleNamespace(classifier=space))
    monkeypatch.setattr(class_accuracy, "_IMAGES", 500)
    found = [class_accuracy.class_accuracy(model, data, FULL) for model in (Known(data), Known(data, right=False))]
    right, wrong = (each for each in found if isinstance(each, Estimate))
    assert (right.mean, right.n) == (1.0, 500)
    assert right.method == "a classifier that is right on 98.7% of the real test images, on 500 samples"
    assert wrong.mean == pytest.approx(0.1, abs=0.05)  # all are zeros
    none = SimpleNamespace(classifier=None, no_classifier="one class")
    monkeypatch.setattr(class_accuracy, "load_spaces", lambda *_: none)
    assert class_accuracy.class_accuracy(Known(data), data, FULL) == Absent(absent="one class")


@pytest.mark.slow
def test_samples_are_useful_if_a_classifier_learns_the_classes_from_them(
    data: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usefulness, "_RECIPE", replace(usefulness._RECIPE, min_steps=30))
    found = [usefulness.usefulness(model, data, FULL) for model in (Known(data), Known(data, right=False))]
    useful, useless = (each for each in found if isinstance(each, Estimate))
    assert useful.mean > 0.8
    assert useless.mean < 0.3
    assert useful.n == len(data.test)
    assert useful.method.startswith("a classifier trained on 1,412 samples; on as many real images 9")
    assert isinstance(usefulness.usefulness(Bands(data.shape), data, FULL), Absent)


def test_labels_are_drawn_in_the_shares_of_the_training_images(data: ImageData) -> None:
    labels = torch.tensor([0] * 90 + [1] * 10)
    uneven = replace(data, train=Split(data.train.images[:100], labels), classes=("a", "b"))
    conditional, plain = Bands(data.shape, classes=2), Bands(data.shape)
    drawn = labels_to_draw(conditional, uneven, 100, seed=1)
    assert drawn is not None
    assert drawn.bincount().tolist() == [90, 10]
    more = labels_to_draw(conditional, uneven, 250, seed=1)
    assert more is not None
    assert torch.equal(more[:100], drawn)
    other = labels_to_draw(conditional, uneven, 100, seed=2)
    assert other is not None
    assert not torch.equal(other, drawn)
    assert labels_to_draw(plain, uneven, 100, seed=1) is None
    assert labels_of(plain, uneven.train) is None


def test_a_score_may_need_any_capability_but_no_other_word(data: ImageData, monkeypatch: pytest.MonkeyPatch) -> None:
    def entry(needs: str) -> Mapping[str, Entry]:
        made = Entry(
            name="twice",
            label="",
            meaning="",
            better=None,
            needs=needs,
            measure=lambda model, data, level: Estimate(mean=model.classes, n=1),
        )
        return MappingProxyType({"twice": made})

    def ask(model: Model, needs: str) -> Estimate | Absent:
        monkeypatch.setattr(of_run, "catalogue", lambda: entry(needs))
        return estimates(model, data, FULL)["twice"]

    assert ask(Bands(data.shape, classes=3), "conditional") == Estimate(mean=3, n=1)
    assert ask(VAE(data.shape), "conditional") == Absent(absent="the model is not told classes")
    with pytest.raises(UserError, match="needs 'telepathy'"):
        ask(VAE(data.shape), "telepathy")


def test_our_entries_need_what_there_is() -> None:
    assert {entry.needs for entry in catalogue().values()} <= {
        "features",
        "classes",
        "probabilities",
        "model",
        *of_run.CAPABILITIES,
    }
