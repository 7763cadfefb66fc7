"""Train one model on one data set, or (-m) every combination of several.

genbench train model=gan data=fashion
genbench train model=vae data=folder data.root=photos trainer.max_minutes=5
genbench train -m model=gan,vae data=mnist,fashion seed=range(5)
"""

import logging
import os
import sys
import time
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from genbench import cores
from genbench.command.composition import CommandLine
from genbench.command.launching import at_once
from genbench.command.sweeping import (
    WITHOUT_OVERWRITE,
    Job,
    aims_of,
    guarded,
    interrupted,
    left_alone,
    progress_line,
    train_all,
)
from genbench.config.train import TrainConfig
from genbench.errors import UserError
from genbench.evaluation.protocol import PROTOCOL
from genbench.interruption import Interrupted, end_with_starter, on_signals
from genbench.progress import importing
from genbench.runs.directory import Run
from genbench.runs.finished import check_replaceable
from genbench.runs.reading import read
from genbench.runs.records import DataRecord
from genbench.runs.turns import note_begun
from genbench.wording import counted, word

if TYPE_CHECKING:
    from rich.console import Console

    from genbench.data.datamodule import ImageDataModule
    from genbench.data.images import ImageData
    from genbench.device import Device
    from genbench.evaluation.extractors import FeatureSpaces
    from genbench.models.model import Model
    from genbench.training.loggers.opening import Loggers

_LATER = ("genbench.training.engine", "genbench.models.pictures", "genbench.reporting.cards")  # whatever they import
HELPLESS = 30.0  # seconds in which a process that lost the others ends with the one that started it


def run(config: TrainConfig) -> None:
    """One training."""
    from genbench.console import stdout

    train(config, stdout())
    if config.evaluation.level != "none":  # else that is the next thing, and the table says so
        print(f"next: genbench report {word('runs', config.runs)}")


def sweep(line: CommandLine[TrainConfig]) -> None:
    """All jobs, by whatever launcher, and a table of how they went; exit code 1 if a run is not done in the end."""
    from genbench.console import stdout
    from genbench.reporting.tables import sweep_table

    aims = aims_of(line.configs)
    code = train_all(line, in_sweep, aims)
    left, records = left_alone(aims), [read(aim.run.path) for aim in aims]
    stdout().print(sweep_table(records, left))
    if code > 128:
        raise interrupted(code, aims)
    verb = "evaluate" if line.configs[0].evaluation.level == "none" else "report"
    print(f"next: genbench {verb} {word('runs', line.configs[0].runs)}")
    pairs = zip(aims, records, strict=True)
    trained = [aim for aim, record in pairs if record.state == "finished" and record.path not in left]
    unscored = [aim for aim in trained if not aim.is_reached]
    if unscored:
        same = "the same command" + " without overwrite=true" * any(aim.sweep for aim in unscored)
        print(f"{counted(len(unscored), 'run')} trained and not scored as told: {same} tries again", file=sys.stderr)
    sys.exit(0 if len(trained) == len(records) and not unscored else 1)


def in_sweep(job: Job) -> None:
    """One training of several."""
    from genbench.console import stdout

    config, console = job.config, stdout()
    # This one is not locked yet, nor are others that are started together with it.
    running = max(1 + sum(aim.run.is_locked for aim in job.aims), at_once())
    line = progress_line(job.aims, running, time.time() - job.started, config.trainer.max_minutes)
    console.print(f"{line}: {config.run_name}", soft_wrap=True)
    guarded(job.aim, lambda: train(config, console, job.aim.sweep))


