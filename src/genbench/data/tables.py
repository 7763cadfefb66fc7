"""What tables beside images say of them: which row is of which image, of what class that is, and in which split."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from genbench.data.found import WHOLE
from genbench.data.names import is_label, is_split, split_of
from genbench.data.split_column import hold_splits, longer_words, some_of, split_said
from genbench.errors import UserError
from genbench.wording import counted

TABLES = (".csv", ".tsv", ".jsonl")
Rows = list[dict[str, str]]
Parts = tuple[str, ...]  # of a name: folders, and the file


@dataclass
class Told:
    """What tables say of images, by index."""

    label: dict[int, str] = field(default_factory=dict)
    split: dict[int, str] = field(default_factory=dict)  # empty where what stands there is none
    no_split: dict[int, str] = field(default_factory=dict)  # what stands there instead
    named: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


class _Several(tuple[int, int]):
    """Two of the images that a name may stand for."""


@dataclass(frozen=True)
class _Table:
    """A table that names images."""

    name: str
    rows: Rows
    files: str  # the column that names them
    of_row: Sequence[int | _Several | None]
    stem: str | None  # the split that its own name says

    @cached_property
    def columns(self) -> list[str]:
        """All but the one that names files."""
        return [c for c in _keys(self.rows) if c != self.files]

    @cached_property
    def splits(self) -> list[str]:
        """The columns that say in which split images are, and so not of what class."""
        return [c for c in self.columns if is_split(c) or hold_splits(c, self.values(c))]

    @cached_property
    def called(self) -> list[str]:
        """The columns that are called what classes are."""
        return [c for c in self.columns if is_label(c) and c not in self.splits]

    def values(self, column: str) -> set[str]:
        """What stands in a column, each once."""
        return {row.get(column, "") for row in self.rows}


def rows_of(where: str, name: str, content: bytes) -> Rows:
    """A table's rows, without blanks around names and values; none if it is no table with a header.

    Args:
        where: its folder, for messages.
        name: of the table; its suffix says how it is written.
        content: of the table.

    Raises:
        UserError: it is not written so.
    """
    text = content.decode("utf-8-sig", "replace")
    if name.lower().endswith(".jsonl"):
        try:
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
        except (ValueError, RecursionError):
            raise UserError(f"{where}: {name} is not JSON lines: mend or remove it") from None
        rows = (row for row in found if isinstance(row, dict))
        return [{key.strip(): str(value).strip() for key, value in row.items() if value is not None} for row in rows]
    lines = text.splitlines()
    delimiter = max("\t;,", key=lines[0].count) if lines else ","
    try:
        return [
            {str(key).strip(): value.strip() for key, value in row.items() if isinstance(value, str)}
            for row in csv.DictReader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)
        ]
    except csv.Error as error:
        raise UserError(f"{where}: {name} cannot be read ({error}): mend or remove it") from error


def read_tables(
    where: str,
    names: Sequence[str],
    parts: Mapping[str, Sequence[int]],
    tables: Mapping[str, Rows],
    *,
    labelled: bool,
    in_folders: bool,
) -> Told:
    """Labels, and splits where a column or the tables' own names tell them (train.csv and test.csv).

    Args:
        where: the folder, for messages.
        names: of the image files, relative to it, with slashes.
        parts: their indices by the split that folders say.
        tables: those that have rows, by name.
        labelled: whether classes are wanted.
        in_folders: whether folders say them; then a table's column must be called so to be taken instead.

    Raises:
        UserError: the tables contradict each other or themselves.
    """
    told = Told()
    found = list(_about_images(where, names, parts, tables, told.notes))
    by_stem = WHOLE in parts and len({table.stem for table in found} - {None}) > 1
    is_called = any(table.called for table in found)
    for table in found:
        before = len(told.notes)
        label = None
        if labelled:
            label = _label_column(where, table, told.notes, is_called=is_called, in_folders=in_folders)
        split = _split_column(table, told.notes)
        stem = table.stem if by_stem else None
        if label is None and split is None and stem is None and len(told.notes) == before:
            what = "classes or splits" if labelled else "splits"
            told.notes.append(f"{table.name} has no column of {what}, and is not used")
        _tell_rows(where, names, table, told, label, split, stem)
    return told


# Which image a row is of


def _about_images(
    where: str,
    names: Sequence[str],
    parts: Mapping[str, Sequence[int]],
    tables: Mapping[str, Rows],
    notes: list[str],
) -> Iterator[_Table]:
    """The tables that say something of the images, and notes of the others."""
    paths = [tuple(name.split("/")) for name in names] if tables else []  # of a million images they are large
    for name, rows in tables.items():
        stem = split_of(name.rpartition("/")[2].rpartition(".")[0])
        images = _images_of(name, paths, parts.get(stem or ""))
        column, of_row, is_sure = _files(paths, images, rows)
        if column is None:
            notes.append(f"{name} names no image here, and is not used")
        elif not is_sure:
            count = len({i for i in of_row if i is not None})
            notes.append(
                f"{name} is not used: {column} names {count:,} of {counted(len(images), 'image')}, maybe by chance, for"
                " it is without suffixes"
            )
        elif "submission" in name.lower():  # Kaggle's: its classes are to be filled in
            notes.append(f"{name} is not used: a submission says no classes")
        else:
            _refuse_ambiguous(where, name, names, [row.get(column, "") for row in rows], of_row)
            yield _Table(name, rows, column, of_row, stem)


def _images_of(name: str, paths: list[Parts], part: Sequence[int] | None) -> Sequence[int]:
    """The images that a table may be about: below its folder, and of its own split if there is a folder for that."""
    beside = tuple(name.split("/")[:-1])
    return [i for i in (range(len(paths)) if part is None else part) if paths[i][: len(beside)] == beside]


def _files(
    paths: list[Parts], images: Sequence[int], rows: Rows
) -> tuple[str | None, list[int | _Several | None], bool]:
    """The column that names files, by what stands in it, each row's image, and whether that cannot be chance."""
    known: dict[str, int | _Several] = {}
    for i in images:
        path = paths[i]
        for key in {path[-1].rpartition(".")[0], *("/".join(path[k:]) for k in range(len(path)))}:
            before = known.setdefault(key, i)
            if isinstance(before, int) and before != i:
                known[key] = _Several((before, i))
    best = (False, 0)
    column: str | None = None
    of_row: list[int | _Several | None] = []
    for each in _keys(rows):
        cells = [row.get(each, "").removeprefix("./").replace("\\", "/") for row in rows]
        found = [known.get(cell) for cell in cells]
        named = len({of for of in found if of is not None})
        # Numbers match the names of numbered files by chance: most images must be named, or most rows name one in full.
        in_full = sum(
            cell.endswith(paths[of if isinstance(of, int) else of[0]][-1])
            for of, cell in zip(found, cells, strict=True)
            if of is not None
        )
        quality = (named > len(images) / 2 or in_full > len(rows) / 2, named)
        if quality > best:
            best, column, of_row = quality, each, found
    return column, of_row, best[0]


