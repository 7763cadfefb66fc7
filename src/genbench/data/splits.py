"""The fixed, stratified, seedless split: the same images on every machine and under every library version."""

from collections.abc import Sequence

import torch
from torch import Tensor

# Train, validation, test: MNIST's own 60,000 + 10,000, with 5,000 of the 60,000 for validation.
PROPORTIONS = (55, 5, 10)


def divided(labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Indices of train, validation and test images, 55 : 5 : 10, for a data set without official splits."""
    _, validation, test = allocate(PROPORTIONS, len(labels))
    rest, tested = hold_out(labels, test)
    train, validated = hold_out(labels[rest], validation)
    return rest[train], rest[validated], tested


def train_and_validation(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Indices of train and validation images, 55 : 5, for a data set with an official test split."""
    return hold_out(labels, allocate(PROPORTIONS[:2], len(labels))[1])


def hold_out(labels: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Indices of the images that stay, and of `count` that are held out, both ascending."""
    held = torch.zeros(len(labels), dtype=torch.bool)
    held[held_out(labels, count)] = True
    return (~held).nonzero().flatten(), held.nonzero().flatten()


def held_out(labels: Tensor, count: int) -> Tensor:
    """Indices of a stratified choice: within each class evenly spaced in file order.

    Args:
        labels: (N,) int64, the classes.
        count: how many to choose, at most N.

    Returns:
        (count,) int64, ascending. Each class has its proportion to within one image.
    """
    if not len(labels):
        return labels
    classes, sizes = torch.unique(labels, return_counts=True)
    counts = allocate(sizes.tolist(), count)
    chosen = [
        (labels == label).nonzero().flatten()[_evenly_spaced(size, share)]
        for label, size, share in zip(classes, sizes.tolist(), counts, strict=True)
    ]
    return torch.cat(chosen).sort().values


def allocate(sizes: Sequence[int], total: int) -> list[int]:
    """Divide `total` in proportion to `sizes` by largest remainder; of equal remainders the first wins."""
    whole = sum(sizes)
    counts = [size * total // whole for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda i: -(sizes[i] * total % whole))
    for i in by_remainder[: total - sum(counts)]:
        counts[i] += 1
    return counts


def _evenly_spaced(size: int, count: int) -> Tensor:
    # The middles of `count` equal stretches, in integers.
    return (2 * torch.arange(count) + 1) * size // max(2 * count, 1)
