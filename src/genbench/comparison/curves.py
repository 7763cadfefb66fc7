"""Quality over cost, and losses over images: curves of several seeds brought to common places."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from genbench.comparison.ranking import Contender, on_one_machine
from genbench.comparison.sample import Sample
from genbench.runs.reading import RunRecord

PLACES = 40  # of a curve
QUICK = ("fcd", "coverage")  # the scores that a training can write on its way

Point = tuple[float, float]
Unit = Literal["seconds", "images"]


@dataclass(frozen=True)
class BandPoint:
    """Some curves at one place."""

    x: float
    mean: float
    least: float
    most: float
    curves: int  # of how many: one of fewer than two points is not among them


@dataclass(frozen=True)
class AtBudget:
    """A contender's quick scores when it had used up as much as all could."""

    budget: float
    unit: Unit
    contender: str
    samples: Mapping[str, Sample | None]  # over seeds, by score


def quality_curve(run: RunRecord, score: str, unit: Unit) -> list[Point]:
    """A run's quick scores over "images" or "seconds"; without points where the run has none."""
    curve = run.metrics.curve(f"fast/{score}")
    if unit == "images":
        return [(float(images), value) for images, value in curve]
    seconds = dict(run.timing.curve("seconds"))
    return [(seconds[images], value) for images, value in curve if images in seconds]


def timed(run: RunRecord, images: Sequence[int]) -> list[tuple[int, float | None]]:
    """When a run had seen so many images, in seconds of training; None where it did not note that down."""
    seconds = dict(run.timing.curve("seconds"))
    return [(seen, seconds.get(seen)) for seen in images]


def quality_band(contender: Contender, score: str, unit: Unit) -> list[BandPoint]:
    """A contender's quick scores: mean, least and most over its seeds."""
    return band([quality_curve(run, score, unit) for run in contender.runs])


def loss_bands(contender: Contender) -> dict[str, list[BandPoint]]:
    """Every loss of a contender's seeds over images seen, by name; without those that have no curve."""
    names = dict.fromkeys(name for run in contender.runs for name in run.metrics.names if "loss" in name)
    bands = {name: band([run.metrics.curve(name) for run in contender.runs]) for name in names}
    return {name: points for name, points in bands.items() if points}


def band(curves: Sequence[Sequence[Point]]) -> list[BandPoint]:
    """Mean, least and most of some curves at common places, as far as all of them reach there."""
    curves = [curve for curve in curves if len(curve) > 1]
    if not curves:
        return []
    first = max(curve[0][0] for curve in curves)
    last = min(curve[-1][0] for curve in curves)
    if last <= first:
        return []
    places = np.linspace(first, last, min(PLACES, max(len(curve) for curve in curves)))
    values = np.stack([np.interp(places, *np.array(curve, dtype=float).T) for curve in curves])
    return [
        BandPoint(float(x), float(mean), float(least), float(most), len(curves))
        for x, mean, least, most in zip(places, values.mean(0), values.min(0), values.max(0), strict=True)
        if math.isfinite(mean)
    ]


def at_equal_budget(contenders: Sequence[Contender]) -> list[AtBudget]:
    """Quick scores at the longest time and at the most images that all contenders reached.

    A training whose first score came later has none there. Seconds of several machines are not equal, and left out.
    """
    units: tuple[Unit, ...] = ("seconds", "images") if on_one_machine(contenders) else ("images",)
    found = []
    for unit in units:
        curves = {c.label: {q: [quality_curve(run, q, unit) for run in c.runs] for q in QUICK} for c in contenders}
        ends = [curve[-1][0] for of in curves.values() for curve in of["fcd"] if curve]
        if not ends or any(not any(of["fcd"]) for of in curves.values()):
            continue
        for label, of in curves.items():
            begun = {score: [curve for curve in of[score] if curve and curve[0][0] <= min(ends)] for score in QUICK}
            values = {score: [_at(min(ends), curve) for curve in curves] for score, curves in begun.items()}
            samples = {score: Sample.of(found) if found else None for score, found in values.items()}
            found.append(AtBudget(min(ends), unit, label, samples))
    return found


def _at(place: float, curve: Sequence[Point]) -> float:
    x, y = np.array(curve, dtype=float).T
    return float(np.interp(place, x, y))
