"""Compare models on a data set: trains, scores, calibrates what is not calibrated, and makes the page.

genbench compare data=mnist models=gan,vae seeds=4 minutes=5 out=page
genbench compare data=mnist,fashion minutes=5 hydra/launcher=cores
genbench compare data=folder data.root=photos images=500000 out=photos-page

Every other word is given to genbench train. The same command again goes on where it stopped.
"""

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass

from rich.console import Console
from rich.status import Status

from genbench.command.composition import CommandLine, check_outside_data, compose
from genbench.command.sweeping import (
    Aim,
    Job,
    aims_of,
    guarded,
    interrupted,
    left_alone,
    progress_line,
    train_all,
)
from genbench.comparison.settings import budget
from genbench.config.train import TrainConfig
from genbench.config.verbs import CompareConfig
from genbench.console import stdout
from genbench.errors import UserError
from genbench.places import near
from genbench.progress import notebook_cell, shown
from genbench.runs.directory import Run
from genbench.runs.reading import RunRecord, read
from genbench.verbs.report import check_page_folder
from genbench.verbs.train import train
from genbench.wording import counted, word

LOOK_SECONDS = 2.0  # between two looks at how far the trainings are
_BY_PROTOCOL = "nothing: all runs are scored by the protocol"
_OURS = {
    **{"model": "models=gan,vae", "seed": "seeds=4"},
    **dict.fromkeys(("evaluation", "evaluation.level"), _BY_PROTOCOL),
}


def run(config: CompareConfig) -> None:
    """Every training that is not finished, every score and calibration that there is not yet, and the page.

    Raises:
        UserError: a word is wrong, or nothing could be trained.
        Interrupted: Ctrl-C or SIGTERM; the same command goes on.
    """
    console = stdout()
    found = compared(config, console)
    for headline in found.headlines:
        console.print(headline, soft_wrap=True)
    print(near(config.out) / "index.html")
    sys.exit(1 if found.failed else 0)


@dataclass(frozen=True)
class Compared:
    """How a comparison went."""

    headlines: list[str]  # a line a data set
    failed: list[RunRecord]  # trainings that are not finished or not scored, or not begun anew as they were to be


def compared(config: CompareConfig, console: Console) -> Compared:
    """`run` but for its last lines, on a console that may be quiet; raises as `run`."""
    out = near(config.out)
    check_page_folder(out, force=config.force)
    line = trainings(config)
    for each in line.configs:
        check_outside_data(each, "out", config.out)
    say_notes(line.configs, console)
    runs = [Run(each.directory) for each in line.configs]
    say_plan(line.configs, runs, console)
    aims = aims_of(line.configs)
    with _progress(console, aims, config.minutes), shown(None):  # one line: two displays would overwrite each other
        code = train_all(line, quietly, aims)
    if code > 128:
        raise interrupted(code, aims)
    left, records = left_alone(aims), [read(run.path) for run in runs]
    reasons = {record.path: record.problems[0] for record in records if record.problems} | left
    failed = [record for record in records if record.path in reasons]
    for record in failed:
        console.print(f"{record.path}: {reasons[record.path]}", style="bold red", soft_wrap=True)
    if len(failed) == len(runs):
        found = "begun anew" if len(left) == len(runs) else "finished and scored"
        raise UserError(
            f"runs={config.runs}: no training is {found}, so that there is nothing to compare:"
            f" {reasons[failed[0].path]}"
        )
    calibrate_missing(line.configs, console)

    from genbench.reporting.page import write_report

    return Compared(write_report(near(config.runs), out, line.configs[0].code, force=config.force), failed)


def trainings(config: CompareConfig) -> CommandLine[TrainConfig]:
    """What there is to train, as the sweep that it is.

    Raises:
        UserError: a word is wrong.
    """
    for told in config.words:
        name = told.partition("=")[0].lstrip("+~")
        if name in _OURS:
            raise UserError(f"{name}=: write {_OURS[name]}")
    budgets = {"max_minutes": config.minutes, "max_images": config.images, "max_epochs": config.epochs}
    given = [f"trainer.{name}={value}" for name, value in budgets.items() if value is not None]
    twice = next((told for told in config.words if told.lstrip("+").startswith("trainer.max_")), None)
    if given and twice is not None:
        raise UserError(f"{twice}: minutes, images or epochs says it already: leave one out")
    if len(given) > 1:
        raise UserError("minutes, images, epochs: give one of them, so that all get the same")
    if not config.models or not all(name.isidentifier() for name in config.models):
        raise UserError(f"models={','.join(config.models)}: must be choices of model, separated by commas")
    runs = config.runs.replace("\\", "\\\\").replace("'", "\\'")
    words = [f"model={','.join(config.models)}", f"seed=range({config.seeds})", "evaluation=full", f"runs='{runs}'"]
    return compose("train", TrainConfig, ["-m", *words, *given, *config.words])


