"""What a person reads in the terminal: the console, and seconds in words."""

import logging
import multiprocessing
import os
import sys

from rich.console import Console
from rich.text import Text


class _Console(Console):
    """One whose work goes on when nobody reads any more (`| head -1`)."""

    def on_broken_pipe(self) -> None:
        """Go on in silence."""
        self.quiet = True
        unread()


def stdout() -> Console:
    """The console; 120 columns wide where there is no terminal, as for one of several runs side by side."""
    alone = multiprocessing.current_process().name == "MainProcess"
    # Names and messages are anybody's: [old] in them is no markup.
    console = _Console(force_terminal=None if alone else False, markup=False)
    if not console.is_terminal:
        console.width = 120
    return console


def unread() -> None:
    """Let go of the streams that nobody reads any more; what is written to them from here on is lost."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def warn(console: Console, text: str) -> None:
    """Say something that a person should know, on the console and in the log."""
    console.print(Text.assemble(("warning", "bold red"), f": {text}"), soft_wrap=True)
    logging.getLogger("genbench").warning(text)


def duration(seconds: float) -> str:
    """Seconds as a person says them: 0.07 s, 48 s, 3 min 5 s, 2 h 10 min."""
    if 0 < seconds < 0.95:
        return f"{seconds:.1g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
