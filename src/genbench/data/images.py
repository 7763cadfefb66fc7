"""What every data set becomes: unsigned bytes in memory, split once and for all."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
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
    mapped: bool = False  # whether the images lie in a file, and are read when they are asked for

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
    gate: float | None = None  # test accuracy below which its classifier is not trusted, where that is known
    notes: tuple[str, ...] = ()  # what a reader has to know of how the images were read; a line each
    # Where only some of the training images are taken: all of them. Feature spaces are of these, so that scores of
    # trainings on few images can be compared with others'.
    whole: "ImageData | None" = None

    @property
    def shape(self) -> ImageShape:
        """Channels, height and width, read off the images."""
        return ImageShape(*self.train.images.shape[1:])

    @cached_property
    def fingerprint(self) -> str:
        """The sha256 of the bytes of all images and labels, in hex."""
        digest = hashlib.sha256()
        for split in (self.train, self.validation, self.test):
            for tensor in (split.images, split.labels):
                if tensor is None:
                    digest.update(b"none")
                else:
                    digest.update(f"{tuple(tensor.shape)}".encode())
                    digest.update(tensor.contiguous().numpy().data)
        return digest.hexdigest()


def evenly_spaced(split: Split, n: int) -> Split:
    """n images spread evenly over a split, in its order; all for n >= its length."""
    if n >= len(split):
        return split
    chosen = torch.arange(n) * len(split) // n
    return Split(split.images[chosen], None if split.labels is None else split.labels[chosen])


def describe(data: ImageData, root: str | None) -> dict[str, Any]:
    """What a run keeps of its data, so that other images are not taken for them: see runs.records.DataRecord.

    Args:
        data: the images.
        root: the absolute place that the user named, if any.
    """
    return {
        "name": data.name,
        "root": root,
        "fingerprint": data.fingerprint,
        "shape": tuple(data.shape),
        "classes": data.classes,
        "images": {name: len(getattr(data, name)) for name in ("train", "validation", "test")},
    }
