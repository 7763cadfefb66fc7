"""Scores that need a classifier's probabilities rather than its features."""

from torch import Tensor

from genbench.evaluation.pair import Pair

AMBIGUOUS_BELOW = 0.9


def class_kl(pair: Pair) -> float:
    """KL divergence of the samples' class histogram from that of the test images, in nats."""
    generated, test = pair.class_probabilities
    return histogram_divergence(class_histogram(generated), class_histogram(test))


def classes_hit(pair: Pair) -> int:
    """How many classes are the most probable one of some sample."""
    return int((class_histogram(pair.class_probabilities[0]) > 0).sum())


def ambiguous_share(pair: Pair) -> float:
    """Share (0 to 1) of samples whose largest class probability is below 0.9."""
    return (pair.class_probabilities[0].amax(1) < AMBIGUOUS_BELOW).double().mean().item()


def class_histogram(probabilities: Tensor) -> Tensor:
    """Share of images (N, C) whose most probable class is c, for each c: (C,) float64, sum 1."""
    classes = probabilities.argmax(1).bincount(minlength=probabilities.shape[1])
    return classes.double() / len(probabilities)


def histogram_divergence(generated: Tensor, test: Tensor) -> float:
    """KL(generated || test) between histograms (C,), in nats.

    In this direction a class that is never generated costs a finite amount, ln(10/9) for one of ten equal
    ones. A class that the test images lack and the generated ones have makes it infinite.
    """
    hit = generated > 0
    return (generated[hit] * (generated[hit] / test[hit]).log()).sum().item()
