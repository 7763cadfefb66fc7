"""How long a training lasts, counted in real images seen or in time, never in optimizer steps."""

import math
import signal
import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from types import FrameType
from typing import Any

import lightning as L
import torch
from torch import Tensor

from genbench.config import DEFAULT_EPOCHS, TrainerConfig
from genbench.training.steps import STEPS_PER_TRIP


class Budget(L.Callback):
    """Counts the real images and stops at the first bound, or at the next step after Ctrl-C or SIGTERM.

    Attributes:
        images_seen: real images in all steps so far.
        max_images: the bound in images, or None.
        max_seconds: the bound in seconds, or None.
        train_seconds: wall clock from the first step to the end, validation and pictures included.
        validation_seconds: of these, what validations took, with pictures and checkpoints.
        signal: the number of the signal that stopped the training, or None.
    """

    def __init__(self, config: TrainerConfig, epoch_images: int, batch_size: int, accelerator: str = "cpu") -> None:
        epochs = config.max_epochs
        if config.max_epochs is config.max_images is config.max_minutes is None:
            epochs = DEFAULT_EPOCHS
        bounds = [config.max_images, None if epochs is None else math.ceil(epochs * epoch_images)]
        self.max_images = min((bound for bound in bounds if bound is not None), default=None)
        self.max_seconds = None if config.max_minutes is None else 60.0 * config.max_minutes
        self.images_seen = 0
        self.train_seconds = math.nan
        self.validation_seconds = 0.0
        self.signal: int | None = None
        self._validations = config.validations
        self._batch_size = batch_size
        self._steps_per_trip = STEPS_PER_TRIP.get(accelerator, 1)
        self._start = math.nan
        self._validation_start = math.nan
        self._handlers: dict[int, Any] = {}

    @property
    def seconds(self) -> float:
        """Wall-clock seconds since the first step began."""
        return time.monotonic() - self._start

    @property
    def fraction(self) -> float:
        """How much of the training is done, 0 to 1."""
        parts = [
            done / bound
            for done, bound in ((self.images_seen, self.max_images), (self.seconds, self.max_seconds))
            if bound is not None
        ]
        return min(1.0, max(parts))

    @property
    def validation_interval(self) -> int | timedelta:
        """Lightning's val_check_interval for evenly spaced validations: in trips, or in time if time is a bound."""
        if self.max_seconds is not None:
            return timedelta(seconds=self.max_seconds / self._validations)
        return math.ceil(self._steps_between_validations / self._steps_per_trip)

    def steps_in_next_trip(self, images_seen: int) -> int:
        """How many steps to take at once: never past the next validation or the last image."""
        bounds = [self._steps_per_trip]
        if self.max_images is not None:
            bounds.append(math.ceil((self.max_images - images_seen) / self._batch_size))
        if self.max_seconds is None:
            interval = self._steps_between_validations
            bounds.append(interval - images_seen // self._batch_size % interval)
        return max(1, min(bounds))

    @property
    def _steps_between_validations(self) -> int:
        assert self.max_images is not None
        return max(1, round(math.ceil(self.max_images / self._batch_size) / self._validations))

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock and listen to signals."""
        self._start = time.monotonic()
        if threading.current_thread() is threading.main_thread():
            self._handlers = {s: signal.signal(s, self._on_signal) for s in (signal.SIGINT, signal.SIGTERM)}

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Tensor, batch_idx: int
    ) -> None:
        """Count, and ask Lightning to stop when the bound is reached."""
        self.images_seen += batch.shape[0] * batch.shape[1]
        if self.signal is not None or self.fraction >= 1.0:
            trainer.should_stop = True

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the clock and give the signals back."""
        if pl_module.device.type == "cuda":  # the last steps are still under way
            torch.cuda.synchronize()
        self.train_seconds = self.seconds
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the other clock."""
        self._validation_start = self.seconds

    def validation_done(self) -> None:
        """Stop it; whoever is the last at a validation calls this."""
        self.validation_seconds += self.seconds - self._validation_start

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"images_seen": self.images_seen}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue the count of a checkpoint."""
        self.images_seen = int(state_dict["images_seen"])

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:  # a second Ctrl-C does not wait for the step
            raise KeyboardInterrupt
        self.signal = number