def _refuse_ambiguous(
    where: str, name: str, names: Sequence[str], cells: list[str], of_row: list[int | _Several | None]
) -> None:
    for cell, images in zip(cells, of_row, strict=True):
        if isinstance(images, _Several):
            raise UserError(
                f"{where}: {name} says {cell}, which may be {names[images[0]]} or {names[images[1]]}: name it with its"
                " folder and suffix, or move one away"
            )


def _keys(rows: Rows) -> list[str]:
    return list(dict.fromkeys(key for row in rows[:100] for key in row))


# What its columns say of that


def _label_column(where: str, table: _Table, notes: list[str], *, is_called: bool, in_folders: bool) -> str | None:
    """The column of classes; with is_called only one that is called so, as another table's is."""
    plain = [c for c in table.called if c.lower() in ("label", "labels")]
    if len(table.called) == 1 or len(plain) == 1:
        return (plain or table.called)[0]
    if is_called and not table.called:
        return None
    others = [c for c in table.columns if c not in table.splits]
    repeated = [c for c in table.called or others if 1 < len(table.values(c)) <= max(2, len(table.rows) / 2)]
    if in_folders and not table.called:
        if repeated:
            notes.append(
                f"{table.name} is not used for the classes, for folders are: to have those of {repeated[0]} instead,"
                " call that column label"
            )
        return None
    if len(repeated) > 1:
        raise UserError(
            f"{where}: {table.name} has several columns that may be the class ({', '.join(repeated[:5])}): call the one"
            " `label`; data.labels=false trains without"
        )
    if repeated and not table.called:
        notes.append(f"the column {repeated[0]} of {table.name} is taken for the class, for its values repeat")
    return repeated[0] if repeated else None


def _split_column(table: _Table, notes: list[str]) -> str | None:
    """The column of splits: of several the one that is called so."""
    usable = []
    for column in table.splits:
        values = table.values(column)
        if any(map(split_said, values)):
            usable.append(column)
        else:
            notes.append(
                f"{table.name}: the column {column} is not used, for none of its values ({some_of(values)}) is train,"
                " val or test"
            )
    usable.sort(key=is_split, reverse=True)
    if len(usable) > 1:
        notes.append(f"{table.name}: the splits are those of the column {usable[0]}, not of {', '.join(usable[1:])}")
    if usable:
        notes += longer_words(f"{usable[0]} of {table.name}", table.values(usable[0]))
    return usable[0] if usable else None


def _tell_rows(
    where: str,
    names: Sequence[str],
    table: _Table,
    told: Told,
    label: str | None,
    split: str | None,
    stem: str | None,
) -> None:
    """Add what a table's columns, or its name, say of each row's image."""
    for row, i in zip(table.rows, table.of_row, strict=True):
        if not isinstance(i, int):
            continue
        told.named.add(i)
        if label is not None:
            _tell(where, table.name, names[i], told.label, i, row.get(label, ""))
        if split is not None or stem is not None:
            said = stem if split is None else split_said(row.get(split, ""))
            _tell(where, table.name, names[i], told.split, i, said or "")
            if said is None:
                told.no_split[i] = row.get(split or "", "")
    empty = sum(told.label.get(i) == "" for i in set(table.of_row) if isinstance(i, int))
    if empty:
        raise UserError(
            f"{where}: {table.name} has no {label} for {counted(empty, 'image')}: fill it in; data.labels=false trains"
            " without"
        )


def _tell(where: str, table: str, image: str, told: dict[int, str], i: int, value: str) -> None:
    """Note what is said of an image, which must be what was said of it before."""
    before = told.setdefault(i, value)
    if before != value:
        raise UserError(
            f"{where}: {table} says {value or 'nothing'} of {image}, and {before or 'nothing'} in another place:"
            " genbench takes one class and one split an image; data.labels=false trains without classes"
        )
