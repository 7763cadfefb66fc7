"""All points of one set as each point of another sees them: roughly, in groups, with a bound on the error.

One matrix product gives all squared distances of a block (|x|^2 + |y|^2 - 2 x.y, in float32 on a CPU). Of each group
of a few points only the least is kept; what lies in the few groups that matter is worked out again.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

_ROWS, _COLUMNS = 2**11, 2**10  # of a product: 8 MiB in float32, which a processor's cache holds
_DEPTH = 16  # distances per group: only groups whose minimum is small enough are looked into
_PAIRS = 2**12  # exact distances worked out at once, and groups looked into


@dataclass(frozen=True)
class _Tile:
    """Some groups' members, layer after layer.

    Attributes:
        groups: which.
        places: of the members, where all tiles stand in a row.
        members: (P,) int64, numbers of points.
        lifted: (P, d + 2).
    """

    groups: slice
    places: slice
    members: Tensor
    lifted: Tensor


@dataclass(frozen=True)
class _Groups:
    """Points (N, d) in groups.

    Attributes:
        members: (groups, depth) int64, numbers of points; N where there are no more.
        lifted: (groups, depth, d + 2); infinitely far away where there are no more.
    """

    members: Tensor
    lifted: Tensor

    @classmethod
    def dealt(cls, lifted: Tensor, at_least: int) -> "_Groups":
        """One after another to each group in turn, so that neighbours in a file are not in one."""
        count = len(lifted) - 1
        groups = max(at_least, -(-count // _DEPTH))
        members = _padded(torch.arange(count, device=lifted.device), groups).view(-1, groups).T
        return cls(members, lifted[members])

    @classmethod
    def alike(cls, lifted: Tensor, values: Tensor) -> "_Groups":
        """Those whose values (N,) are similar."""
        groups = -(-len(values) // _DEPTH)
        members = _padded(values.argsort(), groups).view(groups, -1)
        return cls(members, lifted[members])

    def tiles(self, size: int) -> list[_Tile]:
        """All of them, about `size` members at a time."""
        groups, depth = self.members.shape
        width = max(1, size // depth)
        bounds = [(first, min(first + width, groups)) for first in range(0, groups, width)]
        return [
            _Tile(
                slice(first, last),
                slice(first * depth, last * depth),
                self.members[first:last].T.flatten(),
                self.lifted[first:last].transpose(0, 1).flatten(0, 1),
            )
            for first, last in bounds
        ]


@dataclass(frozen=True)
class View:
    """Some points of one set before all of another.

    Attributes:
        start: number of the first point.
        points: (N, d), of which those from `start` are meant.
        others: (M, d).
        lifted: (B, d + 2), the points.
        groups: the others.
        minima: (B, groups), the least squared distance to each group, roughly.
        error: (B,), which every approximation of a row may be off.
        skip_self: whether the other of a point's number is no neighbour of it.
    """

    start: int
    points: Tensor
    others: Tensor
    lifted: Tensor
    groups: _Groups
    minima: Tensor
    error: Tensor
    skip_self: bool = False

    def of_groups(self, values: Tensor) -> Tensor:
        """The values (M,) of each group's members, as precise as the minima: (groups, depth), 0 if none."""
        return torch.cat([values, values.new_zeros(1)])[self.groups.members].to(self.minima.dtype)

    def closest(self, rows: Tensor, groups: Tensor) -> Tensor:
        """Number (P,) of the other in a group (P,) that is nearest to a row's point (P,), roughly."""
        found = [groups.new_empty(0)]
        for numbers, values, _ in self._inside(rows, groups):
            found.append(numbers.gather(1, values.argmin(1, keepdim=True)).squeeze(1))
        return torch.cat(found)

    def entries(self, limit: Tensor, offsets: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Rows, others and approximations; those that less the other's offset (M,) are up to the row's limit (B,)."""
        minima = self.minima if offsets is None else self.minima - self.of_groups(offsets).amax(1)
        found = []
        for numbers, values, rows in self._inside(*(minima <= limit.unsqueeze(1)).nonzero(as_tuple=True)):
            less = values
            if offsets is not None:
                less = values - offsets[numbers.clamp(max=len(offsets) - 1)].to(values.dtype)
            which, layer = (less <= limit[rows].unsqueeze(1)).nonzero(as_tuple=True)
            found.append((rows[which], numbers[which, layer], values[which, layer]))
        first, second, third = zip(*found, strict=True)
        return torch.cat(first), torch.cat(second), torch.cat(third)

    def exact(self, rows: Tensor, numbers: Tensor) -> Tensor:
        """Squared distances (P,) in float64 from the differences: 0 exactly for copies."""
        distances = [
            (self.points[i].double() - self.others[j].double()).square().sum(1)
            for i, j in zip(torch.split(self.start + rows, _PAIRS), torch.split(numbers, _PAIRS), strict=True)
        ]
        return torch.cat(distances)

    def _inside(self, rows: Tensor, groups: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Numbers and approximations (P, depth) of the members of groups, and the rows (P,), some at a time."""
        for some, of in zip(torch.split(rows, _PAIRS), torch.split(groups, _PAIRS), strict=True):
            numbers = self.groups.members[of]
            with torch.autocast(self.lifted.device.type, enabled=False):
                values = torch.bmm(self.groups.lifted[of], self.lifted[some].unsqueeze(2)).squeeze(2)
            if self.skip_self:
                values = values.masked_fill(numbers == (self.start + some).unsqueeze(1), torch.inf)
            yield numbers, values, some


def views(points: Tensor, others: Tensor, groups: int, skip_self: bool = False) -> Iterator[View]:
    """Of points (N, d) on others (M, d) in at least so many groups, some points at a time.

    Raises:
        ValueError: a feature is not finite.
    """
    lifted, lifted_others, error, _ = _lifted(points, others)
    grouped = _Groups.dealt(lifted_others, groups)
    tiles = grouped.tiles(_COLUMNS)
    group_of = layer_of = None
    if skip_self:
        group_of = torch.arange(len(points), device=points.device) % len(grouped.members)
        layer_of = torch.arange(len(points), device=points.device).div(len(grouped.members), rounding_mode="floor")
    buffer = lifted.new_empty(_ROWS * max(len(tile.lifted) for tile in tiles))
    for start in range(0, len(points), _ROWS):
        block = slice(start, min(start + _ROWS, len(points)))
        rows = lifted[block]
        minima = lifted.new_empty(len(rows), len(grouped.members))
        for tile in tiles:
            products, first, last = _product(rows, tile.lifted, buffer), tile.groups.start, tile.groups.stop
            if group_of is not None and layer_of is not None:
                here = ((group_of[block] >= first) & (group_of[block] < last)).nonzero().squeeze(1)
                own = layer_of[block][here] * (last - first) + group_of[block][here] - first
                products[here, own] = torch.inf
            torch.amin(products.view(len(rows), -1, last - first), 1, out=minima[:, tile.groups])
        yield View(start, points, others, rows, grouped, minima, error[block], skip_self)


def crossed(
    points: Tensor, others: Tensor, alike: Tensor, others_alike: Tensor
) -> tuple[Iterator[View], Iterator[View]]:
    """Of points (N, d) on others (M, d), and of the others on the points, from one product.

    Args:
        points: (N, d).
        others: (M, d).
        alike: (N,); points of similar values stand in one group.
        others_alike: (M,), the same for the others.

    Raises:
        ValueError: a feature is not finite.
    """
    lifted, lifted_others, error, error_of_others = _lifted(points, others)
    grouped, grouped_others = _Groups.alike(lifted, alike), _Groups.alike(lifted_others, others_alike)
    tiles, tiles_of_others = grouped.tiles(_ROWS), grouped_others.tiles(_COLUMNS)
    minima = lifted.new_empty(grouped.members.numel(), len(grouped_others.members))
    minima_of_others = lifted.new_empty(grouped_others.members.numel(), len(grouped.members))
    buffer = lifted.new_empty(max(len(t.lifted) for t in tiles) * max(len(t.lifted) for t in tiles_of_others))
    for rows in tiles:
        for columns in tiles_of_others:
            products = _product(rows.lifted, columns.lifted, buffer)
            height, width = rows.groups.stop - rows.groups.start, columns.groups.stop - columns.groups.start
            torch.amin(products.view(len(products), -1, width), 1, out=minima[rows.places, columns.groups])
            minima_of_others[columns.places, rows.groups] = products.view(-1, height, products.shape[1]).amin(0).T
    return (
        _in_blocks(points, others, lifted, grouped_others, error, minima, tiles),
        _in_blocks(others, points, lifted_others, grouped, error_of_others, minima_of_others, tiles_of_others),
    )


def _in_blocks(
    points: Tensor,
    others: Tensor,
    lifted: Tensor,
    groups: _Groups,
    error: Tensor,
    minima: Tensor,
    tiles: list[_Tile],
) -> Iterator[View]:
    """Of points (N, d) as they are numbered, whose minima stand as their tiles do."""
    numbers = torch.cat([tile.members for tile in tiles])
    places = numbers.new_empty(len(points) + 1)
    places[numbers] = torch.arange(len(numbers), device=numbers.device)
    for start in range(0, len(points), _ROWS):
        block = slice(start, min(start + _ROWS, len(points)))
        yield View(start, points, others, lifted[block], groups, minima[places[block]], error[block])


def _lifted(points: Tensor, others: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Points (N + 1, d + 2) and others (M + 1, d + 2) whose products are roughly squared distances, and their errors.

    They are (x, 1, |x|^2) . (-2y, |y|^2, 1). The last of each is infinitely far away.
    Any order of summation of n products errs by at most n u / (1 - n u) times the sum of their magnitudes
    (Higham 2002, section 3.1), here at most 2|x|^2 + 2|y|^2; the spare terms cover the rounding of the lifted
    vectors themselves, and of the difference when an offset is taken from a product.
    """
    dtype = _product_dtype(points.device)
    origin = others.double().mean(0)  # less to cancel
    x, y = points.double() - origin, others.double() - origin
    x_norm, y_norm = x.square().sum(1, keepdim=True), y.square().sum(1, keepdim=True)
    if not (x_norm.isfinite().all() and y_norm.isfinite().all()):
        raise ValueError("features must be finite")
    spare = 2 * (x.shape[1] + 8) * torch.finfo(dtype).eps / 2
    x_error, y_error = spare * (x_norm + y_norm.max()).squeeze(1), spare * (y_norm + x_norm.max()).squeeze(1)
    far = x.new_zeros(1, x.shape[1] + 2)
    far_x, far_y = far.clone(), far.clone()
    far_x[:, -2], far_x[:, -1] = 1, torch.inf
    far_y[:, -2], far_y[:, -1] = torch.inf, 1
    lifted_x = torch.cat([torch.cat([x, torch.ones_like(x_norm), x_norm], 1), far_x])
    lifted_y = torch.cat([torch.cat([-2 * y, y_norm, torch.ones_like(y_norm)], 1), far_y])
    return lifted_x.to(dtype), lifted_y.to(dtype), x_error.to(dtype), y_error.to(dtype)


def _product(rows: Tensor, columns: Tensor, buffer: Tensor) -> Tensor:
    """Rows (B, d + 2) by columns (C, d + 2), in the buffer's memory: (B, C)."""
    products = buffer[: len(rows) * len(columns)].view(len(rows), len(columns))
    return torch.mm(rows, columns.T, out=products)


def _padded(order: Tensor, groups: int) -> Tensor:
    """An order (N,) of points, with N at its end as often as groups of one size need."""
    depth = -(-len(order) // groups)
    return torch.cat([order, order.new_full((groups * depth - len(order),), len(order))])


def _product_dtype(device: torch.device) -> torch.dtype:
    """Float32 where a product of float32 matrices is known to keep its precision, else float64."""
    try:
        full = torch.get_float32_matmul_precision() == "highest"
    except RuntimeError:  # set per backend, through the newer interface
        full = False
    return torch.float32 if full and device.type == "cpu" else torch.float64
