"""What a person sees while a model trains."""

from typing import Any

import lightning as L
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table

from genbench.console import duration
from genbench.training.budget import Budget

WARM_UP_SECONDS = 2.0  # before the first speed that is worth telling
LINE_SECONDS = 5.0  # between two lines where there is no terminal
BAR_SECONDS = 0.25


class ProgressBar(L.Callback):
    """First a table of what is about to happen, then one bar, or lines where the output is not a terminal."""

    def __init__(self, console: Console, budget: Budget, name: str, facts: dict[str, str]) -> None:
        self._console = console
        self._budget = budget
        self._name = name
        self._facts = facts
        self._bar: Progress | None = None
        self._task = TaskID(0)
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
        bar = self._begin(speed) if self._bar is None else self._bar
        losses = "  ".join(f"{name} {float(value):.4g}" for name, value in outputs.items())
        left = self._seconds_left(speed)
        text = f"{self._budget.images_seen:,} images  {losses}  {speed:,.0f} images/s  {duration(left)} left"
        if self._console.is_terminal:
            bar.update(self._task, completed=self._budget.fraction, status=text)
            self._next = now + BAR_SECONDS
        else:
            self._console.print(f"{self._name} {self._budget.fraction:4.0%}  {text}", soft_wrap=True)
            self._next = now + LINE_SECONDS

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Leave the bar where it stands."""
        self._stop()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Give the terminal back."""
        self._stop()

    def _begin(self, speed: float) -> Progress:
        table = Table(show_header=False, box=None, padding=(0, 2))
        for name, value in self._facts.items():
            table.add_row(name, value)
        seconds = self._seconds_left(speed)
        table.add_row("expected time", f"{duration(seconds)} more, at {speed:,.0f} images/s")
        self._console.print(table)
        columns = (BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TextColumn("{task.fields[status]}"))
        self._bar = bar = Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._task = bar.add_task("", total=1.0, status="")
        bar.start()
        return bar

    def _seconds_left(self, speed: float) -> float:
        bounds = []
        if self._budget.max_images is not None:
            bounds.append((self._budget.max_images - self._budget.images_seen) / max(speed, 1e-9))
        if self._budget.max_seconds is not None:
            bounds.append(self._budget.max_seconds - self._budget.seconds)
        return max(0.0, min(bounds))

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
