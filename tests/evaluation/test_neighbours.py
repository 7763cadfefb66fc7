from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from genbench.evaluation import views
from genbench.evaluation.neighbours import Overlap, nearest, nearest_others, overlap

Points = Callable[[int, int, int], Tensor]


def normal(rows: int, columns: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def all_pairs(x: Tensor, y: Tensor) -> Tensor:
    return (x.double().unsqueeze(1) - y.double()).square().sum(2)


def brute_nearest(x: Tensor, y: Tensor, k: int) -> tuple[Tensor, Tensor]:
    distances, indices = all_pairs(x, y).sort(dim=1, stable=True)
    return distances[:, :k], indices[:, :k]


def brute_overlap(x: Tensor, y: Tensor, radii: Tensor, around_y: Tensor) -> Overlap:
    distances = all_pairs(x, y)
    counts = (distances.unsqueeze(2) < around_y).sum(1)
    return Overlap(distances.amin(1), distances.amin(0), counts, (distances < radii.unsqueeze(1)).any(0))


def assert_same(found: Overlap, expected: Overlap, rtol: float = 0.0) -> None:
    torch.testing.assert_close(found.to_centres, expected.to_centres, rtol=rtol, atol=0)
    torch.testing.assert_close(found.to_points, expected.to_points, rtol=rtol, atol=0)
    assert found.balls.equal(expected.balls)
    assert found.held.equal(expected.held)


def random_radii(largest: float, *shape: int, seed: int = 2) -> Tensor:
    """Squared."""
    drawn = torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (largest * drawn).square()


def lattice(rows: int, columns: int, seed: int = 0) -> Tensor:
    """Integer points, of which many coincide and more lie at equal distances."""
    return torch.randint(0, 3, (rows, columns), generator=torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("offset", [0.0, 1e3])
@pytest.mark.parametrize(("rows", "centres", "k"), [(300, 500, 1), (20, 21, 5), (50, 5, 5), (1, 333, 3)])
def test_nearest_is_the_brute_force(rows: int, centres: int, k: int, offset: float, dtype: torch.dtype) -> None:
    x, y = (normal(rows, 32) + offset).to(dtype), (normal(centres, 32, 1) + offset).to(dtype)
    found = nearest(x, y, k)
    distances, indices = brute_nearest(x, y, k)
    assert found.indices.equal(indices)
    torch.testing.assert_close(found.squared_distances, distances, rtol=1e-12, atol=0)


@pytest.mark.parametrize(("rows", "k"), [(400, 5), (6, 5), (2, 1)])
def test_nearest_others_leaves_out_the_row_itself_only(rows: int, k: int) -> None:
    x = normal(rows, 16)
    distances = all_pairs(x, x)
    distances.fill_diagonal_(torch.inf)
    distances, indices = distances.sort(dim=1)
    found = nearest_others(x, k)
    assert found.indices.equal(indices[:, :k])
    torch.testing.assert_close(found.squared_distances, distances[:, :k], rtol=1e-12, atol=0)


def test_ties_and_copies_are_exact() -> None:
    x, y = lattice(200, 5), lattice(500, 5, 1)
    found = nearest(x, y, 3)
    distances, indices = brute_nearest(x, y, 3)
    assert found.squared_distances.equal(distances)
    above_zero = distances[:, -1] > 0
    assert found.indices[above_zero].equal(indices[above_zero])
    others = all_pairs(x, x).fill_diagonal_(torch.inf).sort(dim=1).values[:, :2]
    assert nearest_others(x, 2).squared_distances.equal(others)
    radii, around_y = brute_nearest(x, x, 4)[0][:, -1], brute_nearest(y, y, 4)[0][:, -2:]
    assert_same(overlap(x, y, radii, around_y), brute_overlap(x, y, radii, around_y))


def test_a_copy_far_from_the_origin_is_at_distance_zero() -> None:
    y = normal(1000, 64).float() * 3 + 100
    found = nearest(y[::10].clone(), y)
    assert found.squared_distances.eq(0).all()
    assert found.indices.squeeze(1).equal(torch.arange(0, 1000, 10))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("offset", [0.0, 1e3])
@pytest.mark.parametrize(("rows", "centres"), [(300, 400), (400, 300), (1, 1), (1, 40), (40, 1), (33, 17)])
@pytest.mark.parametrize("largest", [0.5, 4.0, 8.0, 12.0])  # no ball, some, many, all
def test_the_overlap_is_the_brute_force(
    largest: float, rows: int, centres: int, offset: float, dtype: torch.dtype
) -> None:
    x, y = (normal(rows, 16) + offset).to(dtype), (normal(centres, 16, 1) + offset).to(dtype)
    radii, around_y = random_radii(largest, rows), random_radii(largest, centres, 3)
    assert_same(overlap(x, y, radii, around_y), brute_overlap(x, y, radii, around_y), rtol=1e-12)


@pytest.mark.slow
def test_a_ball_is_open_to_the_last_bit() -> None:
    x, y = normal(200, 24), normal(200, 24, 1)
    exact = (x - y).square().sum(1)
    for slack, expected in ((1 + 1e-14, True), (1.0, False), (1 - 1e-14, False)):
        for i in range(200):
            radius = exact[[i]] * slack
            found = overlap(x[[i]], y[[i]], radius, radius.unsqueeze(1))
            assert found.held.item() is expected
            assert found.balls.item() == int(expected)


def test_copies_of_one_point_are_seen_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collapsed generator's: each would be tried against every centre."""
    tried: list[int] = []
    exact = views.View.exact

    def counted(view: views.View, rows: Tensor, numbers: Tensor) -> Tensor:
        tried.append(len(rows))
        return exact(view, rows, numbers)

    monkeypatch.setattr(views.View, "exact", counted)
    x, y = normal(3, 16)[torch.arange(3000) % 3], normal(500, 16, 1)
    radii, around_y = torch.zeros(3000, dtype=torch.float64), random_radii(8, 500, 2)
    assert_same(overlap(x, y, radii, around_y), brute_overlap(x, y, radii, around_y), rtol=1e-12)
    assert sum(tried) < 5000


def test_pairs_that_float32_cannot_tell_apart_are_told_apart() -> None:
    # 64 centres at distances that differ by 1e-9 from one to the next, nearest last.
    axes = torch.eye(64, dtype=torch.float64)
    y = axes * (1 - 1e-9 * torch.arange(64).double()).unsqueeze(1)
    x = torch.zeros(3, 64, dtype=torch.float64)
    assert nearest(x, y, 3).indices.equal(torch.tensor([[63, 62, 61]]).expand(3, 3))


@pytest.mark.parametrize(("rows", "columns", "depth"), [(1, 1, 1), (40, 24, 4), (149, 10_000, 200), (64, 40, 16)])
@pytest.mark.parametrize("points", [normal, lattice])
def test_no_result_depends_on_the_block_size(
    points: Points, rows: int, columns: int, depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    n = 30 if rows == 1 else 150
    x, y = points(n, 5, 0), points(n + 20, 5, 1)
    before = nearest(x, y, 2), nearest_others(x, 3)
    radii, around_y = nearest_others(x, 3).squared_distances[:, -1], nearest_others(y, 3).squared_distances[:, -1:]
    several = torch.cat([around_y, around_y / 2, around_y * 1.5, torch.zeros_like(around_y)], 1)
    both = overlap(x, y, radii, several)
    assert_same(both, brute_overlap(x, y, radii, several), rtol=1e-12)
    monkeypatch.setattr(views, "_ROWS", rows)
    monkeypatch.setattr(views, "_COLUMNS", columns)
    monkeypatch.setattr(views, "_DEPTH", depth)
    monkeypatch.setattr(views, "_PAIRS", 7)
    after = nearest(x, y, 2), nearest_others(x, 3)
    for one, other in zip(before, after, strict=True):
        assert one.squared_distances.equal(other.squared_distances)
    assert_same(overlap(x, y, radii, several), both)


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_a_reduced_matrix_precision_changes_nothing(precision: str) -> None:
    x, y = normal(200, 64).float(), normal(300, 64, 1).float()
    expected = nearest(x, y, 3)
    torch.set_float32_matmul_precision(precision)
    try:
        found = nearest(x, y, 3)
    finally:
        torch.set_float32_matmul_precision("highest")
    assert found.indices.equal(expected.indices)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert nearest(x, y, 3).indices.equal(expected.indices)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_finds_the_same() -> None:
    x, y = normal(200, 64).float(), normal(300, 64, 1).float()
    found = nearest(x.cuda(), y.cuda(), 3)
    assert found.indices.cpu().equal(nearest(x, y, 3).indices)
    radii, around_y = random_radii(12, 200), random_radii(12, 300, 2)
    both = overlap(x.cuda(), y.cuda(), radii.cuda(), around_y.cuda())
    on_cpu = Overlap(both.to_centres.cpu(), both.to_points.cpu(), both.balls.cpu(), both.held.cpu())
    assert_same(on_cpu, overlap(x, y, radii, around_y), rtol=1e-12)


def test_refuses_too_few_points_and_values_that_are_not_finite() -> None:
    x = normal(4, 3)
    with pytest.raises(ValueError, match="at least 5 points, got 4"):
        nearest(x, x, 5)
    with pytest.raises(ValueError, match="at least 5 points, got 4"):
        nearest_others(x, 4)
    with pytest.raises(ValueError, match="finite"):
        nearest(x, torch.full((4, 3), float(np.nan)))
    with pytest.raises(ValueError, match="finite"):
        overlap(x, torch.full((4, 3), float(np.nan)), torch.ones(4), torch.ones(4, 1))
