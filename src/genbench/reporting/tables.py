"""What is printed about runs: the summary of one, its scores, and a line for each of a sweep."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from types import MappingProxyType

from rich.table import Table
from rich.text import Text

from genbench.console import duration
from genbench.errors import UserError
from genbench.evaluation.protocol import SPACES
from genbench.reporting.formats import deviation
from genbench.runs.directory import Run
from genbench.runs.reading import RunRecord
from genbench.runs.records import Absent, Cost, Estimate, Key, Score, Scorecard
from genbench.wording import word


def summary_table(record: RunRecord) -> Table:
    """A finished run's numbers and files, and what to do next.

    Raises:
        UserError: it has no summary.
    """
    summary = record.summary
    if summary is None:
        raise UserError(f"{record.path}: {'; '.join(record.problems) or 'summary.json is missing'}")
    title = f"{record.name}: finished"
    table = Table(title=title, show_header=False, box=None, padding=(0, 2), title_justify="left")
    table.add_row("parameters", ", ".join(f"{name} {n:,}" for name, n in summary.parameters.items()))
    seconds, speed = duration(summary.train_seconds), summary.images_per_second
    table.add_row("trained on", f"{summary.images_seen:,} images in {seconds}, {speed:,.0f} images/s")
    share = summary.validation_seconds / max(summary.train_seconds, 1e-9)
    table.add_row("validations", f"{duration(summary.validation_seconds)} besides, {share:.0%} of the training's time")
    table.add_row("last losses", _losses(summary.train))
    if summary.test:
        table.add_row("test images", _losses(summary.test))
    for change in record.environment.changes if record.environment is not None else ():
        table.add_row("went on with", change)
    for alarm in summary.alarms:
        table.add_row(Text("alarm", "bold red"), alarm)
    table.add_row("pictures", ", ".join(sorted(path.name for path in record.path.glob("*.png"))))
    told = [word("run", str(record.path))]
    told += [word("code", record.config.code)] if record.config is not None and record.config.code is not None else []
    table.add_row("next", Text(f"genbench sample {' '.join(told)} n=100 out=grid.png"))
    if record.config is not None and record.config.evaluation.level == "none":
        table.add_row("", Text(f"genbench evaluate {' '.join(told)}"))
    table.add_row("", Text(f"tensorboard --logdir {quote(str(record.path.parent))}"))
    return table


def scores_table(scores: Scorecard, where: str) -> Table:
    """A scorecard: a row a score, a column a feature space."""
    spaces = [space for space, content in scores.spaces.items() if not isinstance(content, Absent)]
    table = Table(title=f"scores of {scores.data} images: {where}", box=None, padding=(0, 2), title_justify="left")
    table.add_column("score")
    for space in spaces:
        table.add_column(space, justify="right")
    for name in dict.fromkeys(key.score for key in scores.values()):
        cells = [scores.score(Key(space, name)) for space in spaces]
        table.add_row(name, *("" if isinstance(cell, Absent) else _mean_and_spread(cell) for cell in cells))
    for space, content in scores.spaces.items():
        if isinstance(content, Absent):
            table.add_row(space, content.absent)
    for name, estimate in scores.model.items():
        text = estimate.absent if isinstance(estimate, Absent) else _mean_and_spread(estimate)
        table.add_row(name, text)
    if isinstance(scores.cost, Absent):
        table.add_row("cost", scores.cost.absent)
    else:
        for name, value in _cost(scores.cost).items():
            table.add_row(name, f"{value:.4g}")
    if scores.notes:
        table.caption = "\n".join(f"note: {note}" for note in scores.notes)
        table.caption_justify = "left"
    return table


def _cost(cost: Cost) -> dict[str, float]:
    """What of a cost is a number."""
    return {name: value for name, value in cost.model_dump().items() if isinstance(value, int | float)}


def comparison_tables(records: Sequence[RunRecord]) -> list[Table]:
    """For each data set a table: a row a score, a column a run, each with its sd over the draws; without those without.

    Raises:
        UserError: two runs on one data set were scored by different protocols, levels or extractors.
    """
    by_data: dict[tuple[str, str], list[tuple[RunRecord, Scorecard]]] = {}
    for record in records:
        if record.scorecard is not None:  # two folders may have one name
            key = record.data_name, record.scorecard.extractors.get("pixels", "")
            by_data.setdefault(key, []).append((record, record.scorecard))
    return [_comparison_table(data, scored) for (data, _), scored in by_data.items()]


def _comparison_table(data: str, scored: Sequence[tuple[RunRecord, Scorecard]]) -> Table:
    (first, like), *others = scored
    for record, scores in others:
        for name in ("protocol", "level", "extractors"):
            if getattr(scores, name) != getattr(like, name):
                raise UserError(
                    f"{record.name} and {first.name} had different {name} and cannot be compared:"
                    f" score one again with genbench evaluate {word('run', str(record.path))}"
                )
    table = Table(title=f"scores of {data} images", box=None, padding=(0, 2, 0, 0), title_justify="left")
    table.add_column("score")
    headings = Counter(f"{record.model_title} s{record.seed}" for record, _ in scored)
    for record, _ in scored:
        heading = f"{record.model_title} s{record.seed}"
        table.add_column(record.name if headings[heading] > 1 else heading, justify="right")
    keys = dict.fromkeys(key for _, scores in scored for key in scores.values())
    for key in sorted(keys, key=lambda key: SPACES.index(key.space) if key.space in SPACES else len(SPACES)):
        cells = [scores.score(key) for _, scores in scored]
        texts = ["" if isinstance(cell, Absent) else _mean_and_spread(cell) for cell in cells]
        table.add_row(f"{key.space} {key.score}", *texts)
    for name in ("images_seen", "train_seconds", "seconds_for_10000_samples"):
        costs = [scores.cost for _, scores in scored]
        table.add_row(name, *("" if isinstance(cost, Absent) else f"{getattr(cost, name):,.0f}" for cost in costs))
    return table


def _mean_and_spread(score: Score | Estimate) -> str:
    spread = score.sd if isinstance(score, Score) else score.standard_error
    return f"{score.mean:.4g}" + ("" if spread is None else f" ± {deviation(spread)}")


def sweep_table(records: Sequence[RunRecord], left: Mapping[Path, str] = MappingProxyType({})) -> Table:
    """A line for each job of a sweep: its state, cost and losses, or why it has none.

    Args:
        records: of all.
        left: those that were to be begun anew and are as they were before, with what is said of that.
    """
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("run", "state", "images", "time", "images/s", "losses, or why there are none"):
        table.add_column(heading, justify="right" if heading in ("images", "time", "images/s") else "left")
    for record in records:
        summary = record.summary
        if record.path in left:
            table.add_row(record.name, record.state, "", "", "", left[record.path])
            continue
        if record.state != "finished" or summary is None:
            why = record.problems[0].removeprefix(record.state).removeprefix(": ") if record.problems else ""
            table.add_row(record.name, record.state, "", "", "", f"{why}{_log(record)}".strip())
            continue
        losses = ("test " if summary.test else "") + _losses(summary.test or summary.train)
        seconds, speed = duration(summary.train_seconds), f"{summary.images_per_second:,.0f}"
        table.add_row(record.name, record.state, f"{summary.images_seen:,}", seconds, speed, losses)
    return table


def _losses(values: Mapping[str, float]) -> str:
    """Losses in a row; of many of one name, as of the latent dimensions, the first four."""
    groups: dict[str, list[str]] = {}
    for name, value in values.items():
        stem, _, number = name.rpartition("_")
        groups.setdefault(f"{stem} per dimension" if number.isdigit() else name, []).append(f"{value:.4g}")
    return "  ".join(
        f"{name.replace('_', ' ')} {' '.join(numbers[:4])}{' ...' if len(numbers) > 4 else ''}"
        for name, numbers in groups.items()
    )


def _log(record: RunRecord) -> str:
    """Where more is said; a run that was refused before it began has said nothing."""
    path = Run(record.path).log_path
    return f"  (see {path})" if path.exists() else ""
