import pytest
import torch
from prdc import compute_prdc
from torch import Tensor

from genbench.evaluation.neighbours import Overlap, nearest_others, overlap


def squared_radii(features: Tensor, k: int) -> Tensor:
    return nearest_others(features, k).squared_distances[:, -1]


def of(real: Tensor, generated: Tensor, k: int) -> Overlap:
    return overlap(generated, real, squared_radii(generated, k), squared_radii(real, k).unsqueeze(1))


def precision(real: Tensor, generated: Tensor, k: int = 3) -> float:
    return (of(real, generated, k).balls > 0).double().mean().item()


def recall(real: Tensor, generated: Tensor, k: int = 3) -> float:
    return of(real, generated, k).held.double().mean().item()


def density(real: Tensor, generated: Tensor, k: int = 5) -> float:
    return of(real, generated, k).balls.double().mean().item() / k


def coverage(real: Tensor, generated: Tensor, k: int = 5) -> float:
    return (of(real, generated, k).to_points < squared_radii(real, k)).double().mean().item()


def normal(rows: int, columns: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.slow
@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("scale", "shift", "rows"), [(1.0, 0.0, 600), (0.8, 0.2, 600), (1.4, 0.0, 350)])
def test_agrees_with_prdc_exactly(k: int, dtype: torch.dtype, scale: float, shift: float, rows: int) -> None:
    real, generated = normal(600, 12).to(dtype), (scale * normal(rows, 12, 1) + shift).to(dtype)
    theirs = compute_prdc(real.double().numpy(), generated.double().numpy(), nearest_k=k)
    assert 0 < theirs["precision"] < 1
    assert 0 < theirs["recall"] < 1
    # The shares are multiples of 1/N, 1/M and 1/(k N), so equal counts differ by the last bits at most.
    assert precision(real, generated, k) == pytest.approx(theirs["precision"], abs=1e-12)
    assert recall(real, generated, k) == pytest.approx(theirs["recall"], abs=1e-12)
    assert density(real, generated, k) == pytest.approx(theirs["density"], abs=1e-12)
    assert coverage(real, generated, k) == pytest.approx(theirs["coverage"], abs=1e-12)


def test_two_samples_of_one_distribution_have_density_1_and_the_known_coverage() -> None:
    real, generated = normal(3000, 4), normal(3000, 4, 1)
    assert density(real, generated) == pytest.approx(1, abs=0.05)
    # Naeem 2020, eq. 9: 1 - (N-1)...(N-k) / ((N+M-1)...(N+M-k)), here about 1 - 2^-5.
    assert coverage(real, generated) == pytest.approx(1 - 2**-5, abs=0.02)


def test_a_collapsed_generator_keeps_its_precision_and_loses_the_rest() -> None:
    real = normal(1000, 8)
    collapsed = real[:10].repeat(100, 1)
    assert precision(real, collapsed) == 1
    assert recall(real, collapsed) == 0
    assert coverage(real, collapsed) < 0.1


def test_a_generator_of_noise_keeps_its_recall_and_loses_the_rest() -> None:
    real, noise = normal(500, 8), 10 * normal(500, 8, 1)
    assert precision(real, noise) < 0.01
    assert recall(real, noise) > 0.9
    assert density(real, noise) < 0.01
    assert coverage(real, noise) < 0.05


def test_depends_on_no_order_rotation_shift_or_scale() -> None:
    real, generated = normal(200, 6), normal(300, 6, 1) + 0.3
    rotation = torch.linalg.qr(normal(6, 6, 2)).Q
    moved, also_moved = 2 * real.flip(0) @ rotation + 5, 2 * generated.flip(0) @ rotation + 5
    for score in (precision, recall, density, coverage):
        assert score(moved, also_moved) == pytest.approx(score(real, generated), abs=1e-12)
