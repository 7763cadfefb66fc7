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
        events.out.*         TensorBoard; mlflow.json, wandb.json, wandb/: what other loggers keep here
        checkpoints/         the last two states of the training, named by the images seen
        frames/              samples from the same noise at every validation, named likewise
        weights.safetensors  the networks, and in its metadata how to build them
        README.md            the model card
        scores.json          what the evaluation measured
        samples.png, and for a model with an encoder reconstructions.png, latent_grid.png, latent_scatter.png;
                             of styles style_mixing.png
        .lock                held by the process that trains the run
        .sweep               of a sweep with overwrite=true; see turns.py

Every file but the two logs is written whole or not at all. What the JSON and CSV files hold stands in records.py.
"""

import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import Timeout

from genbench.cache import whole_file
from genbench.config.train import TrainConfig, parse_train
from genbench.errors import UserError
from genbench.runs import files
from genbench.runs.files import AnyRecord, reason
from genbench.runs.ownership import Hold, checkpoints, empty, hold, is_free, is_held, obstacle, remove_half_written
from genbench.runs.records import DataRecord, Environment, Metrics, Record, Row, Scorecard, State, Status, Summary


@dataclass(frozen=True)
class Run:
    """One run directory."""

    path: Path
    _hold: Hold | None = field(default=None, compare=False, repr=False)  # of this process, if it has taken the run

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """An existing run directory; UserError if there is none at the path."""
        run = cls(Path(path))
        if not run.exists:
            raise UserError(files.no_run(run.path))
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
        """True if there is a file of the name, as far as one may look."""
        try:
            return (self.path / name).exists()
        except OSError:  # somebody else's folder
            return False

    def queue(self, config_yaml: str) -> None:
        """Announce the run: it will be trained. One that is finished or being trained is left as it is.

        Raises:
            UserError: see `held`.
        """
        if not (self.is_locked or self.is_finished):
            with self.held(config_yaml, overwrite=False):
                pass

    @contextmanager
    def held(self, config_yaml: str, *, overwrite: bool) -> Iterator["Run"]:
        """The directory, for this process alone: made if need be, emptied if so wished, queued if not finished.

        What is yielded writes nothing any more once the directory was moved or deleted. With `overwrite` all that runs
        write is deleted, and nothing else.

        Raises:
            UserError: another process is at work on the run, the directory cannot be made, or something that is not a
                run stands there.
        """
        try:
            if not self.exists and not is_free(self.path):
                raise UserError(f"{self.path} is in the way and is not a run: move it, or choose another runs=DIR")
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        with self.taken() as own:
            try:
                begins = overwrite or not own.is_finished
                if begins and (strange := obstacle(self.path, emptied=overwrite)) is not None:
                    raise UserError(f"{strange} is in the way, and nothing that a run has written: move it")
                if begins:
                    own.set_status("queued")  # first, so that no half-deleted run looks finished
                if overwrite:
                    empty(self.path)
                remove_half_written(self.path)
                if begins:
                    own._write_text("config.yaml", config_yaml)
            except OSError as error:
                raise self._unwritable(error) from error
            yield own

    @contextmanager
    def taken(self) -> Iterator["Run"]:
        """The directory as it is, for this process alone; the lock ends with the process, however it ends.

        Raises:
            UserError: another process is at work on the run, or the directory cannot be written.
        """
        with ExitStack() as stack:
            try:
                own = Run(self.path, stack.enter_context(hold(self.path)))
            except Timeout as error:
                who = "another process is at work on it" + self._owner()
                raise UserError(f"{self.path}: {who}: wait for it, or choose another runs=DIR") from error
            except OSError as error:
                raise self._unwritable(error) from error
            yield own

    def check_place(self) -> None:
        """Make sure that what is written now goes into the run.

        Raises:
            UserError: the directory is gone, or is not the one that this process has taken.
        """
        if self._hold is not None:
            self._hold.check()
        elif not self.path.is_dir():
            raise UserError(f"{self.path}: there is no such directory any more")

    @property
    def is_locked(self) -> bool:
        """True if a process holds the run, this one included."""
        return is_held(self.path)

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
            content = files.read_yaml(self.path / "config.yaml")
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
        if trained is None or (trained.fingerprint, trained.classes) == (data.fingerprint, data.classes):
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
        """Write summary.json, which also says how the tables and the config were when the training ended."""
        self._write("summary.json", summary.model_copy(update={"files": files.file_digests(self.path)}))

    @property
    def has_scorecard(self) -> bool:
        """True if the run was scored."""
        return self.has("scores.json")

    def is_scored(self, level: str, protocol: int, wanted: Mapping[str, Any] | None = None) -> bool:
        """True if it has these scores: see `Scorecard.is_of`; raises UserError as `scorecard`."""
        return self.has_scorecard and self.scorecard().is_of(level, protocol, wanted or {})

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
        return checkpoints(self.path)

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
        """Where what is said in training is kept."""
        return self.path / "train.log"

    def picture(self, name: str) -> Path:
        """Where a picture is kept: samples.png, say."""
        return self.path / name

    @property
    def has_card(self) -> bool:
        """True if there is a model card."""
        return self.has("README.md")

    def write_card(self, text: str) -> None:
        """Write the model card, Markdown."""
        self._write_text("README.md", text)

    @contextmanager
    def whole(self, name: str) -> Iterator[Path]:
        """`whole_file` for a file of the directory.

        Raises:
            UserError: see `check_place`.
        """
        self.check_place()
        path = self.path / name
        if path.parent != self.path:
            path.parent.mkdir(exist_ok=True)
        with whole_file(path) as temporary:
            yield temporary
            self.check_place()

    def _read(self, name: str, kind: type[AnyRecord]) -> AnyRecord:
        try:
            return files.read_record(self.path / name, kind)
        except (OSError, ValueError) as error:
            raise self._unreadable(name, error) from error

    def _write(self, name: str, record: Record) -> None:
        self._write_text(name, files.record_text(record))

    def _write_text(self, name: str, text: str) -> None:
        with self.whole(name) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def _table(self, name: str) -> Metrics:
        if not self.has(name):
            return Metrics(rows=())
        try:
            return files.read_table(self.path / name)
        except (OSError, ValueError) as error:
            raise self._unreadable(name, error) from error

    def _write_table(self, name: str, rows: Iterable[Row]) -> None:
        with self.whole(name) as temporary:
            files.write_table(temporary, rows)

    def _owner(self) -> str:
        try:
            return f" ({self.status.why})" if self.status.why else ""
        except UserError:
            return ""

    def _unwritable(self, error: OSError) -> UserError:
        return UserError(f"{self.path} cannot be written ({error.strerror}): mend that, or choose another runs=DIR")

    def _unreadable(self, name: str, error: Exception) -> UserError:
        remedy = "delete it and score the run again" if name == "scores.json" else "train the run with overwrite=true"
        return UserError(f"{self.path / name} cannot be read ({reason(error)}): {remedy}")
