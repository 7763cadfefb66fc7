"""Does a model repeat its training images? Distances to them, judged on the scale of the images themselves."""

from torch import Tensor

from genbench.evaluation.neighbours import Neighbours

NEAR_DUPLICATE_RATIO = 1 / 2  # of distances


def auth_pct(to_train: Neighbours, train_squared_radii: Tensor) -> float:
    """Share (0 to 1) of authentic samples (AuthPct, Alaa 2022).

    A sample is authentic if it lies farther from its nearest training image than that image lies from its
    own nearest other training image. Copies score 0; read the score beside that of the real test images.

    Args:
        to_train: nearest training image of each sample, (N, 1)
        train_squared_radii: squared distance of each training image to its nearest other, (T,)
    """
    distances, scales = _nearest_and_scale(to_train, train_squared_radii)
    return (distances > scales).double().mean().item()


def near_duplicates(to_train: Neighbours, train_squared_radii: Tensor) -> float:
    """Share (0 to 1) of samples that are a training image but for details.

    Such a sample lies at most half as far from its nearest training image as that image lies from its own
    nearest other training image: by the triangle inequality, inside a region that is that image's alone.
    The distance that means "copied" differs from image to image, so it is taken relative to the image's
    neighbourhood; that, and a half, is how Carlini 2023 finds copies on CIFAR-10, with the mean over 50
    neighbours of the sample for the scale.

    Args:
        to_train: nearest training image of each sample, (N, 1)
        train_squared_radii: squared distance of each training image to its nearest other, (T,)
    """
    distances, scales = _nearest_and_scale(to_train, train_squared_radii)
    return (distances <= NEAR_DUPLICATE_RATIO**2 * scales).double().mean().item()


def _nearest_and_scale(to_train: Neighbours, train_squared_radii: Tensor) -> tuple[Tensor, Tensor]:
    return to_train.squared_distances[:, 0], train_squared_radii[to_train.indices[:, 0]]
