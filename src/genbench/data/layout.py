"""What a folder's names and tables say of its images: in which split each is, and of which class.

Known layouts: images flat; a folder a class, however deep; folders train, val and test with either below; a table (CSV,
TSV, JSON lines) beside them that names each file and its class, as Kaggle's and Hugging Face's metadata.csv do.
"""

import csv
import io
import json
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from genbench.data.found import WHOLE, Labels
from genbench.data.names import is_label, split_of
from genbench.errors import UserError
from genbench.wording import counted

TABLES = (".csv", ".tsv", ".jsonl")
Rows = list[dict[str, str]]
Parts = tuple[str, ...]  # of a name: folders, and the file


@dataclass(frozen=True)
class Arrangement:
    """Indices of the images of each part, and their labels."""

    parts: Mapping[str, Sequence[int]]
    labels: dict[str, Labels | None]
    notes: tuple[str, ...] = ()


def arrange(where: str, names: Sequence[str], tables: Mapping[str, bytes], *, labelled: bool = True) -> Arrangement:
    """Sort images by split and class.

    Args:
        where: the folder, for messages.
        names: of the image files, relative to it, with slashes.
        tables: the content of the tables beside them, by name.
        labelled: whether classes are wanted; splits are kept in any case.

    Raises:
        UserError: the names or the tables contradict each other.
    """
    once: dict[str, Parts] = {}  # a folder's names once, not once for each of its files
    parents = [once.setdefault(parent, tuple(parent.split("/")[:-1])) for parent in map(_parent, names)]
    parts, skipped, start = _parts(where, parents)
    notes = [f"left out, for it is no split: {name}/ with {counted(count, 'image')}" for name, count in skipped.items()]
    rows = {name: rows_of(where, name, content) for name, content in tables.items()}
    found = _read_tables(where, names, parts, {name: of for name, of in rows.items() if of}, labelled=labelled)
    notes += found.notes
    if found.label or found.split:
        arrangement = _tabled(where, names, parts, found)
        return Arrangement(arrangement.parts, arrangement.labels, (*notes, *arrangement.notes))
    if not labelled:
        return Arrangement(parts, dict.fromkeys(parts), tuple(notes))
    return Arrangement(parts, _by_folder(where, names, parents, parts, start), tuple(notes))


def _parent(name: str) -> str:
    """The folder, with the slash behind it."""
    return name[: name.rfind("/") + 1]


def _parts(where: str, parents: Sequence[Parts]) -> tuple[dict[str, Sequence[int]], dict[str, int], int]:
    """Indices by split, how many images lie in folders beside these, and how many folders lead to the classes."""
    depth = _shared(set(parents))
    tops = Counter(parent[depth] if len(parent) > depth else "" for parent in parents)
    splits = {top: split for top in tops if (split := split_of(top)) is not None}
    named = set(splits.values())
    if "train" not in named or (named == {"train"} and len(tops) > 1):  # one class of several may be called so
        if named and len(splits) == len(tops):
            raise UserError(f"{where} has images in {', '.join(sorted(splits))}/ and none in train/: add some")
        return {WHOLE: range(len(parents))}, {}, depth
    if "" in tops:
        beside = ", ".join(sorted(splits))
        raise UserError(f"{where} holds {counted(tops[''], 'image')} beside {beside}/: put each into a split")
    parts: dict[str, array[int]] = {}
    for i, parent in enumerate(parents):
        if parent[depth] in splits:
            parts.setdefault(splits[parent[depth]], array("q")).append(i)
    return dict(parts), {top: count for top, count in tops.items() if top not in splits}, depth + 1


