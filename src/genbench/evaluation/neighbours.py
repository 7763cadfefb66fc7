"""Exact nearest neighbours and ball membership in Euclidean feature space, fast enough for every draw.

Distances come roughly first (`genbench.evaluation.views`), with a proven bound on the rounding error. Whatever that
error could decide is settled by the float64 sum of squared differences of the pair itself. So no result depends on the
block size, the order of the rows or the product's precision; equal rows are at distance 0 exactly, and ties are ties.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from genbench.evaluation.views import View, crossed, views


@dataclass(frozen=True)
class Neighbours:
    """The k nearest of each point, nearest first, lower index first at a tie above 0."""

    squared_distances: Tensor  # (N, k) float64
    indices: Tensor  # (N, k) int64


@dataclass(frozen=True)
class Overlap:
    """Two sets of points, each beside the other."""

    to_centres: Tensor  # (N,) float64, squared, of each point to the nearest centre
    to_points: Tensor  # (M,) float64, squared, of each centre to the nearest point
    balls: Tensor  # (N, R) int64, how many of the open balls around centres hold each point
    held: Tensor  # (M,) bool, whether any open ball around a point holds each centre


def nearest(points: Tensor, centres: Tensor, k: int = 1) -> Neighbours:
    """The k nearest rows of centres (M, d) to each of points (N, d); ValueError if M < k."""
    return _nearest(points, centres, k, skip_self=False)


def nearest_others(points: Tensor, k: int = 1) -> Neighbours:
    """The k nearest other rows to each of points (N, d); ValueError if N <= k."""
    return _nearest(points, points, k, skip_self=True)


def overlap(points: Tensor, centres: Tensor, squared_radii: Tensor, squared_radii_around_centres: Tensor) -> Overlap:
    """How two sets overlap, from one product of both.

    Args:
        points: (N, d).
        centres: (M, d).
        squared_radii: (N,), of an open ball around each point; copies of a point have the same.
        squared_radii_around_centres: (M, R), of R open balls around each centre.
    """
    # Copies of a point are seen once: a collapsed generator's thousands would all be tried against every centre.
    rows, of = torch.unique(points, dim=0, return_inverse=True)
    radii = squared_radii.new_empty(len(rows)).index_copy(0, of, squared_radii)
    from_rows, from_centres = crossed(rows, centres, radii, squared_radii_around_centres.amax(1))
    to_centres, balls, to_points, held = [], [], [], []
    for view in from_rows:
        to_centres.append(_nearest_in(view, 1).squared_distances[:, 0])
        balls.append(_ball_counts(view, squared_radii_around_centres))
    for view in from_centres:
        to_points.append(_nearest_in(view, 1).squared_distances[:, 0])
        held.append(_in_balls(view, radii))
    return Overlap(torch.cat(to_centres)[of], torch.cat(to_points), torch.cat(balls)[of], torch.cat(held))


def _nearest(points: Tensor, centres: Tensor, k: int, skip_self: bool) -> Neighbours:
    if len(centres) < k + skip_self:
        raise ValueError(f"{k} nearest neighbours need at least {k + skip_self} points, got {len(centres)}")
    found = [_nearest_in(view, k) for view in views(points, centres, k + skip_self, skip_self)]
    return Neighbours(
        torch.cat([block.squared_distances for block in found]), torch.cat([block.indices for block in found])
    )


def _nearest_in(view: View, k: int) -> Neighbours:
    # The k best groups have k different centres at most so far away, and nothing farther can be among the nearest.
    limit = _kth(view.minima, k) + 2.01 * view.error

    # Nothing is nearer than 0. Without this, many copies of one row would each be tried against all.
    rows = (limit <= 3.02 * view.error).nonzero().squeeze(1)
    best = view.minima[rows].topk(k, largest=False).indices.flatten()
    rows = rows.repeat_interleave(k)
    columns = view.closest(rows, best)
    exact = view.exact(rows, columns)
    copied = exact.view(-1, k).amax(1) == 0
    from_copies = copied.repeat_interleave(k)
    rows, columns, exact = rows[from_copies], columns[from_copies], exact[from_copies]
    limit[rows] = -torch.inf
    near_rows, near_columns, _ = view.entries(limit)
    rows = torch.cat([rows, near_rows])
    columns = torch.cat([columns, near_columns])
    exact = torch.cat([exact, view.exact(near_rows, near_columns)])

    order = columns.argsort()
    order = order[exact[order].argsort(stable=True)]
    order = order[rows[order].argsort(stable=True)]  # by row, then distance, then index
    found = rows.bincount(minlength=len(view.minima))
    first = found.cumsum(0) - found
    chosen = order[first.unsqueeze(1) + torch.arange(k, device=rows.device)]
    return Neighbours(exact[chosen], columns[chosen])


def _ball_counts(view: View, squared_radii: Tensor) -> Tensor:
    """How many of the open balls around the others, (M, R), hold each point: (B, R) int64."""
    largest = squared_radii.amax(1)
    error = _with_offset(view, largest)
    rows, columns, distances = view.entries(error, largest)
    error = 1.01 * error[rows].double()
    counts = []
    for radii in squared_radii.unbind(1):
        beyond = distances.double() - radii[columns]
        inside = beyond < -error
        unsure = (beyond.abs() <= error).nonzero().squeeze(1)
        inside[unsure] = view.exact(rows[unsure], columns[unsure]) < radii[columns[unsure]]
        counts.append(rows[inside].bincount(minlength=len(view.minima)))
    return torch.stack(counts, 1)


def _in_balls(view: View, squared_radii: Tensor) -> Tensor:
    """Whether any of the open balls around the others, (M,), holds each point: (B,) bool."""
    error = _with_offset(view, squared_radii)
    inside = (view.minima - view.of_groups(squared_radii).amin(1)).amin(1) < -error
    # A point that is surely in some ball needs no closer look, in however many others it may be.
    rows, columns, _ = view.entries(error.masked_fill(inside, -torch.inf), squared_radii)
    settled = view.exact(rows, columns) < squared_radii[columns]
    inside[rows[settled]] = True
    return inside


def _with_offset(view: View, offsets: Tensor) -> Tensor:
    """What an approximation less an offset (M,) may be off: (B,); the offset was rounded too."""
    return view.error + 4 * torch.finfo(view.error.dtype).eps * offsets.max().to(view.error.dtype)


def _kth(values: Tensor, k: int) -> Tensor:
    """The k-th smallest of each row of values (B, n): (B,)."""
    return values.amin(1) if k == 1 else values.topk(k, largest=False).values[:, -1]
