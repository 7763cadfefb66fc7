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
        labelled: whether classes are wanted.

    Raises:
        UserError: the names contradict each other.
    """
    once: dict[str, Parts] = {}  # a folder's names once, not once for each of its files
    parents = [once.setdefault(parent, tuple(parent.split("/")[:-1])) for parent in map(_parent, names)]
    parts, skipped, start = _parts(where, parents)
    notes = [f"left out, for it is no split: {name}/ with {counted(count, 'image')}" for name, count in skipped.items()]
    if not labelled:
        return Arrangement(parts, dict.fromkeys(parts), tuple(notes))
    rows = {name: _rows(where, name, content) for name, content in tables.items()}
    if any(rows.values()):
        by_table = _by_table(where, names, parts, rows)
        if by_table is not None:
            return Arrangement(by_table.parts, by_table.labels, (*notes, *by_table.notes))
        notes += [f"{name} names no image here, and is not used" for name, found in rows.items() if found]
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


def _rows(where: str, name: str, content: bytes) -> Rows:
    """A table's rows; none if it is no table with a header."""
    text = content.decode("utf-8-sig", "replace")
    if name.lower().endswith(".jsonl"):
        try:
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
        except (ValueError, RecursionError):
            raise UserError(f"{where}: {name} is not JSON lines: mend or remove it") from None
        return [{key: str(value) for key, value in row.items()} for row in found if isinstance(row, dict)]
    lines = text.splitlines()
    delimiter = max("\t;,", key=lines[0].count) if lines else ","
    try:
        return [
            {str(key): value for key, value in row.items() if isinstance(value, str)}
            for row in csv.DictReader(io.StringIO(text), delimiter=delimiter)
        ]
    except csv.Error as error:
        raise UserError(f"{where}: {name} cannot be read ({error}): mend or remove it") from error


def _by_table(
    where: str, names: Sequence[str], parts: Mapping[str, Sequence[int]], tables: Mapping[str, Rows]
) -> Arrangement | None:
    """Labels, and splits where a column names them, by the tables; None if they name no image."""
    paths = [tuple(name.split("/")) for name in names]
    label: dict[int, str] = {}
    split: dict[int, str] = {}
    for name, rows in tables.items():
        beside = tuple(name.split("/")[:-1])
        of_table = {i for i, path in enumerate(paths) if path[: len(beside)] == beside}
        column, of_row = _files(paths, of_table, rows)
        if column is None:
            continue
        labels = _label_column(where, name, rows, column)
        splits = _split_column(rows, column)
        for row, i in zip(rows, of_row, strict=True):
            if i is None:
                continue
            if labels is not None:
                label[i] = row.get(labels, "")
            if splits is not None:
                split[i] = split_of(row.get(splits, "")) or ""
    if not label and not split:
        return None
    return _tabled(where, parts, label, split, len(paths))


def _tabled(
    where: str, parts: Mapping[str, Sequence[int]], label: Mapping[int, str], split: Mapping[int, str], count: int
) -> Arrangement:
    if split and WHOLE in parts and "train" in split.values():
        by_split: dict[str, list[int]] = {}
        for i in range(count):
            if split.get(i):
                by_split.setdefault(split[i], []).append(i)
        parts = by_split
    kept = {name: [i for i in indices if not label or i in label] for name, indices in parts.items()}
    kept = {name: indices for name, indices in kept.items() if indices}
    left = count - sum(map(len, kept.values()))
    notes = (f"left out, for no table names them: {counted(left, 'image')}",) if left else ()
    if "train" not in kept and WHOLE not in kept:
        raise UserError(f"{where}: its table names none of the training images: mend or remove it")
    labels: dict[str, Labels | None] = {
        name: np.array([label[i] for i in indices]) if label else None for name, indices in kept.items()
    }
    return Arrangement(kept, labels, notes)


def _files(paths: list[Parts], of_table: set[int], rows: Rows) -> tuple[str | None, list[int | None]]:
    """The column that names files, by what stands in it, and each row's image."""
    known: dict[str, int] = {}
    for i in sorted(of_table):
        path = paths[i]
        keys = {path[-1].rpartition(".")[0], *("/".join(path[k:]) for k in range(len(path)))}
        for key in keys:
            known.setdefault(key, i)
    best: tuple[int, str | None, list[int | None]] = (0, None, [])
    for column in dict.fromkeys(key for row in rows[:100] for key in row):
        found = [known.get(row.get(column, "").strip().removeprefix("./").replace("\\", "/")) for row in rows]
        distinct = len({i for i in found if i is not None})
        if distinct > best[0]:
            best = (distinct, column, found)
    # Numbers match the names of numbered files by chance: most images must be named.
    return (best[1], best[2]) if best[0] > len(of_table) / 2 else (None, [])


def _label_column(where: str, name: str, rows: Rows, files: str) -> str | None:
    columns = [c for c in dict.fromkeys(key for row in rows[:100] for key in row) if c != files]
    columns = [c for c in columns if not _is_split(rows, c)]
    called = [c for c in columns if is_label(c)]
    if len(called) == 1:
        return called[0]
    repeated = [c for c in called or columns if 1 < len({row.get(c, "") for row in rows}) <= max(2, len(rows) / 2)]
    if len(repeated) > 1:
        raise UserError(
            f"{where}: {name} has several columns that may be the class ({', '.join(repeated[:5])}): call the one"
            " `label`; data.labels=false trains without"
        )
    return repeated[0] if repeated else None


def _split_column(rows: Rows, files: str) -> str | None:
    columns = [c for c in dict.fromkeys(key for row in rows[:100] for key in row) if c != files]
    return next((c for c in columns if _is_split(rows, c)), None)


def _is_split(rows: Rows, column: str) -> bool:
    values = {row.get(column, "") for row in rows}
    return bool(values) and all(split_of(value) is not None for value in values)
