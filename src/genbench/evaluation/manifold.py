"""How two samples overlap: precision and recall (Kynkäänniemi 2019), density and coverage (Naeem 2020)."""

from torch import Tensor

from genbench.evaluation.neighbours import in_balls, nearest_others
from genbench.evaluation.pair import DENSITY_COVERAGE_K, PRECISION_RECALL_K, Pair


def precision(pair: Pair) -> float:
    """Share of generated images inside the ball of some test image (Kynkäänniemi 2019, eq. 2; k = 3).

    The ball of an image reaches to its k-th nearest other of the same set, and is open as in Naeem 2020.
    """
    return (pair.balls_around_test[:, 0] > 0).double().mean().item()


def recall(pair: Pair) -> float:
    """Share of test images inside the ball of some generated one (Kynkäänniemi 2019, eq. 2; k = 3)."""
    return share_in_balls(pair.real.test, pair.generated, pair.generated_to_generated[:, PRECISION_RECALL_K - 1])


def density(pair: Pair) -> float:
    """Mean number of test images' balls around a generated image, over k (Naeem 2020, eq. 3; k = 5)."""
    return pair.balls_around_test[:, 1].double().mean().item() / DENSITY_COVERAGE_K


def coverage(pair: Pair) -> float:
    """Share of test images whose ball holds a generated image (Naeem 2020, eq. 4; k = 5)."""
    return share_covered(pair.test_to_generated, pair.real.test_squared_distances[:, DENSITY_COVERAGE_K - 1])


def squared_radii(features: Tensor, k: int) -> Tensor:
    """Squared distance of each row of features (N, d) to its k-th nearest other row: (N,) float64."""
    return nearest_others(features, k).squared_distances[:, -1]


def share_in_balls(points: Tensor, centres: Tensor, squared_radii: Tensor) -> float:
    """Share of points (N, d) inside at least one of the open balls around centres (M, d)."""
    return in_balls(points, centres, squared_radii).double().mean().item()


def share_covered(squared_distances: Tensor, squared_radii: Tensor) -> float:
    """Share of open balls (M,) that hold their centre's nearest point of the other set."""
    return (squared_distances < squared_radii).double().mean().item()
