"""A table of pixels, a row an image, as Kaggle has them: CSV or TSV, packed by gzip or not."""

import gzip
import zlib
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from genbench.cache import regular_file
from genbench.data.columns import Columns, cells, columns_of, counts_rows, is_number, label_at
from genbench.data.found import Arrays, Sliceable
from genbench.data.memory import SHARE, memory
from genbench.data.split_column import hold_splits
from genbench.errors import UserError

_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_LONGEST = 2**23  # characters of a line: what is longer is no row of an image of 256x256
_AT_ONCE = 2**21  # values
_AROUND = " \"'"  # a value
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
    """Images, (N, pixels), and labels and splits where there are some."""
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
    return _named(columns, pixels, words)


def _named(columns: Columns, pixels: npt.NDArray[Any], words: Mapping[int, list[str]]) -> Arrays:
    """What a table with names holds; words: of the columns that are no pixels, by number."""
    found: dict[str, Sliceable] = {"images": pixels}
    notes = {"images": "; ".join(columns.notes)}
    label, split, split_called = columns.label, columns.split, columns.split_called
    if label is not None and columns.called:  # of no name that labels have
        values = {word.strip(_AROUND) for word in words[label]}
        if split is None and hold_splits(columns.called, values):
            label, split, split_called = None, label, columns.called
        elif len(values) > max(2, len(words[label]) / 2):
            said = f"the column {columns.called} is not used, for its values do not repeat, as classes do"
            label, notes["images"] = None, "; ".join([*columns.notes, said])
        else:
            notes["labels"] = f"the column {columns.called} is taken for the class"
    if label is not None:
        found["labels"] = _labels(words[label])
    if split is not None:
        found["split"] = np.array([word.strip(_AROUND) for word in words[split]])
    return Arrays(found, {name: note for name, note in notes.items() if note}, splits=split_called)


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


def _values(
    path: Path, rows: Iterator[tuple[int, str]], columns: Columns
) -> tuple[npt.NDArray[Any], dict[int, list[str]]]:
    """All pixels in the smallest type that holds them, and what else is read as it is written, by column."""
    if columns.header:
        next(rows)
    left = int(SHARE * memory())
    parts: list[npt.NDArray[Any]] = []
    words: dict[int, list[str]] = {at: [] for at in columns.words}
    whole = True
    each = max(columns.count, len(columns.pixels))
    while some := list(islice(rows, max(1, _AT_ONCE // each))):
        taken = _apart([line for _, line in some], columns)
        part = None if taken is None else _numbers(taken[0], columns, whole=whole)
        if part is None and taken is not None and whole:
            whole = False
            part = _numbers(taken[0], columns, whole=False)
        if part is None or taken is None:
            raise _mistake(path, some, columns)
        part = _smallest(part)
        left -= part.nbytes
        if left < 0:
            raise UserError(
                f"{path} holds more than half of the memory: save its pixels as a .npy file, which is mapped"
            )
        parts.append(part)
        for at, of_part in taken[1].items():
            words[at] += of_part
    if not parts:
        raise UserError(f"{path} holds no row of pixels")
    return np.concatenate(parts), words


def _ends(columns: Columns) -> tuple[int, int]:
    """How many columns of words are cut off at the beginning and at the end of a row."""
    words = columns.words
    lead = next(i for i in range(len(words) + 1) if i not in words)
    last = columns.count - 1
    return lead, next(i for i in range(len(words) + 1) if last - i not in words)


def _apart(lines: list[str], columns: Columns) -> tuple[list[str], dict[int, list[str]]] | None:
    """Rows of pixels, and the words beside them by column; None if a row has not as many values as there are names."""
    by = columns.delimiter
    if by is not None and any(line.count(by) != columns.count - 1 for line in lines):
        return None  # where not all columns are used, loadtxt takes rows that are too short or too long
    if columns.cell is not None:
        of_rows = [line.split(by) for line in lines]
        return [row[columns.cell].strip(_AROUND) for row in of_rows], {
            at: [row[at] for row in of_rows] for at in columns.words
        }
    lead, tail = _ends(columns)
    words = {
        at: [[*line.split(by, at + 1), *[""] * columns.count][at] for line in lines]
        for at in columns.words
        if lead <= at < columns.count - tail
    }
    if lead:
        begun = [line.split(by, lead) for line in lines]
        words |= {at: [row[at] if at < len(row) else "" for row in begun] for at in range(lead)}
        lines = [row[-1] for row in begun]
    if tail:
        ended = [line.rsplit(by, tail) for line in lines]
        words |= {columns.count - tail + i: [["", *row][i - tail] for row in ended] for i in range(tail)}
        lines = [row[0] for row in ended]
    return lines, words


def _numbers(lines: list[str], columns: Columns, *, whole: bool) -> npt.NDArray[Any] | None:
    """The pixels of some rows; None if they are no such numbers."""
    if columns.cell is None:
        lead, tail = _ends(columns)
        used, count, by = [i - lead for i in columns.pixels], columns.count - lead - tail, columns.delimiter
    else:
        used, count, by = list(columns.pixels), len(columns.pixels), None
    try:
        found: npt.NDArray[Any] = np.loadtxt(
            lines,
            dtype=np.int64 if whole else np.float64,
            comments=None,
            delimiter=by,
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
        called = "column"
        if columns.cell is not None:
            called, values = "pixel", values[columns.cell].split()
            if len(values) != len(columns.pixels):
                said = f"line {number} has {len(values)} pixels, not {len(columns.pixels)}"
                return UserError(f"{path}: {said}: mend or remove it")
        for i in columns.pixels:
            if not is_number(values[i]):
                return UserError(f"{path}: line {number}, {called} {i + 1}: {values[i][:30]!r} is no number: mend it")
    return UserError(f"{path}: lines {rows[0][0]} to {rows[-1][0]} cannot be read as numbers: mend them")


def _labels(words: list[str]) -> npt.NDArray[Any]:
    """Whole numbers if all are, else names; objects where some are missing, which only those who want labels mind."""
    words = [word.strip(_AROUND) for word in words]
    for kind in (np.int64, np.float64):
        try:
            return np.array(words).astype(kind)
        except (ValueError, OverflowError):
            continue
    return np.array([word or None for word in words], dtype=object) if "" in words else np.array(words)
