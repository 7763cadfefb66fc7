"""What is going on where it takes long: a bar with the time left at a terminal and in a notebook, else lines.

Code deep down says what it does (`task`) and how far it is (`advance`), and does not know whether anybody looks.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from html import escape
from importlib import import_module
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from genbench.console import duration

LINE_SECONDS = 10.0  # between two lines where there is no terminal


CELL_SECONDS = 0.25  # between two changes below a notebook's cell


@dataclass(frozen=True)
class _Line:
    """What stands below a notebook's cell."""

    text: str
    fraction: float | None  # of what is to be done; None: not known

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        far = "" if self.fraction is None else f' value="{self.fraction:.3f}"'
        return f"<progress{far}></progress> {escape(self.text)}" if self.text else ""


class Cell:
    """A line with a bar below a notebook's cell; it changes, and in the end it goes.

    By messages of Jupyter itself, of which no widget has to be installed and which any thread may send.
    """

    def __init__(self) -> None:
        from IPython.display import display

        self._handle: Any = display(_Line("", None), display_id=True)  # type: ignore[no-untyped-call]
        self._said = 0.0

    def show(self, text: str, fraction: float | None = None) -> None:
        """Say how far it is, unless that was said a moment ago."""
        if time.monotonic() - self._said > CELL_SECONDS:
            self._handle.update(_Line(text, fraction))
            self._said = time.monotonic()

    def clear(self) -> None:
        """Leave nothing."""
        self._handle.update(_Line("", None))


class _Display:
    """The tasks under way, the innermost last."""

    def __init__(self, console: Console, cell: Cell | None = None) -> None:
        self.cell = cell
        columns = (
            *(SpinnerColumn(), TaskProgressColumn(), TimeRemainingColumn(elapsed_when_finished=True)),
            *(BarColumn(20), TextColumn("{task.description}", markup=False)),
        )
        self.console = console
        self.bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.tasks: list[TaskID] = []
        self._said = 0.0  # when there was a line, or the outermost task began

    def begin(self, what: str, total: int | None) -> None:
        if not self.tasks:
            self.bars.start()
            self._said = time.monotonic()
        self.tasks.append(self.bars.add_task(what, total=total))
        self._tell_notebook()

    def advance(self) -> None:
        if not self.tasks:
            return
        self.bars.advance(self.tasks[-1])
        self._tell_notebook()
        task = self.bars.tasks[self.bars.task_ids.index(self.tasks[-1])]
        if task.total and time.monotonic() - self._said > LINE_SECONDS:
            left = (task.elapsed or 0.0) * (task.total - task.completed) / task.completed
            self._said = time.monotonic()
            if not self.console.is_terminal:
                text = f"{task.percentage:4.0f}%  {duration(left)} left  {task.description}"
                self.console.print(text, soft_wrap=True, highlight=False)

    def _tell_notebook(self) -> None:
        if self.cell is None:
            return
        task = self.bars.tasks[self.bars.task_ids.index(self.tasks[-1])]
        left = task.time_remaining
        text = task.description if left is None else f"{task.description}, {duration(left)} left"
        self.cell.show(text, task.completed / task.total if task.total else None)

    def end(self) -> None:
        self.bars.remove_task(self.tasks.pop())
        if not self.tasks:
            self.bars.stop()


_display: ContextVar[_Display | None] = ContextVar("display", default=None)


@contextmanager
def shown(console: Console | None) -> Iterator[None]:
    """Within this the tasks are shown on a console; None: on none, whatever was said before."""
    token = _display.set(None if console is None else _Display(console))
    try:
        yield
    finally:
        _display.reset(token)


@contextmanager
def shown_in_notebook() -> Iterator[None]:
    """Within this the tasks are shown below the cell of the notebook that runs it; outside of one on nothing."""
    if not Console().is_jupyter:
        yield
        return
    cell = Cell()
    token = _display.set(_Display(Console(quiet=True), cell))
    try:
        yield
    finally:
        _display.reset(token)
        cell.clear()


def notebook_cell() -> Cell | None:
    """Where the tasks are shown, if that is below the cell of a notebook."""
    display = _display.get()
    return None if display is None else display.cell


@contextmanager
def task(what: str, total: int | None = None) -> Iterator[None]:
    """Something that takes more than a second.

    Args:
        what: in words: "scoring".
        total: how many times `advance` is going to be called; None if that is not known.
    """
    display = _display.get()
    if display is None:
        yield
        return
    display.begin(what, total)
    try:
        yield
    finally:
        display.end()


def announce(line: str) -> None:
    """Say what begins where no bar can show it: of what cannot tell how far it is, nothing else would be heard."""
    display = _display.get()
    if display is not None and not display.console.is_terminal:
        display.console.print(line, soft_wrap=True, highlight=False, markup=False)


def importing(module: str) -> None:
    """Import a library that takes seconds, before what needs it does."""
    with task(f"importing {module}"):
        import_module(module)


def advance() -> None:
    """A part of the innermost task is done."""
    display = _display.get()
    if display is not None:
        display.advance()
