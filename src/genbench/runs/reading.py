"""A folder of runs, read without trust and as far as it can be: nothing is left out, and what is wrong is said."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import TypeVar

from genbench.config import TrainConfig
from genbench.errors import UserError
from genbench.runs.directory import Run
from genbench.runs.records import DataRecord, Environment, Metrics, Scorecard, Summary

Part = TypeVar("Part")
_NOTHING = Metrics(rows=())


@dataclass(frozen=True)
class RunRecord:
    """One directory of a folder of runs, as far as it can be read."""

    path: Path
    state: str  # as in status.json; "unreadable" if that or the config cannot be read
    when: str
    problems: tuple[str, ...]  # why it is not ranked; empty if it is
    notes: tuple[str, ...] = ()  # what else is wrong with it
    config: TrainConfig | None = None
    environment: Environment | None = None
    summary: Summary | None = None
    scorecard: Scorecard | None = None
    metrics: Metrics = _NOTHING
    timing: Metrics = _NOTHING
    data: DataRecord | None = None

    @property
    def name(self) -> str:
        """The directory's name."""
        return self.path.name

    @property
    def seed(self) -> int:
        """The training seed; -1 if unknown."""
        return self.config.seed if self.config else -1

    @property
    def model(self) -> str:
        """The model's name; empty if unknown."""
        return self.config.model_name if self.config else ""

    @property
    def model_title(self) -> str:
        """The model's name as people write it; empty if unknown."""
        return self.config.model_title if self.config else ""

    @property
    def data_name(self) -> str:
        """The data set's name; empty if unknown."""
        if self.scorecard is not None and self.scorecard.data:
            return self.scorecard.data
        return self.config.data.name if self.config else ""

    @property
    def data_title(self) -> str:
        """The data set's name as people write it; empty if unknown."""
        return (self.config.data.title if self.config else None) or self.data_name

    @cached_property
    def variant(self) -> str:
        """A hash of all settings but the seed; empty if they are unknown."""
        return self.config.run_name.rsplit("-", 2)[1] if self.config else ""

    @property
    def parameters(self) -> int:
        """Trainable parameters of all networks."""
        return sum(self.summary.parameters.values()) if self.summary else 0


def read_folder(folder: Path) -> list[RunRecord]:
    """Every directory of a folder, in the order of the names.

    Raises:
        UserError: there is no such folder, or nothing in it.
    """
    if Run(folder).exists:
        raise UserError(f"runs={folder} is one run: give the folder that holds it")
    if not folder.is_dir():
        raise UserError(f"runs={folder}: there is no such folder")
    paths = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not paths:
        raise UserError(f"runs={folder}: there is no run in this folder; make one with python -m genbench.train")
    return [read(path) for path in paths]


def read(path: Path) -> RunRecord:
    """One directory, whatever it holds: what cannot be read is a problem or a note of the record, never an error."""
    try:
        run = Run(path)
        if not run.exists:
            return RunRecord(path, "unreadable", "", (_no_run(path),))
        status, config = run.status, run.config()
    except UserError as error:
        return RunRecord(path, "unreadable", "", (_without_path(error, path),))
    except OSError as error:
        return RunRecord(path, "unreadable", "", (f"it cannot be read ({error.strerror})",))
    problems: list[str] = []
    notes: list[str] = []
    if status.state != "finished":
        problems.append(f"{status.state}: {status.why}" if status.why else status.state)
    environment = _part(run, "environment.json", Run.environment, notes)
    summary = _part(run, "summary.json", Run.summary, problems)
    scorecard = _part(run, "scores.json", Run.scorecard, problems)
    metrics = _part(run, "metrics.csv", Run.metrics, notes) or _NOTHING
    timing = _part(run, "timing.csv", Run.timing, notes) or _NOTHING
    data = _part(run, "data.json", Run.data, notes)
    if status.state == "finished" and not run.has("summary.json"):
        problems.append("summary.json is missing")
    if status.state == "finished" and not run.has("scores.json"):
        problems.append(f"not scored yet: python -m genbench.evaluate run={quote(str(path))}")
    if scorecard is not None and not scorecard.values():
        problems.append("scores.json holds no score")
    if scorecard is not None and scorecard.level != "full":
        problems.append(
            f"scored by evaluation={scorecard.level}, against the validation images; such scores may not be reported: "
            f"python -m genbench.evaluate run={quote(str(path))}"
        )
    return RunRecord(
        path,
        status.state,
        status.when,
        tuple(problems),
        tuple(notes),
        config,
        environment,
        summary,
        scorecard,
        metrics,
        timing,
        data,
    )


def _no_run(path: Path) -> str:
    if any(path.glob("*/status.json")):
        return f"a folder of runs of its own: report on it with runs={quote(str(path))}"
    return "no status.json: it is not a run, or its file is lost"


def _part(run: Run, name: str, read_part: Callable[[Run], Part], complaints: list[str]) -> Part | None:
    """A file's content; None if it is not there, or with a complaint if it cannot be read."""
    if not run.has(name):
        return None
    try:
        return read_part(run)
    except UserError as error:
        complaints.append(_without_path(error, run.path))
        return None


def _without_path(error: UserError, path: Path) -> str:
    return str(error).replace(f"{path}/", "")
