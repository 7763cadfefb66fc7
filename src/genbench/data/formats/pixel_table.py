"""A table of pixels, a row an image, as Kaggle has them: CSV or TSV, packed by gzip or not."""

import gzip
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from genbench.cache import regular_file
from genbench.data.arrays import Sliceable
from genbench.data.memory import SHARE, memory
from genbench.data.names import is_label
from genbench.errors import UserError

_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_LONGEST = 2**23  # characters of a line: what is longer is no row of an image of 256x256
_SMALLEST = 8  # pixels of a side: a table of fewer columns is one of measurements
_AT_ONCE = 2**21  # values
_MOST_CLASSES = 200  # in a column that nothing but its values tells from pixels
_NUMBERED = re.compile(r"\D*\d+(\D+\d+)*")  # pixel0, 28x28, ...
_UNREADABLE = (OSError, EOFError, ValueError, zlib.error)


@dataclass(frozen=True)
class _Columns:
    """Which columns are what."""

    delimiter: str | None  # None: blanks
    header: bool
    count: int
    pixels: Sequence[int]
    label: int | None
    sought: bool = False  # the label is one of the pixels' columns, and only their values tell which
    rivals: Sequence[str] = ()  # columns that may each be the label


def takes(path: Path) -> bool:
    """By its name and its first two lines."""
    if not path.name.lower().endswith(_SUFFIXES):
        return False
    try:
        with _opened(path) as file:
            return _columns(*_first_two(path, file)) is not None
    except (*_UNREADABLE, UserError):
        return False


def arrays(path: Path) -> dict[str, Sliceable]:
    """Images, (N, pixels), and labels where there are some."""
    try:
        with _opened(path) as file:
            columns = _columns(*_first_two(path, file))
            if columns is None:
                raise UserError(f"{path} is no table of the pixels of square images, a row an image")
            if columns.rivals:
                raise UserError(
                    f"{path}: the columns {', '.join(columns.rivals[:5])} may each be the class: call the one `label`,"
                    " or remove the others"
                )
            file.seek(0)
            pixels, words = _values(path, _rows(path, file), columns)
    except _UNREADABLE as error:
        raise UserError(f"{path} cannot be read ({' '.join(str(error).split())}): replace it") from error
    if columns.sought:
        label = _label_column(path, pixels)
        rest = pixels[:, 1:] if label == 0 else pixels[:, :-1]
        return {"images": _smallest(rest), "labels": pixels[:, label].copy()}
    return {"images": pixels} if columns.label is None else {"images": pixels, "labels": _labels(words)}


def _opened(path: Path) -> TextIO:
    regular_file(path)
    if path.name.lower().endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8-sig", errors="replace")
    return path.open(encoding="utf-8-sig", errors="replace")


def _rows(path: Path, file: TextIO) -> Iterator[tuple[int, str]]:
    """Lines with something in them, and their numbers from 1."""
    number = 0
    while line := file.readline(_LONGEST):
        number += 1
        if len(line) == _LONGEST:
            raise UserError(f"{path}: line {number} is longer than any row of pixels: this is no table of images")
        if not line.isspace():
            yield number, line.strip(" \r\n")


def _first_two(path: Path, file: TextIO) -> tuple[str, str]:
    rows = _rows(path, file)
    return next(rows, (0, ""))[1], next(rows, (0, ""))[1]


# Columns


def _columns(first: str, second: str) -> _Columns | None:
    """What the columns are, by the first two rows; None if they are no pixels."""
    delimiter = max("\t;,", key=first.count)
    split_at = delimiter if delimiter in first else None
    cells = _cells(first, split_at)
    if _is_header(cells):
        return _named_columns(cells, _cells(second, split_at), split_at)
    count = len(cells)
    words = [i for i, cell in enumerate(cells) if not _is_number(cell)]
    if not words and _is_area(count):
        return _Columns(split_at, False, count, range(count), None)
    if not words and _is_area(count - 1):
        return _Columns(split_at, False, count, range(count), None, sought=True)
    if words in ([0], [count - 1]) and _is_area(count - 1):
        return _Columns(split_at, False, count, [i for i in range(count) if i != words[0]], words[0])
    return None


