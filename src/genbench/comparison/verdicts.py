"""Which of some contenders is better on which score: the rule of the protocol, as functions of numbers alone.

The training seed is the statistical unit. "A is better than B on X" says that a training of A is more likely than not
to have the better X than a training of B. It is said only if all of these hold, otherwise it is undecided:

1. Welch's test of the difference over seeds rejects at 1 %, by Holm's correction over every score that votes and every
   pair of contenders, which are one family: a page names a winner wherever there is one, and a comparison with the
   best alone would have to know beforehand which that is;
2. the difference is larger than twice the sd of real against real images;
3. its sign holds in a second feature space in which the score has earned its vote too;
4. the trainings of each contender saw equally many images.

The promise is that at most 5 % of comparisons of equal contenders have any verdict. Welch's test promises that for
means of normal seeds only, and errs up to five times as often where seeds are skewed and the sds differ thirtyfold
(docs/verdicts.md): hence 1 %. A permutation test in its place would need seven seeds to decide anything between eight
contenders, and errs as often where sds differ: which seed is whose is then not exchangeable.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from genbench.comparison.sample import Sample
from genbench.evaluation.entry import Entry

PROMISE = 0.05  # the share of comparisons of equal contenders that may have any verdict
ALPHA = 0.01  # the level of the tests that keeps it
POWER = 0.8
MOST_SEEDS = 100  # a number of seeds beyond this is not worth naming

Array = NDArray[np.float64]


class Reason(Enum):
    """Why a pair is undecided on a score: the condition that does not hold."""

    BOTH_REAL = "neither falls short of real images"
    SMALL = "the difference is within twice the sd of real against real images"
    ONE_SPACE = "measured in one feature space only"
    SPACES_DISAGREE = "no second feature space has the same sign"
    UNEVEN = "the trainings of a contender did not see equally many images"
    FEW_TRAININGS = "so few trainings can decide nothing"
    LUCK = "the test does not reject"


@dataclass(frozen=True)
class Question:
    """One score of two contenders: a value a seed, in each feature space in which it was measured."""

    score: Entry
    values: Mapping[str, Mapping[str, Sequence[float]]]  # by space, the first is the one that is judged; by contender
    real: Mapping[str, float] = field(default_factory=dict)  # of real against real images, by space, where it is known
    real_sd: float = 0.0  # in the judged space
    even: bool = True  # the trainings of each contender saw equally many images

    @property
    def space(self) -> str:
        """The feature space that is judged."""
        return next(iter(self.values))

    @property
    def pair(self) -> tuple[str, str]:
        """The two contenders."""
        one, other = self.values[self.space]
        return one, other


@dataclass(frozen=True)
class Comparison:
    """Two samples and what can be said of the difference of their means."""

    samples: tuple[Sample, Sample]
    difference: float  # the first mean minus the second
    low: float  # 95 % interval of the difference (Welch); nan where a sample is a single number
    high: float
    p: float  # Welch's, not corrected; nan likewise


@dataclass(frozen=True)
class Verdict:
    """The answer to one question."""

    score: Entry
    space: str  # the one that is judged
    pair: tuple[str, str]
    better: str | None  # the contender; None: undecided
    why: tuple[Reason, ...]  # what does not hold; empty if it is decided
    samples: Mapping[str, Sample]  # of the seeds, by contender
    difference: float  # the pair's first mean minus the second
    low: float  # 95 % interval of the difference
    high: float
    p: float  # Welch's, not corrected
    p_holm: float
    threshold: float  # what the difference must exceed
    leaders: Mapping[str, str | None]  # by space, who has the better mean (capped); None if they are equal
    fewest: int  # trainings of each, below which nothing can be decided
    seeds: int | None  # of each that would decide it with 80 % power; None if seeds are not what is missing

    @property
    def worse(self) -> str | None:
        """The other contender, if it is decided."""
        return None if self.better is None else next(label for label in self.pair if label != self.better)

    @property
    def leader(self) -> str | None:
        """Who has the better mean in the judged space, decided or not."""
        return self.leaders[self.space]


def verdicts(questions: Sequence[Question]) -> list[Verdict]:
    """Judge some contenders on the scores that vote.

    Args:
        questions: all that are asked on one data set, of every pair: they are one family.
    """
    compared = [
        compare(*(_capped(question, question.space, label) for label in question.pair)) for question in questions
    ]
    fewest = fewest_seeds(len({label for question in questions for label in question.pair}))
    return [
        _verdict(question, c, p_holm, fewest, len(questions))
        for question, c, p_holm in zip(questions, compared, holm([c.p for c in compared]), strict=True)
    ]


def _capped(question: Question, space: str, label: str) -> Array:
    """A contender's values; what scores better than real images by not copying is no better for it."""
    array = np.asarray(question.values[space][label], dtype=float)
    real = question.real.get(space, math.nan)
    if not question.score.capped or math.isnan(real):
        return array
    cap = np.maximum if question.score.better == "lower" else np.minimum
    capped: Array = cap(array, real)
    return capped


