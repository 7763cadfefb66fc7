"""MATLAB's files. Up to version 7.2 they are read here; 7.3 is HDF5, with MATLAB's axes in reverse.

SciPy reads the oldest only: of the others it makes whatever size a few bytes declare, and here files come from anybody.
"""

import io
import struct
import zlib
from collections.abc import Mapping
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
from genbench.data.names import is_label, is_split, missed, pairs
from genbench.errors import UserError

# The types that values are stored in, and those that MATLAB has them in.
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_KINDS = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR, _OBJECT = 1, 2, 4, 17
_CODES = {2: "latin-1", 4: "utf-16-{}", 16: "utf-8", 17: "utf-16-{}", 18: "utf-32-{}"}  # of characters
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
    """The arrays of numbers, those in a struct by names with a slash: train/images; labels may be names as well."""
    found = _arrays(path)
    # EMNIST's pixels stand column by column, as MATLAB's arrays do, CIFAR-10's line by line: nothing tells which.
    notes = {name: _BY_LINES for name, array in found.items() if len(array.shape) == 2 and not is_label(name)}
    return Arrays(found, notes, found.left_out)


def _arrays(path: Path) -> Arrays:
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


def _oldest(path: Path) -> Arrays:
    """Of version 4: matrices as they are."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    if path.stat().st_size > SHARE * memory():
        raise _too_large(path)
    try:
        content = loadmat(io.BytesIO(path.read_bytes()))  # of a file it would make room for as much as is declared
    except MatReadError as error:
        raise ValueError(str(error)) from error
    found: dict[str, Sliceable] = {}
    texts: dict[str, npt.NDArray[Any]] = {}
    left_out: dict[str, str] = {}
    for name, values in content.items():
        if name.startswith("__"):
            continue
        if isinstance(values, np.ndarray) and values.dtype.kind in "uifb":
            found[name] = values
        elif isinstance(values, np.ndarray) and values.dtype.kind == "U" and _is_text(name) and values.size > 1:
            texts[name] = np.char.rstrip(values)
        else:
            left_out[name] = "text" if isinstance(values, np.ndarray) and values.dtype.kind == "U" else "no numbers"
    return _with_names(found, texts, left_out)


def _is_text(name: str) -> bool:
    """Whether words may be wanted of what is called so."""
    return is_label(name) or is_split(name)


def _with_names(found: dict[str, Sliceable], texts: Mapping[str, npt.NDArray[Any]], left_out: dict[str, str]) -> Arrays:
    """Names are taken for labels where no numbers are: beside those they may be what the classes are called."""
    named = pairs(found)
    wanted = {name: values for name, values in texts.items() if missed(name, named) == "labels" or is_split(name)}
    return Arrays(found | wanted, left_out=left_out | {name: "text" for name in texts if name not in wanted})


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
        self.texts: dict[str, npt.NDArray[Any]] = {}
        self.left_out: dict[str, str] = {}

    def arrays(self) -> Arrays:
        """All arrays of numbers, and labels that are names."""
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
            before = f"{tops.pop()}/"
            return _with_names(
                {name.removeprefix(before): values for name, values in self.found.items()},
                {name.removeprefix(before): values for name, values in self.texts.items()},
                {name.removeprefix(before): reason for name, reason in self.left_out.items()},
            )
        return _with_names(self.found, self.texts, self.left_out)

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
        """Find the arrays in a matrix: itself, or the fields of a struct; what else there is is left out, and said."""
        if len(data) < 16:
            return
        word, shape, called, at = self._header(data)
        name = name or called
        if not name or name.startswith("__") or not shape or min(shape) < 0:
            return
        kind = word & 0xFF
        if kind == _STRUCT and prod(shape) == 1 and depth < _DEEPEST:
            self._struct(data, at, name, depth)
        elif kind in _KINDS and not word & _COMPLEX:
            values = self._plain(self._element(data, at), _KINDS[kind])
            if len(values) != prod(shape):
                raise ValueError(f"{name} has {len(values)} values, not those of {shape}")
            if word & _LOGICAL:
                values = values.astype(bool)
            self.found[name] = values.reshape(shape, order="F")
        elif kind in (_CELL, _CHAR):
            names = self._names(data, at, shape, kind) if _is_text(name) else None
            if names is None:
                self.left_out[name] = "text" if kind == _CHAR else "a cell"
            else:
                self.texts[name] = names
        else:
            self.left_out[name] = "complex numbers" if kind in _KINDS else "no numbers"

    def _header(self, data: memoryview) -> tuple[int, tuple[int, ...], str, int]:
        """A matrix's kind with its flags, shape and name, and where its content begins."""
        flags = self._element(data, 0)
        word = struct.unpack(f"{self.order}I", flags.data[:4])[0]
        sides = self._element(data, flags.end)
        if word & 0xFF == _OBJECT:  # MATLAB's strings and categories: they have no shape here
            return word, (1,), bytes(sides.data).decode("latin-1"), sides.end
        shape = tuple(int(side) for side in self._plain(sides, "i4"))
        called = self._element(data, sides.end)
        return word, shape, bytes(called.data).decode("latin-1"), called.end

    def _names(self, data: memoryview, at: int, shape: tuple[int, ...], kind: int) -> npt.NDArray[Any] | None:
        """Several names, in the rows of a matrix of characters or in a cell; None if it holds anything else."""
        names: list[str] = []
        if kind == _CHAR:
            names = self._rows(data, at, shape)
        else:
            for _ in range(prod(shape)):
                field = self._element(data, at)
                at = field.end
                word, sides, _, start = self._header(field.data) if len(field.data) else (0, (0,), "", 0)
                row = self._rows(field.data, start, sides) if word & 0xFF == _CHAR else []
                if len(row) != 1:
                    return None
                names += row
        if len(names) < 2 or not all(names):
            return None
        self._spend(4 * len(names) * max(map(len, names)))
        return np.array(names)

    def _rows(self, data: memoryview, at: int, shape: tuple[int, ...]) -> list[str]:
        """The rows of a matrix of characters, without the blanks that make them equally long; none if it is damaged."""
        element = self._element(data, at)
        text = bytes(element.data).decode(
            _CODES.get(element.kind, "ascii").format("le" if self.order == "<" else "be"), "replace"
        )
        if not text or len(shape) != 2 or len(text) != prod(shape):
            return []
        self._spend(64 * shape[0])
        return [text[i :: shape[0]].rstrip() for i in range(shape[0])]

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
