"""What a person sees while a model trains."""

from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from PIL import Image
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar as Bar
from rich.table import Table
from rich.text import Text
from rich_pixels import Pixels
from torch import Tensor

from genbench.console import duration
from genbench.data.tiles import tiled
from genbench.models.pictures import COLUMNS
from genbench.training.budget import Budget
from genbench.training.callbacks.pictures import Pictures

WARM_UP_SECONDS = 2.0  # before the first speed that is worth telling
LINE_SECONDS = 5.0  # between two lines where there is no terminal
PANEL_SECONDS = 0.25
SIDE, GAP = 14, 2  # pixels of a sample in a terminal, each as wide as a letter and half as high; and between two
FEWEST_LINES = 16  # of a terminal that has room for pictures


class ProgressBar(L.Callback):
    """First a table of what is about to happen, then one panel, or lines where the output is not a terminal.

    Where the terminal has colours and room, the panel shows some samples as of the last validation.
    """

    def __init__(
        self, console: Console, budget: Budget, name: str, facts: dict[str, str], pictures: Pictures | None = None
    ) -> None:
        self._console = console
        self._budget = budget
        self._name = name
        self._facts = facts
        self._pictures = pictures
        self._live: Live | None = None
        self._shown: tuple[Tensor, Pixels] | None = None
        self._next = 0.0
        self._warm: tuple[int, float] | None = None  # images and seconds at the end of the first step

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Show the losses of this step if it is time to."""
        now = self._budget.seconds
        if self._warm is None:  # the first step compiles and allocates: it says nothing of the speed
            self._warm = (self._budget.images_seen, now)
            self._next = now + WARM_UP_SECONDS
        if now < self._next and not trainer.should_stop:
            return
        images, seconds = self._warm
        speed = (self._budget.images_seen - images) / max(now - seconds, 1e-9)
        if self._live is None:
            self._live = self._begin(speed)
        losses = "  ".join(f"{name} {float(value):.4g}" for name, value in outputs.items())
        far = f"{self._budget.fraction:4.0%}  {duration(self._budget.seconds_left(speed))} left"
        text = f"{self._budget.images_seen:,} images  {speed:,.0f} images/s"
        if self._console.is_terminal:
            self._live.update(self._panel(far, text, losses))
            self._next = now + PANEL_SECONDS
        else:
            self._console.print(f"{far}  {self._name}  {text}  {losses}", soft_wrap=True)
            self._next = now + LINE_SECONDS

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Leave the panel where it stands."""
        self._stop()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Give the terminal back."""
        self._stop()

    def _begin(self, speed: float) -> Live:
        table = Table(show_header=False, box=None, padding=(0, 2))
        for name, value in self._facts.items():
            table.add_row(name, value)
        seconds = self._budget.seconds_left(speed)
        table.add_row("expected time", f"{duration(seconds)} more, at {speed:,.0f} images/s")
        self._console.print(table)
        live = Live(console=self._console, refresh_per_second=4, redirect_stdout=False, redirect_stderr=False)
        if self._console.is_terminal:
            live.start()
        return live

    def _panel(self, far: str, text: str, losses: str) -> RenderableType:
        line = Table.grid(padding=(0, 2))
        bar = Bar(total=1.0, completed=self._budget.fraction, width=16)
        line.add_row(Text(far), bar, Text(text))
        rows: list[RenderableType] = [line, Text(losses, no_wrap=True, overflow="ellipsis")]
        samples = self._samples()
        return Group(*rows, *([samples] if samples is not None else []))

    def _samples(self) -> RenderableType | None:
        samples = None if self._pictures is None else self._pictures.samples
        fits = self._console.height >= FEWEST_LINES and self._console.color_system in ("256", "truecolor")
        if samples is None or not fits or self._console.encoding != "utf-8":
            return None
        if self._shown is None or self._shown[0] is not samples:
            self._shown = (samples, Pixels.from_image(row_of(samples, self._console.width)))
        return self._shown[1]

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()


def row_of(samples: Tensor, columns: int) -> Image.Image:
    """As many of samples (N, C, H, W) uint8 as a terminal so wide can show, one from each row of their grid."""
    chosen = samples[::COLUMNS][: max(1, min(COLUMNS, (columns + GAP) // (SIDE + GAP)))]
    height = max(2, round(SIDE * samples.shape[2] / samples.shape[3]))
    small = F.interpolate(chosen.float(), (height, SIDE), mode="area").round().to(torch.uint8)
    cells = tiled(F.pad(small, (0, GAP)), len(small))[:, :, :-GAP]  # (3, h, w)
    return Image.fromarray(cells.permute(1, 2, 0).contiguous().numpy())
