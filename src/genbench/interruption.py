"""Ctrl-C and the signals by which systems ask a process to end."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# Ctrl-C; kill and batch systems; a terminal that is closed (Windows has none such).
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
LOOK_SECONDS = 0.5  # between two looks at the process that a worker belongs to


class Interrupted(BaseException):
    """A signal asked the process to end; not an error, so that no handler of errors takes it for one.

    Attributes:
        number: the signal's.
        advice: what goes on from here, for people.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number
        self.advice = "the same command goes on from here"


def interrupt(number: int) -> None:
    """End at once."""
    raise Interrupted(number)


@contextmanager
def on_signals(handle: Callable[[int], None] = interrupt) -> Iterator[None]:
    """Call a function with the signal's number on each of SIGNALS that is not ignored, as nohup ignores SIGHUP.

    Outside of the main thread nothing is done.
    """
    handlers = {}
    if threading.current_thread() is threading.main_thread():

        def handler(number: int, frame: FrameType | None) -> None:
            handle(number)

        listened = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        handlers = {number: signal.signal(number, handler) for number in listened}
    try:
        yield
    finally:
        for number, before in handlers.items():
            signal.signal(number, before)


@contextmanager
def while_wanted(wanted: Callable[[], bool]) -> Iterator[None]:
    """In a worker: this process gets SIGTERM when the work is not wanted any more.

    Ctrl-C and a closed terminal tell every process of theirs, and so are left to the one that wants the work.

    Args:
        wanted: asked every LOOK_SECONDS, in a thread.
    """
    done = threading.Event()

    def watch() -> None:
        while not done.wait(LOOK_SECONDS):
            if not wanted():
                os.kill(os.getpid(), signal.SIGTERM)
                return

    watcher = threading.Thread(target=watch, daemon=True)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS if number != signal.SIGTERM}
    watcher.start()
    try:
        with on_signals():
            yield
            done.set()
            watcher.join()
    finally:
        done.set()
        for number, handler in before.items():
            signal.signal(number, handler)


def end_with_starter(variable: str) -> None:
    """Have the processes that this one is going to start end at once when it is gone.

    Called in this one and in them, which know it by a variable of the environment: it may be gone before they look.
    """
    starter = os.environ.get(variable)
    os.environ[variable] = str(os.getpid())

    def watch() -> None:
        while str(os.getppid()) == starter:
            time.sleep(LOOK_SECONDS)
        os._exit(128 + signal.SIGTERM)  # the main thread may be waiting for the one that is gone

    if starter is not None:
        threading.Thread(target=watch, daemon=True).start()
