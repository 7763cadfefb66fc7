"""Which of some contenders is better on which score: the rule of the protocol, as functions of numbers alone.

The training seed is the statistical unit. "A is better than B on X" only if all of these hold, otherwise it is
undecided:

1. Welch's test of the difference of the means over seeds has p < 0.05 after Holm's correction over the scores that
   vote (so the 95 % interval excludes 0);
2. so has the permutation test, which relabels the seeds of all scores together. Its correction is the same step-down
   with the joint distribution of the largest |t| in place of Bonferroni's bound (Westfall & Young 1993, algorithm
   4.1). With Bonferroni's bound 5 seeds against 5 could never decide anything when eight scores vote: the smallest p
   is 2/252, and 8 x 2/252 > 0.05;
3. the difference is larger than twice the sd of real against real images;
4. its sign holds in at least two feature spaces.

All pairs of contenders are judged, and both corrections are for all pairs and all scores that vote: a page names a
winner wherever there is one, and a comparison with the best alone would have to know beforehand which that is.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from genbench.comparison.sample import Sample
from genbench.evaluation.catalogue import Entry

ALPHA = 0.05
POWER = 0.8
MOST_SEEDS = 100  # a number of seeds beyond this is not worth naming
RELABELLINGS = 20_000  # beyond so many, a fixed random choice of them

Array = NDArray[np.float64]


class Reason(Enum):
    """Why a pair is undecided on a score: the condition that does not hold."""

    NEITHER_COPIES = "neither copies"
    SMALL = "the difference is within twice the sd of real against real images"
    ONE_SPACE = "measured in one feature space only"
    SPACES_DISAGREE = "no second feature space has the same sign"
    FEW_TRAININGS = "so few trainings can decide nothing"
    LUCK = "the tests do not reject"


@dataclass(frozen=True)
class Question:
    """One score of two contenders: a value a seed, in each feature space in which it was measured."""

    score: Entry
    values: Mapping[str, Mapping[str, Sequence[float]]]  # by space, the first is the one that is judged; by contender
    real: float = math.nan  # of real against real images, in the judged space
    real_sd: float = 0.0

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
    welch_p: float  # not corrected
    welch_p_holm: float
    permutation_p: float  # step-down corrected
    threshold: float  # what the difference must exceed
    leaders: Mapping[str, str | None]  # by space, who has the better mean; None if they are equal
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


def verdicts(questions: Sequence[Question], pairs: int = 1) -> list[Verdict]:
    """Judge two contenders on the scores that vote, which are one family.

    Args:
        questions: all about the same pair; the values of a space and score are in the same order of seeds for all.
        pairs: how many pairs are judged on the same data set; both corrections are for all of them.
    """
    if not questions:
        return []
    one, other = (
        [_capped(question, question.values[question.space][label]) for question in questions]
        for label in questions[0].pair
    )
    compared = compare(np.stack(one), np.stack(other))
    holms = holm([c.p for c in compared], pairs)
    permutation = permutation_p_values(one, other, pairs)
    return [
        _verdict(question, c, holm_p, permutation_p, len(questions), pairs)
        for question, c, holm_p, permutation_p in zip(questions, compared, holms, permutation, strict=True)
    ]


def _capped(question: Question, values: Sequence[float]) -> Array:
    """The values; what scores better than real images by not copying is no better for it."""
    array = np.asarray(values, dtype=float)
    if not question.score.capped or math.isnan(question.real):
        return array
    cap = np.maximum if question.score.better == "lower" else np.minimum
    capped: Array = cap(array, question.real)
    return capped


def _verdict(q: Question, c: Comparison, holm_p: float, permutation_p: float, scores: int, pairs: int) -> Verdict:
    one, other = q.pair
    leaders = {space: _leader(q, space) for space in q.values}
    threshold, fewest = 2.0 * q.real_sd, fewest_seeds(pairs)
    why = _about_the_score(q, c, leaders, threshold)
    seeds_help = not why
    if min(sample.n for sample in c.samples) < fewest:
        why.append(Reason.FEW_TRAININGS)
    elif not (holm_p < ALPHA and permutation_p < ALPHA):
        why.append(Reason.LUCK)
    better = None
    if not why:
        better = one if (c.difference < 0) == (q.score.better == "lower") else other
    # The means are shown as they are, capped or not.
    means = {label: float(np.mean(q.values[q.space][label])) for label in q.pair}
    return Verdict(
        q.score,
        q.space,
        q.pair,
        better,
        tuple(why),
        {label: Sample(means[label], s.sd, s.n) for label, s in zip(q.pair, c.samples, strict=True)},
        c.difference,
        c.low,
        c.high,
        c.p,
        holm_p,
        permutation_p,
        threshold,
        leaders,
        fewest,
        seeds_to_decide(c, scores * pairs, pairs) if why and seeds_help else None,
    )


def _about_the_score(q: Question, c: Comparison, leaders: Mapping[str, str | None], threshold: float) -> list[Reason]:
    """The conditions that do not hold whatever the number of trainings."""
    why = []
    if c.difference == 0.0 and q.score.capped:
        why.append(Reason.NEITHER_COPIES)
    elif abs(c.difference) <= threshold:
        why.append(Reason.SMALL)
    if len(leaders) < 2:
        why.append(Reason.ONE_SPACE)
    elif sum(leader == leaders[q.space] is not None for leader in leaders.values()) < 2:
        why.append(Reason.SPACES_DISAGREE)
    return why


def _leader(question: Question, space: str) -> str | None:
    one, other = question.pair
    difference = float(np.mean(question.values[space][one]) - np.mean(question.values[space][other]))
    if difference == 0.0 or math.isnan(difference):
        return None
    return one if (difference < 0) == (question.score.better == "lower") else other


def compare(one: Array, other: Array) -> list[Comparison]:
    """Welch's test of each score of (scores, n) and (scores, m) values; nan without two values each."""
    differences = one.mean(1) - other.mean(1)
    p, low, high = np.full((3, len(one)), math.nan)
    if min(one.shape[1], other.shape[1]) > 1:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of values that are all alike
            test = stats.ttest_ind(one, other, axis=1, equal_var=False)
            interval = test.confidence_interval(1 - ALPHA)
        error = np.sqrt(one.var(1, ddof=1) / one.shape[1] + other.var(1, ddof=1) / other.shape[1])
        # Where all trainings are alike there is nothing to estimate.
        flat = error <= 1e-12 * np.maximum(abs(one).max(1), abs(other).max(1))
        p = np.where(flat, np.where(differences == 0.0, 1.0, 0.0), test.pvalue)
        low, high = np.where(flat, differences, interval.low), np.where(flat, differences, interval.high)
    return [
        Comparison((Sample.of(a), Sample.of(b)), *map(float, numbers))
        for a, b, *numbers in zip(one, other, differences, low, high, p, strict=True)
    ]


