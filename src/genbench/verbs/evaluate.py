"""Score generated images against a data set's test images.

genbench evaluate run=runs/mnist-gan-1a2b3c4d-s0
genbench evaluate run=DIR evaluation=fast
genbench evaluate run=DIR data=folder data.root=photos  (where its images lie now)
genbench evaluate runs=runs
genbench evaluate samples=mine.npz data=mnist out=mine.json
"""

import sys
from pathlib import Path

from genbench.config.verbs import EvaluateConfig
from genbench.console import stdout
from genbench.errors import UserError
from genbench.evaluation.protocol import PROTOCOL
from genbench.places import near
from genbench.progress import importing
from genbench.runs.directory import Run
from genbench.runs.files import closed, reason
from genbench.runs.finished import check_replaceable, check_trained
from genbench.runs.folder import read_folder
from genbench.runs.outputs import check_out, written
from genbench.runs.reading import read
from genbench.wording import word


def run(config: EvaluateConfig) -> None:
    """Write the scores of a run, of all runs in a folder, or of images, and print them.

    Raises:
        UserError: it is not said what to score, or that cannot be scored.
    """
    if [config.run, config.runs, config.samples].count(None) != 2:
        raise UserError("say what to score: run=DIR, or runs=DIR, or samples=FILE data=NAME out=FILE.json")
    if config.evaluation.level == "none":
        raise UserError("evaluation=none: leaves nothing to do; choose evaluation=fast or full")
    if config.samples is None and config.out is not None:
        raise UserError("out=: the scores of a run go into its directory: leave it out")
    if config.samples is not None and config.code is not None:
        raise UserError("code=: these images are drawn already, and ask for no model: leave it out")
    if config.samples is not None and config.options:
        raise UserError(f"options.{next(iter(config.options))}: these images are drawn already: leave it out")
    if config.run is not None:
        evaluate_run(Run.open(near(config.run)), config)
    elif config.runs is not None:
        _evaluate_runs(near(config.runs), config)
    elif config.samples is not None:
        _evaluate_samples(config.samples, config)


def evaluate_run(run: Run, config: EvaluateConfig) -> None:
    """Write scores.json into a finished run's directory and print the scores.

    Raises:
        UserError: the run has no weights, another process is at work on it, or its data cannot be found or are not
            those of its training.
    """
    check_trained(run)
    importing("torch")
    from genbench.evaluation.of_run import score_run
    from genbench.models.hyperparameters import check_values, sample_options
    from genbench.reporting.cards import model_card
    from genbench.reporting.tables import scores_table
    from genbench.training.loggers.opening import opened

    with run.taken() as own:  # so that nobody trains it anew while it is scored
        if config.evaluation.level == "fast" and not config.force:
            check_replaceable(own, PROTOCOL, "; or force=true")
        target = str(own.config().model["_target_"])
        check_values(config.options, sample_options(target, config.code), "options.")
        scorecard = score_run(own, config.evaluation, config.code, config.options, config.data)
        own.write_scorecard(scorecard)
        own.write_card(model_card(read(own.path)))
        with opened(own, own.config(), stdout()) as loggers:
            loggers.results()
    stdout().print(scores_table(scorecard, str(run.path)))
    if config.run is not None:
        print(f"next: genbench report {word('runs', str(run.path.parent))}")


def _evaluate_runs(folder: Path, config: EvaluateConfig) -> None:
    """Score the finished runs of a folder that have no such scores yet, as wanted, and print all side by side.

    Each by itself: what stands in the way of one is said, and the others are scored.

    Raises:
        UserError: no run is finished, one could not be scored, or they cannot be compared.
    """
    from genbench.models.hyperparameters import check_values, sample_options

    runs = [Run(record.path) for record in read_folder(folder) if record.state in ("finished", "unreadable")]
    runs = [run for run in runs if run.exists or closed(run.path)]
    if not runs:
        raise UserError(f"runs={folder}: there is no finished run in this folder")
    scored, wanted = [], config.evaluation.values | config.options
    for run in runs:
        try:
            Run.open(run.path)
            if config.options:
                target = str(run.config().model["_target_"])
                check_values(config.options, sample_options(target, config.code), "options.")
            if not (run.is_finished and run.is_scored(config.evaluation.level, PROTOCOL, wanted)):
                evaluate_run(run, config)
            scored.append(run)
        except Exception as error:  # noqa: BLE001  (whatever one run holds, the others are scored)
            what = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
            print(f"{run.path}: {what}{reason(error)}", file=sys.stderr)
    from genbench.reporting.tables import comparison_tables

    for table in comparison_tables([read(run.path) for run in scored]):
        stdout().print(table)
    print(f"next: genbench report {word('runs', str(folder))}")
    if len(scored) < len(runs):
        raise UserError(f"{len(runs) - len(scored)} of {len(runs)} runs are not scored: each is named above, and why")


def _evaluate_samples(source: str, config: EvaluateConfig) -> None:
    """Write the scores of images that any tool made, and print them."""
    out = near(config.out or "scores.json")
    if out.suffix != ".json":
        raise UserError(f"out={out}: must be a .json file")
    check_out([out], force=config.force)
    if config.data is None:
        raise UserError("say which data set the images imitate: add data=mnist, say")
    importing("torch")
    from genbench.evaluation.of_samples import score_samples
    from genbench.reporting.tables import scores_table

    scorecard = score_samples(source, config.data, "full" if config.evaluation.level == "full" else "fast")
    with written(out) as temporary:
        temporary.write_text(scorecard.model_dump_json(indent=2) + "\n", encoding="utf-8")
    stdout().print(scores_table(scorecard, str(out)))
