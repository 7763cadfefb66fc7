"""What is drawn at a validation, for TensorBoard and to be seen side by side later."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

from genbench.cli import compose
from genbench.data.images import ImageShape
from genbench.models import pictures
from genbench.models.model import Conditional, Model
from genbench.runs.directory import Run
from genbench.runs.frames import frames
from genbench.training.budget import Budget
from genbench.training.callbacks.pictures import WIDEST_FRAME, Pictures, frame
from genbench.verbs.data import picture
from tests.digits import optdigits
from tests.models.test_export import Bare
from tests.models.test_gan import gan
from tests.models.test_vae import vae
from tests.training.test_loggers import nobody, told_tensorboard


class Told(Bare, Conditional):
    """Draws a plain grey level for each class, and notes what it was asked for."""

    def __init__(self, shape: ImageShape, classes: int) -> None:
        super().__init__(shape, noise_shape=(2,), classes=classes)
        self.unused = nn.Linear(1, 1)
        self.asked: list[list[int]] = []

    def sample(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        assert labels is not None
        self.asked.append(labels.tolist())
        return (labels.float() / self.classes).view(-1, 1, 1, 1).expand(-1, *self.shape)


@pytest.fixture
def drawn(tmp_path: Path) -> Callable[[Model], Any]:
    """A function that has a model's pictures drawn twice, at 0 and at 50 images, and gives what was written."""
    (config,) = compose("train", ["trainer.max_images=1000"]).configs

    def draw(model: Model) -> Any:
        budget = Budget(config.trainer, 1000, 10)
        with told_tensorboard(Run(tmp_path)) as loggers:
            callback = Pictures(optdigits(), budget, Run(tmp_path), loggers)
            for images in (0, 50):
                budget.images_seen = images
                callback.on_validation_epoch_end(None, model)  # type: ignore[arg-type]
        events: Any = EventAccumulator(str(tmp_path))
        events.Reload()
        return events

    return draw


@pytest.mark.slow
def test_a_generator_shows_the_same_samples_by_images_seen(drawn: Callable[[Model], Any]) -> None:
    events = drawn(gan())
    assert events.Tags()["images"] == ["validation_pictures/samples"]
    first, second = events.Images("validation_pictures/samples")
    assert (first.step, second.step) == (0, 50)
    assert first.encoded_image_string == second.encoded_image_string  # from the same noise every time


@pytest.mark.slow
def test_a_model_with_a_latent_plane_shows_it(drawn: Callable[[Model], Any]) -> None:
    assert set(drawn(vae()).Tags()["images"]) == {"validation_pictures/samples", "validation_pictures/latent_scatter"}


@pytest.mark.slow
def test_a_conditional_model_shows_a_row_a_class(drawn: Callable[[Model], Any]) -> None:
    model = Told(ImageShape(1, 28, 28), 4)
    torch.manual_seed(0)
    drawn(model)
    assert model.asked[0] == [label for label in range(4) for _ in range(8)]


@pytest.mark.slow
def test_every_validation_leaves_a_frame_without_a_dashboard_too(tmp_path: Path) -> None:
    (config,) = compose("train", ["trainer.max_images=1000"]).configs
    budget = Budget(config.trainer, 1000, 10)
    callback = Pictures(optdigits(), budget, Run(tmp_path), nobody(Run(tmp_path)))
    for images in (50, 0, 1000):
        budget.images_seen = images
        callback.on_validation_epoch_end(None, vae())  # type: ignore[arg-type]
    assert list(frames(tmp_path)) == [0, 50, 1000]
    with Image.open(frames(tmp_path)[50]) as picture:
        assert (picture.mode, picture.size) == ("L", (8 * 28, 8 * 28))
    budget.images_seen = 50  # an earlier state is gone on with
    callback.on_train_start(None, vae())  # type: ignore[arg-type]
    assert list(frames(tmp_path)) == [0, 50]


def test_a_frame_holds_the_pixels_row_by_row_unless_it_is_very_wide() -> None:
    images = torch.arange(10, dtype=torch.uint8).view(10, 1, 1, 1).expand(10, 3, 4, 6)
    picture = frame(images)
    assert (picture.mode, picture.size) == ("RGB", (48, 8))
    assert [picture.getpixel((6 * i, 0)) for i in (0, 7)] == [(0, 0, 0), (7, 7, 7)]
    assert picture.getpixel((6, 4)) == (9, 9, 9)
    assert frame(torch.zeros(8, 1, 128, 256, dtype=torch.uint8)).size == (WIDEST_FRAME, WIDEST_FRAME // 16)


@pytest.mark.slow
def test_of_many_test_images_some_are_shown_in_the_latent_plane(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of 300,000 took gigabytes."""
    shown = []

    def scatter(model: Model, images: Tensor, labels: Tensor | None, classes: tuple[str, ...]) -> Figure:
        shown.append((len(images), len(labels) if labels is not None else 0))
        return Figure()

    monkeypatch.setattr(pictures, "SCATTERED", 20)
    monkeypatch.setattr(pictures, "latent_scatter", scatter)
    pictures.draw_all(vae(), optdigits())
    assert shown == [(20, 20)]


NAMES = ("$5_$6", "_old", "", "$", "a_b")


@pytest.mark.slow
def test_a_class_may_have_any_name() -> None:
    """Two dollars were a formula and stopped the training at its end; after an underscore the legend left it out."""
    data = optdigits()
    assert data.test.labels is not None
    labels = data.test.labels % len(NAMES)
    figure = pictures.latent_scatter(vae(), data.test.images, labels, NAMES)
    figure.savefig(io.BytesIO())
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert tuple(text.get_text() for text in legend.get_texts()) == NAMES


@pytest.mark.slow
def test_a_data_set_is_shown_whatever_its_classes_are_called() -> None:
    data = replace(optdigits(), classes=("$5_$6", *optdigits().classes[1:]))
    assert picture(data, 0).width == 800