def train(config: TrainConfig, console: "Console", sweep: str = "") -> None:
    """From the images to a finished run directory; a run that was begun before goes on from its last checkpoint.

    Args:
        config: what it is told.
        console: where it says how it goes.
        sweep: that a run is begun anew by, if it is; see runs/turns.py.

    Raises:
        UserError: the device, the data or the model cannot be had as the config wants them, the images are not those
            that the run began with, or the training failed for a reason that the user can mend.
        Interrupted: Ctrl-C or SIGTERM; the run can go on.
    """
    run = Run(config.directory)
    to_score = config.evaluation.level != "none"
    done = not config.overwrite and run.is_finished

    # Heavy modules are imported once the config is known to be good: a typo is answered at once.
    importing("lightning")
    from genbench.data.images import describe
    from genbench.data.sources import load_data

    data = load_data(config.data)
    for note in data.notes:
        console.print(f"data: {note}", soft_wrap=True, highlight=False)
    record = DataRecord(**describe(data, config.data.absolute_root))
    if not config.overwrite:
        run.check_data(record)
    if done:
        _say_options(config, run, console)
    if done and config.evaluation.level == "fast" and not run.is_scored("fast", PROTOCOL, config.scored_by):
        check_replaceable(run, PROTOCOL)
    if done and run.has_card and (not to_score or run.is_scored(config.evaluation.level, PROTOCOL, config.scored_by)):
        console.print(f"{run.path} is finished. To train it again: overwrite=true", soft_wrap=True)
        return

    from genbench.distributed import alone

    several = config.trainer.devices * config.trainer.num_nodes > 1
    if several:
        end_with_starter("GENBENCH_DDP_STARTER")
    with nullcontext() if several else alone():
        _to_the_end(config, run, data, record, console, sweep)


