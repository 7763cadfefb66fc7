"""A run's model card (Mitchell et al. 2019): README.md in its directory, filled from its files alone."""

from genbench.comparison.settings import budget
from genbench.console import duration
from genbench.evaluation.catalogue import catalogue
from genbench.reporting.formats import deviation, number
from genbench.runs.reading import RunRecord
from genbench.runs.records import Absent, Cost, Estimate, Key, Score, Scorecard
from genbench.wording import shown, word


def model_card(record: RunRecord, usage: str = "", pictures: str = "") -> str:
    """Intended use, data, training, scores and limits of a run, as Markdown.

    Args:
        record: of the run.
        usage: what to type, where the card does not stay in the run's directory.
        pictures: Markdown that follows the first lines.
    """
    if record.config is None:
        return f"# {record.name}\n\nThis is not a readable run: {'; '.join(record.problems)}.\n"
    sections = {
        title(record): "\n\n".join(filter(None, [_about(record), pictures])),
        "Intended use": _use(record, usage),
        "Data": _data(record),
        "Training": _training(record, alone=bool(usage)),
        "Scores": _scores(record, alone=bool(usage)),
        "Limits": _limits(record),
    }
    titles = list(sections)
    return "\n".join(
        f"{'#' if title == titles[0] else '##'} {title}\n\n{text.strip()}\n" for title, text in sections.items()
    )


def title(record: RunRecord) -> str:
    """What the model is, in a line."""
    return f"{record.model_title} on {record.data_title}, seed {record.seed}"


def _about(record: RunRecord) -> str:
    networks = record.summary.parameters if record.summary is not None else {}
    counts = ", ".join(f"{name} {count:,}" for name, count in networks.items())
    return f"Run `{record.name}`, {record.state}. Trainable parameters: {counts or 'unknown'}."


def _use(record: RunRecord, usage: str) -> str:
    usage = usage or f"```\ngenbench sample {word('run', record.name)} n=100 out=grid.png\n```"
    return (
        f"To draw small images like those of {record.data_title} and to compare generative models under one protocol:"
        f"\n\n{usage}\n\n"
        "Not made for any use in which somebody could take its images for real ones."
    )


def _data(record: RunRecord) -> str:
    return (
        f"The training images of {record.data_title} (`{record.told.data.load}`), without those held out for"
        " validation. Test images were seen by no training and by no choice made on the way."
    )


def _training(record: RunRecord, *, alone: bool) -> str:
    config = record.told
    summary, environment = record.summary, record.environment
    lines = [f"- Budget: {budget(config)}; batches of {config.data.batch_size}"]
    if summary is not None:
        lines.append(
            f"- Trained {duration(summary.train_seconds)} on {summary.images_seen:,} images"
            f" ({number(summary.images_per_second)} images/s)"
        )
    if environment is not None:
        lines.append(
            f"- On {environment.device} in {environment.precision}; genbench {environment.genbench},"
            f" torch {environment.packages.get('torch', 'unknown')}"
        )
        lines += [f"- After an interruption it went on with {change}" for change in environment.changes]
    hidden = ("_target_", "title")
    said = {key: value for key, value in config.model.items() if key not in hidden and value is not None}
    settings = ", ".join(f"{key} {shown(value)}" for key, value in said.items())
    again = [] if alone else ["- Again: `config.yaml` holds every value"]
    return "\n".join([*lines, f"- Settings: {settings}", *again])


def _scores(record: RunRecord, *, alone: bool) -> str:
    scores = record.scorecard
    if scores is None or not scores.values():
        return "None." if alone else f"None yet: `genbench evaluate {word('run', record.name)}`"
    spaces = list(dict.fromkeys(key.space for key in scores.values()))
    lines = [
        f"Protocol {scores.protocol}, evaluation={scores.level}; mean ± sd over draws{_drawn(record, scores)}.",
        "",
        "| score | " + " | ".join(spaces) + " | better |",
        "| --- |" + " ---: |" * len(spaces) + " --- |",
    ]
    for entry in catalogue().values():
        cells = [_cell(scores.score(Key(space, entry.name))) for space in spaces]
        if any(cells):
            lines.append(f"| {entry.label} | {' | '.join(cells)} | {entry.better or ''} |")
    hashes = ", ".join(f"{name} `{value}`" for name, value in scores.extractors.items())
    return "\n".join(
        [*lines, *_of_the_model(scores), "", f"Comparable only with scores of the same extractors: {hashes}."]
    )


def _drawn(record: RunRecord, scores: Scorecard) -> str:
    """With which options, where they are others than the training's config says."""
    told = record.told.sample_options
    options = scores.cost.sample_options if isinstance(scores.cost, Cost) else {}
    others = [f"{name} {shown(value)}" for name, value in options.items() if told.get(name) != value]
    return f", drawn with {', '.join(others)}" if others else ""


def _cell(score: Score | Absent) -> str:
    if isinstance(score, Absent):
        return ""
    return number(score.mean) + ("" if score.sd is None else f" ± {deviation(score.sd)}")


def _of_the_model(scores: Scorecard) -> list[str]:
    """A line for each score that needs the model itself: its number, or why there is none."""
    lines = []
    for entry in catalogue().values():
        found = scores.model.get(entry.name)
        if isinstance(found, Estimate):
            about = f" ({found.method})" if found.method else ""
            lines.append(f"- {entry.label}: {number(found.mean)} {entry.unit}, of {found.n:,} images{about}")
        elif isinstance(found, Absent):
            lines.append(f"- {entry.label}: {found.absent}")
    return ["", *lines] if lines else []


def _limits(record: RunRecord) -> str:
    found = record.summary.alarms if record.summary is not None else ()
    alarms = [f"- Health alarm at the end of training: {alarm}" for alarm in found]
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