def _verdict(q: Question, c: Comparison, p_holm: float, fewest: int, family: int) -> Verdict:
    one, other = q.pair
    leaders = {space: _leader(q, space) for space in q.values}
    threshold = 2.0 * q.real_sd
    why = _about_the_score(q, c, leaders, threshold)
    seeds_help = not why
    if min(sample.n for sample in c.samples) < fewest:
        why.append(Reason.FEW_TRAININGS)
    elif not p_holm < ALPHA:
        why.append(Reason.LUCK)
    better = None
    if not why:
        better = one if (c.difference < 0) == (q.score.better == "lower") else other
    # Means and sds are shown as they are, capped or not.
    return Verdict(
        q.score,
        q.space,
        q.pair,
        better,
        tuple(why),
        {label: Sample.of(q.values[q.space][label]) for label in q.pair},
        c.difference,
        c.low,
        c.high,
        c.p,
        p_holm,
        threshold,
        leaders,
        fewest,
        seeds_to_decide(c, family, fewest) if why and seeds_help else None,
    )


def _about_the_score(q: Question, c: Comparison, leaders: Mapping[str, str | None], threshold: float) -> list[Reason]:
    """The conditions that do not hold whatever the number of trainings."""
    why = []
    if c.difference == 0.0 and q.score.capped:
        why.append(Reason.BOTH_REAL)
    elif abs(c.difference) <= threshold:
        why.append(Reason.SMALL)
    if len(leaders) < 2:
        why.append(Reason.ONE_SPACE)
    elif sum(leader == leaders[q.space] is not None for leader in leaders.values()) < 2:
        why.append(Reason.SPACES_DISAGREE)
    if not q.even:
        why.append(Reason.UNEVEN)
    return why


def _leader(question: Question, space: str) -> str | None:
    one, other = question.pair
    difference = float(_capped(question, space, one).mean() - _capped(question, space, other).mean())
    if difference == 0.0 or math.isnan(difference):
        return None
    return one if (difference < 0) == (question.score.better == "lower") else other


def compare(one: Array, other: Array) -> Comparison:
    """Welch's test of two samples; nan without two values each."""
    difference = float(one.mean() - other.mean())
    p = low = high = math.nan
    if min(one.size, other.size) > 1:
        p = float(p_values(one, other))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of values that are all alike
            interval = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
        alike = p in (0.0, 1.0)
        low, high = (difference, difference) if alike else (float(interval.low), float(interval.high))
    return Comparison((Sample.of(one), Sample.of(other)), difference, low, high, p)


def p_values(one: Array, other: Array) -> Array:
    """Welch's p along the last axis; where all trainings are alike there is nothing to estimate, and it is 0 or 1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of values that are all alike
        p = stats.ttest_ind(one, other, axis=-1, equal_var=False).pvalue
    error = np.sqrt(one.var(-1, ddof=1) / one.shape[-1] + other.var(-1, ddof=1) / other.shape[-1])
    alike = error <= 1e-12 * np.maximum(abs(one).max(-1), abs(other).max(-1))
    found: Array = np.where(alike, np.where(one.mean(-1) == other.mean(-1), 1.0, 0.0), p)
    return found


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) adjusted p-values, in the order given; nan stands for 1.

    scipy has no Holm (its false_discovery_control keeps another promise), and five lines are less than a dependency.
    """
    p = np.nan_to_num(np.asarray(p_values, dtype=float), nan=1.0)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1.0)
    return [float(value) for value in adjusted]


def fewest_seeds(contenders: int = 2) -> int:
    """The fewest seeds of each contender with which anything is decided.

    Of three seeds an sd is hardly known. With four of each of many contenders it is too likely that all of one came
    out alike by luck: five keep the promise (docs/verdicts.md).
    """
    return 4 if contenders <= 2 else 5


def seeds_to_decide(compared: Comparison, family: int, fewest: int) -> int | None:
    """Seeds of each contender with which Welch's test would decide a difference like this one in 80 % of cases.

    At the strictest level of Holm's correction, if the true difference and sds are the ones seen; None if that is
    unknown (a single seed) or more than 100.
    """
    sds = np.array([sample.sd for sample in compared.samples])
    spread = math.hypot(*sds)
    if math.isnan(spread) or compared.difference == 0.0:
        return None
    least = max(fewest, min(sample.n for sample in compared.samples) + 1)
    if spread == 0.0:
        return least
    n = np.arange(least, MOST_SEEDS + 1)
    shares = sds[:, None] ** 2 / n
    degrees = shares.sum(0) ** 2 / (shares**2 / (n - 1)).sum(0)
    critical = stats.t.ppf(1 - ALPHA / family / 2, degrees)
    noncentral = abs(compared.difference) / np.sqrt(shares.sum(0))
    # Far out the noncentral t distribution has no numbers left, and no doubt either.
    certain = noncentral > 30 + critical
    power = np.where(certain, 1.0, stats.nct.sf(critical, degrees, np.where(certain, 1.0, noncentral)))
    enough = n[power >= POWER]
    return int(enough[0]) if len(enough) else None
