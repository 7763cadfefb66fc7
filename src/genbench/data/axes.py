"""Where the axes of an array of images lie: by how many labels there are, by its shape, and where neither says it by
how alike neighbouring pixels are.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from genbench.data.found import Sliceable
from genbench.errors import UserError

_SEEN = 500  # rows that say in which order their colours are
_COMPARED = 50  # images that say whether they are rows or columns
_BLOCK = 64  # values along each axis, which say which of three counts the images
_PLAINLY = 0.8  # or less: how much neighbours differ in what is right, of how much they do in what is not
_CHANNELS = (1, 3, 4)
_SMALLEST = 8  # pixels of a side: fewer are no picture, where nothing but the shape says that they are one
_LONGEST = 64  # times as long as wide: nobody's images


@dataclass(frozen=True)
class Layout:
    """Where an array's axes lie."""

    count: int
    height: int
    width: int
    channels: int
    planes: bool = False  # all red, all green, all blue, not colours pixel by pixel
    last: bool = False  # images are counted along the last axis, as MATLAB has them
    note: str = ""  # what was taken, where nothing says it plainly

    def channels_last(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Some of the images as (n, H, W, C).

        Args:
            rows: a slice of the array, along the axis that counts the images.
        """
        images = np.moveaxis(rows, -1, 0) if self.last else rows
        if self.planes:
            return images.reshape(len(images), self.channels, self.height, self.width).transpose(0, 2, 3, 1)
        return images.reshape(len(images), self.height, self.width, self.channels)


def layout_of(where: str, array: Sliceable, count: int | None) -> Layout:
    """What an array's axes are.

    Args:
        where: for messages.
        array: see `arrays.part_of`.
        count: how many images there must be, where labels say that.

    Raises:
        UserError: it is not images, or nothing says which of its axes counts them.
    """
    shape = tuple(array.shape)
    last = count is not None and shape[-1] == count and shape[0] != count  # MATLAB counts along the last axis
    found = None
    if len(shape) == 2:
        found = _of_table(where, array, count)
    elif len(shape) == 3:
        found = _of_grey(array, count, last=last)
    elif len(shape) == 4:
        found = _of_colour(shape, count, last=last)
    if found is None:
        raise UserError(
            f"{where} has shape {shape}: must be (N, H, W), (N, H, W, C) or (N, C, H, W) with 1, 3 or 4 channels C, or"
            " rows of the pixels of square images"
        )
    return found


def _of_grey(array: Sliceable, count: int | None, *, last: bool) -> Layout | None:
    shape = tuple(array.shape)
    of_last = Layout(shape[2], shape[0], shape[1], 1, last=True)
    if last:
        return of_last
    is_long = max(shape[1:]) > _LONGEST * max(1, min(shape[1:]))
    is_square = count is None and shape[0] == shape[1] < shape[2]  # MATLAB's squares, or as many images as each is high
    if is_square and is_long:  # or else 28 images of 28 x 5000
        return of_last
    if shape[2] in _CHANNELS and shape[1] >= _SMALLEST:  # one colour picture is no row of pictures of its lines
        return None
    if count != shape[0] and is_long:
        return None
    of_first = Layout(shape[0], shape[1], shape[2], 1)
    return of_first if count is not None else _by_pixels(array, of_first, of_last, is_square=is_square)


def _by_pixels(array: Sliceable, first: Layout, last: Layout, *, is_square: bool) -> Layout:
    """Of two readings of an array that one that its pixels say, if the shape is that of both; else the first."""
    is_first = _is_first(array)
    one, other = (f"{each.count:,} of {each.width}x{each.height}" for each in (first, last))
    if is_square and is_first is None:
        said = "the images are counted along the last axis, but nothing says so plainly"
        return replace(last, note=f"{said}: if they are not {other}, but {one}, save them as a[..., None]")
    if not is_square and is_first is False:
        said = "the images are counted along the first axis, though along it values change as within an image"
        return replace(first, note=f"{said}: if they are not {one}, but {other}, save them as np.moveaxis(a, -1, 0)")
    return last if is_square and not is_first else first


def _is_first(array: Sliceable) -> bool | None:
    """Whether the first of three axes counts the images, not the last; None where neither is plain.

    Pixels have an order, in which neighbours are alike; images come in any.
    """
    if min(array.shape) < 2 or array.dtype.kind not in "uibf":
        return None
    starts = (max(0, (side - _BLOCK) // 2) for side in array.shape)  # of the middle: corners are mostly of one colour
    block = np.asarray(array[tuple(slice(start, start + _BLOCK) for start in starts)]).astype(np.float64)
    along_first, along_last = (_disorder(np.moveaxis(block, axis, 0)) for axis in (0, 2))
    if along_last < _PLAINLY * along_first:
        return True
    return False if along_first < _PLAINLY * along_last else None


def _disorder(values: npt.NDArray[Any]) -> float:
    """How much neighbours along the first axis differ, of how much any two there do: 1 where their order is any."""
    count = len(values)
    with np.errstate(invalid="ignore"):  # infinite values are refused later
        apart = [float(np.abs(values[k:] - values[:-k]).sum()) for k in range(1, count)]
    mean = sum(apart) / (count * (count - 1) / 2)
    return apart[0] / (count - 1) / mean if mean > 0 else 1.0


def _of_colour(shape: tuple[int, ...], count: int | None, *, last: bool) -> Layout | None:
    by_shape = count is None and shape[3] not in _CHANNELS and shape[1] not in _CHANNELS
    if shape[2] in _CHANNELS and (last or (shape[2] != 4 and shape[3] not in _CHANNELS and shape[1] not in (1, 3))):
        return Layout(shape[3], shape[0], shape[1], shape[2], last=True)
    if shape[0] in (1, 3) and (last or by_shape):
        return Layout(shape[3], shape[1], shape[2], shape[0], planes=True, last=True)
    if last:
        return None
    if shape[3] in _CHANNELS:
        return Layout(shape[0], shape[1], shape[2], shape[3])
    return Layout(shape[0], shape[2], shape[3], shape[1], planes=True) if shape[1] in _CHANNELS else None


# Rows or columns of pixels


def _of_table(where: str, array: Sliceable, count: int | None) -> Layout | None:
    """Images are rows or, if there are as many labels as columns or the pixels say so, columns."""
    rows, columns = array.shape
    if count == columns != rows:
        return _of_pixels(array, last=True) if _is_square(rows, 2) else None
    if not _is_square(columns, 2):
        return None
    of_rows = _of_pixels(array, last=False)
    if count == rows != columns or not _is_square(rows, _SMALLEST) or array.dtype.kind not in "uibf":
        return of_rows
    of_columns = _of_pixels(array, last=True)
    some_rows = np.asarray(array[:: max(1, rows // _COMPARED)])
    some_columns = np.asarray(array[:, :: max(1, columns // _COMPARED)])
    by_rows, by_columns = _unlike(of_rows.channels_last(some_rows)), _unlike(of_columns.channels_last(some_columns))
    if by_rows < _PLAINLY * by_columns:
        return of_rows
    if by_columns < _PLAINLY * by_rows:
        return of_columns
    raise UserError(
        f"{where} has shape {(rows, columns)}, and nothing says whether its rows are the images or its columns: save"
        " them with three axes, a.reshape(N, H, W) if they are rows, a.T.reshape(N, H, W) if they are columns"
    )


def _is_square(count: int, smallest: int) -> bool:
    """Whether so many pixels are those of a grey or a colour square."""
    sides = ((planes, math.isqrt(count // planes)) for planes in (1, 3))
    return any(planes * side * side == count and side >= smallest for planes, side in sides)


def _of_pixels(array: Sliceable, *, last: bool) -> Layout:
    count, pixels = array.shape[::-1] if last else array.shape
    side = math.isqrt(pixels)
    if side * side == pixels:
        return Layout(count, side, side, 1, last=last)
    side = math.isqrt(pixels // 3)
    seen = np.asarray(array[:, :_SEEN]).T if last else np.asarray(array[:_SEEN])
    return Layout(count, side, side, 3, planes=_is_planes(seen, side), last=last)


def _is_planes(rows: npt.NDArray[Any], side: int) -> bool:
    """Whether rows are all red, all green, all blue, as CIFAR-10's, or colours pixel by pixel: neighbours are alike."""
    if side < 2 or not rows.size or rows.dtype.kind not in "uibf":
        return True
    values = rows.astype(np.float64)
    planes = np.abs(np.diff(values.reshape(-1, 3, side, side), axis=3)).mean()
    pixels = np.abs(np.diff(values.reshape(-1, side, side, 3), axis=2)).mean()
    return not pixels < _PLAINLY * planes


def _unlike(images: npt.NDArray[Any]) -> float:
    """How much neighbouring pixels differ, of how much they do in the same images with their pixels shuffled."""
    values = images.astype(np.float64)
    n, height, width, channels = values.shape
    places = np.random.default_rng(0).permutation(height * width)
    shuffled = values.reshape(n, -1, channels)[:, places].reshape(values.shape)
    here, there = (
        np.abs(np.diff(each, axis=1)).mean() + np.abs(np.diff(each, axis=2)).mean() for each in (values, shuffled)
    )
    return float(here / there) if there > 0 else 1.0
