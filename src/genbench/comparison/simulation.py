"""How often the verdict rule is wrong: pairs of equal models, and pairs with a planted difference."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from genbench.comparison.verdicts import Array, Question, verdicts
from genbench.evaluation.catalogue import SPACES, catalogue

SCORES = 8  # as many as vote on MNIST and Fashion-MNIST
SHAPES = ("normal", "heavy-tailed", "skewed")
PLANTED = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)  # differences, in sds over seeds


@dataclass(frozen=True)
class Rates:
    """Shares of pairs of models."""

    any_verdict: float  # at least one verdict on a score on which the models are equal
    found: float  # the planted difference was found, in the right direction


def false_verdicts(seeds: Sequence[int]) -> dict[tuple[str, int], float]:
    """Share of 1,000 pairs of equal models with any verdict, by the shape of the noise and the number of seeds."""
    return {(shape, n): rates(n, shape=shape).any_verdict for shape in SHAPES for n in seeds}


def found_differences(seeds: Sequence[int], pairs: int) -> dict[tuple[int, float], float]:
    """Share of pairs in which a planted difference is found, by the number of seeds and its size in sds."""
    return {(n, size): rates(n, pairs, planted=size).found for n in seeds for size in PLANTED}


def rates(
    seeds: int, pairs: int = 1000, *, planted: float = 0.0, shape: str = "normal", correlation: float = 0.5
) -> Rates:
    """Judge simulated pairs of models whose seeds have sd 1 on every score.

    Args:
        seeds: of each model.
        pairs: how many pairs.
        planted: difference on the first score, in sds; on all others the models are equal.
        shape: of the distribution over seeds.
        correlation: between the scores of one seed.
    """
    generator = np.random.default_rng(seeds * 1000 + SHAPES.index(shape))
    score = replace(catalogue()["fcd"], better="higher")
    wrong = right = 0
    for _ in range(pairs):
        common = _noise(generator, shape, (2, 1, 1, seeds))
        own = _noise(generator, shape, (2, SCORES, 1, seeds))
        # The spaces see the same images: nearly the same noise, so that condition 4 saves no verdict by luck.
        between = _noise(generator, shape, (2, SCORES, len(SPACES), seeds))
        values = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own + 0.1 * between
        values[0, 0] += planted
        answers = verdicts(
            [
                Question(
                    score,
                    {space: dict(zip("AB", values[:, i, j].tolist(), strict=True)) for j, space in enumerate(SPACES)},
                )
                for i in range(SCORES)
            ]
        )
        equal = answers[1:] if planted else answers
        wrong += any(answer.better is not None for answer in equal)
        right += bool(planted) and answers[0].better == "A"
    return Rates(wrong / pairs, right / pairs)


def _noise(generator: np.random.Generator, shape: str, size: tuple[int, ...]) -> Array:
    if shape == "heavy-tailed":
        return np.asarray(generator.standard_t(3, size) / np.sqrt(3.0))
    if shape == "skewed":
        return np.asarray(generator.exponential(1.0, size) - 1.0)
    noise: Array = generator.standard_normal(size)
    return noise
