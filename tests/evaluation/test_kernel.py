import numpy as np
import pytest
import torch
from torch_fidelity.metric_kid import mmd2
from torchmetrics.image.kid import poly_mmd

from genbench.evaluation.kernel import mean_kernel, mean_kernel_within, power_sums


def kernel_distance(x: torch.Tensor, y: torch.Tensor) -> float:
    of_x, of_y = power_sums(x), power_sums(y)
    return mean_kernel_within(of_x) + mean_kernel_within(of_y) - 2 * mean_kernel(of_x, of_y)


def normal(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_agrees_with_torchmetrics_and_torch_fidelity() -> None:
    x, y = normal(200, 16), 1.2 * normal(200, 16, 1) + 0.3
    ours = kernel_distance(x, y)
    assert ours == pytest.approx(poly_mmd(x, y).item(), rel=1e-6)

    def cubic(a: torch.Tensor, b: torch.Tensor) -> np.ndarray:
        return np.asarray((a @ b.T / 16 + 1) ** 3)

    assert ours == pytest.approx(mmd2(cubic(x, x), cubic(x, y), cubic(y, y)), rel=1e-6)


def test_of_sets_of_two_sizes_is_the_definition() -> None:
    x, y = normal(7, 3), normal(5, 3, 1)

    def mean(pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
        return sum((a @ b / 3 + 1).item() ** 3 for a, b in pairs) / len(pairs)

    within_x = mean([(x[i], x[j]) for i in range(7) for j in range(7) if i != j])
    within_y = mean([(y[i], y[j]) for i in range(5) for j in range(5) if i != j])
    between = mean([(a, b) for a in x for b in y])
    assert kernel_distance(x, y) == pytest.approx(within_x + within_y - 2 * between, rel=1e-10)


def test_is_unbiased() -> None:
    distances = [kernel_distance(normal(50, 8, 2 * i), normal(50, 8, 2 * i + 1)) for i in range(200)]
    assert min(distances) < 0 < max(distances)
    assert abs(np.mean(distances)) < 4 * np.std(distances) / 200**0.5


def test_depends_on_no_order_and_no_common_rotation() -> None:
    x, y = normal(100, 8), normal(80, 8, 1) + 0.5
    distance = kernel_distance(x, y)
    rotation = torch.linalg.qr(normal(8, 8, 2)).Q
    assert kernel_distance(x.flip(0) @ rotation, y @ rotation) == pytest.approx(distance, rel=1e-9)


def test_needs_two_rows() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        kernel_distance(torch.zeros(1, 3), torch.zeros(5, 3))
