"""How often the verdict rule is wrong, and what it finds: contenders that are equal, and one that is better.

Contenders are equal if of any two a training of one is as likely to be better than a training of the other as not,
whatever their spreads. Only the test is simulated: what else the rule demands (twice the sd of real images, a second
feature space, as many images) makes verdicts rarer.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from genbench.comparison.verdicts import ALPHA, Array, fewest_seeds, holm, p_values

SCORES = 8  # as many as vote on MNIST and Fashion-MNIST
SHAPES = ("normal", "heavy-tailed", "skewed", "lumpy", "tied", "an outlier")
PLANTED = 6.0  # in sds over seeds, of the wider of the two
_LEVELS = np.linspace(0.0, 1.0, 100_001)
_BLOCK = 500  # comparisons at a time


@dataclass(frozen=True)
class Cell:
    """What the seeds of some contenders are like."""

    contenders: int
    seeds: int  # of each
    shape: str
    ratio: float  # sd of every second contender, in that of the others
    correlation: float  # between the scores of a seed


@dataclass(frozen=True)
class Rates:
    """Shares of comparisons."""

    wrong: float  # of equal contenders: any verdict, on any score, between any two
    found: float  # with one that is better on one score: it is found better than the next


def cells() -> Iterator[Cell]:
    """All that are looked at."""
    for shape, ratio, correlation in product(SHAPES, (1.0, 3.0, 30.0), (0.0, 0.5, 0.95)):
        for contenders, seeds in product((2, 4, 8), (4, 5, 8)):
            yield Cell(contenders, seeds, shape, ratio, correlation)


def rates(cell: Cell, comparisons: int) -> Rates:
    """Judge so many simulated comparisons of equal contenders, and a tenth as many with a planted difference."""
    if cell.seeds < fewest_seeds(cell.contenders):
        return Rates(0.0, 0.0)
    generator = np.random.default_rng([int(part) for part in f"{cell}".encode()])
    tests = SCORES * cell.contenders * (cell.contenders - 1) // 2
    wrong = 0
    for start in range(0, comparisons, _BLOCK):
        least = _p(_values(cell, min(_BLOCK, comparisons - start), generator)).reshape(-1, tests).min(1)
        wrong += int((least * tests < ALPHA).sum())  # Holm's first step
    planted = _values(cell, comparisons // 10, generator)
    planted[:, 0, 0] += PLANTED * max(1.0, cell.ratio)
    first, next_ = planted[:, 0, 0].mean(-1), planted[:, 0, 1].mean(-1)
    rejected = np.array([holm(p.ravel())[0] < ALPHA for p in _p(planted)])
    return Rates(wrong / comparisons, float((rejected & (first > next_)).mean()))


def _p(values: Array) -> Array:
    """Of (comparisons, scores, contenders, seeds): (comparisons, scores, pairs)."""
    one, other = np.array(list(combinations(range(values.shape[2]), 2))).T
    return p_values(values[:, :, one], values[:, :, other])


def _values(cell: Cell, comparisons: int, generator: np.random.Generator) -> Array:
    """Values of equal contenders: (comparisons, scores, contenders, seeds)."""
    common = generator.standard_normal((comparisons, 1, cell.contenders, cell.seeds))
    own = generator.standard_normal((comparisons, SCORES, cell.contenders, cell.seeds))
    normal = np.sqrt(cell.correlation) * common + np.sqrt(1 - cell.correlation) * own
    quantiles = _quantiles(cell.shape)
    values: Array = np.interp(special.ndtr(normal), _LEVELS, quantiles)  # a Gaussian copula
    wide, narrow = (generator.choice(quantiles, 1_000_000) for _ in range(2))
    values[:, :, 1::2] = cell.ratio * values[:, :, 1::2] - np.median(cell.ratio * wide - narrow)
    if cell.shape == "tied":
        values = np.round(values)
    if cell.shape == "an outlier":
        values[:, :, 0, 0] += 10.0
    return values


def _quantiles(shape: str) -> NDArray[np.float64]:
    """Of a distribution of sd 1, at all levels; the ends are cut off."""
    levels = _LEVELS.clip(1e-6, 1 - 1e-6)
    if shape == "heavy-tailed":
        return np.asarray(stats.t.ppf(levels, 3) / np.sqrt(3.0))
    if shape == "skewed":
        return np.asarray(stats.expon.ppf(levels))
    if shape == "lumpy":  # one training in five goes wrong, and ends far off
        drawn = np.random.default_rng(0).standard_normal(1_000_000)
        drawn[::5] += 15.0
        return np.asarray(np.quantile(drawn / drawn.std(), levels))
    return np.asarray(stats.norm.ppf(levels))
