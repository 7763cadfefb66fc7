"""What is measured while a model trains: metrics.csv and what loggers are told, by real images seen."""

from collections.abc import Mapping
from typing import Any

import lightning as L
import torch
from torch import Tensor

from genbench.data.batches import Chunk
from genbench.runs.directory import Run
from genbench.runs.records import Row
from genbench.training.budget import Budget
from genbench.training.loggers.opening import Loggers

Scalars = dict[str, float]


class Metrics(L.Callback):
    """Means of the training step's outputs every so many images, and every validation's results.

    The step's outputs are summed on the device and read only when a row is due, so that no step waits for the host.
    """

    def __init__(self, run: Run, budget: Budget, every_images: int, loggers: Loggers) -> None:
        self.latest: Scalars = {}
        self._run = run
        self._budget = budget
        self._every = every_images
        self._loggers = loggers
        self._rows: list[tuple[int, Scalars]] = []
        self._times: list[tuple[int, float]] = []
        self._sums: dict[str, Tensor] = {}
        self._steps = 0
        self._counted = 0  # images
        self._window_start = (0, 0.0)  # images and seconds at which the window began

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Tell the loggers what the checkpoint holds: some may have been told less, when the training stopped."""
        if self._rows:
            self._loggers.catch_up([Row(*row) for row in self._rows])

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Chunk, batch_idx: int
    ) -> None:
        """Add the means of some steps; close the window when enough images were seen."""
        steps = len(batch.images)
        for name, value in outputs.items():
            self._sums[name] = self._sums.get(name, 0) + value * steps
        self._steps += steps
        if self._budget.images_seen // self._every > self._counted // self._every:
            self.close_window()
        self._counted = self._budget.images_seen

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """A row of validation results, and the file as far as it goes."""
        names = ("validation/", "fast/")
        self._add({name: float(v) for name, v in trainer.callback_metrics.items() if name.startswith(names)})
        self._times.append((self._budget.images_seen, self._budget.seconds))
        self.write()

    def close_window(self) -> None:
        """A row of the training means since the last one, if there was a step."""
        if self._steps == 0:
            return
        self.latest = self._means()
        self._add({f"train/{name}": value for name, value in self.latest.items()})
        images, seconds = self._budget.images_seen, self._budget.seconds
        speed = (images - self._window_start[0]) / max(seconds - self._window_start[1], 1e-9)
        self._loggers.speed(speed, images)
        self._window_start = (images, seconds)
        self._sums, self._steps = {}, 0

    def _means(self) -> Scalars:
        """Of the steps since the last row."""
        names = list(self._sums)
        means = (torch.stack([self._sums[name].float() for name in names]) / self._steps).tolist()
        return dict(zip(names, means, strict=True))

    def last_losses(self) -> Scalars:
        """Those of the last row, or of all steps of a training too short for one."""
        return self.latest or (self._means() if self._steps else {})

    def write(self) -> None:
        """Write metrics.csv and, as no two trainings have their seconds in common, timing.csv."""
        self._run.write_metrics(Row(*row) for row in self._rows)
        self._run.write_timing(Row(images, {"seconds": seconds}) for images, seconds in self._times)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "rows": self._rows,
            "times": self._times,
            "sums": self._sums,
            "steps": self._steps,
            "latest": self.latest,
            "counted": self._counted,
            "window_start": self._window_start,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue the rows of a checkpoint."""
        self._rows, self._times = state_dict["rows"], state_dict["times"]
        self._sums, self._steps = state_dict["sums"], state_dict["steps"]
        self.latest, self._counted = state_dict["latest"], state_dict["counted"]
        self._window_start = state_dict["window_start"]

    def _add(self, values: Scalars) -> None:
        self._rows.append((self._budget.images_seen, values))
        self._loggers.row(Row(self._budget.images_seen, values))
