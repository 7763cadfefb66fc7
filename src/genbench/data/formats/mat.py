"""MATLAB's files. Up to version 7.2 they are read here; 7.3 is HDF5, with MATLAB's axes in reverse.

SciPy reads the oldest only: of the others it makes whatever size a few bytes declare, and here files come from anybody.
"""

import io
import struct
import zlib
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from genbench.cache import regular_file
from genbench.data.formats import hdf5
from genbench.data.found import Arrays, Sliceable
from genbench.data.memory import SHARE, memory
from genbench.data.names import is_label
from genbench.errors import UserError

# The types that values are stored in, and those that MATLAB has them in.
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_KINDS = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_MATRIX, _COMPRESSED = 14, 15
_STRUCT = 2
_COMPLEX, _LOGICAL = 0x800, 0x200
_DEEPEST = 16  # structs in structs
_AT_ONCE = 2**20
_BY_LINES = (
    "rows of pixels are read line by line; if the images lie on their side, save them turned, in Python:"
    ' np.save("images.npy", a.reshape(-1, H, W).transpose(0, 2, 1))'
)
_UNREADABLE = (OSError, ValueError, TypeError, KeyError, IndexError, NotImplementedError, struct.error, zlib.error)


def takes(path: Path) -> bool:
    """By its name."""
    return path.suffix.lower() == ".mat"


def arrays(path: Path) -> Arrays:
    """The arrays of numbers, those in a struct by names with a slash: train/images."""
    found = _arrays(path)
    # EMNIST's pixels stand column by column, as MATLAB's arrays do, CIFAR-10's line by line: nothing tells which.
    notes = {name: _BY_LINES for name, array in found.items() if len(array.shape) == 2 and not is_label(name)}
    return Arrays(found, notes)


def _arrays(path: Path) -> dict[str, Sliceable]:
    try:
        regular_file(path)
        if hdf5.is_hdf5(path):
            return hdf5.arrays(path, reverse=True)
        with path.open("rb") as file:
            header = file.read(128)
        if 0 in header[:4]:
            return _oldest(path)
        if len(header) < 128:
            raise ValueError("it is too short")
        return _Reader(path, "<" if header[126:128] == b"IM" else ">").arrays()
    except _UNREADABLE as error:
        raise UserError(
            f"{path} is not a readable MATLAB file ({' '.join(str(error).split())}): save it anew,"
            " save('images.mat', 'X', 'y', '-v7')"
        ) from error


