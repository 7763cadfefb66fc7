"""Ctrl-C and the signals by which systems ask a process to end."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(BaseException):
    """A signal asked the process to end; not an error, so that no handler of errors takes it for one.

    Attributes:
        number: the signal's.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def interrupt(number: int) -> None:
    """End at once."""
    raise Interrupted(number)


@contextmanager
def on_signals(handle: Callable[[int], None] = interrupt) -> Iterator[None]:
    """Call a function with the signal's number on SIGINT and SIGTERM. Outside of the main thread nothing is done."""
    handlers = {}
    if threading.current_thread() is threading.main_thread():

        def handler(number: int, frame: FrameType | None) -> None:
            handle(number)

        handlers = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, before in handlers.items():
            signal.signal(number, before)
