"""The report's charts, as Vega-Lite specifications made with Altair; each with its text and its numbers.

What tells two models apart is never the colour alone: lines differ in their dashes as well, points in their shapes.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np

from genbench.reporting.duels import LABELS, REAL, SPACES, number
from genbench.reporting.inputs import Contender, Ranking, Record

POINTS = 40  # of a curve
MOST = 8  # contenders that one chart can show apart
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a8a00", "#7f7f7f"]  # Okabe & Ito
DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [1, 0], [6, 3], [2, 2], [8, 3, 2, 3]]
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-left", "triangle-right"]

Point = tuple[float, float]


@dataclass(frozen=True)
class Chart:
    """A chart, what it shows in words, and its numbers as a table."""

    name: str  # of its picture file, and its id in the page
    title: str
    text: str  # for those who cannot see it
    specification: Mapping[str, Any]
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def score_charts(ranking: Ranking) -> list[Chart]:
    """Every seed's Fréchet distance and coverage, beside real images'."""
    space = next((s for s in SPACES if s in ranking.extractors), "")
    shown = ranking.contenders[:MOST]
    charts = []
    for score in ("fcd", "coverage"):
        key = f"{space}.{score}"
        points = [
            {"model": c.label, "seed": run.seed, "value": _rounded(run.values[key].mean)}
            for c in shown
            for run in c.runs
            if key in run.values
        ]
        if not points:
            continue
        x = alt.X("value:Q", title=_axis(score, space), scale=alt.Scale(zero=True))
        base = alt.Chart(_data(points)).mark_point(size=70, filled=True, opacity=0.8)
        layers: list[Any] = [
            base.encode(
                x=x,
                y=alt.Y("model:N", title=None),
                tooltip=["model:N", "seed:Q", "value:Q"],
                **_by_model(shown, shape=True, legend=False),
            )
        ]
        text = "; ".join(f"{c.label} {_spread(c.of(key))}" for c in shown)
        if ranking.calibration is not None:
            real = ranking.calibration["rows"][REAL][key]["mean"]
            rule = [{"value": _rounded(real), "what": "real images"}]
            layers.append(
                alt.Chart(_data(rule))
                .mark_rule(strokeDash=[4, 3], size=2, color="#888888")
                .encode(x="value:Q", tooltip=["what:N", "value:Q"])
            )
            text += f"; the dashed line is where real images lie, {number(real)}"
        title = f"{ranking.title}: {LABELS[score]} of every seed"
        charts.append(
            _chart(f"{ranking.name}-{score}-seeds", title, text, alt.layer(*layers), ("model", "seed", score), points)
        )
    return charts


def cost_charts(ranking: Ranking) -> list[Chart]:
    """Quality while training, over seconds and over images, and what quality each run ended with at what cost."""
    shown = ranking.contenders[:MOST]
    charts = []
    for score in ("fcd", "coverage"):
        for unit, title in (("seconds", "training seconds"), ("images", "training images seen")):
            rows = []
            for contender in shown:
                curves = [quality_curve(run, score, unit) for run in contender.runs]
                rows += [{"model": contender.label, **point} for point in band([c for c in curves if len(c) > 1])]
            if rows:
                text = f"{LABELS[score]} of quick scores over {title}: mean over seeds, band from least to most"
                charts.append(
                    _chart(
                        f"{ranking.name}-{score}-{unit}",
                        f"{ranking.title}: {LABELS[score]} over {title}",
                        f"{text}. At the end: {_ends(rows)}",
                        _bands(rows, title, f"{LABELS[score]} (quick)", shown),
                        ("model", title, "mean", "least", "most"),
                        rows,
                    )
                )
    return [*charts, *_pareto(ranking, shown)]


def quality_curve(run: Record, score: str, unit: str) -> list[Point]:
    """A run's quick scores over "images" or "seconds"; without points where the run has none."""
    seconds = {row["images"]: row.get("seconds", math.nan) for row in run.timing}
    points = []
    for row in run.metrics:
        if f"fast/{score}" in row:
            x = row["images"] if unit == "images" else seconds.get(row["images"], math.nan)
            if not math.isnan(x):
                points.append((x, row[f"fast/{score}"]))
    return points


