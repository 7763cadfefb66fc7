"""Scores that need the class of each image, or a classifier's probabilities."""

import math

import torch
from torch import Tensor

from genbench.evaluation.pair import Pair

AMBIGUOUS_BELOW = 0.9


def class_kl(pair: Pair) -> float:
    """KL divergence of the samples' class histogram from that of the test images, in nats."""
    return histogram_divergence(*_histograms(pair))


def classes_hit(pair: Pair) -> int:
    """How many classes are that of some sample."""
    return int((_histograms(pair)[0] > 0).sum())


def ambiguous_share(pair: Pair) -> float:
    """Share (0 to 1) of samples whose largest class probability is below 0.9."""
    return (pair.class_probabilities[0].amax(1) < AMBIGUOUS_BELOW).double().mean().item()


def within_class_variety(pair: Pair) -> float:
    """Variance of the features within a class over that of real images, in the mean over the classes.

    A class counts as far as it is there: what has fewer samples than it should adds in that proportion, for the few
    images that a classifier misplaces into a class that is never drawn vary more than the class does. Unlike recall
    and coverage it does not punish blur for looking unlike real images. A class whose test images are all alike says
    nothing; nan if none is left.
    """
    generated, test = pair.assigned
    ratios = []
    for label in range(_number(pair)):
        real, samples = pair.real.test[test == label], pair.generated[generated == label]
        if len(real) > 1 and _variance(real) > 0:
            drawn = min(1.0, len(samples) * len(test) / (len(real) * len(generated)))
            ratios.append(drawn * _variance(samples) / _variance(real) if len(samples) > 1 else 0.0)
    return sum(ratios) / len(ratios) if ratios else math.nan


def class_histogram(classes: Tensor, number: int) -> Tensor:
    """Share of images with each class, of classes (N,) int64: (number,) float64, sum 1."""
    return classes.bincount(minlength=number).double() / len(classes)


def histogram_divergence(generated: Tensor, test: Tensor) -> float:
    """KL(generated || test) between histograms (C,), in nats.

    In this direction a class that is never generated costs a finite amount, ln(10/9) for one of ten equal
    ones. A class that the test images lack and the generated ones have makes it infinite.
    """
    hit = generated > 0
    return (generated[hit] * (generated[hit] / test[hit]).log()).sum().item()


def _histograms(pair: Pair) -> tuple[Tensor, Tensor]:
    generated, test = pair.assigned
    return class_histogram(generated, _number(pair)), class_histogram(test, _number(pair))


def _number(pair: Pair) -> int:
    if pair.classes is None:
        raise ValueError("the images have no labels")
    return pair.classes.number


def _variance(features: Tensor) -> float:
    """Trace of the covariance of features (N, d)."""
    return float(torch.var(features.double(), dim=0).sum())
