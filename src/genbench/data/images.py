"""What every data set becomes: unsigned bytes in memory, split once and for all."""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


class ImageShape(NamedTuple):
    """The shape of one image; height and width are divisible by 4."""

    channels: int
    height: int
    width: int


@dataclass(frozen=True)
class Split:
    """Images and, where the data set has them, their classes."""

    images: Tensor  # (N, C, H, W) uint8, contiguous
    labels: Tensor | None  # (N,) int64, or None for a data set without classes

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class ImageData:
    """One data set under the protocol: train to fit, validation to choose, test to report once."""

    name: str
    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]  # names by label; empty where there are no labels

    @property
    def shape(self) -> ImageShape:
        """Channels, height and width, read off the images."""
        return ImageShape(*self.train.images.shape[1:])
