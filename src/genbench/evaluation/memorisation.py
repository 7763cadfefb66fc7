"""Does a model repeat its training images? Distances to them, judged on the scale of the images themselves."""

from torch import Tensor

from genbench.evaluation.likeness import fcd
from genbench.evaluation.moments import frechet_distance_of_moments
from genbench.evaluation.pair import Pair

NEAR_DUPLICATE_RATIO = 1 / 2  # of distances


def auth_pct(pair: Pair) -> float:
    """Share (0 to 1) of authentic samples (AuthPct, Alaa 2022).

    A sample is authentic if it lies farther from its nearest training image than that image lies from its
    own nearest other training image. Copies score 0; read the score beside that of the real test images.
    """
    distances, scales = _nearest_and_scale(pair)
    return (distances > scales).double().mean().item()


def near_duplicates(pair: Pair) -> float:
    """Share (0 to 1) of samples that are a training image but for details.

    Such a sample lies at most half as far from its nearest training image as that image lies from its own
    nearest other training image: by the triangle inequality, inside a region that is that image's alone.
    The distance that means "copied" differs from image to image, so it is taken relative to the image's
    neighbourhood; that, and a half, is how Carlini 2023 finds copies on CIFAR-10, with the mean over 50
    neighbours of the sample for the scale.
    """
    return are_near_duplicates(*_nearest_and_scale(pair)).double().mean().item()


def are_near_duplicates(squared_distances: Tensor, squared_scales: Tensor) -> Tensor:
    """Which (N,) lie near enough to their nearest training image, given how far that lies from its own nearest."""
    return squared_distances <= NEAR_DUPLICATE_RATIO**2 * squared_scales


def fcd_train_gap(pair: Pair) -> float:
    """Fréchet distance to the training minus that to the test images; their finite-N floors differ."""
    return frechet_distance_of_moments(pair.moments, pair.real.train_moments) - fcd(pair)


def _nearest_and_scale(pair: Pair) -> tuple[Tensor, Tensor]:
    """Squared distances (N,) to the nearest training image, and of that to its nearest other."""
    nearest = pair.to_train
    return nearest.squared_distances[:, 0], pair.real.train_squared_distances[nearest.indices[:, 0]]
