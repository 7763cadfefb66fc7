"""What a training needs of the machine."""

import logging
import resource
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment

from genbench.data.datamodule import ImageDataModule
from genbench.data.images import ImageData
from genbench.device import Device
from genbench.models.model import Model

STEPS = 4  # of which the first, where much is made, does not count


def forget_peak_memory(accelerator: str) -> None:
    """Begin to count anew where that can be: on a GPU, so that of several trainings in a process each has its own."""
    if accelerator == "cuda":
        torch.cuda.reset_peak_memory_stats()


def peak_memory_bytes(accelerator: str) -> int:
    """The most memory so far: of the GPU where one trains, else of the process, with all that it did before."""
    if accelerator == "cuda":
        return torch.cuda.max_memory_allocated()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes there, kibibytes on Linux


def seconds_a_step(model: Model, data: ImageData, batch_size: int, device: Device) -> float:
    """The shortest of some steps of a training that is thrown away."""
    times = _Times()
    with _silence():
        _trainer(times, device).fit(model, datamodule=ImageDataModule(data, batch_size))
    return min(times.seconds[1:])


def _trainer(times: L.Callback, device: Device) -> L.Trainer:
    return L.Trainer(
        plugins=[LightningEnvironment()],
        accelerator=device.accelerator,
        devices=1,
        precision=device.lightning_precision,
        max_epochs=STEPS,
        limit_train_batches=1,  # an epoch may have one batch only
        limit_val_batches=0,
        callbacks=[times],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


@contextmanager
def _silence() -> Iterator[None]:
    """Nothing of Lightning's news."""
    loggers = [logging.getLogger(name) for name in ("lightning", "lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


class _Times(L.Callback):
    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._began = 0.0

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        self._began = time.perf_counter()

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.seconds.append(time.perf_counter() - self._began)
