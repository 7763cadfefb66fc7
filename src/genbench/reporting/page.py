"""The report put together from its parts, and written: a page, a Markdown file with pictures, two data files."""

import csv
import io
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import vl_convert
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from PIL import Image

from genbench import __version__
from genbench.config import ReportConfig, flat
from genbench.reporting import duels as words
from genbench.reporting.charts import MOST, Chart, cost_charts, equal_budget, learning_charts, score_charts
from genbench.reporting.claims import Claim, claims
from genbench.reporting.duels import LABELS, SCORES, SPACES, Answer, Duel, duels, main_contenders, number
from genbench.reporting.galleries import Gallery, all_pictures, explorer_data, galleries
from genbench.reporting.inputs import Contender, Ranking, Record
from genbench.reporting.tables import duration
from genbench.runs import whole_file


@dataclass(frozen=True)
class Judged:
    """A duel in words."""

    duel: Duel
    headline: str
    answers: tuple[Answer, ...]
    remaining: str
    commands: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """A cell of a table of scores."""

    text: str
    value: float  # to sort by
    best: bool = False


@dataclass(frozen=True)
class ScoreTable:
    """All scores of one feature space: calibration rows, then contenders."""

    title: str
    scores: tuple[str, ...]
    calibration: tuple[tuple[str, tuple[Cell, ...]], ...]
    contenders: tuple[tuple[str, tuple[Cell, ...]], ...]


@dataclass(frozen=True)
class Part:
    """What the report says of one ranking."""

    ranking: Ranking
    title: str
    judged: tuple[Judged, ...]
    votes: tuple[str, ...]
    tables: tuple[ScoreTable, ...]
    score_charts: tuple[Chart, ...]
    gallery: Gallery
    cost_charts: tuple[Chart, ...]
    equal_budget: tuple[tuple[str, ...], ...]
    learning_charts: tuple[Chart, ...]
    alarms: tuple[tuple[str, str], ...]  # run, alarm
    settings: tuple[tuple[str, tuple[str, ...]], ...]  # key, value by contender; those that differ
    environments: tuple[tuple[str, str], ...]  # what, value

    @property
    def charts(self) -> tuple[Chart, ...]:
        """All of them."""
        return self.score_charts + self.cost_charts + self.learning_charts

    @property
    def contenders_not_judged(self) -> list[Contender]:
        """Those that stand in the tables only."""
        main = main_contenders(self.ranking)
        return [contender for contender in self.ranking.contenders if contender not in main]


@dataclass(frozen=True)
class Content:
    """The whole report."""

    command: str
    made: str
    version: str
    records: tuple[Record, ...]
    parts: tuple[Part, ...]
    claims: tuple[Claim, ...]
    left_out: tuple[Record, ...]
    noted: tuple[Record, ...]


def assemble(records: Sequence[Record], ranked: Sequence[Ranking], config: ReportConfig) -> Content:
    """Everything that the report says and shows."""
    data_sets = [ranking.data for ranking in ranked]
    parts = [
        _part(ranking, shown, data_sets.count(ranking.data) > 1)
        for ranking, shown in zip(ranked, galleries(ranked), strict=True)
    ]
    first_of_data: dict[str, Part] = {}
    for part in parts:  # the largest ranking of a data set speaks to the claims
        first_of_data.setdefault(part.ranking.data, part)
    of_claims = claims([judged.duel for part in first_of_data.values() for judged in part.judged])
    command = f"python -m genbench.report runs={quote(config.runs)} out={quote(config.out)}"
    command += f" calibration={quote(config.calibration)}"
    return Content(
        command,
        time.strftime("%Y-%m-%d", time.gmtime()),
        __version__,
        tuple(records),
        tuple(parts),
        tuple(of_claims),
        tuple(record for record in records if record.problems),
        tuple(record for record in records if record.notes),
    )


def _part(ranking: Ranking, pictures: Gallery, several: bool) -> Part:
    fought = duels(ranking)
    judged = tuple(
        Judged(
            duel,
            words.headline(duel),
            tuple(words.answers(duel, ranking)),
            words.remaining(duel),
            tuple(words.more_seeds_commands(duel)),
        )
        for duel in fought
    )
    hashes = ", ".join(ranking.extractors.values())
    title = f"{ranking.title} (protocol {ranking.protocol}, extractors {hashes})" if several else ranking.title
    shown = ranking.contenders[:MOST]
    runs = [run for contender in ranking.contenders for run in contender.runs]
    return Part(
        ranking,
        title,
        judged,
        tuple(words.voting_scores(ranking)),
        tuple(_score_tables(ranking, fought)),
        tuple(score_charts(ranking)),
        pictures,
        tuple(cost_charts(ranking)),
        tuple(equal_budget(ranking)),
        tuple(chart for contender in shown for chart in learning_charts(contender, ranking)),
        tuple((run.name, str(alarm)) for run in runs for alarm in run.summary.get("alarms", [])),
        tuple(_settings(ranking.contenders)),
        tuple(_environments(runs)),
    )


