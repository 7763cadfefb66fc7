"""Arrays of images, of whatever shape, order and type of numbers, as pictures; and arrays of labels."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from genbench.config.data import DataConfig
from genbench.data.axes import layout_of
from genbench.data.found import CHUNK_BYTES, Bytes, Labels, Part, Sliceable
from genbench.data.resizing import fitted_array
from genbench.errors import UserError
from genbench.wording import counted

_LAST_BIT = 1e-5  # of 1: how far above 1 or below 0 rounding may have taken a float


def part_of(
    where: str, images: Sliceable, labels: npt.NDArray[Any] | None, config: DataConfig, count: int | None = None
) -> Part:
    """A split of an array of images and one of labels.

    Args:
        where: file and name of the images, for messages.
        images: (N, H, W), (N, H, W, C), (N, C, H, W) or (N, pixels of a square), or with N last; C 1, 3 or 4.
        labels: (N,), (N, 1), (N, 1, 1, 1) or one-hot (N, classes); None without.
        config: how they are to be read.
        count: N, where it is known without labels.

    Raises:
        UserError: they are something else, or their values are not what they are said to be.
    """
    # How many labels there are says where the images are counted, whether or not they are wanted.
    pictures = ArrayPictures(where, images, count if labels is None else _count(labels), config)
    notes = (pictures.layout.note,) if pictures.layout.note else ()
    if pictures.transparent:
        said = f"{counted(pictures.transparent, 'image')} with transparent pixels, laid on {pictures.background}"
        notes = (*notes, said)
    named = label_array(where, labels, len(pictures)) if config.labels and labels is not None else None
    return Part(pictures, named, notes)


def _count(labels: npt.NDArray[Any]) -> int:
    """How many there are: (N,), (N, classes), MATLAB's (1, N), or PCam's (N, 1, 1, 1)."""
    return labels.size if labels.ndim < 2 or _is_column(labels) else len(labels)


def _is_column(labels: npt.NDArray[Any]) -> bool:
    """Whether all sides but one are 1."""
    return labels.ndim > 1 and labels.shape.count(1) >= labels.ndim - 1


class ArrayPictures:
    """Images in an array."""

    def __init__(self, where: str, array: Sliceable, count: int | None, config: DataConfig) -> None:
        """Look at the array; its values are looked at once.

        Args:
            where: for messages.
            array: see `part_of`.
            count: how many images there must be, where labels say that.
            config: how they are to be read.

        Raises:
            UserError: it is not images, or not in the range that is said.
        """
        self.where, self.array, self.config = where, array, config
        self.layout = layout_of(where, array, count)
        self._levels = _levels(where, self._raw, array.dtype, config)
        self.transparent, hidden = self._opacity() if self.layout.channels == 4 else (0, 0)
        # White signs on nothing.
        self.background = config.background or ("black" if hidden * 2 > len(self) else "white")

    def __len__(self) -> int:
        return self.layout.count

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width, after what `data.size` says."""
        return self.config.sides or (self.layout.height, self.layout.width)

    def chunks(self) -> Iterator[Bytes]:
        """See `found.Pictures`."""
        for raw in self._raw():
            pixels = _quantised(raw, self._levels)
            if pixels.shape[3] == 4:
                pixels = _on(pixels, 0 if self.background == "black" else 255)
            yield fitted_array(pixels, self.sides, self.config.fit)

    def _opacity(self) -> tuple[int, int]:
        """How many images have transparent pixels, and how many of these are all white on white."""
        transparent = hidden = 0
        for raw in self._raw():
            pixels = _quantised(raw, self._levels)
            some = (pixels[..., 3] < 255).any((1, 2))
            on_white = _on(pixels[some], 255)
            transparent += int(some.sum())
            hidden += int((on_white == on_white[:, :1, :1]).all((1, 2, 3)).sum())
        return transparent, hidden

    def _raw(self) -> Iterator[npt.NDArray[Any]]:
        """(n, H, W, C) of the array's own type, some at a time."""
        at = self.layout
        each = max(1, at.height * at.width * at.channels * self.array.dtype.itemsize)
        step = max(1, CHUNK_BYTES // each)
        for start in range(0, at.count, step):
            part = slice(start, min(start + step, at.count))
            yield at.channels_last(np.asarray(self.array[..., part] if at.last else self.array[part]))


def _levels(where: str, chunks: Any, dtype: np.dtype[Any], config: DataConfig) -> tuple[float, float] | None:
    """The values that become 0 and 255; None for bytes as they are."""
    if dtype.kind not in "uibf":
        raise UserError(
            f"{where} is of type {dtype}: must be numbers; to convert it:"
            ' a = np.stack(list(a)).astype("uint8"); np.save("images.npy", a)'
        )
    if dtype.kind == "b":
        return 0.0, 1.0
    if dtype == np.uint8 and config.white is None:
        return None
    low, high = math.inf, -math.inf
    for chunk in chunks():
        if chunk.size:
            least, most = float(chunk.min()), float(chunk.max())
            if not (math.isfinite(least) and math.isfinite(most)):  # NaN is the least and the most of its array
                raise UserError(f"{where} has values that are not finite: replace them, say by np.nan_to_num")
            low, high = min(low, least), max(high, most)
    if low > high:
        low = high = 0.0
    return _checked(where, low, high, dtype, config)


def _checked(where: str, low: float, high: float, dtype: np.dtype[Any], config: DataConfig) -> tuple[float, float]:
    said = f"values from {low:g} to {high:g}"
    if config.white is not None:
        black, white = config.white
        slack = _LAST_BIT * (white - black)
        if low < black - slack or high > white + slack:
            raise UserError(f"{where} has {said}: more than data.scale or data.range says")
        return black, white
    if dtype.kind in "ui":
        if low >= 0 and high <= 255:
            return 0.0, 255.0
        if low < 0:
            raise UserError(f"{where} has {said}: say which are black and white, data.range=[{low:g},{high:g}]")
        raise UserError(f"{where} has {said}: say which is white, data.scale={_white(high)}")
    if low >= -_LAST_BIT and high <= 1 + _LAST_BIT:
        if high < 0.12:
            raise UserError(
                f"{where} has {said}: say which is white, data.scale={high:.3g}; if it is as dark as that, data.scale=1"
            )
        return 0.0, 1.0
    range_ = "[-1,1]" if -1 - _LAST_BIT <= low < 0 and high <= 1 + _LAST_BIT else f"[{min(low, 0.0):g},{high:g}]"
    words = "data.scale=255" if low >= 0 and high <= 255 else f"data.range={range_}"
    raise UserError(f"{where} has {said}, and floats are taken for 0 to 1: say which are black and white, {words}")


def _white(high: float) -> int:
    """The largest value that as many bits hold."""
    return int(2 ** math.ceil(math.log2(high + 1)) - 1)


def _quantised(raw: npt.NDArray[Any], levels: tuple[float, float] | None) -> Bytes:
    if levels is None:
        return np.asarray(raw, np.uint8)
    black, white = levels
    if raw.dtype.kind in "ui" and levels == (0.0, 255.0):
        return raw.astype(np.uint8)
    scaled: npt.NDArray[np.float64] = (raw.astype(np.float64) - black) * (255.0 / (white - black))
    rounded: Bytes = np.rint(scaled.clip(0.0, 255.0)).astype(np.uint8)
    return rounded


def _on(pixels: Bytes, grey: int) -> Bytes:
    """Colours (n, H, W, 4) with their opacity, laid on a grey: (n, H, W, 3)."""
    opacity = pixels[..., 3:].astype(np.uint32)
    laid = pixels[..., :3] * opacity + grey * (255 - opacity)
    return ((laid + 127) // 255).astype(np.uint8)


def label_array(where: str, labels: npt.NDArray[Any], count: int) -> Labels:
    """Labels as whole numbers or names, (count,).

    Args:
        where: file and name, for messages.
        labels: whole numbers (floats that are whole as well), true or false, or names; (N,) or one-hot, or
            (N,) with more sides of 1.
        count: of the images.

    Raises:
        UserError: they are something else, or not as many.
    """
    off = "data.labels=false trains without them"
    if _is_column(labels):
        labels = labels.reshape(-1)  # (N, 1), MATLAB's (1, N), or PCam's (N, 1, 1, 1)
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    if labels.dtype.kind == "O":
        plain = (item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in labels.flat)
        labels = np.array(list(plain))
        if labels.dtype.kind not in "iufbU" or len(labels) != count:
            raise UserError(f"{where}: the labels are of mixed types: {off}")
    if labels.ndim == 2 and len(labels) == count and labels.dtype.kind in "iufb":
        one_hot = bool(((labels == 0) | (labels == 1)).all() and (labels.sum(1) == 1).all())
        if not one_hot:
            raise UserError(f"{where}: images have several labels each, {labels.shape}, or none: {off}")
        return np.asarray(labels.argmax(1))
    if labels.shape != (count,):
        raise UserError(f"{where}: {count} images, and labels of shape {labels.shape}: must be one an image; {off}")
    if labels.dtype.kind == "f":
        if not bool(np.isfinite(labels).all() and (labels == np.rint(labels)).all()):
            raise UserError(f"{where}: the labels are not whole numbers: {off}")
        labels = labels.astype(np.int64)
    if labels.dtype.kind == "b":
        labels = labels.astype(np.int64)
    if labels.dtype.kind not in "iuU":
        raise UserError(f"{where}: the labels are of type {labels.dtype}: must be whole numbers or names; {off}")
    return labels
