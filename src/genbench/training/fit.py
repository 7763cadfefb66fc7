"""One training with Lightning: the callbacks that count, measure, draw, save and show, and the Trainer."""

from dataclasses import dataclass
from pathlib import Path

import lightning as L
import torch.distributed as dist
from hydra.utils import instantiate
from rich.console import Console

from genbench.config import TrainConfig
from genbench.data.datamodule import ImageDataModule
from genbench.device import Device
from genbench.evaluation.extractors import FeatureSpaces
from genbench.interruption import Interrupted
from genbench.models.interface import Encoding, Model, processes
from genbench.models.weights import parameters
from genbench.reporting.tables import duration
from genbench.runs import Run
from genbench.training.averaging import averaging
from genbench.training.budget import Budget
from genbench.training.checkpoints import Checkpoints
from genbench.training.cost import peak_memory_bytes
from genbench.training.health import Health
from genbench.training.metrics import Metrics
from genbench.training.pictures import Pictures
from genbench.training.progress import ProgressBar
from genbench.training.quality import Quality
from genbench.training.steps import STEPS_PER_TRIP, Steps


@dataclass(frozen=True)
class Outcome:
    """What a training cost, and its last training losses."""

    images_seen: int
    train_seconds: float  # wall clock, validation and pictures included
    validation_seconds: float  # of these
    images_per_second: float
    training_flops_per_image: float | None
    peak_memory_bytes: int
    train: dict[str, float]
    alarms: list[str]  # what health.py found wrong at the end


def fit(
    model: Model,
    data: ImageDataModule,
    config: TrainConfig,
    device: Device,
    run: Run,
    console: Console,
    spaces: FeatureSpaces | None = None,
    checkpoint: Path | None = None,
) -> Outcome:
    """Train until the budget is used up, writing metrics, checkpoints and dashboards into the run directory.

    With feature spaces the samples are scored at every validation. With a checkpoint it goes on from there.

    Raises:
        Interrupted: Ctrl-C or SIGTERM, after the step in progress and a checkpoint.
        UserError: a loss or a weight is not a finite number any more.
    """
    # What TensorBoard was told after the checkpoint is going to be told again: it hides the first telling.
    purge = {} if checkpoint is None else {"purge_step": int(checkpoint.stem) + 1}
    writer = (
        instantiate(config.logger, log_dir=str(run.path), _recursive_=False, **purge)
        if config.logger["_target_"]
        else None
    )
    steps = Steps(console)
    alone = config.trainer.devices * config.trainer.num_nodes == 1
    trip = STEPS_PER_TRIP.get(device.accelerator, 1) if alone else 1
    budget = Budget(config.trainer, len(data.data.train), config.data.batch_size, trip)
    data.schedule = budget
    metrics = Metrics(run, budget, config.trainer.log_every_images, writer)
    health = Health(data.data, budget, console, device.dtype)
    trainer = L.Trainer(
        accelerator=device.accelerator,
        devices=config.trainer.devices,
        num_nodes=config.trainer.num_nodes,
        strategy="auto" if alone else "ddp",
        sync_batchnorm=not alone and device.accelerator == "cuda",  # PyTorch cannot elsewhere
        precision=device.lightning_precision,
        max_epochs=-1,  # the budget ends it
        num_sanity_val_steps=0,
        callbacks=[
            steps,
            budget,
            metrics,
            health,
            *([Quality(data.data, spaces, health)] if spaces is not None else []),
            *([Pictures(data.data, budget, writer)] if writer is not None else []),
            ProgressBar(console, budget, run.path.name, _facts(model, data, config, device, run, budget, checkpoint)),
            *averaging(config.trainer.ema_decay),  # after the pictures: they are drawn by the averaged weights
            Checkpoints(run, budget),
        ],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    try:
        trainer.fit(model, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    finally:
        if writer is not None:
            writer.close()
        if processes() > 1:  # what comes after, the first process does alone
            dist.destroy_process_group()
    if budget.signal is not None:
        raise Interrupted(budget.signal)
    return Outcome(
        images_seen=budget.images_seen,
        train_seconds=budget.seconds,
        validation_seconds=budget.validation_seconds,
        images_per_second=budget.images_seen / budget.seconds,
        training_flops_per_image=steps.flops_per_image,
        peak_memory_bytes=peak_memory_bytes(device.accelerator),
        train=metrics.latest,
        alarms=health.alarms,
    )


def _facts(
    model: Model,
    data: ImageDataModule,
    config: TrainConfig,
    device: Device,
    run: Run,
    budget: Budget,
    checkpoint: Path | None,
) -> dict[str, str]:
    """What a person wants to know before the training starts."""
    images = data.data
    bounds = []
    if budget.max_images is not None:
        epochs = budget.max_images / len(images.train)
        bounds.append(f"{budget.max_images:,} images ({epochs:.3g} epochs)")
    if budget.max_seconds is not None:
        bounds.append(duration(budget.max_seconds))
    return {
        "run": str(run.path),
        "device": str(device),
        "data": f"{images.name}, {'x'.join(map(str, images.shape))}: {len(images.train):,} training, "
        f"{len(images.validation):,} validation, {len(images.test):,} test images",
        "parameters": ", ".join(f"{name} {n:,}" for name, n in parameters(model).items()),
        "training": " or ".join(bounds) + f", {data.batch_size} images a step",
        **_processes(config, device),
        **({} if checkpoint is None else {"goes on": f"from {checkpoint.name}"}),
    }


def _processes(config: TrainConfig, device: Device) -> dict[str, str]:
    n = config.trainer.devices * config.trainer.num_nodes
    if n == 1:
        return {}
    statistics = "over all" if device.accelerator == "cuda" else "in each by itself (PyTorch joins them on CUDA alone)"
    return {"processes": f"{n}, each with a part of every batch; BatchNorm's statistics {statistics}"}


def test_losses(model: Model, data: ImageDataModule, device: Device) -> dict[str, float | list[float]]:
    """The evidence lower bound's parts on the test images, in nats per image; empty for a model without encoder.

    In float32, whatever the training's precision.
    """
    if not isinstance(model, Encoding):
        return {}
    trainer = L.Trainer(
        accelerator=device.accelerator,
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.test(model, data, verbose=False)
    values = {name.removeprefix("test/"): float(value) for name, value in trainer.callback_metrics.items()}
    dimensions = sorted((name for name in values if name.startswith("kl_")), key=lambda name: int(name[3:]))
    return {
        **{name: values[name] for name in ("loss", "reconstruction", "kl")},
        "kl_per_dimension": [values[name] for name in dimensions],
    }