def equal_budget(ranking: Ranking) -> list[tuple[str, ...]]:
    """Quick scores at the longest time and at the most images that all contenders reached: a row a contender."""
    rows = []
    for unit in ("seconds", "images"):
        curves = [
            (c.label, [(quality_curve(run, "fcd", unit), quality_curve(run, "coverage", unit)) for run in c.runs])
            for c in ranking.contenders[:MOST]
        ]
        ends = [fcd[-1][0] for _, pairs in curves for fcd, _ in pairs if fcd]
        if not ends or any(not any(fcd for fcd, _ in pairs) for _, pairs in curves):
            continue
        limit = min(ends)
        for label, pairs in curves:
            at = [[_at(limit, curve) for curve in kind if curve] for kind in zip(*pairs, strict=True)]
            rows.append((f"{limit:,.0f} {unit}", label, *(_spread(values) for values in at)))
    return rows


def _pareto(ranking: Ranking, shown: Sequence[Contender]) -> list[Chart]:
    space = next((s for s in SPACES if s in ranking.extractors), "")
    points: list[dict[str, Any]] = [
        {
            "model": c.label,
            "seed": run.seed,
            "seconds": _rounded(float(run.summary["train_seconds"])),
            "fcd": _rounded(run.values[f"{space}.fcd"].mean),
        }
        for c in shown
        for run in c.runs
        if f"{space}.fcd" in run.values
    ]
    if not points:
        return []
    best, front = math.inf, []
    for point in sorted(points, key=lambda p: (p["seconds"], p["fcd"])):
        point["on the front"] = "yes" if point["fcd"] < best else "no"
        if point["fcd"] < best:
            best = point["fcd"]
            front.append(point)
    seconds = [point["seconds"] for point in points]
    # Under one time budget all lie at nearly the same place: that they do should be seen.
    domain = [0.8 * min(seconds), 1.25 * max(seconds)]
    x = alt.X("seconds:Q", title="training seconds", scale=alt.Scale(type="log", nice=False, domain=domain))
    y = alt.Y("fcd:Q", title=_axis("fcd", space), scale=alt.Scale(type="log", nice=False, padding=20))
    line = alt.Chart(_data(front)).mark_line(interpolate="step-after", color="#888888", strokeDash=[4, 3])
    dots = alt.Chart(_data(points)).mark_point(size=70, filled=True)
    layered = alt.layer(
        line.encode(x=x, y=y),
        dots.encode(x=x, y=y, tooltip=["model:N", "seed:Q", "seconds:Q", "fcd:Q"], **_by_model(shown, shape=True)),
    )
    text = "Runs that no other run beats at once in time and in Fréchet distance: " + ", ".join(
        f"{p['model']} seed {p['seed']} ({number(p['seconds'])} s, {number(p['fcd'])})" for p in front
    )
    headings = ("model", "seed", "training seconds", "Fréchet distance", "on the front")
    title = f"{ranking.title}: what quality each training ended with"
    return [_chart(f"{ranking.name}-pareto", title, text, layered, headings, points)]


def learning_charts(contender: Contender, ranking: Ranking) -> list[Chart]:
    """Losses of a contender's seeds over images seen."""
    names = list(dict.fromkeys(name for run in contender.runs for row in run.metrics for name in row))
    losses = [name for name in names if "loss" in name]
    rows = []
    for name in losses:
        curves = [[(row["images"], row[name]) for row in run.metrics if name in row] for run in contender.runs]
        rows += [{"model": name.replace("_", " "), **point} for point in band([c for c in curves if len(c) > 1])]
    if not rows:
        return []
    shown = list(dict.fromkeys(str(row["model"]) for row in rows))
    title = f"{ranking.title}: losses of {contender.label}, {len(contender.runs)} seed{'s' * (len(contender.runs) > 1)}"
    text = f"Mean over seeds, band from least to most, as far as all seeds go. At the end: {_ends(rows)}"
    chart = _bands(rows, "training images seen", "loss", shown)
    name = f"{ranking.name}-{contender.label.replace(' ', '-')}-losses"
    return [_chart(name, title, text, chart, ("loss", "images", "mean", "least", "most"), rows)]


