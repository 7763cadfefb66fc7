"""HDF5 files, which are read slice by slice: what is not needed is not read.

Other files that a file names (external links, external storage, virtual datasets) are not opened.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from genbench.cache import regular_file
from genbench.data.found import Sliceable
from genbench.data.memory import SHARE, memory
from genbench.errors import UserError

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MOST = 1_000  # arrays
_DEEPEST = 16  # groups in groups
_CACHE = 64 * 2**20  # bytes of unpacked chunks
_BEST = 1_100  # no usual packing makes less of an array than a part of so many
_SMALL = 64 * 2**20  # bytes; what is smaller may be as empty as it likes
_UNREADABLE = (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, NotImplementedError)


def takes(path: Path) -> bool:
    """By its name."""
    return path.suffix.lower() in (".h5", ".hdf5", ".hdf")


def is_hdf5(path: Path) -> bool:
    """By what it begins with; MATLAB puts 512 bytes before that."""
    with regular_file(path).open("rb") as file:
        for start in (0, 512, 1024, 2048):
            file.seek(start)
            if file.read(len(_SIGNATURE)) == _SIGNATURE:
                return True
    return False


def arrays(path: Path, *, reverse: bool = False) -> dict[str, Sliceable]:
    """The arrays of numbers and names, those in groups by names with slashes.

    Args:
        path: the file.
        reverse: it is MATLAB's, which writes its axes in reverse.
    """
    try:
        import h5py
    except ImportError as error:
        raise UserError(f"reading {path} needs h5py: pip install 'genbench[hdf5]'") from error
    try:
        if not is_hdf5(path):
            raise ValueError("it does not begin as one")
        with ExitStack() as opened:
            file = opened.enter_context(h5py.File(path, "r", locking="best-effort", rdcc_nbytes=_CACHE))
            found: dict[str, Sliceable] = {}
            for name, dataset in _datasets(h5py, file, "", set()):
                array = _Array(path, name, dataset, reverse=reverse)
                if array.usable(h5py):
                    found[name] = array
                if len(found) > _MOST:
                    raise UserError(
                        f"{path} has more than {_MOST:,} datasets: put the images into one,"
                        " file['images'] = np.stack(images)"
                    )
            opened.pop_all()  # open as long as an array of it is
            return found
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> UserError:
    reason = " ".join(str(error).split())[:200]
    return UserError(
        f"{path} is not a readable HDF5 file ({reason}): write it anew, h5py.File('images.h5', 'w')['images'] = images"
    )


def _datasets(h5py: Any, group: Any, before: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Datasets in a group and those below it, each once: by hard links a group may hold itself."""
    seen.add(h5py.h5o.get_info(group.id).addr)
    if before.count("/") > _DEEPEST:
        return
    for name in group:
        # MATLAB keeps the contents of cells in #refs#.
        if name.startswith("#") or not isinstance(group.get(name, getlink=True), h5py.HardLink):
            continue
        item = group[name]
        address = h5py.h5o.get_info(item.id).addr
        if address in seen:
            continue
        seen.add(address)
        if isinstance(item, h5py.Group):
            yield from _datasets(h5py, item, f"{before}{name}/", seen)
        elif isinstance(item, h5py.Dataset):
            yield f"{before}{name}", item


class _Array:
    """A dataset of an open file, or MATLAB's view of it."""

    def __init__(self, path: Path, name: str, dataset: Any, *, reverse: bool) -> None:
        self.path, self.name, self.dataset, self.reverse = path, name, dataset, reverse
        self.logical = False
        self.text = False

    def usable(self, h5py: Any) -> bool:
        """Whether it is an array of numbers or names that lies in this file, all of it."""
        data = self.dataset
        try:
            kind = data.dtype.kind
        except TypeError:  # NumPy has no such numbers
            return False
        if not data.shape or data.external or data.is_virtual:
            return False
        self.text = h5py.check_string_dtype(data.dtype) is not None
        if kind not in "biuf" and not self.text:
            return False
        self._check_size()
        if not self.reverse:
            return True
        called = data.attrs.get("MATLAB_class", b"")
        self.logical = called == b"logical"
        return called not in (b"char", b"cell", b"struct", b"function_handle") and "MATLAB_empty" not in data.attrs

    def _check_size(self) -> None:
        """A few bytes can declare an array that would fill any memory."""
        data = self.dataset
        if data.nbytes > max(_SMALL, _BEST * data.id.get_storage_size()):
            raise UserError(
                f"{self.path}: {self.name} has shape {data.shape}, and most of it is not in the file: write it"
            )
        if prod(data.chunks or (0,)) * data.dtype.itemsize > SHARE * memory():
            raise UserError(
                f"{self.path}: {self.name} is in chunks {data.chunks}, larger than half of the memory: write it in"
                " smaller ones, create_dataset('images', data=images, chunks=(100, *images.shape[1:]))"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        shape = tuple(self.dataset.shape)
        return shape[::-1] if self.reverse else shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(bool) if self.logical else np.dtype(self.dataset.dtype)

    def __getitem__(self, index: Any, /) -> Any:
        parts = _parts(index, len(self.shape))
        counts = [len(range(*part.indices(side))) for part, side in zip(parts, self.shape, strict=True)]
        if prod(counts) * self.dtype.itemsize > SHARE * memory():
            raise UserError(f"{self.path}: {self.name} of shape {self.shape} fills more than half of the memory")
        try:
            if self.text:
                return self._texts(parts)
            values = self.dataset[tuple(parts[::-1] if self.reverse else parts)]
        except _UNREADABLE as error:
            raise _unreadable(self.path, error) from error
        values = values.transpose() if self.reverse else values
        return values.astype(bool) if self.logical else values

    def _texts(self, parts: Sequence[slice]) -> npt.NDArray[Any]:
        """Names, of which many can be the same long one: so few at once that they cannot fill the memory."""
        left = int(SHARE * memory())
        step = max(1, min(4096, left // max(1, self.path.stat().st_size)))
        found = []
        chosen = range(*parts[0].indices(self.shape[0]))
        for start in range(0, len(chosen), step):
            some = chosen[start : start + step]
            values = self.dataset[(slice(some.start, some.stop, some.step), *parts[1:])]
            left -= sum(len(value) for value in values.flat)
            if left < 0:
                raise UserError(f"{self.path}: the names in {self.name} fill more than half of the memory")
            found.append(values)
        return np.concatenate(found) if found else np.empty(0, "U1")


def _parts(index: Any, sides: int) -> list[slice]:
    """A slice for each axis."""
    parts = list(index) if isinstance(index, tuple) else [index]
    if Ellipsis in parts:
        at = parts.index(Ellipsis)
        parts[at : at + 1] = [slice(None)] * (sides - len(parts) + 1)
    return parts + [slice(None)] * (sides - len(parts))
