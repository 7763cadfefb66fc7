import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from genbench.evaluation.classes import ambiguous_share, class_histogram, class_scores, histogram_divergence


def sure_of(classes: list[int], number: int = 10) -> Tensor:
    return F.one_hot(torch.tensor(classes), number).float()


def test_a_missing_class_of_ten_reads_log_ten_ninths() -> None:
    scores = class_scores(sure_of(list(range(9)) * 10), sure_of(list(range(10)) * 20))
    assert scores.class_kl == pytest.approx(math.log(10 / 9), rel=1e-12)
    assert scores.classes_hit == 9
    assert scores.ambiguous_share == 0


def test_equal_histograms_have_no_divergence() -> None:
    scores = class_scores(sure_of([0, 1, 2, 2]), sure_of([2, 1, 0, 2]))
    assert scores.class_kl == 0
    assert scores.classes_hit == 3


def test_one_class_of_ten_reads_log_ten() -> None:
    assert class_scores(sure_of([3] * 5), sure_of(list(range(10)))).class_kl == pytest.approx(math.log(10))


def test_a_class_without_test_images_is_infinitely_far() -> None:
    assert histogram_divergence(torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0])) == math.inf


def test_the_histogram_counts_the_most_probable_class() -> None:
    probabilities = torch.tensor([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.9, 0.05, 0.05], [0.4, 0.35, 0.25]])
    assert class_histogram(probabilities).tolist() == [0.75, 0.25, 0]


def test_ambiguous_means_below_nine_tenths() -> None:
    probabilities = torch.tensor([[0.89, 0.11], [0.9, 0.1], [0.91, 0.09], [0.5, 0.5]], dtype=torch.float64)
    assert ambiguous_share(probabilities) == 0.5
