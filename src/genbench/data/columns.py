"""Which columns of a table of pixels are what: by their names, by how many there are, or by what stands in them."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from genbench.data.names import ROWS_NAMES, is_images, is_label, is_split, unused
from genbench.data.split_column import split_said

_SMALLEST = 8  # pixels of a side: a table of fewer columns is one of measurements
_MOST_CLASSES = 200  # in a column that nothing but its values tells from pixels
_ALIKE, _APART = 0.4, 0.2  # correlations: pixels have 0.5 and more with their neighbours, classes mostly less than 0.3
_MOSTLY = 0.9  # of the values
_NUMBERED = re.compile(r"\D*\d+(\D+\d+)*")  # pixel0, 28x28, ...
# Names of two numbers of which the second is the row: x0y0, col3row4.
_COLUMN_FIRST = {("x", "y"), ("c", "r"), ("col", "row"), ("column", "row")}


@dataclass(frozen=True)
class Columns:
    """Which columns are what."""

    delimiter: str | None  # None: blanks
    header: bool
    count: int
    pixels: Sequence[int]
    label: int | None
    split: int | None = None  # says train, val or test
    cell: int | None = None  # holds all pixels of a row, blanks between; `pixels` counts them then
    sought: bool = False  # the label is one of the pixels' columns, and only their values tell which
    called: str = ""  # the label's name, where it does not say that it is one
    split_called: str = ""
    notes: tuple[str, ...] = ()
    problem: str = ""  # why it cannot be read

    @property
    def words(self) -> list[int]:
        """The columns that are read as they are written, ascending."""
        return sorted(at for at in (self.label, self.split) if at is not None)


def columns_of(first: str, second: str) -> Columns | None:
    """What the columns are, by the first two rows; None if they are no pixels."""
    delimiter = max("\t;,", key=first.count)
    split_at = delimiter if delimiter in first else None
    names = cells(first, split_at)
    if _is_header(names):
        return _named_columns(names, cells(second, split_at), split_at)
    count = len(names)
    words = [i for i, name in enumerate(names) if not is_number(name)]
    if not words and _is_area(count):
        return Columns(split_at, False, count, range(count), None)
    if not words and _is_area(count - 1):
        return Columns(split_at, False, count, range(count), None, sought=True)
    if words in ([0], [count - 1]) and _is_area(count - 1):
        return Columns(split_at, False, count, [i for i in range(count) if i != words[0]], words[0])
    return None


def cells(line: str, delimiter: str | None) -> list[str]:
    """The values of a line, without blanks and quotes."""
    return [cell.strip(" \r\n\"'") for cell in line.split(delimiter)]


def is_number(cell: str) -> bool:
    """Whether a value is one that a pixel may have."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python takes 1_000


def _named_columns(names: list[str], below: list[str], delimiter: str | None) -> Columns | None:
    count = len(names)
    labels = [i for i, name in enumerate(names) if is_label(name)]
    rest = [i for i in range(count) if i not in labels]
    numbered = [i for i in rest if _NUMBERED.fullmatch(names[i])]
    cell = _cell_of_pixels(names, below) if delimiter else None
    known = cell is not None or _is_area(len(numbered))
    problem = ""
    if len(labels) > 1:
        called = [i for i in labels if names[i].lower() in ("label", "labels")]
        if len(called) != 1:
            rivals = ", ".join(names[i] for i in labels[:5])
            problem = f"the columns {rivals} may each be the class: call the one `label`, or remove the others"
            if not (known or _is_area(len(rest))):
                return None
        labels = called
    label = labels[0] if labels else None
    if known:
        pixels = numbered if cell is None else range(len(below[cell].split()))
        found = Columns(delimiter, True, count, pixels, label, cell=cell, problem=problem)
        found = _with_words(found, names, below, [i for i in rest if i not in numbered and i != cell])
        return _without_rest(found if cell is not None else _in_order(found, names), names)
    if len(below) != count or not all(is_number(below[i]) for i in rest):
        return None
    if _is_area(len(rest)):
        return _without_rest(Columns(delimiter, True, count, rest, label, problem=problem), names)
    sought = not labels and _is_area(count - 1)
    return Columns(delimiter, True, count, range(count), None, sought=True) if sought else None


def _cell_of_pixels(names: list[str], below: list[str]) -> int | None:
    """The column of which a value is all pixels of an image, blanks between: emotion,pixels,Usage."""
    found = [
        i
        for i, (name, cell) in enumerate(zip(names, below, strict=False))
        if is_images(name) and _is_area(len(numbers := cell.split())) and all(map(is_number, numbers))
    ]
    return found[0] if len(found) == 1 and len(below) == len(names) else None


def _with_words(columns: Columns, names: list[str], below: list[str], others: list[int]) -> Columns:
    """With the column of splits, and that of classes where its name does not say it, among those of no pixels."""
    others = [i for i in others if names[i].lower() not in ROWS_NAMES]
    splits = [i for i in others if is_split(names[i])]
    if not splits and (columns.label is not None or len(others) > 1) and len(below) == len(names):
        splits = [i for i in others if split_said(below[i]) is not None]
    if splits:
        columns = replace(columns, split=splits[0], split_called=names[splits[0]])
    left = [i for i in others if i not in splits[:1]]
    if columns.label is None and len(left) == 1 and not is_split(names[left[0]]):
        columns = replace(columns, label=left[0], called=names[left[0]])
    return columns


def _without_rest(columns: Columns, names: list[str]) -> Columns:
    """With a note of the columns that are not used."""
    used = {*(columns.pixels if columns.cell is None else [columns.cell]), *columns.words}
    others = [name or f"{i + 1}" for i, name in enumerate(names) if i not in used]
    return replace(columns, notes=(*columns.notes, *unused(others, labelled=columns.label is not None)))


