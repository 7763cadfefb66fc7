"""One training with Lightning: the callbacks that count, measure, draw, save and show, and the Trainer."""

from pathlib import Path

import lightning as L
import torch.distributed as dist
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from rich.console import Console

from genbench.config.train import TrainConfig
from genbench.console import duration
from genbench.data.datamodule import ImageDataModule
from genbench.device import Device
from genbench.distributed import processes
from genbench.evaluation.extractors import FeatureSpaces
from genbench.interruption import Interrupted
from genbench.models.model import Model
from genbench.models.weights import parameters
from genbench.runs.directory import Run
from genbench.runs.records import Environment, Summary
from genbench.training.budget import Budget
from genbench.training.callbacks.alarms import Alarms
from genbench.training.callbacks.averaging import MovingAverage
from genbench.training.callbacks.checkpoints import Checkpoints
from genbench.training.callbacks.metrics import Metrics
from genbench.training.callbacks.online_scores import OnlineScores
from genbench.training.callbacks.pictures import Pictures
from genbench.training.callbacks.progress import ProgressBar
from genbench.training.callbacks.stages import Stages
from genbench.training.cost import peak_memory_bytes
from genbench.training.loggers.opening import Loggers
from genbench.training.steps import STEPS_PER_CHUNK, Steps


def fit(
    model: Model,
    data: ImageDataModule,
    config: TrainConfig,
    device: Device,
    run: Run,
    console: Console,
    spaces: FeatureSpaces | None = None,
    checkpoint: Path | None = None,
    environment: Environment | None = None,
    loggers: Loggers | None = None,
) -> Summary:
    """Train until the budget is used up, writing metrics and checkpoints into the run directory.

    With feature spaces the samples are scored at every validation. With a checkpoint it goes on from there.

    Raises:
        Interrupted: Ctrl-C or SIGTERM, after the step in progress and a checkpoint.
        UserError: a loss or a weight is not a finite number any more.
    """
    budget = data.schedule = _budget(model, data, config, device)
    model.setup("fit")  # before Lightning does it, so that the averaged weights are a copy of what it leaves
    loggers = Loggers(run, None, console) if loggers is None else loggers
    loggers.begin(None if checkpoint is None else int(checkpoint.stem))
    steps = Steps(console)
    metrics = Metrics(run, budget, config.trainer.log_every_images, loggers)
    alarms = Alarms(data.data, budget, console, device.dtype)
    average = MovingAverage(config.trainer.ema_decay) if config.trainer.ema_decay else None
    pictures = Pictures(data.data, budget, run, loggers)
    facts = _facts(model, data, config, device, run, budget, checkpoint)
    callbacks = [
        steps,
        budget,
        metrics,
        alarms,
        *([OnlineScores(data.data, spaces, alarms)] if spaces is not None else []),
        pictures,
        ProgressBar(console, budget, run.path.name, facts, pictures),
        *([average] if average is not None else []),  # after the pictures: they are drawn by the averaged weights
        Stages(data.data.train, budget, metrics, average),
        Checkpoints(run, budget, config, environment),
    ]
    try:
        _trainer(config, device, callbacks).fit(model, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    finally:
        if processes() > 1:  # what comes after, the first process does alone
            dist.destroy_process_group()
    if budget.signal is not None:
        raise Interrupted(budget.signal)
    return _summary(model, budget, steps, metrics, alarms, test_losses(model, data, device), device)


def _budget(model: Model, data: ImageDataModule, config: TrainConfig, device: Device) -> Budget:
    chunk = STEPS_PER_CHUNK.get(device.accelerator, 1) if _alone(config) else 1
    shares = tuple(model.stages.values())
    return Budget(config.trainer, len(data.data.train), config.data.batch_size, chunk, shares)


def _summary(
    model: Model,
    budget: Budget,
    steps: Steps,
    metrics: Metrics,
    alarms: Alarms,
    losses: dict[str, float],
    device: Device,
) -> Summary:
    return Summary(
        parameters=parameters(model),
        images_seen=budget.images_seen,
        train_seconds=budget.seconds,
        validation_seconds=budget.validation_seconds,
        images_per_second=budget.images_seen / max(budget.seconds, 1e-9),
        training_flops_per_image=steps.flops_per_image,
        peak_memory_bytes=peak_memory_bytes(device.accelerator),
        train=metrics.last_losses(),
        test=losses,
        alarms=tuple(alarms.alarms.values()),
    )


def _alone(config: TrainConfig) -> bool:
    return config.trainer.devices * config.trainer.num_nodes == 1


def _trainer(config: TrainConfig, device: Device, callbacks: list[L.Callback]) -> L.Trainer:
    """Lightning's, with everything in our callbacks that it would do by itself."""
    alone = _alone(config)
    return L.Trainer(
        accelerator=device.accelerator,
        devices=config.trainer.devices,
        num_nodes=config.trainer.num_nodes,
        strategy="auto" if alone else "ddp",
        # Else Lightning asks every kind of cluster, and to ask mpi4py is to start MPI, which may end the process.
        plugins=[LightningEnvironment()] if alone else None,
        sync_batchnorm=not alone and device.accelerator == "cuda",  # PyTorch cannot elsewhere
        precision=device.lightning_precision,
        max_epochs=-1,  # the budget ends it
        num_sanity_val_steps=0,
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
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
        "device": f"{device}{'; ' * bool(device.measured)}{device.measured}",
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


def test_losses(model: Model, data: ImageDataModule, device: Device) -> dict[str, float]:
    """The model's losses on the test images, in float32, whatever the training's precision."""
    trainer = L.Trainer(
        plugins=[LightningEnvironment()],
        accelerator=device.accelerator,
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.test(model, data, verbose=False)
    return {name.removeprefix("test/"): float(value) for name, value in trainer.callback_metrics.items()}
