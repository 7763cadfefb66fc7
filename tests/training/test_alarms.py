"""Collapse is noticed, health is left alone."""

import io

import pytest
import torch
from rich.console import Console
from torch import Tensor

from genbench.cli import compose
from genbench.data.optdigits import load
from genbench.training.budget import Budget
from genbench.training.callbacks.alarms import Alarms, class_shares, class_sorter, mean_distance
from tests.models.test_gan import gan
from tests.models.test_vae import vae


def test_real_images_hit_every_class_and_a_missing_one_is_seen() -> None:
    data = load(None)
    sorter = class_sorter(data.train)
    assert data.test.labels is not None
    shares = class_shares(sorter, data.test.images, 10)
    assert float(shares.sum()) == 1.0
    assert float(shares.min()) > 0.05
    without = class_shares(sorter, data.test.images[data.test.labels != 3], 10)
    assert float(without[3]) < 0.01


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


def _alarms() -> Alarms:
    (config,) = compose("train", []).configs
    return Alarms(load(None), _HalfDone(config.trainer, 1000, 10), Console(file=io.StringIO()), torch.float32)


def test_a_dead_latent_dimension_raises_an_alarm_and_live_ones_do_not() -> None:
    callback, model = _alarms(), vae()
    bias = model.encoder.get_parameter("mean.bias")
    for means, dead in [((2.0, 2.0), ""), ((2.0, 0.0), "latent dimension 2 of 2"), ((2.0, 1.0), "")]:
        with torch.no_grad():  # q(z|x) = N(means, 1) for every image
            for parameter in (*model.encoder.mean.parameters(), *model.encoder.log_variance.parameters()):
                parameter.zero_()
            bias.copy_(torch.tensor(means))
        callback.on_validation_epoch_end(_Trainer(), model)  # type: ignore[arg-type]
        assert [dead in alarm for alarm in callback.alarms] == [True] * bool(dead)
    assert "posterior collapse" in callback._console.file.getvalue()  # type: ignore[attr-defined]


def test_a_generator_of_one_image_and_a_certain_discriminator_raise_alarms(monkeypatch: pytest.MonkeyPatch) -> None:
    callback, model = _alarms(), gan()
    monkeypatch.setattr(model, "log", lambda *_, **__: None)
    torch.nn.init.zeros_(model.generator.get_parameter("body.10.weight"))  # every latent gives the same image
    callback.on_validation_epoch_end(_Trainer(discriminator_accuracy=1.0), model)  # type: ignore[arg-type]
    text = " ".join(callback.alarms)
    assert "samples differ from each other 0% as much" in text
    assert "hardly any sample looks like class" in text
    assert "the discriminator is right about 100.0%" in text
