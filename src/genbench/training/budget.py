"""How long a training lasts, counted in real images seen or in time, never in optimizer steps."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import accumulate
from typing import Any

import lightning as L
import torch
import torch.distributed as dist

from genbench.config.train import DEFAULT_EPOCHS, TrainerConfig
from genbench.data.batches import Chunk
from genbench.distributed import processes
from genbench.interruption import Interrupted, on_signals

MOST_BESIDE = 0.1  # of a training that is bound by time: how long validations may take in all
ONE_SIGNAL = 1.0  # seconds in which several are one: a batch system tells the sweep and its workers, which tells them


class Budget(L.Callback):
    """Counts the real images and the time of training, says when to validate, and stops at the first bound.

    The time of validations, with their scores, pictures and checkpoints, is counted beside it. Where time is a bound
    they are spaced so that they keep within a tenth of it; two there are at least.

    Lightning is told that an epoch ends wherever a validation is due, so that validations, checkpoints and the ends of
    its epochs fall together, and a training that goes on from a checkpoint is one that begins another epoch.

    Attributes:
        images_seen: real images in all steps so far.
        max_images: the bound in images, or None.
        max_seconds: the bound in seconds, or None.
        validation_seconds: what validations took so far, with scores, pictures and checkpoints; beside the training.
        signal: the number of the signal that asked the training to stop, or None.
    """

    def __init__(
        self,
        config: TrainerConfig,
        epoch_images: int,
        batch_size: int,
        steps_per_chunk: int = 1,
        stages: Sequence[float] = (1.0,),
    ) -> None:
        """Set the bounds.

        Args:
            config: max_epochs, max_images, max_minutes and validations.
            epoch_images: training images.
            batch_size: real images in a step.
            steps_per_chunk: the most steps that are taken at once.
            stages: the share of each stage of the training; a validation is due where one ends.
        """
        epochs = config.max_epochs
        if config.max_epochs is config.max_images is config.max_minutes is None:
            epochs = DEFAULT_EPOCHS
        bounds = [config.max_images, None if epochs is None else math.ceil(epochs * epoch_images)]
        self.max_images = min((bound for bound in bounds if bound is not None), default=None)
        self.max_seconds = None if config.max_minutes is None else 60.0 * config.max_minutes
        self.images_seen = 0
        self.signal: int | None = None
        self._signalled = math.nan  # when
        self._validations_wanted = config.validations
        self._validations = 0
        self._last_validation = 0.0  # when the last one was, in seconds of training
        self._batch_size = batch_size
        self._stage_ends = [end for end in accumulate(stages) if 0.0 < end < 1.0 - 1e-9]
        self._steps_per_chunk = steps_per_chunk
        self._seconds = 0.0  # up to the present start
        self._start: float | None = None  # of the clock of the training
        self._agreed: float | None = None  # where several processes train, whose clocks differ, their common one
        self._beside_seconds = 0.0
        self._beside_start: float | None = None  # of the other clock
        self._listening = ExitStack()

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of training alone."""
        if self._agreed is not None:
            return self._agreed
        return self._seconds + _since(self._start)

    @property
    def validation_seconds(self) -> float:
        """See the class."""
        return self._beside_seconds + _since(self._beside_start)

    @property
    def fraction(self) -> float:
        """How much of the training is done, 0 to 1."""
        return self._fraction_at(self.images_seen)

    def seconds_left(self, images_per_second: float) -> float:
        """Until the end of the training at such a speed, with the validations that are to come."""
        bounds = []
        if self.max_images is not None:
            bounds.append((self.max_images - self.images_seen) / max(images_per_second, 1e-9))
        if self.max_seconds is not None:
            bounds.append(self.max_seconds - self.seconds)
        each = self.validation_seconds / max(1, self._validations)
        to_come = max(0, self._validations_wanted - self._validations)
        if self.max_seconds is not None and each > 0:
            to_come = min(to_come, max(1, math.floor(MOST_BESIDE * self.max_seconds / each) - self._validations))
        return max(0.0, min(bounds)) + to_come * each

    def _fraction_at(self, images_seen: int) -> float:
        parts = [
            done / bound
            for done, bound in ((images_seen, self.max_images), (self.seconds, self.max_seconds))
            if bound is not None
        ]
        return min(1.0, max(parts))

    def _stages_ended(self, images_seen: int) -> int:
        return sum(end <= self._fraction_at(images_seen) + 1e-9 for end in self._stage_ends)

    def chunks(self, images_seen: int) -> Iterator[int]:
        """How many steps to take at once, time and again, from so many images on until a validation is due."""
        ended = self._stages_ended(images_seen)
        while True:
            steps = self._steps_in_next_chunk(images_seen)
            yield steps
            images_seen += steps * self._batch_size
            if self._validation_is_due(images_seen) or self._stages_ended(images_seen) > ended:
                return

    def _steps_in_next_chunk(self, images_seen: int) -> int:
        bounds = [self._steps_per_chunk]
        if self.max_images is not None:
            ends = (*(end * self.max_images for end in self._stage_ends), self.max_images)
            left = min(end - images_seen for end in ends if end > images_seen + 1e-6) if images_seen < ends[-1] else 0
            bounds.append(math.ceil(left / self._batch_size))
        if self.max_seconds is None:
            bounds.append(self._interval - images_seen // self._batch_size % self._interval)
        return max(1, min(bounds))

    def _validation_is_due(self, images_seen: int) -> bool:
        """Validations are spread evenly over the time if time is a bound, else over the images."""
        if self.max_images is not None and images_seen >= self.max_images:
            return True
        if self.max_seconds is not None:
            return self.seconds >= min(self._next_validation(self.max_seconds), self.max_seconds)
        return images_seen // self._batch_size % self._interval == 0

    def _next_validation(self, max_seconds: float) -> float:
        """When it is due, in seconds of training: the next of so many equal parts that the rest can be paid for."""
        part = max_seconds / self._validations_wanted
        passed = math.floor(self._last_validation / part + 1e-9)
        if self._validations == 0:  # what one takes is not known yet
            return part * (passed + 1)
        each = max(self.validation_seconds / self._validations, 1e-9)
        left = max(1, math.floor((MOST_BESIDE * max_seconds - self.validation_seconds) / each))
        return part * (passed + max(1, math.ceil((self._validations_wanted - passed) / left)))

    @property
    def _interval(self) -> int:
        """Steps between two validations."""
        if self.max_images is None:
            raise ValueError("a budget in time has no interval in steps")
        return max(1, round(math.ceil(self.max_images / self._batch_size) / self._validations_wanted))

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock and listen to signals; a training that was at its end before is not gone on with."""
        self._start = time.monotonic()
        self._listening.enter_context(on_signals(self._on_signal))
        trainer.should_stop = self.fraction >= 1.0

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Chunk, batch_idx: int
    ) -> None:
        """Count, and ask Lightning to stop when the bound is reached."""
        self.images_seen += len(batch.images) * self._batch_size
        self._agree(pl_module.device)
        if self.fraction >= 1.0:
            trainer.should_stop = True

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the clocks and give the signals back."""
        self._stop(pl_module.device)
        self._seconds, self._agreed = self.seconds, None
        self._beside_seconds, self._beside_start = self.validation_seconds, None
        self._listening.close()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Give the signals back."""
        self._listening.close()

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Go on with the training's clock after what was beside it."""
        self._go_on()
        self._agree(pl_module.device)  # on when the next validation is due

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the training's clock until it goes on, and start the other."""
        self._stop(pl_module.device)
        self._beside_start = time.monotonic()
        self._validations += 1
        self._last_validation = self.seconds

    @contextmanager
    def beside(self, device: torch.device) -> Iterator[None]:
        """A time that is not the training's, between two steps."""
        self._stop(device)
        self._beside_start = time.monotonic()
        yield
        self._go_on()

    def _stop(self, device: torch.device) -> None:
        if device.type == "cuda":  # the last steps are still under way
            torch.cuda.synchronize()
        self._seconds, self._start = self._seconds + _since(self._start), None

    def _go_on(self) -> None:
        self._beside_seconds, self._beside_start = self.validation_seconds, None
        self._start = self._start or time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "images_seen": self.images_seen,
            "seconds": self.seconds,
            "validation_seconds": self.validation_seconds,
            "validations": self._validations,
            "last_validation": self._last_validation,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue the counts of a checkpoint."""
        self.images_seen = state_dict["images_seen"]
        self._seconds = state_dict["seconds"]
        self._beside_seconds = state_dict["validation_seconds"]
        self._validations = state_dict["validations"]
        self._last_validation = state_dict.get("last_validation", self._seconds)  # checkpoints of before have none

    def _agree(self, device: torch.device) -> None:
        """All processes stop at the same step: by the clocks that are ahead, and if any of them got a signal."""
        if processes() == 1:
            return
        self._agreed = None
        told = (self.seconds, self.validation_seconds, self.signal or 0)
        latest = torch.tensor(told, dtype=torch.float64, device=device)
        dist.all_reduce(latest, dist.ReduceOp.MAX)
        self._agreed, self._beside_seconds = float(latest[0]), float(latest[1])
        self.signal = int(latest[2]) or None

    def _on_signal(self, number: int) -> None:
        now = time.monotonic()
        if self.signal is None:
            self.signal, self._signalled = number, now
        elif now - self._signalled > ONE_SIGNAL:  # a second Ctrl-C does not wait for the step
            raise Interrupted(number)


def _since(start: float | None) -> float:
    return 0.0 if start is None else time.monotonic() - start
