"""All loggers of a training, as one."""

import logging
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from rich.console import Console
from rich.text import Text

from genbench.config.loggers import LoggerConfig
from genbench.config.train import TrainConfig
from genbench.errors import UserError
from genbench.interruption import Interrupted
from genbench.runs.directory import Run
from genbench.runs.records import Row, State
from genbench.training.loggers.background import LAST, LAST_INTERRUPTED, Background, in_one_line
from genbench.training.loggers.final import final
from genbench.training.loggers.logger import SPEED, Logger, Subject
from genbench.training.run_log import log_file

log = logging.getLogger("genbench.loggers")


class Loggers:
    """Where a training's curves, pictures and scores go beside its directory; a logger that fails is left out.

    Nothing is opened before `begin`; all that is told before is told nobody.
    """

    def __init__(self, run: Run, config: TrainConfig | None, console: Console) -> None:
        """See `opened`; without a config nobody is told anything."""
        self._run = run
        self._config = config
        self._console = console
        self._told: list[Background] | None = None

    def begin(self, resumed_at: int | None = None) -> None:
        """Open all, if they are not.

        Args:
            resumed_at: images of the checkpoint that the training goes on from.

        Raises:
            UserError: the run's directory is gone.
            MemoryError: there is none for a thread.
        """
        if self._told is not None:
            return
        self._told = []
        if self._config is None:
            return
        self._run.check_place()
        subject = Subject(self._run, self._config, resumed_at)
        for name, make in _makers(self._config.logger).items():
            try:
                logger = make(subject)
            except Exception as error:  # noqa: BLE001  (a library that cannot be imported raises anything)
                self._warn(name, in_one_line(error))
            else:
                self._told.append(Background(logger, partial(self._warn, name), partial(self._say, name)))

    def __bool__(self) -> bool:
        """True if anybody is told anything."""
        return any(not told.given_up for told in self._told or ())

    def row(self, row: Row) -> None:
        """A row of metrics.csv."""
        self._tell(_named(row))

    def speed(self, images_per_second: float, images_seen: int) -> None:
        """The training's, since it was last told."""
        self._tell(Row(images_seen, {SPEED: images_per_second}))

    def catch_up(self, rows: Sequence[Row]) -> None:
        """The rows so far, for those who may not have been told all."""
        named = [_named(row) for row in rows]
        self._tell(lambda logger: logger.catch_up(named))

    def picture(self, name: str, picture: Image.Image | Figure, images_seen: int) -> None:
        """A picture or figure at the point of the training at which it was drawn."""
        image = _drawn(picture) if isinstance(picture, Figure) else picture
        self._tell(lambda logger: logger.picture(f"validation_pictures/{name}", image, images_seen))

    def results(self) -> None:
        """What a finished run came to: final numbers and pictures, and all that somebody was not told before."""
        self.begin()
        if not self:
            return
        end = final(self._run)
        self.catch_up(self._run.metrics().rows)
        self._tell(lambda logger: logger.results(end.settings, end.results, end.images_seen))
        for name, picture in end.pictures.items():
            self._tell(lambda logger, name=name, picture=picture: logger.picture(name, picture, end.images_seen))  # type: ignore[misc]

    def end(self, state: State, patience: float = LAST) -> None:
        """Close all, and wait that many seconds for it."""
        for told in self._told or ():
            told.end(state, patience)
        self._told = []

    def _tell(self, item: Row | Callable[[Logger], None]) -> None:
        for told in self._told or ():
            told.tell(item)

    def _warn(self, name: str, reason: str) -> None:
        text = f"logger {name}: {reason}; nothing more is told to it"
        if self._console.quiet:  # one of several trainings
            print(f"{self._run.path}: {text}", file=sys.stderr)
        else:
            self._console.print(Text.assemble(("warning", "bold red"), f": {text}"), soft_wrap=True)
        log.warning(text)

    def _say(self, name: str, place: str) -> None:
        self._console.print(f"{name}: {place}", soft_wrap=True, highlight=False)
        log.info("%s: %s", name, place)


@contextmanager
def opened(run: Run, config: TrainConfig, console: Console) -> Iterator[Loggers]:
    """The loggers of a run that this process has taken; they are told that it ended when the context ends.

    What they say goes to the console and into the run's train.log.
    """
    loggers = Loggers(run, config, console)
    hook = threading.excepthook
    # TensorBoard writes in a thread of its own; what happens there is raised again when it is next told something.
    threading.excepthook = lambda event: log.error("in %s: %s", event.thread, event.exc_value)
    with log_file(run, log):
        patience = LAST
        try:
            yield loggers
        except Interrupted:
            patience = LAST_INTERRUPTED
            raise
        finally:
            loggers.end(_state(run), patience)
            threading.excepthook = hook


def _state(run: Run) -> State:
    try:
        return run.status.state
    except UserError:  # its directory is gone, and somebody has said so
        return "failed"


def _makers(config: LoggerConfig) -> dict[str, Callable[[Subject], Logger]]:
    """How each logger that is wanted is made; its library is imported there."""
    found: dict[str, Callable[[Subject], Logger]] = {}
    if config.tensorboard:
        from genbench.training.loggers.tensorboard import TensorBoard

        found["tensorboard"] = TensorBoard
    if (mlflow := config.mlflow) is not None:
        from genbench.training.loggers.mlflow import MLflow

        found["mlflow"] = lambda subject: MLflow(subject, mlflow)
    if (wandb := config.wandb) is not None:
        from genbench.training.loggers.wandb import Wandb

        found["wandb"] = lambda subject: Wandb(subject, wandb)
    return found


def _named(row: Row) -> Row:
    """A row of metrics.csv by the names that charts have, whose groups stand in the order of their letters."""
    return Row(row.images, {name.replace("fast/", "validation/fast_"): value for name, value in row.values.items()})


def _drawn(figure: Figure) -> Image.Image:
    """A figure as it is now, by the thread that may change it."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = bytes(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return Image.frombytes("RGBA", canvas.get_width_height(), pixels)
