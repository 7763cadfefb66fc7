"""What a run directory holds; the only code that opens its files.

    runs/<data>-<model>-<hash of what affects the result>-s<seed>/
        config.yaml          the whole configuration: --config-dir DIR --config-name config trains it again
        status.json          queued, running, finished, failed or interrupted; when; why
        environment.json     versions, device, commit
        data.json            the images that it is trained on: name, place, fingerprint, counts
        summary.json         parameters, seconds, images, test losses
        metrics.csv          a row every so many real images
        timing.csv           when these were seen
        train.log            what was said
        events.out.*         TensorBoard
        checkpoints/         the last two states of the training, named by the images seen
        weights.safetensors  the networks, and in its metadata how to build them
        README.md            the model card
        scores.json          what the evaluation measured
        samples.png, and for a model with an encoder reconstructions.png, latent_grid.png, latent_scatter.png
        .lock                held by the process that trains the run

Every file but the two logs is written whole or not at all. What the JSON and CSV files hold stands in records.py.
"""

import csv
import errno
import json
import os
import shutil
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from genbench.cache import whole_file
from genbench.config import TrainConfig, parse_train
from genbench.errors import UserError
from genbench.runs import migration
from genbench.runs.files import read_json, read_table, read_yaml, reason
from genbench.runs.records import DataRecord, Environment, Metrics, Record, Row, Scorecard, State, Status, Summary

AnyRecord = TypeVar("AnyRecord", bound=Record)
_MIGRATIONS = {"summary.json": migration.summary, "scores.json": migration.scorecard}


def is_disk_full(error: BaseException) -> bool:
    """True if an error, of whatever library, says that nothing more can be stored."""
    number = error.errno if isinstance(error, OSError) else None
    return number in (errno.ENOSPC, errno.EDQUOT) or "no space left" in str(error).lower()


