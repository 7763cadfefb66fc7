"""Which of two models is better on which score: the rule of the protocol, as functions of numbers alone.

The training seed is the statistical unit. "A is better on X" only if all of these hold, otherwise it is undecided:

1. Welch's test of the difference of the means over seeds has p < 0.05 after Holm's correction over the scores that
   vote (so the 95 % interval excludes 0);
2. so has the permutation test, which relabels the seeds of all scores together. Its correction is the same step-down
   with the joint distribution of the largest |t| in place of Bonferroni's bound (Westfall & Young 1993, algorithm
   4.1). With Bonferroni's bound 5 seeds against 5 could never decide anything when eight scores vote: the smallest p
   is 2/252, and 8 x 2/252 > 0.05;
3. the difference is larger than twice the sd of real against real images;
4. its sign holds in at least two feature spaces.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

ALPHA = 0.05
POWER = 0.8
MOST_SEEDS = 100  # a number of seeds beyond this is not worth naming
RELABELLINGS = 20_000  # beyond so many, a fixed random choice of them

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Question:
    """One score, of two models: a value a seed, for each feature space in which it was measured."""

    score: str
    lower_is_better: bool
    first: Mapping[str, Sequence[float]]  # by space; the first space is the one that is judged
    second: Mapping[str, Sequence[float]]
    real: float = math.nan  # of real against real images, in the judged space
    real_sd: float = 0.0
    capped: bool = False  # what scores better than real images is no better for it (memorisation)

    @property
    def space(self) -> str:
        """The feature space that is judged."""
        return next(iter(self.first))


@dataclass(frozen=True)
class Comparison:
    """Two samples of numbers and what can be said of the difference of their means."""

    mean_first: float
    mean_second: float
    sd_first: float  # nan for a single seed
    sd_second: float
    n_first: int
    n_second: int
    difference: float  # first minus second
    low: float  # 95 % interval of the difference (Welch); nan where a model has a single seed
    high: float
    welch_p: float  # not corrected


@dataclass(frozen=True)
class Verdict:
    """The answer to one question."""

    score: str
    space: str
    compared: Comparison
    winner: Literal["first", "second"] | None  # None: undecided
    why: tuple[str, ...]  # the conditions that do not hold; empty if it is decided
    welch_p: float  # Holm-corrected
    permutation_p: float  # step-down corrected
    threshold: float  # what the difference must exceed
    signs: Mapping[str, int]  # by space: 1 if the first model is better there, -1 if the second, 0
    seeds: int | None  # of each model that would decide it with 80 % power; None if seeds are not what is missing


def verdicts(questions: Sequence[Question], comparisons: int = 1) -> list[Verdict]:
    """Judge two models on the scores that vote, which are one family.

    Args:
        questions: the values of a space and score are in the same order of seeds for all questions.
        comparisons: how many pairs of models are judged on the same data set; both corrections are for all of them.
    """
    if not questions:
        return []
    values = [(_judged(q, q.first[q.space]), _judged(q, q.second[q.space])) for q in questions]
    compared = [compare(first, second) for first, second in values]
    welch = holm([c.welch_p for c in compared], comparisons)
    permutation = permutation_p_values([v[0] for v in values], [v[1] for v in values], comparisons)
    family = len(questions) * comparisons
    return [
        _verdict(q, c, w, p, family, comparisons)
        for q, c, w, p in zip(questions, compared, welch, permutation, strict=True)
    ]


def _judged(question: Question, values: Sequence[float]) -> Array:
    array = np.asarray(values, dtype=float)
    if not question.capped or math.isnan(question.real):
        return array
    judged: Array = np.maximum(array, question.real) if question.lower_is_better else np.minimum(array, question.real)
    return judged


def _verdict(q: Question, c: Comparison, welch_p: float, permutation_p: float, family: int, pairs: int) -> Verdict:
    signs = {space: _sign(q, space) for space in q.first}
    agreeing = sum(sign == signs[q.space] != 0 for sign in signs.values())
    threshold = 2.0 * q.real_sd
    fewest = fewest_seeds(pairs)
    why, seeds_help = [], True
    if c.difference == 0.0 and q.capped:
        why.append("neither copies more than real images resemble each other")
        seeds_help = False
    elif abs(c.difference) <= threshold:
        why.append("the difference is as small as between two sets of real images")
        seeds_help = False
    if len(signs) < 2:
        why.append("seen by one kind of features only, and a verdict takes two")
        seeds_help = False
    elif agreeing < 2:
        why.append("the kinds of features disagree about who is better")
        seeds_help = False
    if min(c.n_first, c.n_second) < fewest:
        why.append(f"fewer than {fewest} trainings of each can decide nothing")
    elif not (welch_p < ALPHA and permutation_p < ALPHA):
        why.append("the trainings differ too much among themselves to tell")
    decided = not why
    winner: Literal["first", "second"] | None = None
    if decided:
        winner = "first" if (c.difference < 0) == q.lower_is_better else "second"
    seeds = None if decided or not seeds_help else seeds_to_decide(c, family, pairs)
    if q.capped:  # the means are shown as they are
        c = replace(c, mean_first=float(np.mean(q.first[q.space])), mean_second=float(np.mean(q.second[q.space])))
    return Verdict(q.score, q.space, c, winner, tuple(why), welch_p, permutation_p, threshold, signs, seeds)


def _sign(question: Question, space: str) -> int:
    difference = float(np.mean(question.first[space]) - np.mean(question.second[space]))
    return int(np.sign(-difference if question.lower_is_better else difference))


def compare(first: Sequence[float] | Array, second: Sequence[float] | Array) -> Comparison:
    """Means, sds, their difference, its 95 % interval and p-value by Welch's test (nan without two values each)."""
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    sds = [float(x.std(ddof=1)) if len(x) > 1 else math.nan for x in (a, b)]
    difference = float(a.mean() - b.mean())
    low = high = p = math.nan
    if len(a) > 1 and len(b) > 1:
        shares = [sd**2 / len(x) for sd, x in zip(sds, (a, b), strict=True)]
        error = math.sqrt(sum(shares))
        if error <= 1e-12 * max(abs(a).max(), abs(b).max()):  # all seeds alike: nothing to estimate
            low, high, p = difference, difference, 1.0 if difference == 0.0 else 0.0
        else:
            degrees = error**4 / sum(s**2 / (len(x) - 1) for s, x in zip(shares, (a, b), strict=True))
            margin = float(stats.t.ppf(1 - ALPHA / 2, degrees)) * error
            low, high = difference - margin, difference + margin
            p = float(2 * stats.t.sf(abs(difference) / error, degrees))
    return Comparison(float(a.mean()), float(b.mean()), sds[0], sds[1], len(a), len(b), difference, low, high, p)


