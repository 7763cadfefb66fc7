"""TensorBoard: event files in the run's directory."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from PIL import Image
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from genbench.runs.records import Row, State
from genbench.training.loggers.logger import SPEED, Subject

_FLUSH_SECONDS = 10


class TensorBoard:
    """Its dashboards: curves, pictures, a tab of charts and one of settings and results."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._charted: list[str] = []  # training's metrics that are on the charts

    def begin(self) -> str:
        """Open an event file."""
        self._subject.run.check_place()  # TensorBoard would make it again
        # What it was told after the checkpoint is going to be told again: it hides the first telling.
        resumed = self._subject.resumed_at
        purge = {} if resumed is None else {"purge_step": resumed + 1}
        self._writer = SummaryWriter(str(self._subject.run.path), flush_secs=_FLUSH_SECONDS, **purge)
        return ""

    def rows(self, rows: Sequence[Row]) -> None:
        """Scalars; the charts before the first ones that they show."""
        for images, values in rows:
            self._add_charts([name.removeprefix("train/") for name in values if _is_charted(name)])
            for name, value in values.items():
                self._writer.add_scalar(name, value, images)

    def catch_up(self, rows: Sequence[Row]) -> None:
        """Nothing: they stand in the files of before. What they chart is known."""
        self._charted = sorted({name.removeprefix("train/") for _, row in rows for name in row if _is_charted(name)})

    def picture(self, name: str, picture: Image.Image, images_seen: int) -> None:
        """An image, below the curves."""
        pixels = torch.frombuffer(bytearray(picture.convert("RGB").tobytes()), dtype=torch.uint8)
        self._writer.add_image(name, pixels.view(picture.height, picture.width, 3), images_seen, dataformats="HWC")

    def results(self, settings: Mapping[str, str | float], results: Mapping[str, float], images_seen: int) -> None:
        """The hparams tab, so that the runs of a sweep can be ranked there.

        It shows only metrics that were registered together with the settings. Each is a chart of one dot besides, in a
        group whose name puts it below all curves.
        """
        writer: Any = self._writer.file_writer
        for part in hparams(dict(settings), dict(results)):  # type: ignore[no-untyped-call]
            writer.add_summary(part)
        for name, value in results.items():
            self._writer.add_scalar(name, value, images_seen)

    def end(self, state: State) -> None:
        """Write what is left."""
        self._writer.close()

    def _add_charts(self, names: list[str]) -> None:
        """The custom tab: all losses on one chart, training beside validation on one for each metric."""
        if set(names) <= set(self._charted):
            return
        self._charted = list(dict.fromkeys([*self._charted, *names]))
        losses = [name for name in self._charted if "loss" in name or name in ("reconstruction", "kl")]
        charts: dict[str, list[Any]] = {"losses": ["Multiline", [f"train/{name}$" for name in losses]]}
        charts |= {name: ["Multiline", [f"train/{name}$", f"validation/{name}$"]] for name in self._charted}
        self._writer.add_custom_scalars({"training": charts})


def _is_charted(name: str) -> bool:
    return name.startswith("train/") and name != SPEED
