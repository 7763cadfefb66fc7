"""The models are LightningModules like any other: an ordinary Trainer comes to what `genbench train` comes to."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from rich.console import Console
from torch.utils.data import DataLoader, TensorDataset

from genbench.cli import compose
from genbench.data import ImageDataModule
from genbench.data.images import ImageData, Split
from genbench.device import choose_device
from genbench.errors import UserError
from genbench.models import DCGAN, VAE, VAEGAN, FlowMatching
from genbench.models.model import Model
from genbench.runs.directory import Run
from genbench.training.engine import fit
from tests.digits import optdigits

MODELS: dict[str, type[Any]] = {"gan": DCGAN, "vae": VAE, "flow": FlowMatching}  # in one stage
QUIET: dict[str, Any] = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
# Of Lightning: what it advises for its own loaders, and that it will ask for weights_only one day.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:The number of training batches"),
    pytest.mark.filterwarnings("ignore:.*val_dataloader|.*validation_step"),
]


def few(images: int = 96) -> ImageData:
    """As many digits of 8x8 pixels to train on, and few to validate with."""
    data = optdigits()

    def first(split: Split, n: int) -> Split:
        return Split(
            split.images[:n, :, 6:22:2, 6:22:2].contiguous(), None if split.labels is None else split.labels[:n]
        )

    return ImageData("few", first(data.train, images), first(data.validation, 32), first(data.test, 32), data.classes)


def trained(name: str, data: ImageData, folder: Path, **more: Any) -> Model:
    """By an ordinary Trainer, for two epochs of batches of 32."""
    L.seed_everything(0, verbose=False)
    model: Model = MODELS[name](data.shape)
    arguments = {"logger": False, "enable_checkpointing": False, **more}
    trainer = L.Trainer(max_epochs=2, default_root_dir=folder, **QUIET, **arguments)
    trainer.fit(model, ImageDataModule(data, batch_size=32))
    return model


def assert_same(ours: Model, other: Model) -> None:
    theirs = other.state_dict()
    for name, value in ours.state_dict().items():
        assert torch.equal(value, theirs[name]), name


@pytest.mark.parametrize("name", MODELS)
def test_both_ways_come_to_the_same_weights(name: str, tmp_path: Path) -> None:
    words = [f"model={name}", "data.batch_size=32", "trainer=cpu", "trainer.precision=float32", "logger=none"]
    words += ["trainer.max_epochs=2", "trainer.ema_decay=0", "trainer.validations=2", f"runs={tmp_path}"]
    (config,) = compose("train", words).configs
    data = few()
    L.seed_everything(0, verbose=False)
    model = MODELS[name](data.shape)
    run = Run(tmp_path / "run")
    run.path.mkdir()
    module = ImageDataModule(data, batch_size=32)
    summary = fit(model, module, config, choose_device(config.trainer), run, Console(quiet=True))
    assert summary.images_seen == 192
    assert_same(model, trained(name, data, tmp_path))


@pytest.mark.parametrize("name", MODELS)
def test_lightnings_own_checkpoints_logger_and_early_stopping_work(name: str, tmp_path: Path) -> None:
    watched = {"gan": "validation/generator_loss"}.get(name, "validation/loss")
    best = ModelCheckpoint(tmp_path / "best", monitor=watched)
    stopping = EarlyStopping(watched, patience=5)
    data = few()
    model = trained(
        name, data, tmp_path, callbacks=[best, stopping], logger=CSVLogger(tmp_path), enable_checkpointing=True,
        log_every_n_steps=1,
    )  # fmt: skip
    assert model.trainer.global_step == 6  # 2 epochs of 3 batches, however many optimizers there are
    assert model.trainer.current_epoch == 2
    assert stopping.best_score.isfinite()
    rows = next(tmp_path.glob("lightning_logs/*/metrics.csv")).read_text(encoding="utf-8")
    assert watched in rows.splitlines()[0]
    assert len(rows.splitlines()) == 1 + 6 + 2  # a row a step, and one a validation

    again = MODELS[name].load_from_checkpoint(best.last_model_path or best.best_model_path, weights_only=True).eval()
    noise = again.noise(3, torch.Generator().manual_seed(0))
    assert torch.equal(again(noise), again.sample(noise))
    assert again(noise).shape == (3, 1, 8, 8)
    if best.best_model_path.endswith("step=6.ckpt"):
        assert_same(again, model)


def test_stages_follow_the_epochs() -> None:
    data = few()
    model = VAEGAN(data.shape, latent_size=4, components=3)
    trainer = L.Trainer(max_epochs=3, logger=False, enable_checkpointing=False, **QUIET)
    trainer.fit(model, ImageDataModule(data, batch_size=32))
    assert model.stage == "adversarial"
    assert bool(model.prior.means.any())
    assert trainer.callback_metrics["validation/feature_loss"].isfinite()


def test_learning_rates_follow_the_epochs() -> None:
    data = few()
    model = DCGAN(data.shape, latent_size=4, loss="r3", discriminator_learning_rate=0.01)
    rates: list[list[float]] = []

    class Watching(L.Callback):
        def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
            rates.append([optimizer.param_groups[0]["lr"] for optimizer in trainer.optimizers])

    trainer = L.Trainer(max_epochs=2, callbacks=[Watching()], logger=False, enable_checkpointing=False, **QUIET)
    trainer.fit(model, ImageDataModule(data, batch_size=32))
    steps = len(rates)
    assert steps == 2 * (len(data.train) // 32)
    factors = [(1 + math.cos(math.pi * step / steps)) / 2 for step in range(steps)]
    torch.testing.assert_close(rates, [[5e-4 * factor, 0.01 * factor] for factor in factors])
    endless = L.Trainer(max_steps=2, logger=False, enable_checkpointing=False, **QUIET)
    with pytest.raises(UserError, match=r"DCGAN has learning rates that follow the epochs: give Trainer\(max_epochs"):
        endless.fit(DCGAN(data.shape, loss="r3"), ImageDataModule(data, batch_size=32))


def test_stages_that_no_epoch_reaches_are_said() -> None:
    """Of a Trainer without max_epochs no mixture was fitted, and nothing was said."""
    data = few()
    endless = L.Trainer(max_steps=2, logger=False, enable_checkpointing=False, **QUIET)
    with pytest.raises(UserError, match=r"VAEGAN has stages \(autoencoder, .*: give Trainer\(max_epochs=...\)"):
        endless.fit(VAEGAN(data.shape, latent_size=4, components=3), ImageDataModule(data, batch_size=32))
    short = L.Trainer(max_epochs=3, max_steps=2, logger=False, enable_checkpointing=False, **QUIET)
    with pytest.warns(UserWarning, match="was not trained to its end: it is in its stage autoencoder"):
        short.fit(VAEGAN(data.shape, latent_size=4, components=3), ImageDataModule(data, batch_size=32))


@pytest.mark.filterwarnings("ignore:Checkpoint directory")
def test_a_training_that_lightning_resumes_sees_the_same_batches(tmp_path: Path) -> None:
    data = few()
    whole = trained("vae", data, tmp_path)
    L.seed_everything(0, verbose=False)
    model = VAE(data.shape)
    checkpoint = ModelCheckpoint(tmp_path / "kept")
    L.Trainer(max_epochs=1, callbacks=[checkpoint], logger=False, **QUIET).fit(model, ImageDataModule(data, 32))
    states = torch.get_rng_state()  # which Lightning's checkpoints do not hold
    again = VAE(data.shape)
    torch.set_rng_state(states)
    trainer = L.Trainer(max_epochs=2, callbacks=[ModelCheckpoint(tmp_path / "kept")], logger=False, **QUIET)
    trainer.fit(again, ImageDataModule(data, 32), ckpt_path=checkpoint.best_model_path, weights_only=True)
    assert trainer.global_step == 6
    assert_same(again, whole)


def floats(images: torch.Tensor) -> torch.Tensor:
    return images.float() / 255


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, "floats with labels") for name in MODELS),
        *((name, kind) for name in ("gan", "vae") for kind in ("bytes with labels", "floats alone")),
    ],
)
def test_a_plain_loader_of_bytes_or_floats_trains_the_same(name: str, kind: str, tmp_path: Path) -> None:
    data = few()
    as_given: Callable[[torch.Tensor], torch.Tensor] = floats if kind.startswith("floats") else torch.clone
    labels = [data.train.labels] if kind.endswith("labels") and data.train.labels is not None else []
    found = []
    for loader in (
        DataLoader(TensorDataset(data.train.images), 32),
        DataLoader(TensorDataset(as_given(data.train.images), *labels), 32),
    ):
        L.seed_everything(0, verbose=False)
        model = MODELS[name](data.shape)
        L.Trainer(max_epochs=1, logger=False, enable_checkpointing=False, **QUIET).fit(model, loader)
        found.append(model)
    assert_same(*found)


def test_floats_that_are_not_from_0_to_1_are_refused_with_the_reason(tmp_path: Path) -> None:
    data = few()
    loader = DataLoader(TensorDataset(floats(data.train.images) * 2 - 1), 32)
    with pytest.raises(UserError, match=r"floats from -1 to 1: .*leave out Normalize"):
        L.Trainer(max_epochs=1, logger=False, enable_checkpointing=False, **QUIET).fit(DCGAN(data.shape), loader)


def test_predict_draws(tmp_path: Path) -> None:
    data = few()
    trainer = L.Trainer(logger=False, enable_checkpointing=False, **QUIET)
    drawn = trainer.predict(VAE(data.shape), ImageDataModule(data))
    assert drawn is not None
    assert [tuple(images.shape) for images in drawn] == [(32, 1, 8, 8)]  # type: ignore[union-attr]
