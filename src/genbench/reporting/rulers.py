"""How good samples are in absolute terms, as rulers: from noise to real images, with a mark for every seed."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from genbench.comparison.judgement import Judgement
from genbench.comparison.scales import Scale, scales
from genbench.evaluation.protocol import BLURRED, FULL_GAUSSIAN, MISSING, REAL, UNIFORM
from genbench.reporting.charts import COLOURS
from genbench.reporting.formats import inline, number

NAMES = {
    REAL: "real images",
    MISSING: "real images without one class",
    BLURRED: "blurred real images",
    FULL_GAUSSIAN: "a Gaussian of the pixels",
    UNIFORM: "noise",
}
SHORT = {  # beside a mark, where half a telephone's width is all the room that there is
    REAL: "real images",
    MISSING: "one class missing",
    BLURRED: "blurred",
    FULL_GAUSSIAN: "Gaussian",
    UNIFORM: "noise",
}
EDGE = 3.0  # per cent that are left free at both ends
WIDE = 20.0  # times as large as the least is the largest: on an even scale one end could not be read


@dataclass(frozen=True)
class Mark:
    """Images whose quality is known, at their place."""

    text: str
    at: float  # per cent from the left


@dataclass(frozen=True)
class Lane:
    """The seeds of a contender, each at its place."""

    label: str
    shape: int
    colour: str
    seeds: tuple[tuple[float, str], ...]  # per cent from the left, and the value


@dataclass(frozen=True)
class Ruler:
    """One score; better is to the right."""

    title: str
    scale: str  # in words
    marks: tuple[Mark, ...]  # the labels of a later one are not crossed by the lines of those before it
    lanes: tuple[Lane, ...]
    sentences: tuple[str, ...]  # where each contender lies: what the ruler shows, in words

    @property
    def text(self) -> str:
        """For those who cannot see it."""
        known = "; ".join(mark.text for mark in self.marks)
        return f"{self.title}, from worse to better. Known images: {known}. {' '.join(self.sentences)}"


def rulers(judgement: Judgement) -> list[Ruler]:
    """A ruler for the first score that votes on each question; none without a calibration."""
    return [_ruler(scale) for scale in scales(judgement) if scale.anchors and scale.seeds]


def _ruler(scale: Scale) -> Ruler:
    place, logarithmic = _places(scale)
    marks = [Mark(f"{SHORT[row]} {number(value)}", place(value)) for row, value in scale.anchors.items()]
    lanes = [
        Lane(inline(label), i, COLOURS[i], tuple((place(value), number(value)) for value in values))
        for i, (label, values) in enumerate(scale.seeds.items())
    ]
    way = ("logarithmic, " if logarithmic else "") + "better to the right →"
    sentences = tuple(_sentence(scale, label) for label in scale.seeds)
    return Ruler(scale.score.label, way, tuple(_ordered(marks)), tuple(lanes), sentences)


def _places(scale: Scale) -> tuple[Callable[[float], float], bool]:
    """Where a value lies, better to the right; and whether the scale is logarithmic."""
    values = [*scale.anchors.values(), *(value for seeds in scale.seeds.values() for value in seeds)]
    low, high = min(values), max(values)
    logarithmic = scale.score.better == "lower" and low > 0 and high > WIDE * low
    along: Callable[[float], float] = math.log if logarithmic else float
    span = along(high) - along(low) or 1.0

    def place(value: float) -> float:
        share = (along(value) - along(low)) / span
        share = 1 - share if scale.score.better == "lower" else share
        return round(EDGE + (100 - 2 * EDGE) * share, 2)

    return place, logarithmic


def _ordered(marks: Sequence[Mark]) -> list[Mark]:
    """First those of the left half, whose names stand to the right of them, from the middle outwards; so the others."""
    left = sorted((mark for mark in marks if mark.at <= 50), key=lambda mark: -mark.at)
    return left + sorted((mark for mark in marks if mark.at > 50), key=lambda mark: mark.at)


def _sentence(scale: Scale, label: str) -> str:
    values = scale.seeds[label]
    name, mean = inline(label), number(sum(values) / len(values))
    among = [NAMES[row] for row in scale.among(label)]
    worse, better = scale.worse_than(label), scale.better_than(label)
    if len(among) > 1:
        return (
            f"{name} ({mean}): some of its trainings better than {', than '.join(among)}, others worse than all these."
        )
    if among:
        return f"{name} ({mean}): about as good as {among[0]}."
    if worse is None:  # real images are not at 0 either: there are only so many
        return f"{name} ({mean}): no worse than {NAMES[better] if better is not None else 'any of these'}."
    if better is None:
        return f"{name} ({mean}): worse than {NAMES[worse]}."
    return f"{name} ({mean}): worse than {NAMES[worse]}, better than {NAMES[better]}."