def holm(p_values: Sequence[float], comparisons: int = 1) -> list[float]:
    """Holm's (1979) adjusted p-values, in the order given; nan stands for 1."""
    p = np.nan_to_num(np.asarray(p_values, dtype=float), nan=1.0)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1) * comparisons).clip(max=1.0)
    return [float(value) for value in adjusted]


def permutation_p_values(first: Sequence[Array], second: Sequence[Array], comparisons: int = 1) -> list[float]:
    """Step-down max-|t| adjusted p-values of scores with n values of the first and m of the second model.

    All scores of a seed move together, so that the correlation of the scores is kept. nan, that is 1, for fewer than
    two seeds of a model.
    """
    n, m = len(first[0]), len(second[0])
    if min(n, m) < 2:
        return [math.nan] * len(first)
    values = np.stack([np.concatenate([a, b]) for a, b in zip(first, second, strict=True)])  # (scores, n + m)
    t = _t_statistics(values, _relabellings(n, m))  # (relabellings, scores), the observed one first
    order = np.argsort(-t[0], kind="stable")
    # The largest statistic among a score and all that are weaker than it.
    largest = np.maximum.accumulate(t[:, order[::-1]], axis=1)[:, ::-1]
    at_least = largest >= t[0, order] * (1 - 1e-9) - 1e-12
    adjusted = np.empty(len(first))
    adjusted[order] = np.maximum.accumulate(at_least.mean(0) * comparisons).clip(max=1.0)
    return [float(value) for value in adjusted]


def _relabellings(n: int, m: int) -> NDArray[np.bool_]:
    """Which of n + m seeds are called the first model's: every way, or a fixed random choice; the true one first."""
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


def fewest_seeds(comparisons: int = 1) -> int:
    """The fewest seeds of each of two models with which the permutation test can reach p < 0.05 at all."""
    n = 2
    while 2 / math.comb(2 * n, n) * comparisons >= ALPHA:
        n += 1
    return n


def seeds_to_decide(compared: Comparison, family: int, comparisons: int = 1) -> int | None:
    """Seeds of each model with which Welch's test would decide a difference like this one in 80 % of cases.

    At the strictest level of Holm's correction, if the true difference and sds are the ones seen; None if that is
    unknown (a single seed) or more than 100.
    """
    spread = math.hypot(compared.sd_first, compared.sd_second)
    if math.isnan(spread) or compared.difference == 0.0:
        return None
    least = max(fewest_seeds(comparisons), 2)
    if spread == 0.0:
        return max(least, min(compared.n_first, compared.n_second) + 1)
    n = np.arange(max(least, min(compared.n_first, compared.n_second) + 1), MOST_SEEDS + 1)
    shares = np.array([compared.sd_first**2 / n, compared.sd_second**2 / n])
    degrees = shares.sum(0) ** 2 / (shares**2 / (n - 1)).sum(0)
    critical = stats.t.ppf(1 - ALPHA / family / 2, degrees)
    noncentral = abs(compared.difference) / np.sqrt(shares.sum(0))
    # Far out the noncentral t distribution has no numbers left, and no doubt either.
    certain = noncentral > 30 + critical
    power = np.where(certain, 1.0, stats.nct.sf(critical, degrees, np.where(certain, 1.0, noncentral)))
    enough = n[power >= POWER]
    return int(enough[0]) if len(enough) else None
