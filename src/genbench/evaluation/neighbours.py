"""Exact nearest neighbours and ball membership in Euclidean feature space, fast enough for every draw.

One matrix product gives all squared distances of a block roughly (|x|^2 + |y|^2 - 2 x.y, in float32 on a
CPU), with a proven bound on the rounding error. Whatever that error could decide is settled by the float64
sum of squared differences of the pair itself. So no result depends on the block size, the order of the rows
or the product's precision; equal rows are at distance 0 exactly, and ties are ties.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

_BLOCK = 2**23  # approximate distances held at once: 32 MiB in float32
_DEPTH = 32  # distances per group: only groups whose minimum is small enough are looked into
_PAIRS = 2**12  # exact distances worked out at once


@dataclass(frozen=True)
class Neighbours:
    """The k nearest of each point, nearest first, lower index first at a tie above 0."""

    squared_distances: Tensor  # (N, k) float64
    indices: Tensor  # (N, k) int64


def nearest(points: Tensor, centres: Tensor, k: int = 1) -> Neighbours:
    """The k nearest rows of centres (M, d) to each of points (N, d); ValueError if M < k."""
    return _nearest(points, centres, k, skip_self=False)


def nearest_others(points: Tensor, k: int = 1) -> Neighbours:
    """The k nearest other rows to each of points (N, d); ValueError if N <= k."""
    return _nearest(points, points, k, skip_self=True)


def ball_counts(points: Tensor, centres: Tensor, squared_radii: Tensor) -> Tensor:
    """How many of the open balls around centres (M, d) hold each of points (N, d): (N,) int64."""
    counts = []
    for start, approximate, error in _blocks(points, centres, squared_radii, 1):
        rows, columns, excess = _entries(approximate, error)
        inside = excess < -error[rows]
        unsure = (~inside).nonzero().squeeze(1)
        pairs = start + rows[unsure], columns[unsure]
        inside[unsure] = _squared_distances(points, centres, *pairs) < squared_radii[pairs[1]]
        counts.append(rows[inside].bincount(minlength=len(approximate)))
    return torch.cat(counts)


def in_balls(points: Tensor, centres: Tensor, squared_radii: Tensor) -> Tensor:
    """Whether any of the open balls around centres (M, d) holds each of points (N, d): (N,) bool."""
    results = []
    for start, approximate, error in _blocks(points, centres, squared_radii, 1):
        inside = approximate.amin((1, 2)) < -error
        # A point that is surely in some ball needs no closer look, in however many others it may be.
        rows, columns, _ = _entries(approximate, error.masked_fill(inside, -torch.inf))
        settled = _squared_distances(points, centres, start + rows, columns) < squared_radii[columns]
        inside[rows[settled]] = True
        results.append(inside)
    return torch.cat(results)


def _nearest(points: Tensor, centres: Tensor, k: int, skip_self: bool) -> Neighbours:
    if len(centres) < k + skip_self:
        raise ValueError(f"{k} nearest neighbours need at least {k + skip_self} points, got {len(centres)}")
    distances, indices = [], []
    for start, approximate, error in _blocks(points, centres, None, k + skip_self):
        size, _, groups = approximate.shape
        own = torch.arange(size, device=points.device)
        if skip_self:
            approximate.view(size, -1)[own, start + own] = torch.inf

        # The best of the k best groups: k different centres, so the farthest of them bounds the k-th nearest.
        best = approximate.amin(1).topk(k, largest=False).indices  # (B, k)
        members = approximate.gather(2, best.unsqueeze(1).expand(-1, approximate.shape[1], -1))
        columns = (members.argmin(1) * groups + best).flatten()
        rows = own.repeat_interleave(k)
        exact = _squared_distances(points, centres, start + rows, columns)
        bound = exact.view(size, k).amax(1)

        # Nothing is nearer than 0. Without this, many copies of one row would each be tried against all.
        copied = bound == 0
        limit = (bound + error).to(approximate.dtype).masked_fill(copied, -torch.inf)
        near_rows, near_columns, _ = _entries(approximate, limit)
        near_exact = _squared_distances(points, centres, start + near_rows, near_columns)
        from_copies = copied[rows]
        rows = torch.cat([rows[from_copies], near_rows])
        columns = torch.cat([columns[from_copies], near_columns])
        exact = torch.cat([exact[from_copies], near_exact])

        order = columns.argsort()
        order = order[exact[order].argsort(stable=True)]
        order = order[rows[order].argsort(stable=True)]  # by row, then distance, then index
        found = rows.bincount(minlength=size)
        first = found.cumsum(0) - found
        chosen = order[first.unsqueeze(1) + torch.arange(k, device=points.device)]
        distances.append(exact[chosen])
        indices.append(columns[chosen])
    return Neighbours(torch.cat(distances), torch.cat(indices))


def _blocks(
    points: Tensor, centres: Tensor, offsets: Tensor | None, minimum_groups: int
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Per block of points: its start, |x - y|^2 - offset roughly, and a bound on the error of each row.

    The approximations (B, depth, groups) hold centre i at [i // groups, i % groups], and inf where there is
    none. They come from one product of lifted vectors, (x, 1, |x|^2) . (-2y, |y|^2 - offset, 1).
    Any order of summation of n products errs by at most n u / (1 - n u) times the sum of their magnitudes
    (Higham 2002, section 3.1), here at most 2|x|^2 + 2|y|^2 + offset; the spare terms cover the rounding of
    the lifted vectors themselves.
    """
    dtype = _product_dtype(points.device)
    origin = centres.double().mean(0)  # less to cancel
    x, y = points.double() - origin, centres.double() - origin
    x_norm, y_norm = x.square().sum(1, keepdim=True), y.square().sum(1, keepdim=True)
    offset = torch.zeros_like(y_norm) if offsets is None else offsets.unsqueeze(1)
    if not (x_norm.isfinite().all() and y_norm.isfinite().all()):
        raise ValueError("features must be finite")
    unit = torch.finfo(dtype).eps / 2
    error = 2 * (x.shape[1] + 8) * unit * (x_norm.squeeze(1) + (y_norm + offset).max())

    groups = max(minimum_groups, -(-len(centres) // _DEPTH))
    depth = -(-len(centres) // groups)
    lifted_x = torch.cat([x, torch.ones_like(x_norm), x_norm], 1).to(dtype)
    lifted_y = torch.zeros(depth * groups, x.shape[1] + 2, dtype=dtype, device=points.device)
    lifted_y[:, -2], lifted_y[:, -1] = torch.inf, 1
    lifted_y[: len(centres), :-1] = torch.cat([-2 * y, y_norm - offset], 1).to(dtype)

    size = max(1, _BLOCK // len(lifted_y))
    products = lifted_x.new_empty(min(size, len(lifted_x)), len(lifted_y))
    for start in range(0, len(lifted_x), size):
        block = lifted_x[start : start + size]
        out = torch.mm(block, lifted_y.T, out=products[: len(block)])
        yield start, out.view(len(block), depth, groups), error[start : start + size].to(dtype)


def _entries(approximate: Tensor, limit: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, columns and values of the entries of approximate (B, depth, groups) up to the row's limit (B,)."""
    rows, group = (approximate.amin(1) <= limit.unsqueeze(1)).nonzero(as_tuple=True)
    members = approximate[rows, :, group]  # (candidate groups, depth)
    which, layer = (members <= limit[rows].unsqueeze(1)).nonzero(as_tuple=True)
    return rows[which], layer * approximate.shape[2] + group[which], members[which, layer]


def _squared_distances(points: Tensor, centres: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """|points[rows] - centres[columns]|^2 in float64 (P,), from the differences: 0 exactly for copies."""
    distances = [
        (points[i].double() - centres[j].double()).square().sum(1)
        for i, j in zip(torch.split(rows, _PAIRS), torch.split(columns, _PAIRS), strict=True)
    ]
    return torch.cat(distances)


def _product_dtype(device: torch.device) -> torch.dtype:
    """Float32 where a product of float32 matrices is known to keep its precision, else float64."""
    try:
        full = torch.get_float32_matmul_precision() == "highest"
    except RuntimeError:  # set per backend, through the newer interface
        full = False
    return torch.float32 if full and device.type == "cpu" else torch.float64
