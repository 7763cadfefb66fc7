import pytest
import torch
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from genbench.evaluation import two_sample
from genbench.evaluation.pair import Pair, Reference
from genbench.evaluation.two_sample import held_out_accuracy as c2st_linear


def normal(rows: int, columns: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def c2st_1nn(real: Tensor, generated: Tensor) -> float:
    return two_sample.c2st_1nn(Pair(Reference.of(real, real), generated))


def test_two_samples_of_one_distribution_cannot_be_told_apart() -> None:
    real, generated = normal(2000, 8), normal(2000, 8, 1)
    assert c2st_linear(real, generated) == pytest.approx(0.5, abs=0.04)
    assert c2st_1nn(real, generated) == pytest.approx(0.5, abs=0.04)


def test_distant_samples_are_told_apart() -> None:
    assert c2st_linear(normal(100, 4), normal(100, 4, 1) + 9) == 1
    assert c2st_1nn(normal(100, 4), normal(100, 4, 1) + 9) == 1


def test_the_linear_test_reaches_the_best_possible_accuracy() -> None:
    shift = torch.zeros(4).double()
    shift[0] = 2
    # Two unit Gaussians 2 apart: the error of the best classifier is Phi(-1).
    assert c2st_linear(normal(8000, 4), normal(8000, 4, 1) + shift) == pytest.approx(0.8413, abs=0.012)


def test_the_linear_test_weighs_both_sets_equally() -> None:
    accuracy = c2st_linear(normal(8000, 4), normal(800, 4, 1) + torch.tensor([2, 0, 0, 0]))
    assert accuracy == pytest.approx(0.8413, abs=0.03)


def test_the_linear_test_judges_a_few_repeated_images_by_those_it_was_fitted_to() -> None:
    real = normal(1000, 64)
    assert c2st_linear(real, real[:10].repeat(100, 1)) > 0.9
    assert c2st_linear(real, real[:10].repeat_interleave(100, dim=0)) > 0.9


def test_the_linear_test_ignores_the_features_scale_and_repeats_itself() -> None:
    real, generated = normal(300, 6), normal(300, 6, 1) + 0.3
    scale = torch.tensor([1e-3, 1.0, 1e3, 2.0, 5.0, 0.1]).double()
    accuracy = c2st_linear(real, generated)
    assert c2st_linear(real * scale + 1, generated * scale + 1) == pytest.approx(accuracy, abs=1e-9)
    assert c2st_linear(real, generated) == accuracy


@pytest.mark.slow
def test_1nn_is_scikit_learns_leave_one_out() -> None:
    real, generated = normal(80, 3), normal(80, 3, 1) + 0.5
    labels = torch.arange(2).repeat_interleave(80).numpy()
    classifier = KNeighborsClassifier(n_neighbors=1)
    theirs = cross_val_score(classifier, torch.cat([real, generated]).numpy(), labels, cv=LeaveOneOut()).mean()
    assert c2st_1nn(real, generated) == pytest.approx(theirs, abs=1e-12)


def test_1nn_falls_to_zero_on_copies_and_halves_ties() -> None:
    real = normal(100, 5)
    assert c2st_1nn(real, real.flip(0)) == 0
    twice = torch.cat([real, real])
    assert c2st_1nn(twice, twice) == 0.5


def test_refuses_sets_it_cannot_judge() -> None:
    with pytest.raises(ValueError, match="equally many"):
        c2st_1nn(normal(10, 3), normal(11, 3))
    with pytest.raises(ValueError, match="at least 4"):
        c2st_linear(normal(3, 3), normal(10, 3))