def band(curves: Sequence[Sequence[Point]]) -> list[dict[str, float]]:
    """Mean, least and most of some curves at common places, as far as all of them reach there."""
    if not curves:
        return []
    first = max(curve[0][0] for curve in curves)
    last = min(curve[-1][0] for curve in curves)
    if last <= first:
        return []
    longest = max(len(curve) for curve in curves)
    places = np.linspace(first, last, min(POINTS, longest))
    values = np.stack([np.interp(places, *np.array(curve, dtype=float).T) for curve in curves])
    return [
        {"x": _rounded(x), "mean": _rounded(m), "least": _rounded(low), "most": _rounded(high)}
        for x, m, low, high in zip(places, values.mean(0), values.min(0), values.max(0), strict=True)
        if math.isfinite(m)
    ]


def _at(place: float, curve: Sequence[Point]) -> float:
    x, y = np.array(curve, dtype=float).T
    return float(np.interp(place, x, y))


def _bands(rows: Sequence[Mapping[str, Any]], x: str, y: str, shown: Sequence[Contender] | Sequence[str]) -> Any:
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


def _by_model(
    shown: Sequence[Contender] | Sequence[str],
    *,
    shape: bool = False,
    dash: bool = False,
    legend: bool = True,
) -> dict[str, Any]:
    labels = [c if isinstance(c, str) else c.label for c in shown]
    line: dict[str, Any] = {"symbolType": "stroke", "symbolStrokeWidth": 3, "symbolSize": 400} if dash else {}
    box = alt.Legend(title=None, orient="top", columns=2, labelLimit=300, symbolOpacity=1, **line) if legend else None

    def encoded(kind: Callable[..., Any], values: Sequence[Any]) -> Any:
        return kind("model:N", scale=alt.Scale(domain=labels, range=list(values[: len(labels)])), legend=box)

    encodings = {"color": encoded(alt.Color, COLOURS)}
    if shape:
        encodings["shape"] = encoded(alt.Shape, SHAPES)
    if dash:
        encodings["strokeDash"] = encoded(alt.StrokeDash, DASHES)
    return encodings


def _chart(
    name: str, title: str, text: str, chart: Any, headings: tuple[str, ...], rows: Sequence[Mapping[str, Any]]
) -> Chart:
    specification = chart.properties(width="container", height=240, description=f"{title}. {text}").to_dict()
    cells = tuple(tuple(_cell(value) for value in row.values()) for row in rows)
    return Chart(name, title, text, specification, headings, cells)


def _data(rows: Sequence[Mapping[str, Any]]) -> Any:
    return alt.Data(values=list(rows))  # type: ignore[no-untyped-call]


def _cell(value: Any) -> str:
    return number(value) if isinstance(value, float) else str(value)


def _axis(score: str, space: str) -> str:
    better = "lower" if score == "fcd" else "higher"
    return f"{LABELS[score]} ({space} features; {better} is better)"


def _ends(rows: Sequence[Mapping[str, Any]]) -> str:
    last = {str(row["model"]): row for row in rows}
    return ", ".join(f"{model} {number(row['mean'])}" for model, row in last.items())


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "–"
    sd = f" ± {number(float(np.std(values, ddof=1)))}" if len(values) > 1 else ""
    return f"{number(float(np.mean(values)))}{sd}"


def _rounded(value: float) -> float:
    return float(f"{float(value):.4g}")
