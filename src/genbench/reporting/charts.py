"""The report's charts, as Vega-Lite specifications made with Altair; each with its text and its numbers.

What tells two models apart is never the colour alone: lines differ in their dashes as well, points in their shapes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import altair as alt

from genbench.comparison.costs import Ended, Kind, comparable, ends
from genbench.comparison.curves import QUICK, BandPoint, Unit, loss_bands, quality_band
from genbench.comparison.judgement import Judgement
from genbench.comparison.ranking import Contender, Ranking, on_one_machine, scorecard_of
from genbench.evaluation.catalogue import catalogue
from genbench.evaluation.entry import Entry
from genbench.reporting.formats import finite, inline, number, spread
from genbench.reporting.gallery import file_names
from genbench.runs.records import Score
from genbench.wording import counted

SEVERAL = "The seconds are of several machines, or of other numbers of threads, and not compared"
# As many as contenders are judged at most.
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a8a00", "#7f7f7f"]  # Okabe & Ito
DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [1, 0], [6, 3], [2, 2], [8, 3, 2, 3]]
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-left", "triangle-right"]


@dataclass(frozen=True)
class Chart:
    """A chart, what it shows in words, and its numbers as a table."""

    name: str  # of its picture file, and its id in the page
    title: str
    text: str  # for those who cannot see it
    specification: Mapping[str, Any]
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    over: Unit | None = None  # of training, where that is its horizontal axis
    model: str = ""  # the only contender that it is about


def score_charts(judgement: Judgement) -> list[Chart]:
    """Every seed's Fréchet distance and coverage, beside real images'."""
    return [chart for score in QUICK if (chart := _seeds(judgement, catalogue()[score])) is not None]


def _seeds(judgement: Judgement, score: Entry) -> Chart | None:
    ranking, shown = judgement.ranking, judgement.contenders
    key = ranking.key(score.name)
    points = [
        {"model": contender.label, "seed": run.seed, "value": _rounded(found.mean)}
        for contender in shown
        for run in contender.runs
        if isinstance(found := scorecard_of(run).score(key), Score)
    ]
    if not points:
        return None
    x = alt.X("value:Q", title=_axis(score, key.space), scale=alt.Scale(zero=True))
    lines = sum(label.count(", ") + 1 for label in judgement.labels)  # of the axis: a line a setting
    y = alt.Y("model:N", title=None, sort=list(judgement.labels), axis=alt.Axis(labelExpr="split(datum.label, ', ')"))
    base = alt.Chart(_data(points)).mark_point(size=70, filled=True, opacity=0.8)
    encodings = _by_model(judgement.labels, shape=True, legend=False)
    layers: list[Any] = [base.encode(x=x, y=y, tooltip=["model:N", "seed:Q", "value:Q"], **encodings)]
    text = "; ".join(f"{inline(contender.label)} {spread(contender.sample(key))}" for contender in shown)
    real = ranking.real(key)
    if real is not None:
        rule = [{"value": _rounded(real.mean), "what": "real images"}]
        layers.append(
            alt.Chart(_data(rule))
            .mark_rule(strokeDash=[4, 3], size=2, color="#888888")
            .encode(x="value:Q", tooltip=["what:N", "value:Q"])
        )
        text += f"; the dashed line is where real images lie, {number(real.mean)}"
    title = f"{ranking.title}: {score.label} of every seed"
    name = f"{ranking.name}-{score.name}-seeds"
    layered = alt.layer(*layers)
    return _chart(name, title, text, layered, ("model", "seed", score.name), points, height=max(240, 18 * lines))


def cost_charts(judgement: Judgement) -> list[Chart]:
    """What quality each setting ended with at what cost, and quality while training, over seconds and over images."""
    kinds: tuple[Kind, ...] = ("training", "sampling")
    units: tuple[Unit, ...] = ("seconds", "images")
    charts = [_ends_chart(judgement, kind) for kind in kinds]
    charts += [_quality(judgement, catalogue()[score], unit) for score in QUICK for unit in units]
    return [chart for chart in charts if chart is not None]


def _quality(judgement: Judgement, score: Entry, unit: Unit) -> Chart | None:
    ranking = judgement.ranking
    over = {"seconds": "training seconds", "images": "training images seen"}[unit]
    bands = {contender.label: quality_band(contender, score.name, unit) for contender in judgement.contenders}
    rows = [{"model": label, **_rounded_band(point)} for label, band in bands.items() for point in band]
    if not rows:
        return None
    short = _short([(inline(label), band, judgement.seeds[label]) for label, band in bands.items()])
    text = f"{score.label} of quick scores over {over}: mean over seeds{short}, band from least to most"
    text += f". {SEVERAL}" if unit == "seconds" and not on_one_machine(judgement.contenders) else ""
    chart = _chart(
        f"{ranking.name}-{score.name}-{unit}",
        f"{ranking.title}: {score.label} over {over}",
        f"{text}. At the end: {_ends(rows)}",
        _bands(rows, over, f"{score.label} (quick)", judgement.labels),
        ("model", over, "mean", "least", "most"),
        rows,
    )
    return replace(chart, over=unit)


def _ends_chart(judgement: Judgement, kind: Kind) -> Chart | None:
    """A point a setting with its spread over seeds: what it ended with at what cost."""
    ranking = judgement.ranking
    found = ends(judgement, kind)
    if not found:
        return None
    alike = comparable(judgement.contenders, kind)
    rows = [_end(end) | ({} if alike else {"beaten by": "not compared"}) for end in found]
    fcd = catalogue()["fcd"]
    unit = {"training": "training seconds", "sampling": "seconds to draw 10,000 samples"}[kind]
    axis, scale = _axis(fcd, ranking.key("fcd").space), alt.Scale(type="log", nice=False, padding=20)
    x, y = alt.X("seconds:Q", title=unit, scale=scale), alt.Y("fcd:Q", title=axis, scale=scale)
    base = alt.Chart(_data(rows))
    encodings = _by_model(judgement.labels, shape=True)
    rule = base.mark_rule(opacity=0.6)
    layered = alt.layer(
        rule.encode(x=x, y=alt.Y("least:Q", title=axis, scale=scale), y2="most:Q", color=encodings["color"]),
        rule.encode(x=alt.X("quickest:Q", title=unit, scale=scale), x2="slowest:Q", y=y, color=encodings["color"]),
        base.mark_point(size=90, filled=True, opacity=1).encode(
            x=x, y=y, tooltip=["model:N", "seconds:Q", "fcd:Q", "beaten by:N"], **encodings
        ),
    )
    text = "A point a setting: its mean, with lines from least to most over its seeds. "
    text += _beaten(found) if alike else SEVERAL
    headings = ("model", unit, "quickest", "slowest", fcd.label, "least", "most", "beaten at no higher cost by")
    title = f"{ranking.title}: quality against {kind} cost"
    return _chart(f"{ranking.name}-{kind}-cost", title, f"{text}.", layered, headings, rows)


def _beaten(found: Sequence[Ended]) -> str:
    unbeaten = [inline(end.contender) for end in found if not end.beaten_by]
    beaten = [inline(end.contender) for end in found if end.beaten_by]
    text = f"Nobody who costs no more is surely better than {', '.join(unbeaten) or 'any'}"
    return text + (f". Beaten at no higher cost: {', '.join(beaten)}" if beaten else "")


def _end(end: Ended) -> dict[str, Any]:
    return {
        "model": end.contender,
        "seconds": _rounded(sum(end.seconds) / len(end.seconds)),
        "quickest": _rounded(min(end.seconds)),
        "slowest": _rounded(max(end.seconds)),
        "fcd": _rounded(sum(end.fcd) / len(end.fcd)),
        "least": _rounded(min(end.fcd)),
        "most": _rounded(max(end.fcd)),
        "beaten by": ", ".join(map(inline, end.beaten_by)) or "nobody",
    }


def learning_charts(judgement: Judgement) -> list[Chart]:
    """Losses of each contender's seeds over images seen."""
    return [chart for c in judgement.contenders if (chart := _losses(c, judgement.ranking)) is not None]