def _by_folder(
    where: str, names: Sequence[str], parents: Sequence[Parts], parts: Mapping[str, Sequence[int]], start: int
) -> dict[str, Labels | None]:
    """A class a folder, from so many folders down; none where all images lie in one."""
    shared = start + _shared({parents[i][start:] for indices in parts.values() for i in indices})
    called = {parent: "/".join(parent[shared:]) for parent in set(parents)}
    folders = {name: [called[parents[i]] for i in indices] for name, indices in parts.items()}
    if not any(any(found) for found in folders.values()):
        return dict.fromkeys(parts)
    for name, found in folders.items():
        if "" not in found:
            continue
        if not any(found):
            raise UserError(f"{where}: the {name} images have no class folders, the others have: data.labels=false")
        beside = names[parts[name][found.index("")]].rpartition("/")[2]
        raise UserError(
            f"{where} holds images ({beside}) beside class folders with images: put every image into a class folder, or"
            " none"
        )
    return {name: np.array(found) for name, found in folders.items()}


def _shared(parents: set[Parts]) -> int:
    """How many leading folders are the same for all."""
    first = next(iter(parents))
    depth = 0
    while depth < len(first) and all(parent[depth : depth + 1] == first[depth : depth + 1] for parent in parents):
        depth += 1
    return depth


# Tables


def rows_of(where: str, name: str, content: bytes) -> Rows:
    """A table's rows; none if it is no table with a header.

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
        return [{key: str(value) for key, value in row.items() if value is not None} for row in rows]
    lines = text.splitlines()
    delimiter = max("\t;,", key=lines[0].count) if lines else ","
    try:
        return [
            {str(key): value for key, value in row.items() if isinstance(value, str)}
            for row in csv.DictReader(io.StringIO(text), delimiter=delimiter)
        ]
    except csv.Error as error:
        raise UserError(f"{where}: {name} cannot be read ({error}): mend or remove it") from error


@dataclass
class _Told:
    """What tables say of images, by index."""

    label: dict[int, str]
    split: dict[int, str]
    named: set[int]
    notes: list[str]


def _read_tables(
    where: str, names: Sequence[str], parts: Mapping[str, Sequence[int]], tables: Mapping[str, Rows], *, labelled: bool
) -> _Told:
    """Labels, and splits where a column or the tables' own names tell them (train.csv and test.csv)."""
    told = _Told({}, {}, set(), [])
    paths = [tuple(name.split("/")) for name in names] if tables else []  # of a million images they are large
    stems = {name: split_of(name.rpartition("/")[2].rpartition(".")[0]) for name in tables}
    found: dict[str, tuple[str, list[int | _Several | None]]] = {}
    for name, rows in tables.items():
        images = _images_of(name, paths, parts.get(stems[name] or ""))
        column, of_row, is_sure = _files(paths, images, rows)
        if column is None:
            told.notes.append(f"{name} names no image here, and is not used")
        elif not is_sure:
            count = len({i for i in of_row if i is not None})
            told.notes.append(
                f"{name} is not used: {column} names {count:,} of {counted(len(images), 'image')}, maybe by chance, for"
                " it is without suffixes"
            )
        elif "submission" in name.lower():  # Kaggle's: its classes are to be filled in
            told.notes.append(f"{name} is not used: a submission says no classes")
        else:
            found[name] = column, of_row
            _refuse_ambiguous(where, name, names, [row.get(column, "") for row in rows], of_row)
    by_stem = WHOLE in parts and len({stems[name] for name in found} - {None}) > 1
    is_called = any(is_label(c) for name, (column, _) in found.items() for c in _columns(tables[name], column))
    for name, (column, of_row) in found.items():
        rows = tables[name]
        told.named.update(i for i in of_row if isinstance(i, int))
        labels = _label_column(where, name, rows, column, is_called=is_called) if labelled else None
        splits = next((c for c in _columns(rows, column) if _is_split(rows, c)), None)
        split = stems[name] if by_stem else None
        if labels is None and splits is None and split is None:
            told.notes.append(f"{name} has no column of {'classes or ' if labelled else ''}splits, and is not used")
        for row, i in zip(rows, of_row, strict=True):
            if isinstance(i, int) and labels is not None:
                _tell(where, name, names[i], told.label, i, row.get(labels, ""))
            if isinstance(i, int) and (splits or split):
                said = split if splits is None else split_of(row.get(splits, ""))
                _tell(where, name, names[i], told.split, i, said or "")
        empty = sum(told.label.get(i) == "" for i in set(of_row) if isinstance(i, int))
        if empty:
            raise UserError(
                f"{where}: {name} has no {labels} for {counted(empty, 'image')}: fill it in; data.labels=false trains"
                " without"
            )
    return told