def _score_tables(ranking: Ranking, fought: Sequence[Duel]) -> list[ScoreTable]:
    best = {(d.label(v.winner), f"{v.space}.{v.score}") for d in fought for v in d.verdicts if v.winner}
    lost = {
        (loser, f"{v.space}.{v.score}")
        for d in fought
        for v in d.verdicts
        for loser in (d.first.label, d.second.label)
        if d.label(v.winner) != loser
    }
    rows: Mapping[str, Any] = ranking.calibration["rows"] if ranking.calibration else {}
    tables = []
    for space in [s for s in SPACES if s in ranking.extractors]:
        keys = [f"{space}.{score}" for score in SCORES if any(f"{space}.{score}" in r.values for r in _runs(ranking))]
        if space == "classifier":
            keys += [f"class.{score}" for score in SCORES if any(f"class.{score}" in r.values for r in _runs(ranking))]
        calibration = tuple(
            (name, tuple(_cell(scores[key]["mean"], scores[key]["sd"]) if key in scores else _NONE for key in keys))
            for name, scores in rows.items()
        )
        contenders = tuple(
            (
                f"{c.label} ({len(c.runs)} seed{'s' * (len(c.runs) > 1)})",
                # Among three models a score may have several winners: best is who lost to nobody.
                tuple(_of_seeds(c.of(key), (c.label, key) in best - lost) for key in keys),
            )
            for c in ranking.contenders
        )
        title = f"{ranking.title}: scores in the features of {_SPACE_NAMES[space]}"
        tables.append(ScoreTable(title, tuple(keys), calibration, contenders))
    return tables


_SPACE_NAMES = {
    "classifier": "a classifier of this data set",
    "random": "a random network",
    "pixels": "50 principal components of the pixels",
}
_NONE = Cell("–", math.nan)


def _runs(ranking: Ranking) -> list[Record]:
    return [run for contender in ranking.contenders for run in contender.runs]


def _of_seeds(values: Sequence[float], best: bool) -> Cell:
    if not values:
        return _NONE
    mean = sum(values) / len(values)
    sd = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1)) if len(values) > 1 else None
    return _cell(mean, sd, best)


def _cell(mean: float, sd: float | None, best: bool = False) -> Cell:
    spread = "" if sd is None or math.isnan(sd) else f" ± {sd:.1g}"
    return Cell(f"{number(mean)}{spread}", mean, best)


def _settings(contenders: Sequence[Contender]) -> list[tuple[str, tuple[str, ...]]]:
    """Settings in which the contenders differ."""
    ignored = ("seed", "runs", "overwrite", "logger", "evaluation")
    of = [flat(c.runs[0].config) for c in contenders]
    keys = list(dict.fromkeys(key for settings in of for key in settings if key.split(".")[0] not in ignored))
    rows = [(key, tuple(str(settings.get(key, "–")) for settings in of)) for key in keys]
    return [(key, values) for key, values in rows if len(set(values)) > 1]


def _environments(runs: Sequence[Record]) -> list[tuple[str, str]]:
    """Versions, devices and commits, each with all its values over the runs."""
    found: dict[str, dict[str, int]] = {}
    for run in runs:
        facts = dict(run.environment)
        packages = facts.pop("packages", {})
        for key, value in {**facts, **(packages if isinstance(packages, dict) else {})}.items():
            text = "unknown" if value is None else str(value)
            values = found.setdefault(str(key), {})
            values[text] = values.get(text, 0) + 1
    return [
        (key, next(iter(v)) if len(v) == 1 else "; ".join(f"{text} ({n} runs)" for text, n in v.items()))
        for key, v in found.items()
    ]