def _named_columns(names: list[str], below: list[str], delimiter: str | None) -> _Columns | None:
    count = len(names)
    labels = [i for i, name in enumerate(names) if is_label(name)]
    rest = [i for i in range(count) if i not in labels]
    numbered = [i for i in rest if _NUMBERED.fullmatch(names[i])]
    if len(labels) > 1:
        called = [i for i in labels if names[i].lower() in ("label", "labels")]
        if len(called) != 1:
            is_table = _is_area(len(numbered)) or _is_area(len(rest))
            rivals = [names[i] for i in labels]
            return _Columns(delimiter, True, count, rest, None, rivals=rivals) if is_table else None
        labels = called
    label = labels[0] if labels else None
    if _is_area(len(numbered)):
        if not labels and len(rest) == len(numbered) + 1:  # called by another name, or the rows' numbers
            other = next(i for i in rest if i not in numbered)
            label = other if names[other].lower() not in ("", "id", "index", "unnamed: 0") else None
        return _Columns(delimiter, True, count, numbered, label)
    if len(below) != count or not all(_is_number(below[i]) for i in rest):
        return None
    if _is_area(len(rest)):
        return _Columns(delimiter, True, count, rest, label)
    sought = not labels and _is_area(count - 1)
    return _Columns(delimiter, True, count, range(count), None, sought=True) if sought else None


def _is_header(cells: list[str]) -> bool:
    words = [cell for cell in cells if not _is_number(cell)]
    if len(words) > 1 or any(is_label(word) for word in words):
        return True
    numbers = [cell for cell in cells if _is_number(cell)]
    start = int(numbers[0]) if numbers and numbers[0].isdecimal() else 0
    counted = len(numbers) > 2 and numbers == [str(i) for i in range(start, start + len(numbers))]
    return counted or _is_row_as_header(cells)


def _is_row_as_header(cells: list[str]) -> bool:
    """Whether pandas took a row for names and made them distinct: 0,0.1,0.2,255,0.3,255.1."""
    seen: Counter[str] = Counter()
    for cell in cells:
        name = cell.partition(".")[0]
        if cell != (f"{name}.{seen[name]}" if seen[name] else name):
            return False
        seen[name] += 1
    return len(seen) < len(cells)


def _cells(line: str, delimiter: str | None) -> list[str]:
    return [cell.strip(" \r\n\"'") for cell in line.split(delimiter)]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python takes 1_000


