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

_ROWS, _COLUMNS = 2**11, 2**10  # of a product: 8 MiB in float32, which a processor's cache holds
_DEPTH = 16  # distances per group: only groups whose minimum is small enough are looked into
_PAIRS = 2**12  # exact distances worked out at once, and groups looked into


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
    """How many of the open balls around centres (M, d) hold each of points (N, d).

    Args:
        points: (N, d).
        centres: (M, d).
        squared_radii: (M, R), of R balls around each.

    Returns:
        (N, R) int64.
    """
    largest = squared_radii.amax(1)
    counts = []
    for block in _blocks(points, centres, largest, 1):
        rows, columns, excess = block.entries(block.error)
        error = 1.01 * block.error[rows].double()
        of_block = []
        for radii in squared_radii.unbind(1):
            beyond = excess.double() + (largest - radii)[columns]  # roughly |x - y|^2 - r^2
            inside = beyond < -error
            unsure = (beyond.abs() <= error).nonzero().squeeze(1)
            pairs = block.start + rows[unsure], columns[unsure]
            inside[unsure] = _squared_distances(points, centres, *pairs) < radii[pairs[1]]
            of_block.append(rows[inside].bincount(minlength=len(block.minima)))
        counts.append(torch.stack(of_block, 1))
    return torch.cat(counts)


def in_balls(points: Tensor, centres: Tensor, squared_radii: Tensor) -> Tensor:
    """Whether any of the open balls around centres (M, d) holds each of points (N, d): (N,) bool."""
    results = []
    for block in _blocks(points, centres, squared_radii, 1):
        inside = block.minima.amin(1) < -block.error
        # A point that is surely in some ball needs no closer look, in however many others it may be.
        rows, columns, _ = block.entries(block.error.masked_fill(inside, -torch.inf))
        settled = _squared_distances(points, centres, block.start + rows, columns) < squared_radii[columns]
        inside[rows[settled]] = True
        results.append(inside)
    return torch.cat(results)


def _nearest(points: Tensor, centres: Tensor, k: int, skip_self: bool) -> Neighbours:
    if len(centres) < k + skip_self:
        raise ValueError(f"{k} nearest neighbours need at least {k + skip_self} points, got {len(centres)}")
    distances, indices = [], []
    for block in _blocks(points, centres, None, k + skip_self, skip_self):
        size = len(block.minima)
        # The k best groups have k different centres at most so far away, and nothing farther can be among the nearest.
        limit = _kth(block.minima, k) + 2.01 * block.error

        # Nothing is nearer than 0. Without this, many copies of one row would each be tried against all.
        rows = (limit <= 3.02 * block.error).nonzero().squeeze(1)
        best = block.minima[rows].topk(k, largest=False).indices.flatten()
        rows = rows.repeat_interleave(k)
        columns = block.closest(rows, best)
        exact = _squared_distances(points, centres, block.start + rows, columns)
        copied = exact.view(-1, k).amax(1) == 0
        from_copies = copied.repeat_interleave(k)
        rows, columns, exact = rows[from_copies], columns[from_copies], exact[from_copies]
        limit[rows] = -torch.inf
        near_rows, near_columns, _ = block.entries(limit)
        near_exact = _squared_distances(points, centres, block.start + near_rows, near_columns)
        rows = torch.cat([rows, near_rows])
        columns = torch.cat([columns, near_columns])
        exact = torch.cat([exact, near_exact])

        order = columns.argsort()
        order = order[exact[order].argsort(stable=True)]
        order = order[rows[order].argsort(stable=True)]  # by row, then distance, then index
        found = rows.bincount(minlength=size)
        first = found.cumsum(0) - found
        chosen = order[first.unsqueeze(1) + torch.arange(k, device=points.device)]
        distances.append(exact[chosen])
        indices.append(columns[chosen])
    return Neighbours(torch.cat(distances), torch.cat(indices))


def _kth(values: Tensor, k: int) -> Tensor:
    """The k-th smallest of each row of values (B, n): (B,)."""
    return values.amin(1) if k == 1 else values.topk(k, largest=False).values[:, -1]