def _is_header(names: list[str]) -> bool:
    words = [name for name in names if not is_number(name)]
    if len(words) > 1 or any(is_label(word) for word in words):
        return True
    numbers = [name for name in names if is_number(name)]
    start = int(numbers[0]) if numbers and numbers[0].isdecimal() else 0
    counted = len(numbers) > 2 and numbers == [str(i) for i in range(start, start + len(numbers))]
    return counted or _is_row_as_header(names)


def _is_row_as_header(names: list[str]) -> bool:
    """Whether pandas took a row for names and made them distinct: 0,0.1,0.2,255,0.3,255.1."""
    seen: Counter[str] = Counter()
    for each in names:
        name = each.partition(".")[0]
        if each != (f"{name}.{seen[name]}" if seen[name] else name):
            return False
        seen[name] += 1
    return len(seen) < len(names)


def _is_area(count: int) -> bool:
    """Whether so many columns are the pixels of a grey or a colour square."""
    return any(
        planes * side * side == count and side >= _SMALLEST
        for planes in (1, 3)
        for side in (math.isqrt(max(count, 0) // planes),)
    )


# The order of the pixels


def _in_order(columns: Columns, names: list[str]) -> Columns:
    """With the pixels in the order that their names say, which need not be the file's: pixel10 stands before pixel2."""
    if all(is_number(names[i]) for i in columns.pixels) and _is_row_as_header(names):
        return columns  # these are no names
    by_name = _by_name({i: names[i] for i in columns.pixels})
    if by_name is None:
        text = (
            f"the names of the columns of pixels ({names[columns.pixels[0]]}, ...) do not say their order: call them"
            " pixel0, pixel1, ..., line by line"
        )
        return replace(columns, problem=columns.problem or text)
    if by_name == list(columns.pixels):
        return columns
    said = "the columns of pixels are put in the order of their names, not of the file"
    return replace(columns, pixels=by_name, notes=(*columns.notes, said))


def _by_name(names: Mapping[int, str]) -> list[int] | None:
    """Columns in the order of the numbers in their names; None if these are not those of pixels."""
    numbers = {i: tuple(int(number) for number in re.findall(r"\d+", name)) for i, name in names.items()}
    words = {i: tuple(word.strip(" _-.").lower() for word in re.split(r"\d+", name)) for i, name in names.items()}
    if len(set(words.values())) > 1:  # r0, g0, b0, ...: colours stand as in the file
        by_words: dict[tuple[str, ...], list[tuple[int, ...]]] = {}
        for i in names:
            by_words.setdefault(words[i], []).append(numbers[i])
        return list(names) if all(_ascend(each) for each in by_words.values()) else None
    places = list(numbers.values())
    varying = [k for k in range(len(places[0])) if len({place[k] for place in places}) > 1]
    if len(set(places)) < len(places) or not all(_without_gaps({place[k] for place in places}) for k in varying):
        return None
    if math.prod(len({place[k] for place in places}) for k in varying) != len(places):
        return None
    if len(varying) > 2:  # one is the colour, and where that belongs nobody says
        return list(names) if _ascend(places) else None
    word = next(iter(words.values()))
    if len(varying) == 2 and (word[varying[0]], word[varying[1]]) in _COLUMN_FIRST:
        varying.reverse()
    return sorted(names, key=lambda i: [numbers[i][k] for k in varying])


def _ascend(places: Sequence[tuple[int, ...]]) -> bool:
    return all(here < there for here, there in pairwise(places))


def _without_gaps(numbers: set[int]) -> bool:
    return min(numbers) in (0, 1) and max(numbers) - min(numbers) == len(numbers) - 1


# The class, where no name says it


def label_at(values: npt.NDArray[Any]) -> int | None:
    """Which column is the class: 0 or -1; None if nothing says so.

    Values of a pixel are like those of the pixels beside and below it, and classes are not.

    Args:
        values: all columns.
    """
    first, last = (_may_be_label(values[:, at]) for at in (0, -1))
    if first != last:
        return 0 if first else -1
    if not first:
        return None
    side = math.isqrt(values.shape[1] - 1)
    as_pixel = max(_alike(values[:, 0], values[:, at]) for at in (1, side))
    as_pixel_last = max(_alike(values[:, -1], values[:, -1 - at]) for at in (1, side))
    if max(as_pixel, as_pixel_last) > _ALIKE and abs(as_pixel - as_pixel_last) > _APART:
        return 0 if as_pixel < as_pixel_last else -1
    # A picture's corner is mostly of one colour.
    corner, corner_last = (_commonest(values[:, at]) > _MOSTLY for at in (0, -1))
    return None if corner == corner_last else -1 if corner else 0


def counts_rows(column: npt.NDArray[Any]) -> bool:
    """Whether the values are 0, 1, 2, ... or 1, 2, 3, ..."""
    return len(column) > 1 and column[0] in (0, 1) and bool((np.diff(column.astype(np.float64)) == 1).all())


def _may_be_label(column: npt.NDArray[Any]) -> bool:
    """Whether the values are several whole numbers, each of them repeated; not neighbouring ones: classes 4 and 9."""
    found = np.unique(column)
    return bool(1 < len(found) <= min(_MOST_CLASSES, len(column) / 2) and (found == np.rint(found)).all())


def _alike(column: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    """Their correlation; 0 where one of them does not vary."""
    one, two = (each.astype(np.float64) - each.mean() for each in (column, other))
    norm = float(np.sqrt((one**2).sum() * (two**2).sum()))
    return float((one * two).sum()) / norm if norm > 0 else 0.0


def _commonest(column: npt.NDArray[Any]) -> float:
    return float(np.unique(column, return_counts=True)[1].max() / len(column))
