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
from genbench.runs.turns import is_begun, new_sweep, note_begun, note_refused, refusal
from genbench.wording import counted

MOST_STALLED = 3  # times that a sweep is taken up again although the last time got nowhere
MOST_NAMED = 3  # runs in a line
WITHOUT_OVERWRITE = "the same command without overwrite=true goes on from here"


@dataclass(frozen=True)
class Aim:
    """A run, and what it is to come to."""

    run: Run
    level: str  # of its scores: none, fast or full
    scored_by: Mapping[str, Any]  # see `Scorecard.is_of`
    sweep: str = ""  # that begins it anew; empty: nobody does

    @classmethod
    def of(cls, config: TrainConfig, sweep: str = "") -> "Aim":
        """What a training's words ask for."""
        named = sweep if config.overwrite else ""
        return cls(Run(config.directory), config.evaluation.level, config.scored_by, named)

    @property
    def is_due(self) -> bool:
        """To be begun anew, and until then what it was before."""
        return self.sweep != "" and not is_begun(self.run, self.sweep)

    @property
    def is_reached(self) -> bool:
        """Trained and scored as far as is wanted, or given up."""
        if self.is_due:
            return refusal(self.run, self.sweep) != ""
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

    words: TrainConfig  # as they were given
    aim: Aim
    aims: Sequence[Aim]  # of all jobs
    started: float  # the sweep, in seconds since the epoch

    @property
    def config(self) -> TrainConfig:
        """What the training is told now: a run that this sweep has begun anew goes on if it is taken up again."""
        return self.words.model_copy(update={"overwrite": self.aim.is_due})


def aims_of(configs: Sequence[TrainConfig]) -> list[Aim]:
    """What a sweep's jobs are to come to."""
    sweep = new_sweep()
    return [Aim.of(config, sweep) for config in configs]


def train_all(line: CommandLine[TrainConfig], job: Callable[[Job], None], aims: Sequence[Aim] | None = None) -> int:
    """Every job of a sweep, by the launcher that the command line names.

    A run that lost its process (a killed worker, a lost machine) is taken up again, as long as that gets anywhere; one
    that is trained and has not the scores that are wanted, once.

    Args:
        line: the jobs.
        job: trains one of them, in whatever process; a function of a module.
        aims: `aims_of` the jobs, of whoever wants to look at them.

    Returns:
        0, or the exit code of a job or launcher that ended otherwise; above 128 it was a signal.

    Raises:
        UserError: a run needs several processes, two of them are one, its directory cannot be had, or nobody's images
            can.
    """
    _check(line.configs)
    missing = {} if line.is_remote else _missing_data(line.configs)
    aims = aims_of(line.configs) if aims is None else aims
    _queue(line.configs, aims, missing)
    jobs = [Job(config, aim, aims, time.time()) for config, aim in zip(line.configs, aims, strict=True)]
    code = stalled = 0
    able = chosen = [i for i, config in enumerate(line.configs) if _read_from(config) not in missing]
    once_more: set[int] = set()  # whatever killed the process that scored them may do so again, and take long
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
        lost = [i for i in able if not aims[i].run.is_locked and not aims[i].is_reached]
        unscored = {i for i in lost if not aims[i].is_due and read(aims[i].run.path).state == "finished"}
        chosen = [i for i in lost if i not in once_more]
        once_more |= unscored
        if code > 128 or not chosen:
            break
        print(f"{counted(len(chosen), 'run')} lost their process, or are not scored; they go on", file=sys.stderr)
        now = [(read(aim.run.path).state, aim.run.checkpoints[:1], aim.is_due, aim.is_reached) for aim in aims]
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


def _queue(configs: Sequence[TrainConfig], aims: Sequence[Aim], missing: Mapping[str, str]) -> None:
    """A long sweep shows from the start what is to come, and what is not.

    A run that is to be begun anew shows what it has until its turn comes: who knows whether it can be trained?
    """
    for config, aim in zip(configs, aims, strict=True):
        if not (aim.sweep and aim.run.exists):
            aim.run.queue(config.to_yaml())
            if aim.sweep:
                note_begun(aim.run, aim.sweep)
        reason = missing.get(_read_from(config))
        if reason is not None:
            _give_up(aim, reason)


def _give_up(aim: Aim, why: str) -> None:
    """Note why a run's training cannot begin, unless that has begun, and says itself how it goes."""
    if aim.run.is_locked:
        return
    if read(aim.run.path).state == "queued":
        aim.run.set_status("failed", why)
        if aim.sweep:  # it has nothing to keep, or was being emptied
            note_begun(aim.run, aim.sweep)
    elif aim.is_due:
        note_refused(aim.run, aim.sweep, why)


def left_alone(aims: Sequence[Aim]) -> dict[Path, str]:
    """The runs that were to be begun anew and are what they were before, with that and the reason if one is known."""
    reasons = {aim.run.path: refusal(aim.run, aim.sweep) for aim in aims if aim.is_due}
    return {path: "as it was, not begun anew" + f": {why}" * bool(why) for path, why in reasons.items()}


def interrupted(code: int, aims: Sequence[Aim]) -> Interrupted:
    """What ends a sweep whose exit code is that of a signal; it says how to go on."""
    signal = Interrupted(code - 128)
    if any(aim.sweep for aim in aims):  # given again, it would begin again
        left = [path.name for path in left_alone(aims)]
        names = [*left[:MOST_NAMED], *([f"{len(left) - MOST_NAMED:,} more"] if len(left) > MOST_NAMED else [])]
        signal.advice = WITHOUT_OVERWRITE
        if left:
            signal.advice += (
                f", and takes as it is what is not begun anew yet ({', '.join(names)}): delete it to have it trained"
            )
    return signal


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


def guarded(aim: Aim, training: Callable[[], None]) -> None:
    """Do a training; a failure is written into its run directory, and the next one goes on."""
    try:
        training()
    except Interrupted as signal:
        sys.exit(128 + signal.number)
    except Exception as error:  # noqa: BLE001  (whatever it was, it is recorded and reported at the end)
        _give_up(aim, str(error))
        print(f"{aim.run.path}: {error}", file=sys.stderr)
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