def holm(p_values: Sequence[float], pairs: int = 1) -> list[float]:
    """Holm's (1979) adjusted p-values, in the order given; nan stands for 1.

    scipy has no Holm (its false_discovery_control keeps another promise), and five lines are less than a dependency.
    """
    p = np.nan_to_num(np.asarray(p_values, dtype=float), nan=1.0)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1) * pairs).clip(max=1.0)
    return [float(value) for value in adjusted]


def permutation_p_values(one: Sequence[Array], other: Sequence[Array], pairs: int = 1) -> list[float]:
    """Step-down max-|t| adjusted p-values of scores with n values of one contender and m of the other.

    All scores of a seed move together, so that the correlation of the scores is kept. nan, that is 1, for fewer than
    two seeds of a contender.
    """
    n, m = len(one[0]), len(other[0])
    if min(n, m) < 2:
        return [math.nan] * len(one)
    values = np.stack([np.concatenate([a, b]) for a, b in zip(one, other, strict=True)])  # (scores, n + m)
    t = _t_statistics(values, _relabellings(n, m))  # (relabellings, scores), the observed one first
    order = np.argsort(-t[0], kind="stable")
    # The largest statistic among a score and all that are weaker than it.
    largest = np.maximum.accumulate(t[:, order[::-1]], axis=1)[:, ::-1]
    at_least = largest >= t[0, order] * (1 - 1e-9) - 1e-12
    adjusted = np.empty(len(one))
    adjusted[order] = np.maximum.accumulate(at_least.mean(0) * pairs).clip(max=1.0)
    return [float(value) for value in adjusted]


def _relabellings(n: int, m: int) -> NDArray[np.bool_]:
    """Which of n + m seeds are called the one contender's: every way, or a fixed random choice; the true one first."""
    if math.comb(n + m, n) <= RELABELLINGS:
        chosen = np.array(list(combinations(range(n + m), n)))  # the first is 0 ... n - 1
        labels = np.zeros((len(chosen), n + m), dtype=bool)
        labels[np.arange(len(chosen))[:, None], chosen] = True
        return labels
    true = np.arange(n + m) < n
    return np.stack([true, *(np.random.default_rng(0).permuted(np.tile(true, (RELABELLINGS - 1, 1)), axis=1))])


def _t_statistics(values: Array, labels: NDArray[np.bool_]) -> Array:
    """Welch's |t| of each score (S, N) under each labelling (R, N): (R, S)."""
    values = values - values.mean(1, keepdims=True)
    scale = np.abs(values).max(1, keepdims=True)
    values = values / np.where(scale > 0, scale, 1.0)
    means, shares = [], []
    for mask in (labels, ~labels):
        count = mask.sum(1, keepdims=True).astype(float)
        mean = mask @ values.T / count
        variance = (mask @ (values**2).T / count - mean**2).clip(min=0.0) * count / (count - 1)
        means.append(mean)
        shares.append(variance / count)
    difference, error = np.abs(means[0] - means[1]), np.sqrt(shares[0] + shares[1])
    flat = error < 1e-7
    t: Array = np.where(flat, np.where(difference < 1e-9, 0.0, 1e12), difference / np.where(flat, 1.0, error))
    return t


def fewest_seeds(pairs: int = 1) -> int:
    """The fewest seeds of each of two contenders with which the permutation test can reach p < 0.05 at all."""
    n = 2
    while 2 / math.comb(2 * n, n) * pairs >= ALPHA:
        n += 1
    return n


def seeds_to_decide(compared: Comparison, family: int, pairs: int = 1) -> int | None:
    """Seeds of each contender with which Welch's test would decide a difference like this one in 80 % of cases.

    At the strictest level of Holm's correction, if the true difference and sds are the ones seen; None if that is
    unknown (a single seed) or more than 100.
    """
    sds = np.array([sample.sd for sample in compared.samples])
    spread = math.hypot(*sds)
    if math.isnan(spread) or compared.difference == 0.0:
        return None
    least = max(fewest_seeds(pairs), min(sample.n for sample in compared.samples) + 1)
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