def _oldest(path: Path) -> dict[str, Sliceable]:
    """Of version 4: matrices as they are."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    if path.stat().st_size > SHARE * memory():
        raise _too_large(path)
    try:
        content = loadmat(io.BytesIO(path.read_bytes()))  # of a file it would make room for as much as is declared
    except MatReadError as error:
        raise ValueError(str(error)) from error
    return {
        name: values
        for name, values in content.items()
        if isinstance(values, np.ndarray) and values.dtype.kind in "uifb" and not name.startswith("__")
    }


def _too_large(path: Path) -> UserError:
    return UserError(
        f"{path} holds more than half of the memory: save it as HDF5, which is read piece by piece,"
        " save('images.mat', 'X', 'y', '-v7.3')"
    )


@dataclass
class _Element:
    """A piece of a file, and where what follows it begins."""

    kind: int
    data: memoryview
    end: int


class _Reader:
    """A file of version 5 to 7.2. No more is made of it than it holds, unpacked."""

    def __init__(self, path: Path, order: str) -> None:
        self.path, self.order = path, order
        self.left = int(SHARE * memory())
        self.found: dict[str, Sliceable] = {}

    def arrays(self) -> dict[str, Sliceable]:
        """All arrays of numbers."""
        with self.path.open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(128)
            while len(tag := file.read(8)) == 8:
                kind, count = struct.unpack(f"{self.order}II", tag)
                if count > size - file.tell():
                    raise ValueError("it is cut off")
                if kind == _COMPRESSED:
                    self._matrix(self._unpacked(file.read(count)), "", 0)
                elif kind == _MATRIX:
                    self._spend(count)
                    self._matrix(memoryview(file.read(count)), "", 0)
                else:
                    raise ValueError(f"it holds something of kind {kind}")
        tops = {name.partition("/")[0] for name in self.found}
        if len(tops) == 1 and all("/" in name for name in self.found):  # EMNIST has all in one struct
            return {name.partition("/")[2]: values for name, values in self.found.items()}
        return self.found

    def _unpacked(self, packed: bytes) -> memoryview:
        """The one matrix in a compressed element."""
        unpacking = zlib.decompressobj()
        kind, count = struct.unpack(f"{self.order}II", unpacking.decompress(packed, 8))
        if kind != _MATRIX:
            return memoryview(b"")
        self._spend(count)
        data = bytearray()
        rest = unpacking.unconsumed_tail
        while len(data) < count:
            some = unpacking.decompress(rest, min(_AT_ONCE, count - len(data)))
            if not some:
                raise ValueError("it is cut off")
            data += some
            rest = unpacking.unconsumed_tail
        if unpacking.decompress(rest, 1) or not unpacking.eof:  # at the end the checksum is looked at
            raise ValueError("it is damaged")
        return memoryview(data)

    def _spend(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise _too_large(self.path)

    def _matrix(self, data: memoryview, name: str, depth: int) -> None:
        """Find the arrays in a matrix: itself, or the fields of a struct; what is anything else is left out."""
        if len(data) < 16:
            return
        flags = self._element(data, 0)
        word = struct.unpack(f"{self.order}I", flags.data[:4])[0]
        sides = self._element(data, flags.end)
        shape = tuple(int(side) for side in self._plain(sides, "i4"))
        called = self._element(data, sides.end)
        name = name or bytes(called.data).decode("latin-1")
        if not name or name.startswith("__") or not shape or min(shape) < 0:
            return
        kind = word & 0xFF
        if kind == _STRUCT and prod(shape) == 1 and depth < _DEEPEST:
            self._struct(data, called.end, name, depth)
        elif kind in _KINDS and not word & _COMPLEX:
            values = self._plain(self._element(data, called.end), _KINDS[kind])
            if len(values) != prod(shape):
                raise ValueError(f"{name} has {len(values)} values, not those of {shape}")
            if word & _LOGICAL:
                values = values.astype(bool)
            self.found[name] = values.reshape(shape, order="F")

    def _struct(self, data: memoryview, at: int, name: str, depth: int) -> None:
        length = self._element(data, at)
        each = int(self._plain(length, "i4")[0])
        names = self._element(data, length.end)
        if each < 1:
            raise ValueError(f"{name} has fields without names")
        at = names.end
        for start in range(0, len(names.data), each):
            field = self._element(data, at)
            called = bytes(names.data[start : start + each]).split(b"\0")[0].decode("latin-1")
            self._matrix(field.data, f"{name}/{called}", depth + 1)
            at = field.end

    def _element(self, data: memoryview, at: int) -> _Element:
        """What begins at a place: eight bytes of kind and size before it, or four where it is small."""
        kind, count = struct.unpack_from(f"{self.order}II", data, at)
        if kind >> 16:
            small = data[at + 4 : at + 4 + min(kind >> 16, 4)]
            return _Element(kind & 0xFFFF, small, at + 8)
        if count > len(data) - at - 8:
            raise ValueError("it is cut off")
        return _Element(kind, data[at + 8 : at + 8 + count], at + 8 + count + -count % 8)

    def _plain(self, element: _Element, kind: str) -> npt.NDArray[Any]:
        """An element's numbers: whole ones are stored in smaller types than MATLAB has them in."""
        if element.kind not in _STORED:
            raise ValueError(f"it holds numbers of kind {element.kind}")
        values = np.frombuffer(element.data, np.dtype(self.order + _STORED[element.kind]))
        wanted = np.dtype(kind)
        if values.dtype == wanted:
            return values
        if wanted.kind == "f" and values.dtype.kind in "ui" and values.max(initial=0) > 1:
            return values  # 0 to 255 that became floats on the way; 0 and 1 are black and white as floats only
        self._spend(len(values) * wanted.itemsize)
        return values.astype(wanted)