def _is_area(count: int) -> bool:
    """Whether so many columns are the pixels of a grey or a colour square."""
    return any(
        planes * side * side == count and side >= _SMALLEST
        for planes in (1, 3)
        for side in (math.isqrt(max(count, 0) // planes),)
    )


def _label_column(path: Path, values: npt.NDArray[Any]) -> int:
    """The first or the last column: 0 or -1."""
    first, last = (_may_be_label(values[:, i]) for i in (0, -1))
    if first != last:
        return 0 if first else -1
    if not first:
        raise UserError(
            f"{path}: neither the first column nor the last holds few whole numbers, so that one could be the class:"
            " give the table a header, label,pixel0,pixel1,..."
        )
    # A picture's corner is mostly of one colour.
    return -1 if _commonest(values[:, 0]) > 0.9 >= _commonest(values[:, -1]) else 0


def _may_be_label(column: npt.NDArray[Any]) -> bool:
    """Whether the values are several neighbouring whole numbers, each of them repeated."""
    found = np.unique(column)
    return bool(
        1 < len(found) <= min(_MOST_CLASSES, len(column) / 2)
        and (found == np.rint(found)).all()
        and found[-1] - found[0] == len(found) - 1
    )


def _commonest(column: npt.NDArray[Any]) -> float:
    return float(np.unique(column, return_counts=True)[1].max() / len(column))


# Values


def _values(path: Path, rows: Iterator[tuple[int, str]], columns: _Columns) -> tuple[npt.NDArray[Any], list[str]]:
    """All pixels in the smallest type that holds them, and the labels as they are written."""
    if columns.header:
        next(rows)
    left = int(SHARE * memory())
    parts: list[npt.NDArray[Any]] = []
    words: list[str] = []
    whole = True
    while some := list(islice(rows, max(1, _AT_ONCE // columns.count))):
        lines, labels = _apart([line for _, line in some], columns)
        part = _numbers(lines, columns, whole=whole)
        if part is None and whole:
            whole = False
            part = _numbers(lines, columns, whole=False)
        if part is None:
            raise _mistake(path, some, columns)
        part = _smallest(part)
        left -= part.nbytes
        if left < 0:
            raise UserError(
                f"{path} holds more than half of the memory: save its pixels as a .npy file, which is mapped"
            )
        parts.append(part)
        words += labels
    if not parts:
        raise UserError(f"{path} holds no row of pixels")
    return np.concatenate(parts), words


def _apart(lines: list[str], columns: _Columns) -> tuple[list[str], list[str]]:
    """Rows, and the labels of them; the first or last column is cut off."""
    if columns.label is None:
        return lines, []
    if columns.label == 0:
        pairs = [line.split(columns.delimiter, 1) for line in lines]
        return [pair[-1] for pair in pairs], [pair[0] for pair in pairs]
    if columns.label == columns.count - 1:
        pairs = [line.rsplit(columns.delimiter, 1) for line in lines]
        return [pair[0] for pair in pairs], [pair[-1] for pair in pairs]
    return lines, [
        [*line.split(columns.delimiter, columns.label + 1), *[""] * columns.count][columns.label] for line in lines
    ]


def _numbers(lines: list[str], columns: _Columns, *, whole: bool) -> npt.NDArray[Any] | None:
    """The pixels of some rows; None if they are no such numbers."""
    cut = columns.label in (0, columns.count - 1)
    shift = 1 if columns.label == 0 else 0
    used = [i - shift for i in columns.pixels]
    count = columns.count - cut
    if any(line.count(columns.delimiter) != count - 1 for line in lines if columns.delimiter):
        return None  # where not all columns are used, loadtxt takes rows that are too short or too long
    try:
        found: npt.NDArray[Any] = np.loadtxt(
            lines,
            dtype=np.int64 if whole else np.float64,
            comments=None,
            delimiter=columns.delimiter,
            quotechar='"',
            usecols=None if len(used) == count else used,
            ndmin=2,
        )
    except (ValueError, DeprecationWarning):  # once NumPy warned of numbers that are not whole
        return None
    return found if found.shape == (len(lines), len(used)) else None


def _smallest(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if values.dtype.kind == "f":
        return values.astype(np.float32)
    low, high = int(values.min()), int(values.max())
    kinds = (np.uint8, np.int16, np.int32, np.int64)
    return values.astype(next(kind for kind in kinds if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max))


def _mistake(path: Path, rows: list[tuple[int, str]], columns: _Columns) -> UserError:
    for number, line in rows:
        cells = _cells(line, columns.delimiter)
        if len(cells) != columns.count:
            return UserError(f"{path}: line {number} has {len(cells)} values, not {columns.count}: mend or remove it")
        for i in columns.pixels:
            if not _is_number(cells[i]):
                return UserError(f"{path}: line {number}, column {i + 1}: {cells[i][:30]!r} is no number: mend it")
    return UserError(f"{path}: lines {rows[0][0]} to {rows[-1][0]} cannot be read as numbers: mend them")


def _labels(words: list[str]) -> npt.NDArray[Any]:
    """Whole numbers if all are, else names; objects where some are missing, which only those who want labels mind."""
    words = [word.strip(" \"'") for word in words]
    for kind in (np.int64, np.float64):
        try:
            return np.array(words).astype(kind)
        except (ValueError, OverflowError):
            continue
    return np.array([word or None for word in words], dtype=object) if "" in words else np.array(words)
