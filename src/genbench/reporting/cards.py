"""A run's model card (Mitchell et al. 2019): README.md in its directory, filled from its files alone."""

import math
from typing import Any

from genbench.reporting.duels import LABELS, SCORES, budget, number
from genbench.reporting.inputs import Record, read_record, titled
from genbench.reporting.tables import duration
from genbench.runs import Run


def write_model_card(run: Run) -> None:
    """Write README.md into a run's directory, or anew after it was scored."""
    run.write_text("README.md", model_card(read_record(run.path)))


def model_card(record: Record) -> str:
    """Intended use, data, training, scores and limits of a run, as Markdown."""
    if record.config is None:
        return f"# {record.name}\n\nThis is not a readable run: {'; '.join(record.problems)}.\n"
    sections = {
        f"{titled(record.model)} on {titled(record.data)}, seed {record.seed}": _about(record),
        "Intended use": _use(record),
        "Data": _data(record),
        "Training": _training(record),
        "Scores": _scores(record),
        "Limits": _limits(record),
    }
    titles = list(sections)
    return "\n".join(
        f"{'#' if title == titles[0] else '##'} {title}\n\n{text.strip()}\n" for title, text in sections.items()
    )


def _about(record: Record) -> str:
    networks = record.summary.get("parameters", {})
    counts = ", ".join(f"{name} {count:,}" for name, count in networks.items())
    return f"Run `{record.name}`, {record.state}. Trainable parameters: {counts or 'unknown'}."


def _use(record: Record) -> str:
    return (
        f"To draw small images like those of {titled(record.data)} and to compare generative models under one protocol:"
        f"\n\n```\npython -m genbench.sample run={record.name} n=100 out=grid.png\n```\n\n"
        "Not made for any use in which somebody could take its images for real ones."
    )


def _data(record: Record) -> str:
    assert record.config is not None
    return (
        f"The training images of {titled(record.data)} (`{record.config.data.load}`), without those held out for"
        " validation. Test images were seen by no training and by no choice made on the way."
    )


def _training(record: Record) -> str:
    assert record.config is not None
    summary, environment = record.summary, record.environment
    lines = [f"- Budget: {budget(record.config)}; batches of {record.config.data.batch_size}"]
    if summary:
        lines.append(
            f"- Trained {duration(summary['train_seconds'])} on {summary['images_seen']:,} images"
            f" ({number(float(summary['images_per_second']))} images/s)"
        )
    if environment:
        packages: Any = environment.get("packages", {})
        torch = packages.get("torch", "unknown") if isinstance(packages, dict) else "unknown"
        lines.append(
            f"- On {environment.get('device', 'an unknown device')} in {environment.get('precision', 'unknown')};"
            f" genbench {environment.get('genbench', 'unknown')}, torch {torch}"
        )
    settings = ", ".join(f"{key} {value}" for key, value in record.config.model.items() if key != "_target_")
    return "\n".join([*lines, f"- Settings: {settings}", "- Again: `config.yaml` holds every value"])


def _scores(record: Record) -> str:
    if not record.values:
        return f"None yet: `python -m genbench.evaluate run={record.name}`"
    spaces = list(dict.fromkeys(key.partition(".")[0] for key in record.values))
    lines = [
        f"Protocol {record.scores['protocol']}, evaluation={record.scores['level']}; mean ± sd over draws.",
        "",
        "| score | " + " | ".join(spaces) + " | better |",
        "| --- |" + " ---: |" * len(spaces) + " --- |",
    ]
    for score, about in SCORES.items():
        cells = [_cell(record, f"{space}.{score}") for space in spaces]
        if any(cells):
            lines.append(
                f"| {LABELS[score]} | {' | '.join(cells)} | {'lower' if about.lower_is_better else 'higher'} |"
            )
    likelihood = record.scores.get("likelihood")
    if isinstance(likelihood, str):
        lines += ["", f"Likelihood: {likelihood}."]
    elif isinstance(likelihood, dict) and isinstance(likelihood.get("nll"), dict):
        nll = likelihood["nll"]
        lines += ["", f"Negative log-likelihood of test images: {number(float(nll['mean']))} nats (binarised once)."]
    hashes = ", ".join(f"{name} `{value}`" for name, value in record.scores["extractors"].items())
    return "\n".join([*lines, "", f"Comparable only with scores of the same extractors: {hashes}."])


def _cell(record: Record, key: str) -> str:
    if key not in record.values:
        return ""
    score = record.values[key]
    return number(score.mean) + ("" if math.isnan(score.sd) else f" ± {score.sd:.1g}")


def _limits(record: Record) -> str:
    alarms = [f"- Health alarm at the end of training: {alarm}" for alarm in record.summary.get("alarms", [])]
    problems = [f"- {problem}" for problem in record.problems if not problem.startswith("not scored yet")]
    return "\n".join(
        [
            *problems,
            *alarms,
            "- One training: another seed gives another model, and one run is no verdict on a kind of model.",
            "- The features that judge it know this data set only; the scores say nothing about other images.",
            "- Whatever is rare or wrong in the training images may be missing, or repeated, in its images.",
        ]
    )
