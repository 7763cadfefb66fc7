"""A logger in a thread of its own: whatever it does there, or does not do, the training goes on."""

import mmap
import threading
import time
from collections import deque
from collections.abc import Callable

from genbench.runs.records import Row, State
from genbench.training.loggers.logger import Logger
from genbench.training.loggers.secrets import without_secrets

PATIENCE = 30.0  # seconds for one call
LAST = 60.0  # seconds for all that is left at the end of a training
LAST_INTERRUPTED = 10.0  # of one that was interrupted, whose scheduler may not wait longer
_MOST_ROWS = 500  # told at once, where the logger is slower than the training
_ROOM = 160 * 2**20  # bytes of addresses that a thread may take, for its stack and its own part of the heap

Call = Callable[[Logger], None]


class Background:
    """Tells a logger all that it is told, in that order; one that fails or hangs is said once, and told no more."""

    def __init__(self, logger: Logger, say: Callable[[str], None], said_place: Callable[[str], None]) -> None:
        """Begin the logger.

        Args:
            logger: is called in the thread alone.
            say: says why the logger is told no more; called once at most.
            said_place: is told where the run is to be seen.

        Raises:
            MemoryError: there is none for a thread.
        """
        self._logger = logger
        self._say = say
        self._said_place = said_place
        self._waiting: deque[Row | Call] = deque()
        self._changed = threading.Condition()
        self._since: float | None = None  # when the call in progress began
        self._over = False
        self.given_up = False
        _check_room()
        self._waiting.append(self._begin)
        threading.Thread(target=self._work, daemon=True, name="logger").start()

    def tell(self, item: Row | Call) -> None:
        """Have a row or a call told as soon as those before it are; returns at once."""
        with self._changed:
            if self._is_stuck(PATIENCE):
                self._give_up(_hung(PATIENCE))
            if not self.given_up:
                self._waiting.append(item)
                self._changed.notify_all()

    def end(self, state: State, patience: float) -> None:
        """Tell what is left and how the training ended, and wait that many seconds for it."""
        begun = time.monotonic()
        self.tell(lambda logger: self._end(logger, state))
        with self._changed:
            while not (self.given_up or self._over):
                if self._is_stuck(min(PATIENCE, patience)) or time.monotonic() - begun > patience:
                    self._give_up(_hung(time.monotonic() - begun))
                self._changed.wait(0.2)

    def _begin(self, logger: Logger) -> None:
        place = logger.begin()
        if place and not self.given_up:
            self._said_place(place)

    def _end(self, logger: Logger, state: State) -> None:
        logger.end(state)
        self._over = True

    def _work(self) -> None:
        while not (self._over or self.given_up):
            item = self._next()
            try:
                if isinstance(item, list):
                    self._logger.rows(item)
                else:
                    item(self._logger)
            except BaseException as error:  # noqa: BLE001  (whatever a library raises; a training is worth more)
                with self._changed:
                    self._give_up(in_one_line(error))
            with self._changed:
                self._since = None
                self._changed.notify_all()

    def _next(self) -> list[Row] | Call:
        """The next call, or all rows up to it."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            self._since = time.monotonic()
            rows: list[Row] = []
            while self._waiting and len(rows) < _MOST_ROWS:
                item = self._waiting[0]
                if not isinstance(item, Row):
                    break
                rows.append(item)
                self._waiting.popleft()
            if rows:
                return rows
            call = self._waiting.popleft()
            if isinstance(call, Row):
                raise TypeError("a row was taken for a call")
            return call

    def _is_stuck(self, seconds: float) -> bool:
        return self._since is not None and time.monotonic() - self._since > seconds

    def _give_up(self, reason: str) -> None:
        if self.given_up:
            return
        self.given_up = True
        self._waiting.clear()
        self._say(reason)


def _hung(seconds: float) -> str:
    return f"no answer for {seconds:.0f} seconds"


def in_one_line(error: BaseException) -> str:
    """In one line, without secrets."""
    lines = str(error).strip().splitlines() or [""]
    return without_secrets(": ".join(part for part in (type(error).__name__, lines[0].strip()) if part))[:300]


def _check_room() -> None:
    """Where a thread finds no memory to begin with, who starts it would wait for ever."""
    try:
        mmap.mmap(-1, _ROOM).close()
    except OSError as error:
        raise MemoryError from error
