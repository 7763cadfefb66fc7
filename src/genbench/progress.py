"""What is going on where it takes long: at a terminal a bar with the time left, elsewhere a line now and then.

Code deep down says what it does (`task`) and how far it is (`advance`), and does not know whether anybody looks.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module

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


class _Display:
    """The tasks under way, the innermost last."""

    def __init__(self, console: Console) -> None:
        columns = (
            *(SpinnerColumn(), TaskProgressColumn(), TimeRemainingColumn(elapsed_when_finished=True)),
            *(BarColumn(20), TextColumn("{task.description}")),
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

    def advance(self) -> None:
        if not self.tasks:
            return
        self.bars.advance(self.tasks[-1])
        task = self.bars.tasks[self.bars.task_ids.index(self.tasks[-1])]
        if task.total and time.monotonic() - self._said > LINE_SECONDS:
            left = (task.elapsed or 0.0) * (task.total - task.completed) / task.completed
            self._said = time.monotonic()
            if not self.console.is_terminal:
                text = f"{task.percentage:4.0f}%  {duration(left)} left  {task.description}"
                self.console.print(text, soft_wrap=True, highlight=False, markup=False)

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


def importing(module: str) -> None:
    """Import a library that takes seconds, before what needs it does."""
    with task(f"importing {module}"):
        import_module(module)


def advance() -> None:
    """A part of the innermost task is done."""
    display = _display.get()
    if display is not None:
        display.advance()
