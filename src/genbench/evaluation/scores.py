"""All scores of one feature space; what depends on the real images alone is worked out once."""

from dataclasses import dataclass

import torch
from torch import Tensor

from genbench.evaluation.kernel import mean_kernel, mean_kernel_within
from genbench.evaluation.manifold import (
    DENSITY_COVERAGE_K,
    PRECISION_RECALL_K,
    density_in_balls,
    share_covered,
    share_in_balls,
)
from genbench.evaluation.memorisation import auth_pct, near_duplicates
from genbench.evaluation.moments import Moments, frechet_distance_of_moments, moments
from genbench.evaluation.neighbours import nearest, nearest_others
from genbench.evaluation.two_sample import c2st_1nn_of_distances, c2st_linear


@dataclass(frozen=True)
class SpaceScores:
    """The scores of one set of generated images in one feature space; shares run from 0 to 1."""

    fcd: float
    kcd: float
    precision: float
    recall: float
    density: float
    coverage: float
    auth_pct: float
    near_duplicates: float
    fcd_train_gap: float  # Fréchet distance to train minus that to test; their finite-N floors differ
    c2st_linear: float
    c2st_1nn: float


@dataclass(frozen=True)
class Reference:
    """Features of the real images and all that follows from them alone."""

    test: Tensor  # (M, d)
    train: Tensor  # (T, d)
    test_mean: Tensor  # (d,) float64
    test_covariance: Tensor  # (d, d) float64
    train_mean: Tensor  # (d,) float64
    train_covariance: Tensor  # (d, d) float64
    test_squared_distances: Tensor  # (M, 5) float64, of each test image to its 5 nearest others
    train_squared_distances: Tensor  # (T,) float64, of each training image to its nearest other
    test_mean_kernel: Tensor  # () float64, over pairs of different test images

    @classmethod
    def of(cls, test: Tensor, train: Tensor) -> "Reference":
        """Work out everything for features test (M, d) and train (T, d), M >= 6 and T >= 2, same device."""
        if test.ndim != 2 or train.ndim != 2 or test.shape[1] != train.shape[1]:
            raise ValueError(f"features must be (M, d) and (T, d), got {test.shape} and {train.shape}")
        test, train = test.detach().clone(), train.detach().clone()
        test_moments, train_moments = moments(test), moments(train)
        return cls(
            test=test,
            train=train,
            test_mean=test_moments.mean,
            test_covariance=test_moments.covariance,
            train_mean=train_moments.mean,
            train_covariance=train_moments.covariance,
            test_squared_distances=nearest_others(test, DENSITY_COVERAGE_K).squared_distances,
            train_squared_distances=nearest_others(train).squared_distances.squeeze(1),
            test_mean_kernel=test_moments.mean.new_tensor(mean_kernel_within(test)),
        )

    def to_tensors(self) -> dict[str, Tensor]:
        """Every field by its name, as safetensors' save_file takes them."""
        return dict(vars(self))

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> "Reference":
        """Undo `to_tensors`."""
        return cls(**tensors)


def compare(reference: Reference, generated: Tensor) -> SpaceScores:
    """All scores of generated features (N, d); ValueError unless there are as many as test features."""
    if generated.shape != reference.test.shape:
        raise ValueError(
            f"generated features must match the test features' {tuple(reference.test.shape)}, "
            f"got {tuple(generated.shape)}"
        )
    test, train = reference.test, reference.train
    generated = generated.detach().to(test.device)

    generated_moments = moments(generated)
    test_moments = Moments(reference.test_mean, reference.test_covariance)
    train_moments = Moments(reference.train_mean, reference.train_covariance)
    fcd = frechet_distance_of_moments(generated_moments, test_moments)
    fcd_train = frechet_distance_of_moments(generated_moments, train_moments)

    kernel_within = mean_kernel_within(generated) + reference.test_mean_kernel.item()
    kernel_between = mean_kernel(generated, test)

    test_to_test = reference.test_squared_distances
    generated_to_generated = nearest_others(generated, PRECISION_RECALL_K).squared_distances
    # Distinct rows suffice, and spare a collapsed generator's thousands of ties.
    test_to_generated = nearest(test, torch.unique(generated, dim=0)).squared_distances.squeeze(1)
    generated_to_test = nearest(generated, test).squared_distances.squeeze(1)
    to_train = nearest(generated, train)

    precision_radii = test_to_test[:, PRECISION_RECALL_K - 1]
    recall_radii = generated_to_generated[:, PRECISION_RECALL_K - 1]
    density_radii = test_to_test[:, DENSITY_COVERAGE_K - 1]
    return SpaceScores(
        fcd=fcd,
        kcd=kernel_within - 2 * kernel_between,
        precision=share_in_balls(generated, test, precision_radii),
        recall=share_in_balls(test, generated, recall_radii),
        density=density_in_balls(generated, test, density_radii, DENSITY_COVERAGE_K),
        coverage=share_covered(test_to_generated, density_radii),
        auth_pct=auth_pct(to_train, reference.train_squared_distances),
        near_duplicates=near_duplicates(to_train, reference.train_squared_distances),
        fcd_train_gap=fcd_train - fcd,
        c2st_linear=c2st_linear(test, generated),
        c2st_1nn=c2st_1nn_of_distances(
            test_to_test[:, 0], test_to_generated, generated_to_generated[:, 0], generated_to_test
        ),
    )
