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
from genbench.data.found import Arrays, Sliceable
from genbench.data.memory import SHARE, memory
from genbench.data.names import is_images, is_label, split_in
from genbench.errors import UserError

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MOST = 1_000  # arrays
_DEEPEST = 16  # groups in groups, and links to links
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


def arrays(path: Path, *, reverse: bool = False) -> Arrays:
    """The arrays of numbers and names, those in groups by names with slashes; one of several names by what tells more.

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
            tree = _Tree(h5py, path, file)
            tree.walk(file, "", ())
            found: dict[str, Sliceable] = {}
            for name, dataset in tree.named():
                array = _Array(path, name, dataset, reverse=reverse)
                reason = array.unusable(h5py)
                if reason is None:
                    found[name] = array
                elif reason:
                    tree.left_out[name] = reason
                if len(found) > _MOST:
                    raise _too_many(path)
            opened.pop_all()  # open as long as an array of it is
            return Arrays(found, left_out=tree.left_out)
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> UserError:
    reason = " ".join(str(error).split())[:200]
    return UserError(
        f"{path} is not a readable HDF5 file ({reason}): write it anew, h5py.File('images.h5', 'w')['images'] = images"
    )


def _too_many(path: Path) -> UserError:
    return UserError(
        f"{path} has more than {_MOST:,} datasets: put the images into one, file['images'] = np.stack(images)"
    )


class _Tree:
    """The datasets of an open file by all their names, and what cannot be followed."""

    def __init__(self, h5py: Any, path: Path, file: Any) -> None:
        self.h5py, self.path, self.file = h5py, path, file
        self.datasets: dict[int, tuple[Any, list[str]]] = {}  # by address
        self.left_out: dict[str, str] = {}
        self.seen: set[int] = set()  # groups
        self.again = 0

    def walk(self, group: Any, before: str, above: tuple[int, ...]) -> None:
        """Look at what is in a group and below it; by links a group may hold itself."""
        address = self._address(group)
        if address in above or len(above) > _DEEPEST:
            return
        self.again += address in self.seen  # through few groups with many names there are endless ways
        self.seen.add(address)
        for name in group:
            if name.startswith("#"):  # MATLAB keeps the contents of cells in #refs#.
                continue
            item = self._followed(group, name, 0)
            if isinstance(item, str):
                self._leave_out(f"{before}{name}", item)
            elif isinstance(item, self.h5py.Group):
                self.walk(item, f"{before}{name}/", (*above, address))
            elif isinstance(item, self.h5py.Dataset):
                names = self.datasets.setdefault(self._address(item), (item, []))[1]
                self.again += bool(names)
                names.append(f"{before}{name}")
            if self.again > _MOST:
                raise _too_many(self.path)

    def named(self) -> Iterator[tuple[str, Any]]:
        """Each dataset once for each thing that its names say: images or labels, and of which split."""
        for dataset, names in self.datasets.values():
            said: dict[tuple[bool, str | None], str] = {}
            for name in names:
                if is_label(name) or is_images(name):
                    said.setdefault((is_label(name), split_in(name)), name)
            yield from ((name, dataset) for name in said.values() or names[:1])

    def _address(self, item: Any) -> int:
        return int(self.h5py.h5o.get_info(item.id).addr)

    def _leave_out(self, name: str, reason: str) -> None:
        self.left_out[name] = reason
        if len(self.left_out) > _MOST:
            raise _too_many(self.path)

    def _followed(self, group: Any, name: str, steps: int) -> Any:
        """What a name stands for in a group, or in words why that is not to be had: HDF5 would open other files."""
        link = group.get(name, getlink=True)
        if isinstance(link, self.h5py.ExternalLink):
            return "it is in another file"
        if isinstance(link, self.h5py.HardLink):
            return group[name]
        if steps > _DEEPEST:
            return "its links go round"
        item = self.file if link.path.startswith("/") else group
        for step in link.path.split("/"):
            if step in ("", "."):
                continue
            if not isinstance(item, self.h5py.Group) or item.get(step, getlink=True, default=None) is None:
                return "it links to nothing"
            item = self._followed(item, step, steps + 1)
            if isinstance(item, str):
                return item
        return item


class _Array:
    """A dataset of an open file, or MATLAB's view of it."""

    def __init__(self, path: Path, name: str, dataset: Any, *, reverse: bool) -> None:
        self.path, self.name, self.dataset, self.reverse = path, name, dataset, reverse
        self.logical = False
        self.text = False

    def unusable(self, h5py: Any) -> str | None:
        """Why it is no array of numbers or names that lies in this file, all of it; None where it is one."""
        data = self.dataset
        if data.shape == ():
            return ""  # a number is about the others
        called = data.attrs.get("MATLAB_class", b"") if self.reverse else b""
        if called in (b"char", b"cell", b"struct", b"function_handle"):
            return {b"char": "text", b"cell": "a cell"}.get(called, "no numbers")
        if data.shape is None or (self.reverse and "MATLAB_empty" in data.attrs):
            return "it is empty"
        try:
            kind = data.dtype.kind
        except TypeError:  # NumPy has no such numbers
            return "no numbers"
        if data.external or data.is_virtual:
            return "its values are in other datasets or files"
        self.text = h5py.check_string_dtype(data.dtype) is not None
        if kind not in "biuf" and not self.text:
            return "compound" if data.dtype.names else "no numbers"
        self._check_size()
        self.logical = called == b"logical"
        return None

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