def _losses(contender: Contender, ranking: Ranking) -> Chart | None:
    bands = {name.replace("_", " "): band for name, band in loss_bands(contender).items()}
    rows = [{"model": name, **_rounded_band(point)} for name, band in bands.items() for point in band]
    if not rows:
        return None
    n = len(contender.runs)
    used = min(band[0].curves for band in bands.values())
    seeds = f"{used} of {n} seeds" if used < n else counted(n, "seed")
    title = f"{ranking.title}: losses of {inline(contender.label)}, {seeds}"
    short = _short([(name, band, n) for name, band in bands.items()])
    text = f"Mean over seeds{short}, band from least to most, as far as all seeds go. At the end: {_ends(rows)}"
    drawn = _bands(rows, "training images seen", "loss", list(bands))
    name = f"{ranking.name}-{file_names([c.label for c in ranking.contenders])[contender.label]}-losses"
    chart = _chart(name, title, text, drawn, ("loss", "images", "mean", "least", "most"), rows)
    return replace(chart, over="images", model=contender.label)


def _short(bands: Sequence[tuple[str, Sequence[BandPoint], int]]) -> str:
    """Which bands are of fewer seeds than there are, of how many: the files of the others are missing or too short."""
    named = [f"{name}: {band[0].curves} of {n} seeds" for name, band, n in bands if band and band[0].curves < n]
    return f" ({'; '.join(named)})" if named else ""


