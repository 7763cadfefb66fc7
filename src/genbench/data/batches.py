"""What a training step is given: images as bytes, with their labels where there are any."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from genbench.errors import UserError


class Batch(NamedTuple):
    """The images of one step; it unpacks as the (images, labels) of any PyTorch loader."""

    images: Tensor  # (B, C, H, W) uint8
    labels: Tensor | None = None  # (B,) int64, or None for images without classes

    def to(self, device: torch.device) -> "Batch":
        """The same, there."""
        return Batch(self.images.to(device), None if self.labels is None else self.labels.to(device))


class Chunk(NamedTuple):
    """The batches of several steps, which the training engine takes at once."""

    images: Tensor  # (K, B, C, H, W) uint8
    labels: Tensor | None = None  # (K, B) int64

    def batches(self) -> list[Batch]:
        """Its K batches."""
        labels = [None] * len(self.images) if self.labels is None else list(self.labels)
        return [Batch(images, of_images) for images, of_images in zip(self.images, labels, strict=True)]


def as_batch(given: Any, shape: Sequence[int]) -> Batch:
    """What a loader gave as a `Batch`.

    Args:
        given: images (B, C, H, W), alone or first in a sequence of which the second are labels (B,); uint8, or floats
            in [0, 1], which become the nearest of 256 levels.
        shape: of one image, (C, H, W).

    Raises:
        UserError: the images are of another shape, or of numbers that are neither.
    """
    parts = [given] if isinstance(given, Tensor) else list(given)
    images, labels = as_bytes(parts[0], shape), parts[1] if len(parts) > 1 else None
    if labels is not None:
        labels = torch.as_tensor(labels, dtype=torch.int64, device=images.device)
    return Batch(images, labels)


def as_bytes(images: Any, shape: Sequence[int]) -> Tensor:
    """Images (N, C, H, W) of uint8, or of floats in [0, 1], as uint8; raises as `as_batch`."""
    if not isinstance(images, Tensor) or images.ndim != 4 or tuple(images.shape[1:]) != tuple(shape):
        what = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
        raise UserError(f"images must be (N, {', '.join(map(str, shape))}), with labels or alone; got {what}")
    if images.dtype == torch.uint8:
        return images
    if not images.is_floating_point():
        raise UserError(f"images are {images.dtype}: give uint8, or floats in [0, 1]")
    low, high = float(images.min()), float(images.max())
    if not (low >= 0.0 and high <= 1.0):  # NaN fails the comparison
        raise UserError(
            f"images are floats from {low:.4g} to {high:.4g}: give uint8, or floats in [0, 1] (leave out Normalize;"
            " the models scale the images as they need them)"
        )
    return images.mul(255.0).round().to(torch.uint8)
