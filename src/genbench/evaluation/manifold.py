"""How two samples overlap: precision and recall (Kynkäänniemi 2019), density and coverage (Naeem 2020)."""

from torch import Tensor

from genbench.evaluation.neighbours import ball_counts, in_balls, nearest, nearest_others

PRECISION_RECALL_K = 3
DENSITY_COVERAGE_K = 5


def precision(real: Tensor, generated: Tensor, k: int = PRECISION_RECALL_K) -> float:
    """Share of generated (N, d) inside the ball of some real (M, d) image (Kynkäänniemi 2019, eq. 2).

    The ball of an image reaches to its k-th nearest other of the same set, and is open as in Naeem 2020.
    """
    return share_in_balls(generated, real, squared_radii(real, k))


def recall(real: Tensor, generated: Tensor, k: int = PRECISION_RECALL_K) -> float:
    """Share of real (M, d) inside the ball of some generated (N, d) image (Kynkäänniemi 2019, eq. 2)."""
    return share_in_balls(real, generated, squared_radii(generated, k))


def density(real: Tensor, generated: Tensor, k: int = DENSITY_COVERAGE_K) -> float:
    """Mean number of real (M, d) balls around a generated (N, d) image, over k (Naeem 2020, eq. 3)."""
    return density_in_balls(generated, real, squared_radii(real, k), k)


def coverage(real: Tensor, generated: Tensor, k: int = DENSITY_COVERAGE_K) -> float:
    """Share of real (M, d) images whose ball holds a generated (N, d) one (Naeem 2020, eq. 4)."""
    nearest_generated = nearest(real, generated).squared_distances[:, 0]
    return share_covered(nearest_generated, squared_radii(real, k))


def squared_radii(features: Tensor, k: int) -> Tensor:
    """Squared distance of each row of features (N, d) to its k-th nearest other row: (N,) float64."""
    return nearest_others(features, k).squared_distances[:, -1]


def share_in_balls(points: Tensor, centres: Tensor, squared_radii: Tensor) -> float:
    """Share of points (N, d) inside at least one of the open balls around centres (M, d)."""
    return in_balls(points, centres, squared_radii).double().mean().item()


def density_in_balls(points: Tensor, centres: Tensor, squared_radii: Tensor, k: int) -> float:
    """Mean number of open balls around centres (M, d), of radii to the k-th neighbour, per point, over k."""
    return ball_counts(points, centres, squared_radii).double().mean().item() / k


def share_covered(squared_distances: Tensor, squared_radii: Tensor) -> float:
    """Share of open balls (M,) that hold their centre's nearest point of the other set."""
    return (squared_distances < squared_radii).double().mean().item()
