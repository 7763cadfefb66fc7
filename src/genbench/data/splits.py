"""The fixed, stratified, seedless split: the same images on every machine and under every library version."""

from collections.abc import Sequence

import torch
from torch import Tensor

from genbench.data.images import Split

# Train, validation, test: MNIST's own 60,000 + 10,000, with 5,000 of the 60,000 for validation.
PROPORTIONS = (55, 5, 10)


def divide(whole: Split) -> tuple[Split, Split, Split]:
    """Train, validation and test in the proportion 55 : 5 : 10, for a data set without official splits."""
    _, validation, test = allocate(PROPORTIONS, len(whole))
    rest, tested = hold_out(whole, test)
    train, validated = hold_out(rest, validation)
    return train, validated, tested


def divide_train(whole: Split) -> tuple[Split, Split]:
    """Train and validation in the proportion 55 : 5, for a data set with an official test split."""
    return hold_out(whole, allocate(PROPORTIONS[:2], len(whole))[1])


def hold_out(whole: Split, count: int) -> tuple[Split, Split]:
    """The images that stay and `count` that are held out, each in file order."""
    labels = torch.zeros(len(whole), dtype=torch.int64) if whole.labels is None else whole.labels
    held = torch.zeros(len(whole), dtype=torch.bool)
    held[held_out(labels, count)] = True
    return _select(whole, ~held), _select(whole, held)


def held_out(labels: Tensor, count: int) -> Tensor:
    """Indices of a stratified choice: within each class evenly spaced in file order.

    Args:
        labels: (N,) int64, the classes.
        count: how many to choose, at most N.

    Returns:
        (count,) int64, ascending. Each class has its proportion to within one image.
    """
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


def _select(whole: Split, mask: Tensor) -> Split:
    return Split(whole.images[mask], None if whole.labels is None else whole.labels[mask])
