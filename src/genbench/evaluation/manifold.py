"""How two samples overlap: precision and recall (Kynkäänniemi 2019), density and coverage (Naeem 2020)."""

from genbench.evaluation.pair import DENSITY_COVERAGE_K, Pair


def precision(pair: Pair) -> float:
    """Share of generated images inside the ball of some test image (Kynkäänniemi 2019, eq. 2; k = 3).

    The ball of an image reaches to its k-th nearest other of the same set, and is open as in Naeem 2020.
    """
    return (pair.overlap.balls[:, 0] > 0).double().mean().item()


def recall(pair: Pair) -> float:
    """Share of test images inside the ball of some generated one (Kynkäänniemi 2019, eq. 2; k = 3)."""
    return pair.overlap.held.double().mean().item()


def density(pair: Pair) -> float:
    """Mean number of test images' balls around a generated image, over k (Naeem 2020, eq. 3; k = 5)."""
    return pair.overlap.balls[:, 1].double().mean().item() / DENSITY_COVERAGE_K


def coverage(pair: Pair) -> float:
    """Share of test images whose ball holds a generated image (Naeem 2020, eq. 4; k = 5)."""
    squared_radii = pair.real.test_squared_distances[:, DENSITY_COVERAGE_K - 1]
    return (pair.overlap.to_points < squared_radii).double().mean().item()
