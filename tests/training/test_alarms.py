"""Collapse is noticed, health is left alone."""

import io
from dataclasses import replace
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor

from genbench.cli import compose
from genbench.data.images import Split
from genbench.models.vae import VAE
from genbench.training.budget import Budget
from genbench.training.callbacks import alarms
from genbench.training.callbacks.alarms import LEARNT, Alarms, ClassSorter, mean_distance
from tests.digits import optdigits
from tests.models.test_gan import gan
from tests.models.test_vae import vae


@pytest.fixture(scope="module")
def digits() -> tuple[ClassSorter, Split]:
    data = optdigits()
    sorter = ClassSorter.of(data.train, data.validation)
    assert sorter is not None
    return sorter, data.test


def test_real_images_hit_every_class_and_missing_ones_are_seen(digits: tuple[ClassSorter, Split]) -> None:
    sorter, test = digits
    labels = test.labels
    assert labels is not None
    shares = sorter.shares(test.images)
    assert float(shares.sum()) == pytest.approx(1.0, abs=0.02)
    assert float(shares.min()) > 0.05
    assert sorter.missing(test.images) == []
    found = [sorter.missing(test.images[labels != label]) for label in range(10)]
    assert all(set(missing) <= {label} for label, missing in enumerate(found))
    assert sum(map(len, found)) >= 8  # it knows some of these digits badly, by 128 validation images
    for few in range(1, 6):
        missing = sorter.missing(test.images[labels < few])
        assert set(missing) <= set(range(few, 10))
        assert len(missing) >= 3


def test_a_class_is_missing_as_counted_and_with_what_is_confused_taken_off() -> None:
    labels = torch.arange(10).repeat_interleave(30)
    sorter = ClassSorter(_Thirds(), Split(images_of(labels), labels))
    assert sorter.shares(images_of(labels)).tolist() == pytest.approx([0.1] * 10)
    without = labels[labels != 1]
    assert float(sorter.shares(images_of(without))[1]) == pytest.approx(0.0, abs=1e-9)
    assert sorter.missing(images_of(without)) == []  # a third of class 0 may be more of class 1 than it knows
    assert sorter.missing(images_of(labels[labels > 1])) == [0, 1]


def images_of(labels: Tensor) -> Tensor:
    """Images of one pixel, which is the label; of those of class 0 every third is another one, to be taken for 1."""
    pixels = labels.clone()
    zeros = (labels == 0).nonzero().flatten()
    pixels[zeros[::3]] = 100
    return pixels.to(torch.uint8).view(-1, 1, 1, 1)


class _Thirds:
    """A classifier that knows all classes, but takes a third of class 0 for class 1."""

    classes_ = torch.arange(10).numpy()

    def predict(self, pixels: Any) -> Any:
        levels = torch.from_numpy(pixels).mul(255).round().long().flatten()
        return torch.where(levels == 100, 1, levels).numpy()


def test_the_mean_distance_of_equal_images_is_zero_and_of_known_ones_known() -> None:
    assert mean_distance(torch.full((5, 1, 4, 4), 7, dtype=torch.uint8)) == 0.0
    images: Tensor = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    images[1] = 255
    assert mean_distance(images) == 4.0


class _Trainer:
    """As much of Lightning's Trainer as the callback looks at."""

    def __init__(self, **metrics: float) -> None:
        self.callback_metrics = {f"validation/{name}": torch.tensor(value) for name, value in metrics.items()}


class _HalfDone(Budget):
    fraction = 0.5


@pytest.fixture(autouse=True)
def few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough for what is planted here, and a tenth of the time."""
    monkeypatch.setattr(alarms, "SAMPLES", 100)


def _alarms() -> Alarms:
    (config,) = compose("train", []).configs
    budget = _HalfDone(config.trainer, 1000, 10)
    budget.images_seen = LEARNT
    return Alarms(optdigits(), budget, Console(file=io.StringIO()), torch.float32)


def test_samples_are_asked_for_in_the_classes_shares_as_they_are_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each class as many were drawn, and a class that is half of the images looked as if it were missing."""
    data, asked = optdigits(), []

    def drawn(*_: object, labels: Tensor, **__: object) -> Tensor:
        asked.append(labels)
        return data.train.images[:100]

    assert data.train.labels is not None
    often = torch.cat([torch.arange(len(data.train)), (data.train.labels == 3).nonzero()[:, 0].repeat(9)])
    train = Split(data.train.images[often], data.train.labels[often])
    (config,) = compose("train", []).configs
    callback = Alarms(
        replace(data, train=train), _HalfDone(config.trainer, 1000, 10), Console(quiet=True), torch.float32
    )
    monkeypatch.setattr(alarms, "draw", drawn)
    callback.on_validation_epoch_end(_Trainer(), VAE(data.shape, 10, conditional=True))  # type: ignore[arg-type]
    assert (asked[0] == 3).float().mean() > 0.35


