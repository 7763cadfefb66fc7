import numpy as np
import pytest
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torchmetrics.image.fid import _compute_fid

from genbench.evaluation.moments import Moments, frechet_distance_of_moments, moments


def frechet_distance(x: torch.Tensor, y: torch.Tensor) -> float:
    return frechet_distance_of_moments(moments(x), moments(y))


def normal(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def correlated(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    return normal(rows, columns, seed) @ normal(columns, columns, seed + 1) + normal(1, columns, seed + 2)


def test_agrees_with_torch_fidelity_and_torchmetrics() -> None:
    x, y = correlated(500, 24), correlated(300, 24, 10)
    ours = frechet_distance(x, y)
    theirs = fid_statistics_to_metric(fid_features_to_statistics(x), fid_features_to_statistics(y), False)
    assert ours == pytest.approx(theirs["frechet_inception_distance"], rel=1e-6)
    metric = _compute_fid(x.mean(0), x.T.cov(), y.mean(0), y.T.cov()).item()
    assert ours == pytest.approx(metric, rel=1e-6)


def test_moments_are_numpys_unbiased_ones() -> None:
    x = correlated(50, 7)
    found = moments(x.float())
    assert found.mean.dtype == found.covariance.dtype == torch.float64
    np.testing.assert_allclose(found.mean, x.float().double().numpy().mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(x.float().double().numpy(), rowvar=False), rtol=1e-9)


def test_of_gaussians_that_share_their_axes_has_a_closed_form() -> None:
    mean = torch.tensor([1.0, -2.0, 0.5]).double()
    a = Moments(torch.zeros(3).double(), torch.diag(torch.tensor([1.0, 4.0, 9.0]).double()))
    b = Moments(mean, torch.diag(torch.tensor([4.0, 1.0, 0.0]).double()))
    # |m|^2 plus the squared differences of the standard deviations 1, 2, 3 and 2, 1, 0.
    assert frechet_distance_of_moments(a, b) == pytest.approx(5.25 + 1 + 1 + 9, rel=1e-12)


def test_a_shift_costs_its_square() -> None:
    x = correlated(400, 16)
    shift = torch.zeros(16).double()
    shift[3] = 0.7
    assert frechet_distance(x, x + shift) == pytest.approx(0.49, rel=1e-9)


def test_two_samples_of_one_gaussian_lie_at_the_known_floor() -> None:
    x, y = normal(20_000, 8), normal(20_000, 8, 1)
    floor = 8**2 / 4 * (2 / 20_000)
    assert floor / 3 < frechet_distance(x, y) < 3 * floor


@pytest.mark.parametrize("rows", [10, 400])  # fewer rows than columns: singular covariances
def test_of_a_set_with_itself_is_zero(rows: int) -> None:
    x = correlated(rows, 30)
    assert 0 <= frechet_distance(x, x.flip(0)) < 1e-9


def test_is_symmetric_and_unmoved_by_a_common_rotation_and_shift() -> None:
    x, y = correlated(200, 12), correlated(300, 12, 5)
    rotation = torch.linalg.qr(normal(12, 12, 9)).Q
    distance = frechet_distance(x, y)
    assert frechet_distance(y, x) == pytest.approx(distance, rel=1e-9)
    assert frechet_distance(x @ rotation + 3, y @ rotation + 3) == pytest.approx(distance, rel=1e-9)


def test_needs_two_rows() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        moments(torch.zeros(1, 3))


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_refuses_values_that_are_not_finite(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        moments(torch.full((4, 3), value))
