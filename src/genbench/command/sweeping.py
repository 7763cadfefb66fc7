"""The trainings of a sweep, in whatever processes: each is begun, taken up again if it was lost, and told of."""

import gc
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genbench.command.composition import CommandLine
from genbench.command.launching import launch
from genbench.config.schema import by_dotted_keys
from genbench.config.train import TrainConfig
from genbench.errors import UserError
from genbench.evaluation.protocol import PROTOCOL
from genbench.interruption import Interrupted
from genbench.progress import importing, task
from genbench.runs.directory import Run
from genbench.runs.reading import read

MOST_STALLED = 3  # times that a sweep is taken up again although the last time got nowhere


@dataclass(frozen=True)
class Aim:
    """A run, and what it is to come to."""

    run: Run
    level: str  # of its scores: none, fast or full
    scored_by: Mapping[str, Any]  # see `Scorecard.is_of`

    @classmethod
    def of(cls, config: TrainConfig) -> "Aim":
        """What a training's words ask for."""
        return cls(Run(config.directory), config.evaluation.level, config.scored_by)

    @property
    def is_reached(self) -> bool:
        """Trained and scored as far as is wanted, or given up."""
        try:
            if self.run.status.state == "failed":
                return True
            scored = self.level == "none" or self.run.is_scored(self.level, PROTOCOL, self.scored_by)
            return self.run.is_finished and scored
        except UserError:  # not queued yet, or unreadable
            return False


@dataclass(frozen=True)
class Job:
    """One training of a sweep."""

    config: TrainConfig
    aims: Sequence[Aim]  # of all jobs
    started: float  # the sweep, in seconds since the epoch


def train_all(line: CommandLine[TrainConfig], job: Callable[[Job], None]) -> int:
    """Every job of a sweep, by the launcher that the command line names.

    A run that lost its process (a killed worker, a lost machine) is taken up again, as long as that gets anywhere.

    Args:
        line: the jobs.
        job: trains one of them, in whatever process; a function of a module.

    Returns:
        0, or the exit code of a job or launcher that ended otherwise; above 128 it was a signal.

    Raises:
        UserError: a run needs several processes, two of them are one, its directory cannot be had, or nobody's images
            can.
    """
    _check(line.configs)
    missing = {} if line.is_remote else _missing_data(line.configs)
    runs = [Run(config.directory) for config in line.configs]
    _queue(line.configs, runs, missing)
    started = time.time()
    # What was to be overwritten was deleted when the run was queued.
    configs = [config.model_copy(update={"overwrite": False}) for config in line.configs]
    aims = [Aim.of(config) for config in configs]
    jobs = [Job(config, aims, started) for config in configs]
    code = stalled = 0
    chosen = [i for i, config in enumerate(configs) if _read_from(config) not in missing]
    before: object = None
    while stalled < MOST_STALLED:
        try:
            launch(line, job, jobs, chosen)
        except Interrupted as signal:
            code = 128 + signal.number
        except SystemExit as exit:  # a signal
            code = exit.code if isinstance(exit.code, int) else 1
        except UserError:
            raise
        except Exception as error:  # noqa: BLE001  (a launcher whose worker died, each has its own)
            code = 1
            print(f"genbench: {type(error).__name__}: {(str(error).splitlines() or [''])[0]}", file=sys.stderr)
        chosen = [i for i, run in enumerate(runs) if _is_lost(run)]
        if code > 128 or not chosen:
            break
        print(f"{len(chosen)} runs lost their process; they go on", file=sys.stderr)
        now = [read(run.path).state for run in runs], [run.checkpoints[:1] for run in runs]
        stalled = stalled + 1 if now == before else 0
        before = now
    return code