@dataclass(frozen=True)
class _Centres:
    """Centres (M, d) in groups: the g-th holds those numbered g, g + groups, g + 2 groups, ...

    Attributes:
        lifted: (tiles, depth * width, d + 2); the groups stand in tiles of so many, and what is left over lies
            infinitely far away.
        groups: how many there are.
        width: groups in a tile.
    """

    lifted: Tensor
    groups: int
    width: int

    @property
    def depth(self) -> int:
        """How many centres a group has at most."""
        return self.lifted.shape[1] // self.width

    def members(self, groups: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers (P, depth) and lifted vectors (P, depth, d + 2) of the centres in groups (P,)."""
        layers = torch.arange(self.depth, device=groups.device)
        tiles, within = groups.div(self.width, rounding_mode="floor"), groups % self.width
        places = (tiles * self.lifted.shape[1] + within).unsqueeze(1) + layers * self.width
        return groups.unsqueeze(1) + layers * self.groups, self.lifted.flatten(0, 1)[places]


@dataclass(frozen=True)
class _Block:
    """All centres as some of the points see them.

    Attributes:
        start: number of the first point.
        lifted: (B, d + 2), the points.
        centres: in groups.
        minima: (B, groups), the least |x - y|^2 - offset of each group, roughly.
        error: (B,), which every approximation of a row may be off.
        skip_self: whether the point of a centre's number is no neighbour of it.
    """

    start: int
    lifted: Tensor
    centres: _Centres
    minima: Tensor
    error: Tensor
    skip_self: bool

    def closest(self, rows: Tensor, groups: Tensor) -> Tensor:
        """Number (P,) of the centre in a group (P,) that is nearest to a row's point (P,), roughly."""
        found = [groups.new_empty(0)]
        for columns, values, _ in self._inside(rows, groups):
            found.append(columns.gather(1, values.argmin(1, keepdim=True)).squeeze(1))
        return torch.cat(found)

    def entries(self, limit: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rows, centres and values of the approximations up to the row's limit (B,)."""
        found = []
        for columns, values, rows in self._inside(*(self.minima <= limit.unsqueeze(1)).nonzero(as_tuple=True)):
            which, layer = (values <= limit[rows].unsqueeze(1)).nonzero(as_tuple=True)
            found.append((rows[which], columns[which, layer], values[which, layer]))
        first, second, third = zip(*found, strict=True)
        return torch.cat(first), torch.cat(second), torch.cat(third)

    def _inside(self, rows: Tensor, groups: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Centres and approximations (P, depth) of the members of groups, and the rows (P,), some at a time."""
        for some, of in zip(torch.split(rows, _PAIRS), torch.split(groups, _PAIRS), strict=True):
            columns, lifted = self.centres.members(of)
            values = (lifted * self.lifted[some].unsqueeze(1)).sum(2)
            if self.skip_self:
                values = values.masked_fill(columns == (self.start + some).unsqueeze(1), torch.inf)
            yield columns, values, some


def _blocks(
    points: Tensor, centres: Tensor, offsets: Tensor | None, minimum_groups: int, skip_self: bool = False
) -> Iterator[_Block]:
    """Per block of points the approximate distances to all centres; to a point itself inf, where it is skipped.

    They come from one product of lifted vectors, (x, 1, |x|^2) . (-2y, |y|^2 - offset, 1), of which only the least in
    each group is kept: what lies in the few groups that matter is worked out again.
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
    error = (2 * (x.shape[1] + 8) * unit * (x_norm.squeeze(1) + (y_norm + offset).max())).to(dtype)
    lifted_x = torch.cat([x, torch.ones_like(x_norm), x_norm], 1).to(dtype)
    grouped = _grouped(torch.cat([-2 * y, y_norm - offset, torch.ones_like(y_norm)], 1).to(dtype), minimum_groups)
    for start in range(0, len(lifted_x), _ROWS):
        lifted = lifted_x[start : start + _ROWS]
        minima = _minima(lifted, grouped, start if skip_self else None)
        yield _Block(start, lifted, grouped, minima, error[start : start + _ROWS], skip_self)


def _grouped(lifted: Tensor, minimum_groups: int) -> _Centres:
    groups = max(minimum_groups, -(-len(lifted) // _DEPTH))
    depth = -(-len(lifted) // groups)
    width = min(groups, max(1, _COLUMNS // depth))
    tiles = -(-groups // width)
    layers = lifted.new_zeros(depth, tiles * width, lifted.shape[1])
    layers[..., -2], layers[..., -1] = torch.inf, 1
    for layer, members in enumerate(torch.split(lifted, groups)):
        layers[layer, : len(members)] = members
    in_tiles = layers.view(depth, tiles, width, -1).transpose(0, 1)
    return _Centres(in_tiles.reshape(tiles, depth * width, -1), groups, width)


def _minima(lifted: Tensor, centres: _Centres, own: int | None) -> Tensor:
    """The least product of points (B, d + 2) with each group, without that of a point, numbered from `own`, itself."""
    tiles, columns, _ = centres.lifted.shape
    rows = torch.arange(len(lifted), device=lifted.device)
    minima = lifted.new_empty(len(lifted), tiles, centres.width)
    products = lifted.new_empty(len(lifted), columns)
    for tile in range(tiles):
        torch.mm(lifted, centres.lifted[tile].T, out=products)
        if own is not None:
            group = (own + rows) % centres.groups - tile * centres.width
            here = (group >= 0) & (group < centres.width)
            layer = (own + rows).div(centres.groups, rounding_mode="floor")
            products[rows[here], (layer * centres.width + group)[here]] = torch.inf
        torch.amin(products.view(len(lifted), -1, centres.width), 1, out=minima[:, tile])
    return minima.flatten(1)


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
