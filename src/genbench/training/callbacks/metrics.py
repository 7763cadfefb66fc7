"""What is measured while a model trains: metrics.csv and TensorBoard, by real images seen."""

from collections.abc import Mapping
from typing import Any

import lightning as L
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from genbench.data.batches import Chunk
from genbench.models.hyperparameters import NOT_THE_CLASS
from genbench.runs.directory import Run
from genbench.runs.records import Estimate, Row
from genbench.training.budget import Budget

Scalars = dict[str, float]


class Metrics(L.Callback):
    """Means of the training step's outputs every so many images, and every validation's results.

    The step's outputs are summed on the device and read only when a row is due, so that no step waits for the host.
    """

    def __init__(self, run: Run, budget: Budget, every_images: int, writer: SummaryWriter | None) -> None:
        self.latest: Scalars = {}
        self._run = run
        self._budget = budget
        self._every = every_images
        self._writer = writer
        self._rows: list[tuple[int, Scalars]] = []
        self._times: list[tuple[int, float]] = []
        self._sums: dict[str, Tensor] = {}
        self._steps = 0
        self._counted = 0  # images
        self._window_start = (0, 0.0)  # images and seconds at which the window began

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
        names = list(self._sums)
        self.latest = self._means()
        known = {
            column.removeprefix("train/") for _, row in self._rows for column in row if column.startswith("train/")
        }
        if self._writer is not None and not set(names) <= known:
            add_layout(self._writer, [*dict.fromkeys([*sorted(known), *names])])
        self._add({f"train/{name}": value for name, value in self.latest.items()})
        images, seconds = self._budget.images_seen, self._budget.seconds
        if self._writer is not None:
            speed = (images - self._window_start[0]) / max(seconds - self._window_start[1], 1e-9)
            self._writer.add_scalar("train/images_per_second", speed, images)
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
        images = self._budget.images_seen
        self._rows.append((images, values))
        if self._writer is not None:
            for name, value in values.items():  # its groups stand in the order of their letters: training first
                self._writer.add_scalar(name.replace("fast/", "validation/fast_"), value, images)


def add_layout(writer: SummaryWriter, train_metrics: list[str]) -> None:
    """TensorBoard's custom tab: all losses on one chart, training beside validation on one for each metric."""
    losses = [name for name in train_metrics if "loss" in name or name in ("reconstruction", "kl")]
    charts: dict[str, list[Any]] = {"losses": ["Multiline", [f"train/{name}$" for name in losses]]}
    charts |= {name: ["Multiline", [f"train/{name}$", f"validation/{name}$"]] for name in train_metrics}
    writer.add_custom_scalars({"training": charts})


def add_picture(writer: SummaryWriter, name: str, picture: Image.Image | Figure, images_seen: int) -> None:
    """A picture or figure at the point of the training at which it was drawn; below the curves."""
    name = f"validation_pictures/{name}"
    if isinstance(picture, Figure):
        writer.add_figure(name, picture, images_seen, close=False)
        return
    pixels = torch.frombuffer(bytearray(picture.convert("RGB").tobytes()), dtype=torch.uint8)
    writer.add_image(name, pixels.view(picture.height, picture.width, 3), images_seen, dataformats="HWC")


def log_hparams(run: Run) -> None:
    """TensorBoard's hparams tab: the settings and final numbers, so that the runs of a sweep can be ranked there.

    Written once, at the end: the tab shows only metrics that were registered together with the settings. Each is a
    chart of one dot besides, in a group whose name puts it below all curves.
    """
    config, summary = run.config(), run.summary()
    if not config.logger["_target_"]:
        return
    model = {name: value for name, value in config.model.items() if name not in NOT_THE_CLASS}
    settings: dict[str, str | float] = {
        "data": config.data.name,
        "model": config.model_name,
        "batch_size": config.data.batch_size,
        "seed": config.seed,
        **{name: value if isinstance(value, int | float) else str(value) for name, value in model.items()},
    }
    names = ("images_seen", "train_seconds", "validation_seconds", "images_per_second")
    results = {name: float(getattr(summary, name)) for name in names}
    results |= {f"train_{name}": value for name, value in summary.train.items()}
    results |= {f"test_{name}": value for name, value in summary.test.items()}
    if run.has_scorecard:
        scorecard = run.scorecard()
        results |= {f"{key.space}_{key.score}": score.mean for key, score in scorecard.values().items()}
        results |= {name: each.mean for name, each in scorecard.model.items() if isinstance(each, Estimate)}
    results = {f"when_finished/{name}": value for name, value in results.items()}
    run.check_place()  # TensorBoard would make it again
    with SummaryWriter(str(run.path)) as writer:
        for part in hparams(settings, results):  # type: ignore[no-untyped-call]
            writer.file_writer.add_summary(part)
        for name, value in results.items():
            writer.add_scalar(name, value, summary.images_seen)
