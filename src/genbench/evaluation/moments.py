"""Fréchet distance between two feature sets, each summed up by its mean and covariance."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """Mean and unbiased covariance of a feature set, in float64."""

    mean: Tensor  # (d,)
    covariance: Tensor  # (d, d)


def moments(features: Tensor) -> Moments:
    """Mean and covariance (divisor N - 1) of features (N, d); ValueError if N < 2 or not all are finite."""
    if len(features) < 2:
        raise ValueError(f"a covariance needs at least 2 feature vectors, got {len(features)}")
    features = features.double()
    if not features.isfinite().all():
        raise ValueError("features must be finite")
    mean = features.mean(0)
    centred = features - mean
    return Moments(mean, centred.T @ centred / (len(features) - 1))


def frechet_distance_of_moments(a: Moments, b: Moments) -> float:
    """|m1 - m2|^2 + Tr(S1 + S2 - 2 (S1 S2)^1/2), in squared units of the features (Heusel 2017, eq. 6).

    With S1 = A A' and S2 = B B', the root's trace is the sum of the singular values of A' B: real always,
    and exact also where a covariance is singular, which the square root of S1 S2 itself is not.
    """
    cross = _factor(a.covariance).T @ _factor(b.covariance)
    root_trace = torch.linalg.svdvals(cross).sum()
    squared_shift = (a.mean - b.mean).square().sum()
    distance = squared_shift + a.covariance.trace() + b.covariance.trace() - 2 * root_trace
    return float(distance.clamp(min=0))  # rounding may leave it just below its lower bound


def _factor(covariance: Tensor) -> Tensor:
    """Some A (d, d) with A A' = covariance."""
    eigenvalues, eigenvectors = torch.linalg.eigh(covariance)
    factor: Tensor = eigenvectors * eigenvalues.clamp(min=0).sqrt()
    return factor
