"""Scores that need a classifier's probabilities rather than its features."""

from dataclasses import dataclass

from torch import Tensor

AMBIGUOUS_BELOW = 0.9


@dataclass(frozen=True)
class ClassScores:
    """How the predicted classes of generated images compare with those of the test images."""

    class_kl: float  # nats
    classes_hit: int
    ambiguous_share: float  # 0 to 1


def class_scores(generated: Tensor, test: Tensor) -> ClassScores:
    """Class scores from class probabilities generated (N, C) and test (M, C)."""
    histogram = class_histogram(generated)
    return ClassScores(
        class_kl=histogram_divergence(histogram, class_histogram(test)),
        classes_hit=int((histogram > 0).sum()),
        ambiguous_share=ambiguous_share(generated),
    )


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


def ambiguous_share(probabilities: Tensor) -> float:
    """Share of images whose largest class probability (N, C) is below 0.9."""
    return (probabilities.amax(1) < AMBIGUOUS_BELOW).double().mean().item()
