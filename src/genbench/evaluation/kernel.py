"""Means of the cubic kernel k(x, y) = (x.y/d + 1)^3 (Bińkowski 2018, section 4) over pairs of features."""

import torch
from torch import Tensor

_BLOCK = 2**21  # kernel values held at once: 16 MiB in float64


def mean_kernel(x: Tensor, y: Tensor) -> float:
    """Mean of k(x, y) over all pairs of features (N, d) and (M, d)."""
    return _kernel_sum(x, y) / (len(x) * len(y))


def mean_kernel_within(x: Tensor) -> float:
    """Mean of k(x, x') over the N (N - 1) ordered pairs of different rows; ValueError if N < 2."""
    if len(x) < 2:
        raise ValueError(f"an unbiased kernel mean needs at least 2 feature vectors, got {len(x)}")
    diagonal = (x.double().square().sum(1) / x.shape[1] + 1).pow(3).sum().item()
    return (_kernel_sum(x, x) - diagonal) / (len(x) * (len(x) - 1))


def _kernel_sum(x: Tensor, y: Tensor) -> float:
    x, y = x.double() / x.shape[1], y.double().T
    rows = max(1, _BLOCK // y.shape[1])
    products = x.new_empty(min(rows, len(x)), y.shape[1])
    total = x.new_zeros(())
    for block in torch.split(x, rows):
        out = torch.mm(block, y, out=products[: len(block)])
        total += out.add_(1).pow_(3).sum()
    return total.item()