def _bands(rows: Sequence[Mapping[str, Any]], x: str, y: str, shown: Sequence[str]) -> Any:
    base = alt.Chart(_data(rows))
    across = alt.X("x:Q", title=x)
    ribbon = base.mark_area(opacity=0.2).encode(
        x=across,
        y=alt.Y("least:Q", title=y, scale=alt.Scale(zero=False)),
        y2="most:Q",
        color=_by_model(shown, dash=True)["color"],  # as the line's, or the legend would show a pale square
    )
    line = base.mark_line(size=2).encode(
        x=across, y=alt.Y("mean:Q", title=y), tooltip=["model:N", "x:Q", "mean:Q"], **_by_model(shown, dash=True)
    )
    return alt.layer(ribbon, line)


def _by_model(shown: Sequence[str], *, shape: bool = False, dash: bool = False, legend: bool = True) -> dict[str, Any]:
    labels = list(shown)
    line: dict[str, Any] = {"symbolType": "stroke", "symbolStrokeWidth": 3, "symbolSize": 400} if dash else {}
    columns = 1 if any(len(label) > 20 for label in labels) else 2  # a telephone is 390 pixels wide
    box = (
        alt.Legend(title=None, orient="top", columns=columns, labelLimit=300, symbolOpacity=1, **line)
        if legend
        else None
    )

    def encoded(kind: Callable[..., Any], values: Sequence[Any]) -> Any:
        return kind("model:N", scale=alt.Scale(domain=labels, range=list(values[: len(labels)])), legend=box)

    encodings = {"color": encoded(alt.Color, COLOURS)}
    if shape:
        encodings["shape"] = encoded(alt.Shape, SHAPES)
    if dash:
        encodings["strokeDash"] = encoded(alt.StrokeDash, DASHES)
    return encodings


def _chart(
    name: str,
    title: str,
    text: str,
    chart: Any,
    headings: tuple[str, ...],
    rows: Sequence[Mapping[str, Any]],
    height: int = 240,
) -> Chart:
    about = f"{title}. {text}"
    specification = finite(chart.properties(width="container", height=height, description=about).to_dict())
    cells = tuple(tuple(_cell(value) for value in row.values()) for row in rows)
    return Chart(name, title, text, specification, headings, cells)


def _data(rows: Sequence[Mapping[str, Any]]) -> Any:
    return alt.Data(values=list(rows))  # type: ignore[no-untyped-call]


def _cell(value: Any) -> str:
    return number(value) if isinstance(value, float) else str(value)


def _axis(score: Entry, space: str) -> list[str]:
    """The title of an axis in two lines."""
    return [score.label, f"({space} features; {score.better} is better)"]


def _ends(rows: Sequence[Mapping[str, Any]]) -> str:
    last = {str(row["model"]): row for row in rows}
    return ", ".join(f"{inline(model)} {number(row['mean'])}" for model, row in last.items())


def _rounded_band(point: BandPoint) -> dict[str, float]:
    return {name: _rounded(getattr(point, name)) for name in ("x", "mean", "least", "most")}


def _rounded(value: float) -> float:
    return float(f"{float(value):.4g}")
