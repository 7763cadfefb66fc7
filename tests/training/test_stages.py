"""A model that trains in stages: each has its share of the budget, begins once, and an interruption changes nothing."""

import math
import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import lightning as L
import pytest
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.optim import Optimizer

from genbench.cli import compose
from genbench.data.batches import Batch
from genbench.data.datamodule import ImageDataModule
from genbench.data.images import ImageShape
from genbench.device import choose_device
from genbench.interruption import Interrupted
from genbench.models.gan import DCGAN
from genbench.models.model import Model, Update
from genbench.models.weights import load, save
from genbench.runs.directory import Run
from genbench.training.callbacks.checkpoints import latest
from genbench.training.engine import fit
from tests.training.test_ordinary_trainer import QUIET, few


class Staged(Model):
    """Learns the mean image, then how bright images are beside it, then fits their spread at once."""

    stages: ClassVar[Mapping[str, float]] = {"mean": 0.5, "scale": 0.5, "spread": 0.0}
    spread: Tensor

    def __init__(self, shape: ImageShape) -> None:
        super().__init__(shape, noise_shape=(1,))
        self.canvas = nn.ParameterList([nn.Parameter(torch.zeros(tuple(shape)))])
        self.gain = nn.Linear(1, 1)
        self.register_buffer("spread", torch.zeros(()))
        self.begun: list[tuple[str, int]] = []
        self.steps: list[str] = []

    def make_optimizers(self) -> dict[str, Optimizer]:
        return {"mean": self.adam(self.canvas.parameters(), 0.1), "scale": self.adam(self.gain.parameters(), 0.1)}

    def updates(self, batch: Batch, noise: Tensor) -> Iterator[Update]:
        self.steps.append(self.stage)
        loss = self.losses(batch, noise)["loss"]
        yield Update({self.stage: loss}, {"loss": loss})

    def losses(self, batch: Batch, noise: Tensor) -> dict[str, Tensor]:
        shown = self.canvas[0] if self.stage == "mean" else self.gain(torch.ones(1, 1)) * self.canvas[0].detach()
        return {"loss": (shown - batch.images.float() / 255).square().mean()}

    def sample(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        canvas: Tensor = self.canvas[0]
        return (canvas + self.spread * noise.view(-1, 1, 1, 1)).clamp(0, 1)

    def begin_stage(self, batches: Iterable[Batch]) -> None:
        brightness = torch.cat([batch.images.float().mean((1, 2, 3)) for batch in batches])
        self.begun.append((self.stage, len(brightness)))
        if self.stage == "spread":
            self.spread.copy_(brightness.std() / 255)


def words(folder: Path, *more: str) -> list[str]:
    bounds = ["trainer.max_images=192", "trainer.validations=2"]
    return ["data.batch_size=16", "trainer=cpu", *bounds, f"runs={folder}", "logger=none", *more]


def trained(folder: Path, *more: str, stop_after: int | None = None) -> tuple[Staged, Run]:
    (config,) = compose("train", words(folder, *more)).configs
    torch.manual_seed(0)
    data = few()
    model = Staged(data.shape)
    run = Run(folder)
    folder.mkdir(exist_ok=True)
    if stop_after is not None:
        step = model.step

        def disturbed(batch: Batch) -> dict[str, Tensor]:
            if len(model.steps) == stop_after - 1:
                os.kill(os.getpid(), signal.SIGTERM)
            return step(batch)

        model.step = disturbed  # type: ignore[method-assign]
    console = Console(quiet=True)
    module = ImageDataModule(data, batch_size=16)
    device = choose_device(config.trainer)
    found = latest(run, config, model, console)
    fit(model, module, config, device, run, console, checkpoint=None if found is None else found.path)
    return model, run


@pytest.mark.slow
def test_each_stage_has_its_share_and_all_training_images(tmp_path: Path) -> None:
    model, run = trained(tmp_path)
    assert model.steps == ["mean"] * 6 + ["scale"] * 6
    assert model.begun == [("scale", 96), ("spread", 96)]
    assert model.stage == "spread"
    assert float(model.spread) > 0.01
    assert [row.images for row in run.timing().rows] == [96, 192]
    trained_rows = [row.images for row in run.metrics().rows if "train/loss" in row.values]
    assert trained_rows == [96, 192]  # no window holds steps of two stages
    save(model, {"_target_": "x.Y"}, model.shape, (), tmp_path / "weights.safetensors")


@pytest.mark.parametrize(
    ("step", "ema"),
    [
        (6, "0.9"),  # where a stage ends
        *(pytest.param(step, ema, marks=pytest.mark.slow) for step in (3, 7, 12) for ema in ("0", "0.9")),
        pytest.param(6, "0", marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_an_interruption_changes_nothing(step: int, ema: str, tmp_path: Path) -> None:
    whole, _ = trained(tmp_path / "whole", f"trainer.ema_decay={ema}")
    with pytest.raises(Interrupted):
        trained(tmp_path / "again", f"trainer.ema_decay={ema}", stop_after=step)
    again, _ = trained(tmp_path / "again", f"trainer.ema_decay={ema}")
    assert again.steps == whole.steps[step:]
    assert again.begun == whole.begun[len(whole.begun) - len(again.begun) :]
    for name, value in whole.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    metrics = [Run(tmp_path / name).metrics() for name in ("whole", "again")]
    assert metrics[0] == metrics[1]


@pytest.mark.slow
def test_learning_rates_follow_the_budget(tmp_path: Path) -> None:
    (config,) = compose("train", words(tmp_path, "trainer.max_images=96", "model=gan", "model.loss=r3")).configs
    data = few()
    model = DCGAN(data.shape, latent_size=4, loss="r3")
    rates: list[float] = []
    step = model.step

    def watched(batch: Batch) -> dict[str, Tensor]:
        rates.append(model.trainer.optimizers[1].param_groups[0]["lr"])
        return step(batch)

    model.step = watched  # type: ignore[method-assign]
    module, device = ImageDataModule(data, batch_size=16), choose_device(config.trainer)
    fit(model, module, config, device, Run(tmp_path), Console(quiet=True))
    assert rates == pytest.approx([5e-4 * (1 + math.cos(math.pi * part / 6)) / 2 for part in range(6)])


@pytest.mark.slow
def test_a_stage_begins_with_the_averaged_weights(tmp_path: Path) -> None:
    seen: list[Tensor] = []

    class Watching(Staged):
        def begin_stage(self, batches: Iterable[Batch]) -> None:
            seen.append(self.canvas[0].detach().clone())
            super().begin_stage(batches)

    (config,) = compose("train", words(tmp_path, "trainer.ema_decay=0.5")).configs
    data = few()
    model = Watching(data.shape)
    module = ImageDataModule(data, batch_size=16)
    fit(model, module, config, choose_device(config.trainer), Run(tmp_path), Console(quiet=True))
    # The second stage leaves the canvas alone: what it began with is what the model ends with.
    assert torch.equal(seen[0], model.canvas[0])
    plain, _ = trained(tmp_path / "plain", "trainer.ema_decay=0")
    assert not torch.equal(plain.canvas[0], model.canvas[0])


@pytest.mark.slow
def test_in_an_ordinary_trainer_stages_follow_the_epochs(tmp_path: Path) -> None:
    data = few()
    model = Staged(data.shape)
    trainer = L.Trainer(max_epochs=4, logger=False, enable_checkpointing=False, **QUIET)
    trainer.fit(model, ImageDataModule(data, batch_size=16))
    assert model.steps == ["mean"] * 12 + ["scale"] * 12
    assert [stage for stage, _ in model.begun] == ["scale", "spread"]
    trainer.save_checkpoint(tmp_path / "state.ckpt")
    assert Staged.load_from_checkpoint(tmp_path / "state.ckpt", weights_only=True).stage == "spread"


def test_a_finished_file_is_of_the_last_stage(tmp_path: Path) -> None:
    source = "from tests.training.test_stages import Staged\n\n\nclass Mine(Staged):\n    pass\n"
    (tmp_path / "staged_mine.py").write_text(source, encoding="utf-8")
    model = Staged(ImageShape(1, 8, 8))
    save(model, {"_target_": "staged_mine.Mine"}, model.shape, (), tmp_path / "weights.safetensors")
    assert load(tmp_path / "weights.safetensors", code=str(tmp_path)).model.stage == "spread"
