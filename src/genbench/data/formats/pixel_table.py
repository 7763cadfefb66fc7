"""A table of pixels, a row an image, as Kaggle has them: CSV or TSV, packed by gzip or not."""

import gzip
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from genbench.cache import regular_file
from genbench.data.columns import Columns, cells, columns_of, counts_rows, is_number, label_at
from genbench.data.found import Arrays
from genbench.data.memory import SHARE, memory
from genbench.errors import UserError

_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_LONGEST = 2**23  # characters of a line: what is longer is no row of an image of 256x256
_AT_ONCE = 2**21  # values
_UNREADABLE = (OSError, EOFError, ValueError, zlib.error)


def takes(path: Path) -> bool:
    """By its name and its first two lines."""
    if not path.name.lower().endswith(_SUFFIXES):
        return False
    try:
        with _opened(path) as file:
            return columns_of(*_first_two(path, file)) is not None
    except (*_UNREADABLE, UserError):
        return False


def arrays(path: Path) -> Arrays:
    """Images, (N, pixels), and labels where there are some."""
    try:
        with _opened(path) as file:
            columns = columns_of(*_first_two(path, file))
            if columns is None:
                raise UserError(f"{path} is no table of the pixels of square images, a row an image")
            if columns.problem:
                raise UserError(f"{path}: {columns.problem}")
            file.seek(0)
            pixels, words = _values(path, _rows(path, file), columns)
    except _UNREADABLE as error:
        raise UserError(f"{path} cannot be read ({' '.join(str(error).split())}): replace it") from error
    if columns.sought:
        return _with_label_among(path, pixels)
    notes = dict.fromkeys(["images"] if columns.notes else [], "; ".join(columns.notes))
    if columns.label is None:
        return Arrays({"images": pixels}, notes)
    if columns.called and len(set(words)) > max(2, len(words) / 2):  # of no name that labels have
        said = f"the column {columns.called} is not used, for its values do not repeat, as classes do"
        return Arrays({"images": pixels}, {"images": "; ".join([*columns.notes, said])})
    if columns.called:
        notes["labels"] = f"the column {columns.called} is taken for the class"
    return Arrays({"images": pixels, "labels": _labels(words)}, notes)


def _with_label_among(path: Path, values: npt.NDArray[Any]) -> Arrays:
    """What a table without names holds, of one column more than pixels."""
    if counts_rows(values[:, 0]):
        said = "the first column counts the rows, and is not used"
        return Arrays({"images": _smallest(values[:, 1:])}, {"images": said})
    label = label_at(values)
    if label is None:
        raise UserError(
            f"{path}: nothing says whether the first column is the class or the last: give the table a header,"
            " label,pixel0,pixel1,..."
        )
    said = f"the {'first' if label == 0 else 'last'} column is taken for the class, for no name says which is"
    rest = values[:, 1:] if label == 0 else values[:, :-1]
    return Arrays({"images": _smallest(rest), "labels": values[:, label].copy()}, {"labels": said})


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


# Values


def _values(path: Path, rows: Iterator[tuple[int, str]], columns: Columns) -> tuple[npt.NDArray[Any], list[str]]:
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


def _apart(lines: list[str], columns: Columns) -> tuple[list[str], list[str]]:
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


def _numbers(lines: list[str], columns: Columns, *, whole: bool) -> npt.NDArray[Any] | None:
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
            usecols=None if used == list(range(count)) else used,
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


def _mistake(path: Path, rows: list[tuple[int, str]], columns: Columns) -> UserError:
    for number, line in rows:
        values = cells(line, columns.delimiter)
        if len(values) != columns.count:
            return UserError(f"{path}: line {number} has {len(values)} values, not {columns.count}: mend or remove it")
        for i in columns.pixels:
            if not is_number(values[i]):
                return UserError(f"{path}: line {number}, column {i + 1}: {values[i][:30]!r} is no number: mend it")
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
