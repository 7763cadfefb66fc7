"""A data set of which a column says the splits: `split` of a table, Usage of fer2013.csv, an array of such words."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from genbench.data.found import SPLITS, WHOLE, Bytes, Found, Part, Pictures
from genbench.data.names import is_label, split_in, split_of
from genbench.wording import counted

_SHORTEST = 3  # letters of a split among other values: "tr" and "te" are languages as well


def split_said(value: str) -> str | None:
    """The split that a value of such a column stands for: train, Training, PublicTest."""
    return split_of(value) or split_in(value)


def hold_splits(column: str, values: set[str]) -> bool:
    """Whether a column's values are splits, or training and another split are among them, whatever it is called."""
    exact = {value: split_of(value) for value in values - {""}}
    if all(exact.values()):
        return bool(exact)
    among = {split for value, split in exact.items() if len(value) >= _SHORTEST} - {None}
    if "train" in among and len(among) > 1:
        return True
    longer = set(map(split_said, exact))
    return not is_label(column) and None not in longer and "train" in longer and len(longer) > 1


def divided(found: Found, column: str, values: Sequence[str]) -> Found:
    """The data set in the splits that a column says; as it is, with a note, if the column says none for training.

    Args:
        found: a data set without splits.
        column: its name, for messages.
        values: what stands in it, one for each of the images.
    """
    whole = found.parts[WHOLE]
    said = {value: split_said(value) for value in set(values)}
    if "train" not in said.values():
        why = f"the column {column} is not used, for none of its values ({some_of(set(values))}) is train"
        return replace(found, notes=(*found.notes, why))
    of_row = np.array([SPLITS.index(split) if (split := said[value]) else -1 for value in values])
    parts = {
        split: _of_rows(whole, np.flatnonzero(of_row == i)) for i, split in enumerate(SPLITS) if (of_row == i).any()
    }
    notes = [*found.notes, *whole.notes, *longer_words(column, said)]
    if left := int((of_row < 0).sum()):
        none = some_of({value for value, split in said.items() if split is None})
        notes.append(f"left out, for the column {column} says no split of them ({none}): {counted(left, 'image')}")
    return replace(found, parts=parts, notes=tuple(notes))


def longer_words(column: str, values: Iterable[str]) -> list[str]:
    """What is said of values that are no split's plain name, and are taken for one."""
    longer: dict[str, set[str]] = {}
    for value in values:
        if split_of(value) is None and (split := split_said(value)) is not None:
            longer.setdefault(split, set()).add(value)
    return [
        f"taken for {split} by the column {column}: {some_of(longer[split])}" for split in SPLITS if split in longer
    ]


def some_of(values: set[str]) -> str:
    """Some of several values, for a message."""
    shown = [value or "nothing" for value in sorted(values)]
    return ", ".join(shown[:5]) + (", ..." if len(shown) > 5 else "")


def _of_rows(part: Part, rows: npt.NDArray[np.int64]) -> Part:
    return Part(
        _Rows(part.pictures, rows),
        None if part.labels is None else part.labels[rows],
        facts=None if part.facts is None else part.facts[rows],
    )


@dataclass(frozen=True)
class _Rows:
    """Some of several pictures."""

    whole: Pictures
    rows: npt.NDArray[np.int64]  # ascending

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def sides(self) -> tuple[int, int]:
        """See `found.Pictures`."""
        return self.whole.sides

    def chunks(self) -> Iterator[Bytes]:
        """See `found.Pictures`."""
        start = 0
        for chunk in self.whole.chunks():
            first, last = np.searchsorted(self.rows, [start, start + len(chunk)])
            if last > first:
                yield chunk[self.rows[first:last] - start]
            start += len(chunk)