def _images_of(name: str, paths: list[Parts], part: Sequence[int] | None) -> Sequence[int]:
    """The images that a table may be about: below its folder, and of its own split if there is a folder for that."""
    beside = tuple(name.split("/")[:-1])
    return [i for i in (range(len(paths)) if part is None else part) if paths[i][: len(beside)] == beside]


def _tell(where: str, table: str, image: str, told: dict[int, str], i: int, value: str) -> None:
    """Note what is said of an image, which must be what was said of it before."""
    before = told.setdefault(i, value)
    if before != value:
        raise UserError(
            f"{where}: {table} says {value or 'nothing'} of {image}, and {before or 'nothing'} in another place:"
            " genbench takes one class and one split an image; data.labels=false trains without classes"
        )


def _tabled(where: str, names: Sequence[str], parts: Mapping[str, Sequence[int]], told: _Told) -> Arrangement:
    notes = []
    wanted = {i for indices in parts.values() for i in indices}
    if WHOLE in parts and "train" in told.split.values():
        by_split: dict[str, list[int]] = {}
        for i in range(len(names)):
            if told.split.get(i):
                by_split.setdefault(told.split[i], []).append(i)
        parts = by_split
    elif WHOLE in parts and told.split:
        notes.append("the table's splits are not used: none of them is for training")
    elif any(told.split.get(i, name) != name for name, indices in parts.items() for i in indices):
        notes.append("the table's splits are not used: folders say others")
    kept = {name: [i for i in indices if not told.label or i in told.label] for name, indices in parts.items()}
    kept = {name: indices for name, indices in kept.items() if indices}
    left = wanted.difference(*kept.values())
    notes += [
        f"left out, for {reason}: {counted(len(indices), 'image')}"
        for reason, indices in (
            ("no table names them", left - told.named),
            ("no table says of what class they are", left & told.named),
        )
        if indices
    ]
    if "train" not in kept and WHOLE not in kept:
        raise UserError(f"{where}: its table names none of the training images: mend or remove it")
    labels: dict[str, Labels | None] = {
        name: np.array([told.label[i] for i in indices]) if told.label else None for name, indices in kept.items()
    }
    return Arrangement(kept, labels, tuple(notes))


class _Several(tuple[int, int]):
    """Two of the images that a name may stand for."""


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
    for each in dict.fromkeys(key for row in rows[:100] for key in row):
        cells = [row.get(each, "").strip().removeprefix("./").replace("\\", "/") for row in rows]
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


def _columns(rows: Rows, files: str) -> list[str]:
    """All but the one that names files."""
    return [c for c in dict.fromkeys(key for row in rows[:100] for key in row) if c != files]


def _label_column(where: str, name: str, rows: Rows, files: str, *, is_called: bool) -> str | None:
    """The column of classes; with is_called only one that is called so, as another table's is."""
    columns = [c for c in _columns(rows, files) if not _is_split(rows, c)]
    called = [c for c in columns if is_label(c)]
    if len(called) == 1:
        return called[0]
    if is_called and not called:
        return None
    repeated = [c for c in called or columns if 1 < len({row.get(c, "") for row in rows}) <= max(2, len(rows) / 2)]
    if len(repeated) > 1:
        raise UserError(
            f"{where}: {name} has several columns that may be the class ({', '.join(repeated[:5])}): call the one"
            " `label`; data.labels=false trains without"
        )
    return repeated[0] if repeated else None


def _is_split(rows: Rows, column: str) -> bool:
    values = {row.get(column, "") for row in rows}
    return bool(values) and all(split_of(value) is not None for value in values)
