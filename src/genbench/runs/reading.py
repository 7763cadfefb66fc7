"""A run directory, read without trust and as far as it can be: what is wrong is said."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from genbench.config.train import TrainConfig
from genbench.errors import UserError
from genbench.runs.directory import Run
from genbench.runs.files import closed, file_digests, one_line, read_checksum, reason
from genbench.runs.records import DataRecord, Environment, Metrics, Scorecard, Summary
from genbench.wording import word

Part = TypeVar("Part")
_NAME = re.compile(r".+-[0-9a-f]{8}-s(\d{1,10})")  # of a directory, as a training names it
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
    weights: str = ""  # the checksum that they say they have; empty if there are none

    @property
    def name(self) -> str:
        """The directory's name."""
        return self.path.name

    @property
    def told(self) -> TrainConfig:
        """The config of a run that has a readable one; ValueError for another, which nobody ranks or describes."""
        if self.config is None:
            raise ValueError(f"{self.path} has no readable config")
        return self.config

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
    if environment is not None:
        notes += [f"after an interruption it went on with {change}" for change in environment.changes]
    if not _is_of(path.name, config, environment):
        problems.append("its config.yaml is not the one that it was trained by: put that back")
    finished = status.state == "finished"
    record = RunRecord(
        path,
        status.state,
        status.when,
        (),
        (),
        config,
        environment,
        _part(run, "summary.json", Run.summary, problems, "summary.json is missing" if finished else ""),
        _part(run, "scores.json", Run.scorecard, problems, f"not scored yet: {_command(path)}" if finished else ""),
        _part(run, "metrics.csv", Run.metrics, notes) or _NOTHING,
        _part(run, "timing.csv", Run.timing, notes) or _NOTHING,
        _part(run, "data.json", Run.data, notes),
        _part(run, run.weights.name, _checksum, notes) or "",
    )
    if record.summary is not None:
        notes += _changed(run, record.summary)
    if record.scorecard is not None:
        problems += _of_scores(record.scorecard, path)
    return replace(record, problems=tuple(map(one_line, problems)), notes=tuple(map(one_line, notes)))


def _changed(run: Run, summary: Summary) -> list[str]:
    """Files that are not as the training left them."""
    try:
        now = file_digests(run.path)
    except (OSError, ValueError):  # whoever reads the file itself says it
        return []
    return [f"{name} was changed after the training" for name, was in summary.files.items() if now.get(name) != was]


def _of_scores(scorecard: Scorecard, path: Path) -> list[str]:
    problems = [] if scorecard.values() else ["scores.json holds no score"]
    if scorecard.level != "full":
        problems.append(
            f"scored by evaluation={scorecard.level}, against the validation images; such scores may not be reported: "
            + _command(path)
        )
    return problems


def _command(path: Path) -> str:
    return f"genbench evaluate {word('run', str(path))}"


def _checksum(run: Run) -> str:
    try:
        return read_checksum(run.weights)
    except (OSError, ValueError) as error:
        raise UserError(f"{run.weights.name} cannot be read ({reason(error)})") from error


def _is_of(name: str, config: TrainConfig, environment: Environment | None) -> bool:
    """False if a run was trained by another config than stands there now."""
    if environment is not None and environment.config:
        return environment.config == config.fingerprint
    named = _NAME.fullmatch(name)  # a run of before: its directory tells of the seed at least
    return named is None or int(named[1]) == config.seed


def _no_run(path: Path) -> str:
    if why := closed(path):
        return f"it cannot be looked into ({why}): have its owner open it"
    if any(path.glob("*/status.json")):
        return f"a folder of runs of its own: report on it with {word('runs', str(path))}"
    return "no status.json: it is not a run, or its file is lost"


def _part(
    run: Run, name: str, read_part: Callable[[Run], Part], complaints: list[str], absent: str = ""
) -> Part | None:
    """A file's content; None if it cannot be read, which is complained of, or is not there."""
    if not run.has(name):
        complaints += [absent] if absent else []
        return None
    try:
        return read_part(run)
    except UserError as error:
        complaints.append(_without_path(error, run.path))
        return None


def _without_path(error: UserError, path: Path) -> str:
    return str(error).replace(f"{path}/", "")