def test_real_images_of_all_classes_say_how_much_they_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of class folders are sorted by class, and the first validation images are of one."""
    data = optdigits()
    same = data.validation.images[:1].expand(1000, -1, -1, -1)
    noise = torch.randint(0, 256, same.shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    (config,) = compose("train", []).configs
    given = replace(data, train=Split(data.train.images, None), validation=Split(torch.cat([same, noise]), None))
    callback = Alarms(given, _HalfDone(config.trainer, 1000, 10), Console(quiet=True), torch.float32)
    model, seen = gan(), dict[str, float]()
    monkeypatch.setattr(model, "log", lambda name, value, **_: seen.update({name: value}))
    monkeypatch.setattr(alarms, "draw", lambda *_, **__: noise[:100])
    callback.on_validation_epoch_end(_Trainer(), model)  # type: ignore[arg-type]
    assert 0.9 < seen["validation/diversity"] < 1.3


@pytest.mark.slow
def test_a_dead_latent_dimension_raises_an_alarm_and_live_ones_do_not() -> None:
    callback, model = _alarms(), vae()
    bias = model.encoder.get_parameter("mean.bias")
    for means, dead in [((2.0, 2.0), ""), ((2.0, 0.0), "latent dimension 2 of 2"), ((2.0, 1.0), "")]:
        with torch.no_grad():  # q(z|x) = N(means, 1) for every image
            for parameter in (*model.encoder.mean.parameters(), *model.encoder.log_variance.parameters()):
                parameter.zero_()
            bias.copy_(torch.tensor(means))
        callback.on_validation_epoch_end(_Trainer(), model)  # type: ignore[arg-type]
        assert [dead in alarm for alarm in callback.alarms.values()] == [True] * bool(dead)
    assert "posterior collapse" in callback._console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_generator_of_one_image_and_a_certain_discriminator_raise_alarms(monkeypatch: pytest.MonkeyPatch) -> None:
    callback, model = _alarms(), gan()
    monkeypatch.setattr(model, "log", lambda *_, **__: None)
    torch.nn.init.zeros_(model.generator.get_parameter("body.10.weight"))  # every latent gives the same image
    callback.on_validation_epoch_end(_Trainer(discriminator_accuracy=1.0), model)  # type: ignore[arg-type]
    text = " ".join(callback.alarms.values())
    assert "samples differ from each other 0% as much" in text
    assert "hardly any sample looks like class" in text
    assert "the discriminator is right about 100.0%" in text


@pytest.mark.slow
def test_an_alarm_of_a_kind_is_given_once_and_none_before_a_model_can_have_learnt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    callback, model = _alarms(), gan()
    said = callback._console.file
    monkeypatch.setattr(model, "log", lambda *_, **__: None)
    monkeypatch.setattr(alarms, "draw", lambda *_, **__: torch.zeros(100, 1, 28, 28, dtype=torch.uint8))
    callback._budget.images_seen = LEARNT - 1
    callback.on_validation_epoch_end(_Trainer(), model)  # type: ignore[arg-type]
    assert callback.alarms == {}
    assert said.getvalue() == ""  # type: ignore[attr-defined]
    callback._budget.images_seen = LEARNT
    for certain in (0.996, 0.997, 0.5, 0.999):
        callback.on_validation_epoch_end(_Trainer(discriminator_accuracy=certain), model)  # type: ignore[arg-type]
    resumed = _alarms()
    resumed.load_state_dict(callback.state_dict())
    assert resumed.alarms == callback.alarms
    resumed.on_validation_epoch_end(_Trainer(discriminator_accuracy=1.0), model)  # type: ignore[arg-type]
    assert resumed._console.file.getvalue() == ""  # type: ignore[attr-defined]
    assert said.getvalue().count("alarm at") == 3  # type: ignore[attr-defined]


@pytest.mark.slow
def test_latent_dimensions_that_are_left_unused_are_no_collapse_unless_half_of_them_are() -> None:
    callback, model = _alarms(), vae(latent_size=4)
    bias = model.encoder.get_parameter("mean.bias")
    for means, wrong in [((2.0, 2.0, 2.0, 0.0), False), ((2.0, 0.0, 2.0, 0.0), True)]:
        with torch.no_grad():
            for parameter in (*model.encoder.mean.parameters(), *model.encoder.log_variance.parameters()):
                parameter.zero_()
            bias.copy_(torch.tensor(means))
        callback.on_validation_epoch_end(_Trainer(), model)  # type: ignore[arg-type]
        assert bool(callback.alarms) == wrong
