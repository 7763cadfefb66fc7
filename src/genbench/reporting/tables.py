"""What is printed about runs: the summary of one, and a line for each of a sweep."""

import multiprocessing
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from genbench.errors import UserError
from genbench.runs import Run


def stdout() -> Console:
    """The console; 120 columns wide where there is no terminal, as for one of several runs side by side."""
    alone = multiprocessing.current_process().name == "MainProcess"
    console = Console(force_terminal=None if alone else False)
    if not console.is_terminal:
        console.width = 120
    return console


def summary_table(run: Run) -> Table:
    """A finished run's numbers and files, and what to do next."""
    summary = run.read_json("summary.json")
    table = Table(title=f"{run.path.name}: finished", show_header=False, box=None, padding=(0, 2), title_justify="left")
    table.add_row("parameters", ", ".join(f"{name} {n:,}" for name, n in summary["parameters"].items()))
    seconds, speed = duration(summary["train_seconds"]), summary["images_per_second"]
    table.add_row("trained on", f"{summary['images_seen']:,} images in {seconds}, {speed:,.0f} images/s")
    table.add_row("last losses", _losses(summary["train"]))
    if summary["test"]:
        table.add_row("test images", _losses(summary["test"]) + "  (nats per image)")
    for alarm in summary["alarms"]:
        table.add_row("[bold red]alarm[/]", alarm)
    table.add_row("pictures", ", ".join(sorted(path.name for path in run.path.glob("*.png"))))
    table.add_row("next", f"python -m genbench.sample run={run.path} n=100 out=grid.png")
    table.add_row("", f"tensorboard --logdir {run.path.parent}")
    return table


def scores_table(scores: dict[str, Any], path: str) -> Table:
    """A scorecard: a row a score, a column a feature space."""
    spaces = {name: content for name, content in scores["spaces"].items() if isinstance(content, dict)}
    table = Table(title=f"scores of {scores['data']} images: {path}", box=None, padding=(0, 2), title_justify="left")
    table.add_column("score")
    for name in spaces:
        table.add_column(name, justify="right")
    for score in next(iter(spaces.values())):
        table.add_row(score, *(_mean_and_sd(content[score]) for content in spaces.values()))
    for group in ("class", "likelihood", "reconstruction", "cost"):
        content = scores.get(group, {})
        if isinstance(content, str):
            table.add_row(group, content)
            continue
        for name, value in content.items():
            if isinstance(value, dict) and "mean" in value:
                table.add_row(name, _mean_and_sd(value))
            elif isinstance(value, int | float):
                table.add_row(name, f"{value:.4g}")
    return table


def comparison_tables(runs: Sequence[Run]) -> list[Table]:
    """For each data set a table: a row a score, a column a run, each with its sd over the draws.

    Raises:
        UserError: two runs on one data set were scored by different protocols, levels or extractors.
    """
    by_data: dict[str, list[tuple[Run, dict[str, Any]]]] = {}
    for run in runs:
        scores = run.read_json("scores.json")
        by_data.setdefault(scores["data"], []).append((run, scores))
    return [_comparison_table(data, scored) for data, scored in by_data.items()]


def _comparison_table(data: str, scored: Sequence[tuple[Run, dict[str, Any]]]) -> Table:
    (first_run, first), *others = scored
    for run, scores in others:
        for key in ("protocol", "level", "extractors"):
            if scores[key] != first[key]:
                raise UserError(
                    f"{run.path.name} and {first_run.path.name} had different {key} and cannot be compared:"
                    f" score one again with python -m genbench.evaluate run={run.path}"
                )
    table = Table(title=f"scores of {data} images", box=None, padding=(0, 2, 0, 0), title_justify="left")
    table.add_column("score")
    for run, _ in scored:
        _, model, _, seed = run.path.name.rsplit("-", 3)
        table.add_column(f"{model} {seed}", justify="right")
    groups = {**first["spaces"], "class": first["class"]}
    for group, content in groups.items():
        for name in content if isinstance(content, dict) else ():
            cells = [{**scores["spaces"], "class": scores["class"]}[group][name] for _, scores in scored]
            table.add_row(f"{group} {name}", *(_mean_and_sd(cell) for cell in cells))
    for name in ("images_seen", "train_seconds", "seconds_for_10000_samples"):
        table.add_row(name, *(f"{scores['cost'][name]:,.0f}" for _, scores in scored))
    return table


def _mean_and_sd(score: dict[str, Any]) -> str:
    spread = score.get("sd", score.get("standard_error"))
    return f"{score['mean']:.4g}" + ("" if spread is None else f" ± {spread:.1g}")


def sweep_table(runs: Sequence[Run]) -> Table:
    """A line for each job of a sweep: its state, cost and losses, or why it has none."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("run", "state", "images", "time", "images/s", "losses, or why there are none"):
        table.add_column(heading, justify="right" if heading in ("images", "time", "images/s") else "left")
    for run in runs:
        status = run.status
        if status.state != "finished":
            table.add_row(
                run.path.name, status.state, "", "", "", f"{status.why}  (see {run.path / 'train.log'})".strip()
            )
            continue
        summary = run.read_json("summary.json")
        table.add_row(
            run.path.name,
            status.state,
            f"{summary['images_seen']:,}",
            duration(summary["train_seconds"]),
            f"{summary['images_per_second']:,.0f}",
            ("test " if summary["test"] else "") + _losses(summary["test"] or summary["train"]),
        )
    return table


def duration(seconds: float) -> str:
    """Seconds as a person says them: 48 s, 3 min 5 s, 2 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _losses(values: dict[str, float | list[float]]) -> str:
    parts = []
    for name, value in values.items():
        numbers = [f"{number:.4g}" for number in (value if isinstance(value, list) else [value])]
        parts.append(f"{name.replace('_', ' ')} {' '.join(numbers[:4])}{' ...' if len(numbers) > 4 else ''}")
    return "  ".join(parts)
