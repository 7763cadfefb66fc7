"""Where a process of genbench begins: it can be interrupted before anything is imported, without a traceback."""

import os
import signal
import sys
from types import FrameType


def main(verb: str | None = None) -> None:
    """Do what the command line of this process says, as genbench.cli.main does; the console script `genbench`."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # not one that ignores it, as that of a shell's background job does
        signal.signal(signal.SIGINT, _interrupted)
    from genbench import cli

    cli.main(verb)


def _interrupted(number: int, frame: FrameType | None) -> None:
    # Nothing has begun, or all is done: there is nothing to tidy up. What an exception within an import becomes is
    # that module's affair.
    print("genbench: interrupted by SIGINT", file=sys.stderr, flush=True)
    os._exit(128 + number)
