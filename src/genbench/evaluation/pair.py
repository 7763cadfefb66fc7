"""What a score of images is a function of: generated features beside real ones, each thing worked out once."""

from dataclasses import dataclass, fields
from functools import cached_property

from torch import Tensor

from genbench.evaluation.kernel import PowerSums, mean_kernel_within, power_sums
from genbench.evaluation.moments import Moments, moments
from genbench.evaluation.neighbours import Neighbours, Overlap, nearest, nearest_others, overlap

PRECISION_RECALL_K = 3
DENSITY_COVERAGE_K = 5


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
    test_nearest: Tensor  # (M,) int64, of each test image its nearest training image

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
            test_mean_kernel=test_moments.mean.new_tensor(mean_kernel_within(power_sums(test))),
            test_nearest=nearest(test, train).indices.squeeze(1),
        )

    def to_tensors(self) -> dict[str, Tensor]:
        """Every field by its name, as safetensors' save_file takes them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> "Reference":
        """Undo `to_tensors`."""
        return cls(**tensors)

    @cached_property
    def test_power_sums(self) -> PowerSums:
        """Of the test features."""
        return power_sums(self.test)

    @property
    def test_moments(self) -> Moments:
        """Of the test features."""
        return Moments(self.test_mean, self.test_covariance)

    @property
    def train_moments(self) -> Moments:
        """Of the training features."""
        return Moments(self.train_mean, self.train_covariance)


@dataclass(frozen=True)
class Classes:
    """The classes of real images."""

    number: int
    of_test: Tensor  # (M,) int64: by the same rule by which a generated image gets its own
    of_train: Tensor  # (T,) int64: the labels


class Pair:
    """Generated images beside real ones in one feature space; distances are squared and Euclidean.

    Attributes:
        real: features of the test and the training images, and what follows from them.
        generated: (N, d), on the device of the real ones.
        probabilities: (N, classes), of the generated images; None in a space that gives none.
        real_probabilities: (M, classes), of the test images; None in a space that gives none.
        classes: of the real images; None if they have no labels.
    """

    def __init__(
        self,
        real: Reference,
        generated: Tensor,
        probabilities: Tensor | None = None,
        real_probabilities: Tensor | None = None,
        classes: Classes | None = None,
    ) -> None:
        if generated.ndim != 2 or generated.shape[1] != real.test.shape[1]:
            raise ValueError(f"generated features must be (N, {real.test.shape[1]}), got {tuple(generated.shape)}")
        self.real = real
        self.generated = generated.detach().to(real.test.device)
        self.probabilities = probabilities
        self.real_probabilities = real_probabilities
        self.classes = classes

    @property
    def class_probabilities(self) -> tuple[Tensor, Tensor]:
        """Of the generated (N, classes) and of the test images (M, classes); ValueError in a space without."""
        if self.probabilities is None or self.real_probabilities is None:
            raise ValueError("this feature space gives no class probabilities")
        return self.probabilities, self.real_probabilities

    @cached_property
    def assigned(self) -> tuple[Tensor, Tensor]:
        """The class of each generated (N,) and of each test image (M,), int64; ValueError for data without labels.

        The most probable one where there are probabilities, else the label of the nearest training image.
        """
        if self.classes is None:
            raise ValueError("the images have no labels")
        if self.probabilities is None:
            return self.classes.of_train[self.to_train.indices[:, 0]], self.classes.of_test
        return self.probabilities.argmax(1), self.classes.of_test

    @cached_property
    def moments(self) -> Moments:
        """Of the generated features."""
        return moments(self.generated)

    @cached_property
    def power_sums(self) -> PowerSums:
        """Of the generated features."""
        return power_sums(self.generated)

    @cached_property
    def generated_to_generated(self) -> Tensor:
        """(N, 3) float64, of each generated image to its nearest others."""
        return nearest_others(self.generated, PRECISION_RECALL_K).squared_distances

    @cached_property
    def overlap(self) -> Overlap:
        """Of generated (points) and test images (centres), with balls to the 3rd nearest other of the same set.

        Around test images those to the 5th are counted too.
        """
        around_test = self.real.test_squared_distances[:, [PRECISION_RECALL_K - 1, DENSITY_COVERAGE_K - 1]]
        around_generated = self.generated_to_generated[:, PRECISION_RECALL_K - 1]
        return overlap(self.generated, self.real.test, around_generated, around_test)

    @cached_property
    def to_train(self) -> Neighbours:
        """The nearest training image of each generated one, (N, 1)."""
        return nearest(self.generated, self.real.train)