@dataclass(frozen=True)
class Run:
    """One run directory."""

    path: Path

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """An existing run directory.

        Raises:
            UserError: there is none at the path.
        """
        run = cls(Path(path))
        if not run.exists:
            raise UserError(f"{path} is not a run directory: give one that genbench.train made (it holds status.json)")
        return run

    @property
    def exists(self) -> bool:
        """True if there is a run at the path."""
        return self.has("status.json")

    @property
    def is_finished(self) -> bool:
        """True if there is a run at the path and it ended well."""
        return self.exists and self.status.state == "finished"

    def has(self, name: str) -> bool:
        """True if there is a file of the name in the directory, as far as one may look."""
        try:
            return (self.path / name).exists()
        except OSError:  # somebody else's folder
            return False

    def queue(self, config_yaml: str, *, overwrite: bool) -> None:
        """Announce the run: it will be trained. One that is finished or being trained is left as it is.

        Raises:
            UserError: see `held`.
        """
        if self.is_locked or (self.is_finished and not overwrite):
            return
        with self.held(config_yaml, overwrite=overwrite):
            pass

    @contextmanager
    def held(self, config_yaml: str, *, overwrite: bool) -> Iterator[None]:
        """The directory, for this process alone: made if need be, emptied if so wished, queued if not finished.

        The lock ends with the process, however it ends.

        Raises:
            UserError: another process trains the run, the directory cannot be made, or something that is not a run
                stands there.
        """
        try:
            strangers = [name for name in _names(self.path) if not name.startswith(".")]
            if strangers and "status.json" not in strangers:
                raise UserError(f"{self.path} is in the way and is not a run: move it, or choose another runs=DIR")
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock", timeout=1)  # seconds: one who only looks holds it for a moment
            lock.acquire()
        except Timeout as error:
            owner = f" ({self.status.why})" if self.status.why else ""
            raise UserError(
                f"{self.path}: another process trains it{owner}: wait for it, or choose another runs=DIR"
            ) from error
        except OSError as error:
            raise UserError(f"{self.path} cannot be written ({error.strerror}): choose another runs=DIR") from error
        try:
            try:
                if overwrite:
                    self.set_status("queued")  # first, so that no half-deleted run looks finished
                    _empty(self.path, but=("status.json", ".lock"))
                for stray in self.path.rglob(".[0-9]*.*"):  # what a killed process was writing
                    stray.unlink()
                if not self.is_finished:
                    self.set_status("queued")
                    self._write_text("config.yaml", config_yaml)
            except OSError as error:
                raise UserError(f"{self.path} cannot be written ({error.strerror}): choose another runs=DIR") from error
            yield
        finally:
            lock.release()

    @property
    def is_locked(self) -> bool:
        """True if a process holds the run, this one included."""
        if not self.has(".lock"):
            return False
        lock = FileLock(self.path / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            return True
        except OSError:  # a folder that can only be read: nothing is trained there
            return False
        lock.release()
        return False

    @property
    def status(self) -> Status:
        """The run's status.json; a run whose process is gone is interrupted, whatever it says.

        Raises:
            UserError: it cannot be read.
        """
        status = self._read("status.json", Status)
        if status.state == "running" and not self.is_locked:
            return Status(state="interrupted", when=status.when, why="its process is gone")
        return status

    def set_status(self, state: State, why: str = "") -> None:
        """Write status.json, as of now; who trains it is why it is running."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if state == "running":
            why = f"process {os.getpid()} on {socket.gethostname()}"
        self._write("status.json", Status(state=state, when=now, why=why))

    def config(self) -> TrainConfig:
        """What the training was told. Every value is taken as it stands, with nothing interpolated.

        Raises:
            UserError: config.yaml cannot be read, or is not one of this version.
        """
        try:
            content = read_yaml(self.path / "config.yaml")
        except (OSError, ValueError) as error:
            raise self._unreadable("config.yaml", error) from error
        try:
            config = parse_train(content)
            _ = config.run_name  # a folder of images that no system can have would show here
        except (UserError, OSError, ValueError, TypeError, RuntimeError) as error:
            raise UserError(f"{self.path / 'config.yaml'} is not one of this version ({reason(error)})") from error
        return config

    def environment(self) -> Environment:
        """On what the run was trained; raises UserError if environment.json cannot be read."""
        return self._read("environment.json", Environment)

    def write_environment(self, environment: Environment) -> None:
        """Write environment.json."""
        self._write("environment.json", environment)

    def data(self) -> DataRecord | None:
        """The images that the run was trained on; None for a run of before these were noted down.

        Raises:
            UserError: data.json cannot be read.
        """
        return self._read("data.json", DataRecord) if self.has("data.json") else None

    def write_data(self, data: DataRecord) -> None:
        """Write data.json."""
        self._write("data.json", data)

    def check_data(self, data: DataRecord) -> None:
        """Refuse other images than those that the run was trained on, wherever they lie now.

        Raises:
            UserError: they are others, or data.json cannot be read.
        """
        trained = self.data()
        if trained is None or trained.fingerprint == data.fingerprint:
            return
        place = "" if trained.root is None else f" (from {trained.root})"
        raise UserError(
            f"{self.path} was trained on other images{place}; these are {trained.differences(data)}: give it those of"
            " then, or train anew with overwrite=true or another runs=DIR"
        )

    def summary(self) -> Summary:
        """What the training cost and came to; raises UserError if summary.json cannot be read."""
        return self._read("summary.json", Summary)

    def write_summary(self, summary: Summary) -> None:
        """Write summary.json."""
        self._write("summary.json", summary)

    @property
    def has_scorecard(self) -> bool:
        """True if the run was scored."""
        return self.has("scores.json")

    def scorecard(self) -> Scorecard:
        """The run's scores; raises UserError if scores.json cannot be read."""
        return self._read("scores.json", Scorecard)

    def write_scorecard(self, scorecard: Scorecard) -> None:
        """Write scores.json."""
        self._write("scores.json", scorecard)

    def metrics(self) -> Metrics:
        """What was measured while the model trained, as far as that came; raises UserError if it cannot be read."""
        return self._table("metrics.csv")

    def write_metrics(self, rows: Iterable[Row]) -> None:
        """Write metrics.csv: `images` and a column a metric, empty where a row has none."""
        self._write_table("metrics.csv", rows)

    def timing(self) -> Metrics:
        """The metric `seconds` of every validation; raises UserError if timing.csv cannot be read."""
        return self._table("timing.csv")

    def write_timing(self, rows: Iterable[Row]) -> None:
        """Write timing.csv: the seconds, which no two trainings have in common, and so not in metrics.csv."""
        self._write_table("timing.csv", rows)

    @property
    def checkpoints(self) -> list[Path]:
        """The states of the training that are kept, the latest first."""
        return sorted((self.path / "checkpoints").glob("[0-9]*.ckpt"), reverse=True)

    @property
    def weights(self) -> Path:
        """Where the networks' weights are kept."""
        return self.path / "weights.safetensors"

    @property
    def has_weights(self) -> bool:
        """True if the training came to weights."""
        return self.has(self.weights.name)

    @property
    def log_path(self) -> Path:
        """Where what is said during the training is kept."""
        return self.path / "train.log"

    def picture(self, name: str) -> Path:
        """Where one of the run's pictures is kept: samples.png, say."""
        return self.path / name

    def write_card(self, text: str) -> None:
        """Write the model card, Markdown."""
        self._write_text("README.md", text)

    def whole(self, name: str) -> AbstractContextManager[Path]:
        """`whole_file` for a file of the directory."""
        (self.path / name).parent.mkdir(exist_ok=True)
        return whole_file(self.path / name)

    def _read(self, name: str, kind: type[AnyRecord]) -> AnyRecord:
        try:
            content = read_json(self.path / name)
            return kind.model_validate(_MIGRATIONS[name](content) if name in _MIGRATIONS else content)
        except (OSError, ValueError) as error:
            raise self._unreadable(name, error) from error

    def _write(self, name: str, record: Record) -> None:
        self._write_text(name, json.dumps(record.model_dump(), indent=2) + "\n")

    def _write_text(self, name: str, text: str) -> None:
        with self.whole(name) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def _table(self, name: str) -> Metrics:
        if not self.has(name):
            return Metrics(rows=())
        try:
            return read_table(self.path / name)
        except (OSError, ValueError) as error:
            raise self._unreadable(name, error) from error

    def _write_table(self, name: str, rows: Iterable[Row]) -> None:
        flat = [{"images": images, **values} for images, values in rows]
        columns = dict.fromkeys(column for row in flat for column in row)
        with self.whole(name) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, ["images", *(column for column in columns if column != "images")])
            table.writeheader()
            table.writerows(flat)

    def _unreadable(self, name: str, error: Exception) -> UserError:
        remedy = "delete it and score the run again" if name == "scores.json" else "train the run again"
        return UserError(f"{self.path / name} cannot be read ({reason(error)}): {remedy}")


def runs_in(folder: Path) -> list[Run]:
    """The runs of a folder, by name."""
    return [Run(path.parent) for path in sorted(folder.glob("*/status.json"))]


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else [""] if folder.exists() else []


def _empty(folder: Path, but: tuple[str, ...]) -> None:
    for path in folder.iterdir():
        if path.name in but:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