def say_notes(configs: Sequence[TrainConfig], console: Console) -> None:
    """What has to be known of each data set: what was left out, and why. Its trainings are quiet."""
    from genbench.data.sources import load_data

    for data in {config.data.model_dump_json(): config.data for config in configs}.values():
        with suppress(UserError):  # of one that cannot be read, which its trainings name
            for note in load_data(data).notes:
                console.print(f"data: {note}", soft_wrap=True, highlight=False)


def say_plan(configs: Sequence[TrainConfig], runs: Sequence[Run], console: Console) -> None:
    """How long each training is, and which runs of before will be on the page with them."""
    bounds = sorted({budget(config) for config in configs})
    told = {config.trainer.max_minutes or config.trainer.max_images or config.trainer.max_epochs for config in configs}
    hint = " (minutes=5 would give all the same time)" if told == {None} else ""
    each = f"{' or '.join(bounds)} each{hint}; then each is scored, which takes minutes more"
    console.print(f"{counted(len(configs), 'training')}, {each}", soft_wrap=True)
    folder, asked = near(configs[0].runs), {run.path.resolve() for run in runs}
    below = folder.iterdir() if folder.is_dir() else []
    others = [path for path in below if Run(path).exists and path.resolve() not in asked]
    if others:
        console.print(
            f"{counted(len(others), 'run')} of before in {folder} will be on the page as well (runs=DIR takes another"
            " folder)",
            soft_wrap=True,
        )


def quietly(job: Job) -> None:
    """One training of several, of which a line for all of them tells."""
    config = job.config
    guarded(job.aim, lambda: train(config, Console(quiet=True), job.aim.sweep))


def calibrate_missing(configs: Sequence[TrainConfig], console: Console) -> None:
    """Find out for each data set which scores may vote, unless that is known.

    A data set for which it cannot be found out is named, and is on the page without votes.
    """
    scored: dict[str, TrainConfig] = {}
    for config in configs:
        if Run(config.directory).has_scorecard:
            scored.setdefault(config.data.source, config)
    for config in scored.values():
        try:
            _calibrate(config, console)
        except UserError as error:
            console.print(f"{config.data.title} is not calibrated: {error}", style="bold red", soft_wrap=True)


def _calibrate(config: TrainConfig, console: Console) -> None:
    from genbench.evaluation.calibrations import Calibration, find_calibration, store

    scorecard = Run(config.directory).scorecard()
    found = find_calibration(scorecard.data, scorecard.protocol, scorecard.extractors)
    if isinstance(found, Calibration) and found.is_complete:
        return
    from genbench.cache import feature_cache
    from genbench.data.sources import load_data
    from genbench.device import best_device
    from genbench.evaluation.calibration import calibrate
    from genbench.evaluation.extractors import load_spaces

    data, device = load_data(config.data), best_device()
    here = {space.name: space.hash for space in load_spaces(data, feature_cache(), device).available()}
    if here != scorecard.extractors:  # a calibration would be of other feature spaces than the scores
        raise UserError(
            f"its runs were scored with another classifier than is in the cache here: genbench evaluate"
            f" {word('run', config.directory)}, and so on, scores them again"
        )
    console.print(f"{config.data.title}: finding out which scores may be trusted, which takes some minutes, once")
    store(calibrate(data, device))


@contextmanager
def _progress(console: Console, aims: Sequence[Aim], minutes: float | None) -> Iterator[None]:
    """One line for all trainings, while they go on in this process or in others."""
    ended, cell = threading.Event(), notebook_cell()

    def watch() -> None:
        started, said = time.time(), ""
        with Status("", console=console) if console.is_terminal else nullcontext() as status:
            while not ended.is_set():
                running = sum(aim.run.is_locked for aim in aims)
                text = progress_line(aims, running, time.time() - started, minutes)
                if status is not None:
                    status.update(text)
                if cell is not None:
                    cell.show(text, sum(aim.is_reached for aim in aims) / len(aims))
                if not console.is_terminal and text.partition(",")[0] != said.partition(",")[0]:
                    console.print(text, soft_wrap=True)
                    said = text
                ended.wait(LOOK_SECONDS)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
