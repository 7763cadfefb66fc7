"""Means of the cubic kernel k(x, y) = (x.y/d + 1)^3 (Bińkowski 2018, section 4) over pairs of features.

The kernel is a polynomial of x.y, and the sum of (x.y)^p over all pairs is the inner product of two tensors of order p,
the sums of x (x) ... (x) x and of y (x) ... (x) y. So no pair is looked at, and a mean over 10^8 of them costs
as much as a product of matrices with d^3 N terms.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PowerSums:
    """What has to be known of features x (N, d), over the square root of d, for the mean of k."""

    number: int
    first: Tensor  # (d,) float64, sum of x
    second: Tensor  # (d, d), of x (x) x
    third: Tensor  # (d (d + 1) / 2, d), of x (x) x (x) x for pairs of axes, times sqrt(2) where they differ
    diagonal: float  # sum of k(x, x)


def power_sums(x: Tensor) -> PowerSums:
    """Of features (N, d)."""
    x = x.double() / x.shape[1] ** 0.5
    columns = x.T.contiguous()  # (d, N)
    twice = columns * 2**0.5
    third = [torch.cat([column[None] ** 2, column * twice[i + 1 :]]) @ x for i, column in enumerate(columns)]
    diagonal = (x.square().sum(1) + 1).pow(3).sum().item()
    return PowerSums(len(x), x.sum(0), x.T @ x, torch.cat(third), diagonal)


def mean_kernel(x: PowerSums, y: PowerSums) -> float:
    """Mean of k(x, y) over all pairs of a row of x and one of y."""
    return _sum(x, y) / (x.number * y.number)


def mean_kernel_within(x: PowerSums) -> float:
    """Mean of k(x, x') over the N (N - 1) ordered pairs of different rows; ValueError if N < 2."""
    if x.number < 2:
        raise ValueError(f"an unbiased kernel mean needs at least 2 feature vectors, got {x.number}")
    return (_sum(x, x) - x.diagonal) / (x.number * (x.number - 1))


def _sum(x: PowerSums, y: PowerSums) -> float:
    total = 3 * (x.first * y.first).sum() + 3 * (x.second * y.second).sum() + (x.third * y.third).sum()
    return x.number * y.number + float(total)