def _check(configs: Sequence[TrainConfig]) -> None:
    """Refuse jobs that need several processes, or of which two are one: the second would be answered with the first."""
    if any(config.trainer.devices * config.trainer.num_nodes > 1 for config in configs):
        raise UserError(
            "trainer.devices, trainer.num_nodes: of several trainings each takes one process: leave trainer=ddp out"
        )
    seen: dict[Path, TrainConfig] = {}
    for config in configs:
        first = seen.setdefault(config.directory, config)
        if first is config:
            continue
        mine, other = by_dotted_keys(config.model_dump()), by_dotted_keys(first.model_dump())
        key = next((key for key, value in mine.items() if value != other.get(key)), None)
        if key is None:
            raise UserError(f"{config.run_name} would be trained twice: give each model, data set and seed once")
        advice = "give one value"
        if key.startswith("model.sample."):
            option = key.removeprefix("model.sample.")
            advice = f"train once, then genbench evaluate run=DIR options.{option}={mine[key]}"
        raise UserError(f"{key}: makes no other training, and several of the sweep would be one: {advice}")


def _queue(configs: Sequence[TrainConfig], runs: Sequence[Run], missing: Mapping[str, str]) -> None:
    """A long sweep shows from the start what is to come, and what is not."""
    for run, config in zip(runs, configs, strict=True):
        run.queue(config.to_yaml(), overwrite=config.overwrite)
        reason = missing.get(_read_from(config))
        if reason is not None and read(run.path).state == "queued" and not run.is_locked:
            run.set_status("failed", reason)


def _is_lost(run: Run) -> bool:
    return read(run.path).state in ("queued", "interrupted") and not run.is_locked


def _read_from(config: TrainConfig) -> str:
    return config.data.source


def _missing_data(configs: Sequence[TrainConfig]) -> dict[str, str]:
    """The data that cannot be had, and why: said once, and not by every run that needs them.

    Raises:
        UserError: none can be had.
    """
    importing("torch")
    from genbench.data.sources import load_data

    wanted = {_read_from(config): config.data for config in configs}
    missing: dict[str, str] = {}
    for place, data in wanted.items():
        try:
            with task(f"reading {data.title or data.name}"):
                load_data(data)
        except UserError as error:
            if len(missing) + 1 == len(wanted):
                raise
            missing[place] = str(error)
    for reason in missing.values():
        print(reason, file=sys.stderr)
    return missing


def guarded(config: TrainConfig, training: Callable[[], None]) -> None:
    """Do a training; a failure is written into its run directory, and the next one goes on."""
    run = Run(config.directory)
    try:
        training()
    except Interrupted as signal:
        sys.exit(128 + signal.number)
    except Exception as error:  # noqa: BLE001  (whatever it was, it is recorded and reported at the end)
        # Before the training began, so that nothing has recorded it yet.
        if read(run.path).state == "queued" and not run.is_locked:
            run.set_status("failed", str(error))
        print(f"{run.path}: {error}", file=sys.stderr)
    finally:
        gc.collect()  # Trainer and callbacks know each other: without this dozens of models wait for Python to look


def progress_line(aims: Sequence[Aim], running: int, seconds: float, minutes: float | None) -> str:
    """ "training 3 of 8, done about 14:32", by what those that are done took for themselves.

    Not by the time since the beginning: the first of them waits for what is made once, a classifier say.

    Args:
        aims: all of them.
        running: how many train at once.
        seconds: since the beginning.
        minutes: of a training, if that is bounded by time.
    """
    done = [aim for aim in aims if aim.is_reached]
    took = [spent for aim in done if (spent := _seconds(aim)) is not None]
    left, is_scored = len(aims) - len(done), any(aim.level != "none" for aim in aims)
    if left == 0:
        return f"{len(done)} of {len(aims)} trained" + " and scored" * is_scored
    text = f"training {len(done) + 1} of {len(aims)}"
    what, then = "done", ""
    running = max(1, min(running, left))
    if took:
        remaining = sum(took) / len(took) * left / running
    elif minutes is not None:
        remaining = max(minutes * 60 * left / running - seconds, 0)
        what, then = ("trained", ", and scored minutes later") if is_scored else ("done", "")  # how many, is seen
    else:
        return text
    return f"{text}, {what} about {time.strftime('%H:%M', time.localtime(time.time() + remaining))}{then}"


def _seconds(aim: Aim) -> float | None:
    """What a run took that is done; None if it failed, or cannot be read any more."""
    try:
        summary = aim.run.summary()
        scoring = 0.0 if aim.level == "none" else aim.run.scorecard().evaluation_seconds
    except UserError:
        return None
    return summary.train_seconds + summary.validation_seconds + scoring
