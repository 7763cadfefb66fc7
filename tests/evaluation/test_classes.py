import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from genbench.evaluation.classes import (
    ambiguous_share,
    class_histogram,
    class_kl,
    classes_hit,
    histogram_divergence,
    within_class_variety,
)
from genbench.evaluation.pair import Classes, Pair, Reference


def pair(generated: Tensor, test: Tensor | None = None) -> Pair:
    test = generated if test is None else test
    features = torch.randn(8, 2, generator=torch.Generator().manual_seed(0))
    classes = Classes(test.shape[1], test.argmax(1), torch.zeros(8, dtype=torch.int64))
    return Pair(Reference.of(features, features), features, generated, test, classes)


def sure_of(classes: list[int], number: int = 10) -> Tensor:
    return F.one_hot(torch.tensor(classes), number).float()


def test_a_missing_class_of_ten_reads_log_ten_ninths() -> None:
    without_one = pair(sure_of(list(range(9)) * 10), sure_of(list(range(10)) * 20))
    assert class_kl(without_one) == pytest.approx(math.log(10 / 9), rel=1e-12)
    assert classes_hit(without_one) == 9
    assert ambiguous_share(without_one) == 0


def test_equal_histograms_have_no_divergence() -> None:
    same = pair(sure_of([0, 1, 2, 2]), sure_of([2, 1, 0, 2]))
    assert class_kl(same) == 0
    assert classes_hit(same) == 3


def test_one_class_of_ten_reads_log_ten() -> None:
    assert class_kl(pair(sure_of([3] * 5), sure_of(list(range(10))))) == pytest.approx(math.log(10))


def test_a_class_without_test_images_is_infinitely_far() -> None:
    assert histogram_divergence(torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0])) == math.inf


def test_the_histogram_counts_the_most_probable_class() -> None:
    probabilities = torch.tensor([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.9, 0.05, 0.05], [0.4, 0.35, 0.25]])
    assert class_histogram(pair(probabilities).assigned[0], 3).tolist() == [0.75, 0.25, 0]


def test_ambiguous_means_below_nine_tenths() -> None:
    probabilities = torch.tensor([[0.89, 0.11], [0.9, 0.1], [0.91, 0.09], [0.5, 0.5]], dtype=torch.float64)
    assert ambiguous_share(pair(probabilities)) == 0.5


def test_a_space_without_probabilities_has_no_ambiguous_images_and_images_without_labels_no_classes() -> None:
    features = torch.randn(8, 2, generator=torch.Generator().manual_seed(0))
    bare = Pair(Reference.of(features, features), features)
    with pytest.raises(ValueError, match="no class probabilities"):
        ambiguous_share(bare)
    with pytest.raises(ValueError, match="no labels"):
        class_kl(bare)


def of_two_classes(spread: float, missing: bool = False) -> Pair:
    """Features in a space without probabilities: two far clouds, whose labels the training images have."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(400) % 2
    train, test = (20.0 * labels[:, None] + torch.randn(400, 3, generator=generator) for _ in range(2))
    kept = labels[labels == 0] if missing else labels
    samples = 20.0 * kept[:, None] + spread * torch.randn(len(kept), 3, generator=generator)
    return Pair(Reference.of(test, train), samples, classes=Classes(2, labels, labels))


def test_elsewhere_the_class_is_the_nearest_training_image_s_label() -> None:
    assert class_kl(of_two_classes(1.0)) == 0.0
    assert class_kl(of_two_classes(1.0, missing=True)) == pytest.approx(math.log(2))
    assert classes_hit(of_two_classes(1.0, missing=True)) == 1


def test_variety_within_classes_is_the_ratio_of_variances_and_nothing_for_a_missing_class() -> None:
    assert within_class_variety(of_two_classes(1.0)) == pytest.approx(1.0, abs=0.1)
    assert within_class_variety(of_two_classes(0.5)) == pytest.approx(0.25, abs=0.03)
    assert within_class_variety(of_two_classes(1.0, missing=True)) == pytest.approx(0.5, abs=0.05)
    assert within_class_variety(of_two_classes(0.0)) == 0.0


def test_a_class_of_one_image_says_nothing_of_variety() -> None:
    """A division by its variance ended the scoring."""
    labels = torch.arange(40) % 2
    test = torch.randn(40, 3, generator=torch.Generator().manual_seed(0)) + 20.0 * labels[:, None]
    test[labels == 1] = 20.0
    same = Pair(Reference.of(test, test), test, classes=Classes(2, labels, labels))
    assert within_class_variety(same) == pytest.approx(1.0)
    flat = Pair(Reference.of(test[labels == 1], test), test, classes=Classes(2, labels[labels == 1], labels))
    assert math.isnan(within_class_variety(flat))


def test_the_few_that_a_classifier_misplaces_into_a_class_do_not_make_up_for_it() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(400) % 2
    test = 20.0 * labels[:, None] + torch.randn(400, 3, generator=generator)
    samples = torch.randn(400, 3, generator=generator)
    samples[:4] += torch.tensor([12.0, 20.0, 28.0, 12.0])[:, None]  # of the class that is not drawn, and far apart
    few = Pair(Reference.of(test, test), samples, classes=Classes(2, labels, labels))
    assert classes_by_label(few) == [396, 4]
    assert within_class_variety(few) < 1.5


def classes_by_label(pair: Pair) -> list[int]:
    return [int(number) for number in pair.assigned[0].bincount(minlength=2)]
