"""python -m genbench.evaluate: the scorecard of a run, or of anybody's images."""

import json
import logging
from pathlib import Path

import hydra
from omegaconf import DictConfig

from genbench.config import CONF, EvaluateConfig, check, preflight, user_errors
from genbench.errors import UserError
from genbench.runs import Run, whole_file


def main() -> None:
    """Check the command line, then let Hydra call `job`."""
    with user_errors():
        preflight("evaluate", EvaluateConfig)
        job()


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="evaluate")
def job(composed: DictConfig) -> None:
    """Score what is asked for."""
    with user_errors():  # Hydra would print a traceback
        evaluate(check(composed, EvaluateConfig))


def evaluate(config: EvaluateConfig) -> None:
    """Write the scores of a run, of all runs in a folder, or of images, and print them.

    Raises:
        UserError: it is not said what to score, or that cannot be scored.
    """
    if [config.run, config.runs, config.samples].count(None) != 2:
        raise UserError("say what to score: run=DIR, or runs=DIR, or samples=FILE data=NAME out=FILE.json")
    if config.evaluation.level == "none":
        raise UserError("evaluation=none: leaves nothing to do; choose evaluation=fast or full")
    logging.basicConfig(level=logging.INFO, format="%(message)s")  # the classifier's training takes a while
    if config.run is not None:
        evaluate_run(Run.open(config.run), config)
    elif config.runs is not None:
        evaluate_runs(Path(config.runs), config)
    else:
        evaluate_samples(config)


def evaluate_run(run: Run, config: EvaluateConfig) -> None:
    """Write scores.json into a finished run's directory and print the scores.

    Raises:
        UserError: the run has no weights, or its data cannot be found.
    """
    if not (run.path / "weights.safetensors").is_file():
        raise UserError(f"{run.path} has no weights to score: its training is {run.status.state}")
    from genbench.evaluation.of_run import scores_of_run
    from genbench.reporting.cards import write_model_card
    from genbench.reporting.tables import scores_table, stdout

    scores = scores_of_run(run, config.evaluation)
    run.write_json("scores.json", scores)
    write_model_card(run)
    stdout().print(scores_table(scores, str(run.path / "scores.json")))


def evaluate_runs(folder: Path, config: EvaluateConfig) -> None:
    """Score the finished runs of a folder that have no scores yet, and print all scores side by side.

    Raises:
        UserError: there is no finished run, or scores that cannot be compared stand beside each other.
    """
    runs = [Run(path.parent) for path in sorted(folder.glob("*/status.json"))]
    finished = [run for run in runs if run.is_finished]
    if not finished:
        raise UserError(f"runs={folder}: there is no finished run in this folder")
    for run in finished:
        if not (run.path / "scores.json").is_file():
            evaluate_run(run, config)
    from genbench.reporting.tables import comparison_tables, stdout

    for table in comparison_tables(finished):
        stdout().print(table)


def evaluate_samples(config: EvaluateConfig) -> None:
    """Write the scores of images that any tool made, and print them.

    Raises:
        UserError: the images cannot be read or compared with the data set's.
    """
    assert config.samples is not None
    out = Path(config.out)
    if out.suffix != ".json" or not out.parent.is_dir():
        raise UserError(f"out={out}: must be a .json file in a folder that exists")
    if config.data is None:
        raise UserError("say which data set the images imitate: add data=mnist, say")
    from genbench.evaluation.of_samples import scores_of_samples
    from genbench.reporting.tables import scores_table, stdout

    scores = scores_of_samples(config.samples, config.data)
    with whole_file(out) as temporary:
        temporary.write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
    stdout().print(scores_table(scores, str(out)))


if __name__ == "__main__":
    main()