def _to_the_end(
    config: TrainConfig, run: Run, data: "ImageData", record: DataRecord, console: "Console", sweep: str
) -> None:
    """What is missing of a run: training, scores, card."""
    import lightning as L
    from lightning.pytorch.utilities import rank_zero_only

    from genbench.device import choose_device
    from genbench.models.sampling import check_options
    from genbench.models.weights import build, check_batch, check_effect
    from genbench.training.loggers.opening import opened

    # What a user can get wrong fails in these lines, before a directory exists; so do libraries that the environment
    # keeps from being imported.
    for module in _LATER:
        import_module(module)
    choose_device(config.trainer)
    spaces = None if config.evaluation.level == "none" else _spaces(config, data, console)
    L.seed_everything(config.seed, workers=True, verbose=False)
    model = build(config.model, data.shape, len(data.classes), config.code)
    check_options(model)
    if config.overwrite or not (run.is_finished or run.checkpoints):  # what runs of before were told, they go on with
        check_effect(model, config.model, config.code)
    check_batch(model, data.train, config.data.batch_size // (config.trainer.devices * config.trainer.num_nodes))
    if getattr(rank_zero_only, "rank", 0) > 0:
        _help(config, model, data, spaces)
        return
    try:
        with (
            on_signals(),
            run.held(config.to_yaml(), overwrite=config.overwrite) as own,
            opened(own, config, console) as loggers,
        ):
            if config.overwrite and sweep:
                note_begun(own, sweep)
            if not own.is_finished:
                _train(config, own, model, data, record, spaces, console, loggers)
            _finish(config, own, console, loggers)
    except Interrupted as signal:
        if config.overwrite:  # given again, it would begin again
            signal.advice = WITHOUT_OVERWRITE
        raise


def _spaces(config: TrainConfig, data: "ImageData", console: "Console") -> "FeatureSpaces":
    """In which its samples are scored, while it trains and in the end."""
    from genbench.cache import feature_cache
    from genbench.device import best_device
    from genbench.evaluation.evaluator import check_real
    from genbench.evaluation.extractors import load_spaces

    console.print("samples will be scored; the first time on a data set its classifier is trained before")
    check_real(data, "validation")  # while it trains
    if config.evaluation.level == "full":
        check_real(data, "test")
    return load_spaces(data, feature_cache(), best_device())


def _say_options(config: TrainConfig, run: Run, console: "Console") -> None:
    """A finished run's weights and pictures keep the options of sampling that it was trained with, whatever is told."""
    from genbench.models.hyperparameters import sample_options

    try:
        before = run.config()
    except UserError:  # whoever reads it says so
        return
    known = sample_options(str(config.model["_target_"]), config.code)
    defaults = {name: about.default for name, about in known.items()}
    were, wanted = defaults | before.sample_options, defaults | config.sample_options
    others = [name for name, value in wanted.items() if value != were[name]]
    if others:
        own = " ".join(word(name, were[name]) for name in others)
        told = " ".join(word(f"options.{name}", wanted[name]) for name in others)
        text = f"{run.path} draws as it was trained, with {own}: {told} of genbench sample and evaluate changes that"
        console.print(text, soft_wrap=True, highlight=False)


def _help(config: TrainConfig, model: "Model", data: "ImageData", spaces: "FeatureSpaces | None") -> None:
    """A further process of one training: it helps with the steps, and writes nothing."""
    from rich.console import Console

    from genbench.training.callbacks.checkpoints import latest
    from genbench.training.engine import fit

    logging.disable()
    quiet = Console(quiet=True)
    found = None if config.overwrite else latest(Run(config.directory), config, model, quiet)
    checkpoint = None if found is None else found.path
    try:
        with TemporaryDirectory() as nowhere:
            fit(model, _batches(config, data), config, _device(config), Run(Path(nowhere)), quiet, spaces, checkpoint)
    except Interrupted as signal:
        sys.exit(128 + signal.number)  # the first process says it
    except RuntimeError:
        time.sleep(HELPLESS)  # the connection is lost because the first process ends, or that says more
        raise


def _train(
    config: TrainConfig,
    run: Run,
    model: "Model",
    data: "ImageData",
    record: DataRecord,
    spaces: "FeatureSpaces | None",
    console: "Console",
    loggers: "Loggers",
) -> None:
    """To a finished run: weights, pictures, summary."""
    import torch

    from genbench.console import warn
    from genbench.models.pictures import draw_all
    from genbench.models.weights import save
    from genbench.reporting.tables import summary_table
    from genbench.training.callbacks.checkpoints import latest
    from genbench.training.engine import fit
    from genbench.training.run_log import environment, recorded

    with recorded(run):
        run.write_data(record)
        found = latest(run, config, model, console)
        before = None if found is None else found.environment
        if before is not None and cores.are_fitted():  # others' load is no reason for other bytes
            threads = before.threads or 0  # of a file, which may say anything
            torch.set_num_threads(threads if 0 < threads <= (os.cpu_count() or 1) else torch.get_num_threads())
        device = _device(config)
        now = environment(device, config.fingerprint)
        if before is not None:
            now = now.after(before)
        for change in now.changes:
            warn(console, f"after an interruption it goes on with {change}: not to the same bytes as without")
        run.write_environment(now)
        checkpoint = None if found is None else found.path
        summary = fit(model, _batches(config, data), config, device, run, console, spaces, checkpoint, now, loggers)
        with run.whole("weights.safetensors") as temporary:
            save(model, config.model, data.shape, data.classes, temporary)
        for name, picture in draw_all(model, data).items():
            with run.whole(name) as temporary:
                picture.save(temporary)
        run.write_summary(summary)
    console.print(summary_table(read(run.path)))


def _finish(config: TrainConfig, run: Run, console: "Console", loggers: "Loggers") -> None:
    """Scores, if they are wanted, and the model card: of a run that has just been trained, or earlier."""
    from genbench.evaluation.of_run import score_run
    from genbench.reporting.cards import model_card
    from genbench.reporting.tables import scores_table

    try:
        level = config.evaluation.level
        # A run that cannot be scored is finished all the same.
        if level != "none" and not run.is_scored(level, PROTOCOL, config.scored_by):
            console.print("scoring")
            scorecard = score_run(run, config.evaluation, config.code, config.sample_options, config.data)
            run.write_scorecard(scorecard)
            console.print(scores_table(scorecard, str(run.path)))
    finally:
        loggers.results()
        run.write_card(model_card(read(run.path)))  # the last of all: where there is none, something is missing


def _device(config: TrainConfig) -> "Device":
    from genbench.device import choose_device

    return choose_device(config.trainer)


def _batches(config: TrainConfig, data: "ImageData") -> "ImageDataModule":
    from genbench.data.datamodule import ImageDataModule

    return ImageDataModule(data, config.data.batch_size, seed=config.seed)