def write(content: Content, out: Path) -> None:
    """All files of the report, each whole."""
    figures = out / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    environment = Environment(
        loader=PackageLoader("genbench.reporting"),
        autoescape=select_autoescape(["html", "jinja"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "duration": duration, "md": _markdown, "score": _score_name}
    environment.globals |= {
        "LABELS": LABELS, "SCORES": SCORES, "MOST": MOST, "explorer_data": explorer_data,
    }  # fmt: skip
    source = environment.loader
    assert source is not None
    script = Markup(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", "<\\/script"))
    page = environment.get_template("page.html.jinja").render(
        content=content,
        vega=script,
        style=Markup(source.get_source(environment, "page.css")[0]),
        behaviour=Markup(source.get_source(environment, "page.js")[0]),
        charts={chart.name: chart.specification for part in content.parts for chart in part.charts},
    )
    _write(out / "index.html", page.encode())
    for picture in all_pictures([part.gallery for part in content.parts]):
        _write(figures / f"{picture.name}.png", picture.png)
    for chart in (chart for part in content.parts for chart in part.charts):
        _write(figures / f"{chart.name}.png", chart_png(chart))
    markdown = environment.get_template("report.md.jinja").render(content=content)
    _write(out / "report.md", markdown.encode())
    _write(out / "results.json", (json.dumps(results(content), indent=1, allow_nan=False) + "\n").encode())
    _write(out / "results.csv", results_csv(content.records).encode())


def _write(path: Path, content: bytes) -> None:
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def chart_png(chart: Chart) -> bytes:
    """The chart as a picture with its title, for Markdown."""
    specification = {**chart.specification, "width": 460, "title": chart.title, "background": "white"}
    drawn = Image.open(io.BytesIO(vl_convert.vegalite_to_png(specification, scale=1.5)))
    buffer = io.BytesIO()  # few colours do: a third of the size
    drawn.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _markdown(text: object) -> Markup:
    """Text that neither Markdown nor HTML takes for a mark of its own; one line."""
    line = " ".join(str(text).split())
    for mark in "\\`*_[]<>|#~":
        line = line.replace(mark, {"<": "&lt;", ">": "&gt;"}.get(mark, "\\" + mark))
    return Markup(line)


def _score_name(key: str) -> str:
    return LABELS[key.partition(".")[2]]


def results(content: Content) -> dict[str, Any]:
    """All that was found, as data."""
    return {
        "genbench": content.version,
        "command": content.command,
        "rankings": [
            {
                "data": part.ranking.data,
                "protocol": part.ranking.protocol,
                "extractors": dict(part.ranking.extractors),
                "calibration": part.ranking.note or "used",
                "votes": list(part.votes),
                "duels": [
                    {
                        "first": judged.duel.first.label,
                        "second": judged.duel.second.label,
                        "seeds": list(judged.duel.seeds),
                        "headline": judged.headline,
                        "verdicts": [_verdict(judged.duel, verdict) for verdict in judged.duel.verdicts],
                    }
                    for judged in part.judged
                ],
            }
            for part in content.parts
        ],
        "claims": [
            {
                "claim": claim.text,
                "findings": [{"data": f.data, "outcome": f.outcome, "numbers": f.numbers} for f in claim.findings],
            }
            for claim in content.claims
        ],
        "runs": [
            {
                "run": record.name,
                "data": record.data,
                "model": record.model,
                "variant": record.variant,
                "seed": record.seed,
                "state": record.state,
                "problems": list(record.problems),
                "notes": list(record.notes),
            }
            for record in content.records
        ],
    }


def _verdict(duel: Duel, verdict: Any) -> dict[str, Any]:
    compared = verdict.compared
    return {
        "score": verdict.score,
        "space": verdict.space,
        "better": duel.label(verdict.winner),
        "why_undecided": list(verdict.why),
        **{key: _finite(getattr(compared, key)) for key in vars(compared)},
        "welch_p_holm": _finite(verdict.welch_p),
        "permutation_p_step_down": _finite(verdict.permutation_p),
        "threshold": _finite(verdict.threshold),
        "signs": dict(verdict.signs),
        "seeds_that_would_decide": verdict.seeds,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def results_csv(records: Sequence[Record]) -> str:
    """A row a run and score, whether it is ranked or not."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(
        ["run", "data", "model", "variant", "seed", "state", "ranked", "space", "score", "mean", "sd_of_draws"]
    )
    for record in records:
        about = [record.name, record.data, record.model, record.variant, record.seed if record.config else ""]
        about += [record.state, "no" if record.problems else "yes"]
        for name in ("train_seconds", "images_seen", "images_per_second"):
            if name in record.summary:
                rows.writerow([*about, "cost", name, record.summary[name], ""])
        for key, score in record.values.items():
            space, _, name = key.partition(".")
            rows.writerow([*about, space, name, score.mean, "" if math.isnan(score.sd) else score.sd])
        if not record.summary and not record.values:
            rows.writerow([*about, "", "", "", ""])
    return text.getvalue()
