"""Tables of Apache Arrow with images in a column, as Hugging Face has them: image files' bytes, or lists of pixels."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from genbench.config.data import DataConfig
from genbench.data.arrays import part_of
from genbench.data.arrow_types import holds_files, is_class, is_list, is_list_of_numbers, pixels_of
from genbench.data.decoding import UnreadableError, header
from genbench.data.files import File, Indices, read_files
from genbench.data.found import SPLITS, WHOLE, Found, Labels, Part
from genbench.data.memory import memory
from genbench.data.names import is_images, is_label, is_split, unused
from genbench.data.split_column import divided
from genbench.errors import UserError

SHARE = 0.25  # of the memory, for the files as they are packed in their own formats
_MOST = 5_000_000  # images
_OFF = "data.labels=false trains without them"
_UNREADABLE = (OSError, ValueError, TypeError, KeyError, IndexError, NotImplementedError, OverflowError, MemoryError)


@dataclass(frozen=True)
class Table:
    """A file with some of a part's rows."""

    path: Path
    schema: Any  # pyarrow.Schema
    rows: int
    batches: Callable[[list[str]], Iterator[Any]]  # pyarrow.RecordBatch with these columns, few rows at once
    features: Mapping[str, Any] = field(default_factory=dict)  # what Hugging Face says of the columns


@dataclass(frozen=True)
class _Columns:
    """Which columns are what."""

    images: str
    files: bool  # bytes of image files, or lists of pixels
    label: str | None
    classes: tuple[str, ...]
    split: str | None  # where files do not say it
    notes: tuple[str, ...]


def arrow(path: Path) -> Any:
    """The module pyarrow.

    Raises:
        UserError: it is not there.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise UserError(f"reading {path} needs pyarrow: pip install 'genbench[parquet]'") from error
    return pyarrow


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Say in one line what Arrow makes of a file from anywhere."""
    try:
        yield
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path} cannot be read ({reason}): write it anew, or fetch it again") from error


def described(text: bytes | str | None) -> dict[str, Any]:
    """The features in what Hugging Face writes beside the data; none if it is something else."""
    try:
        content = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    content = content.get("info", content) if isinstance(content, dict) else {}
    features = content.get("features") if isinstance(content, dict) else None
    return features if isinstance(features, dict) else {}


def found_in(
    where: Path, name: str, parts: Mapping[str, Sequence[Table]], config: DataConfig, notes: Sequence[str] = ()
) -> Found:
    """What tables hold.

    Args:
        where: the file or folder, for messages.
        name: of the data set.
        parts: the files of each split.
        config: how the images are to be read.
        notes: what is known already.

    Raises:
        UserError: they hold no images, or not such as can be read.
    """
    parts = {part: parts[part] for part in (WHOLE, *SPLITS) if part in parts}
    first = next(iter(parts.values()))[0]  # of the training images: others' classes may be missing
    with readable(first.path):
        columns = _columns(first, undivided=WHOLE in parts)
    if config.labels:
        columns = _with_all_classes(columns, chain(*parts.values()))
    rows = sum(table.rows for tables in parts.values() for table in tables)
    if rows > _MOST:
        raise UserError(f"{where} holds {rows:,} rows, more than {_MOST:,}: give fewer of its files")
    if config.labels:
        _check_labels(parts, columns.label)
    wanted = [name for name in (columns.split, columns.label if config.labels else None) if name is not None]
    content: dict[str, list[Any]] = {}
    beside: dict[str, dict[str, list[Any]]] = {}  # by part, the values of other columns
    left = int(SHARE * memory())
    for part, tables in parts.items():
        content[part], beside[part] = [], {name: [] for name in wanted}
        for table in tables:
            left = _read(where, table, columns, content[part], beside[part], left)
    labels = {part: _labels(where, part, of.get(columns.label or "", []), columns) for part, of in beside.items()}
    if columns.files:
        made, kept, said = _decoded(where, parts, content, labels, config)
    else:
        with readable(where):  # the lists of one file may be longer than those of another
            arrays = {part: np.concatenate(pieces or [np.empty((0, 0))]) for part, pieces in content.items()}
        called = f"{where}: {columns.images}"
        made = {part: part_of(called, array, labels[part], config, len(array)) for part, array in arrays.items()}
        kept, said = np.arange(rows), ()
    found = Found(name, made, columns.classes, (*said, *notes, *columns.notes))
    if columns.split is None:
        return found
    words = beside[WHOLE][columns.split]
    return divided(found, columns.split, ["" if words[i] is None else str(words[i]) for i in kept])


def _check_labels(parts: Mapping[str, Sequence[Table]], label: str | None) -> None:
    """Of a split's files all have classes, or none."""
    for tables in parts.values():
        names = [set(table.schema.names) for table in tables]
        have = [label in of or (label is None and any(map(is_label, of))) for of in names]
        if any(have) and not all(have):
            lacking, other = tables[have.index(False)].path, tables[have.index(True)].path
            raise UserError(
                f"{lacking} has no column of classes, as {other.name} has: remove one; data.labels=false trains without"
            )


def _decoded(
    where: Path,
    parts: Mapping[str, Sequence[Table]],
    content: Mapping[str, list[File]],
    labels: Mapping[str, Labels | None],
    config: DataConfig,
) -> tuple[dict[str, Part], Indices, tuple[str, ...]]:
    """All splits' files decoded together, so that they come out alike, and which can be read, with what is said."""
    files = [file for of_part in content.values() for file in of_part]
    if not any(file.content for file in files):
        raise UserError(
            f"{where} holds no images, only paths of them: write it anew with datasets' to_parquet(FILE), which puts"
            " them in"
        )
    about = [(table.path, table.path.stat()) for tables in parts.values() for table in tables]
    stamp = "\n".join(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}" for path, stat in about)
    read = read_files(str(where), files, stamp, config)
    kept = read.kept
    made = {}
    start = 0
    for part, of_part in content.items():
        first, last = (int(i) for i in np.searchsorted(kept, [start, start + len(of_part)]))
        mine = labels[part]
        made[part] = Part(
            read.pictures.of(range(first, last)),
            None if mine is None else mine[kept[first:last] - start],
            facts=None if read.facts is None else read.facts[np.arange(first, last)],
        )
        start += len(of_part)
    return made, kept, read.notes


# Columns


def _columns(table: Table, *, undivided: bool) -> _Columns:
    """By types and names; one file's stand for all but the names of classes."""
    types = arrow(table.path).types
    fields = list(table.schema)
    files = [each.name for each in fields if holds_files(types, each.type)]
    pixels = [each.name for each in fields if is_list(types, each.type) and is_list_of_numbers(types, each.type)]
    images = _one_of(table, files) or _one_of(table, [name for name in pixels if is_images(name)] or pixels)
    if images is None:
        raise UserError(f"{table.path} has the columns {', '.join(table.schema.names)[:200]}, and none holds images")
    label, classes, said = _label(table, types, [each for each in fields if each.name != images])
    splits = [each.name for each in fields if undivided and is_split(each.name) and is_class(types, each.type)]
    split = splits[0] if splits else None
    others = [name for name in table.schema.names if name not in (images, label, split)]
    notes = (*said, *unused(others, labelled=label is not None))
    return _Columns(images, images in files, label, classes, split, notes)


def _with_all_classes(columns: _Columns, tables: Iterable[Table]) -> _Columns:
    """With the names of all files' classes, which need not be the first's, nor in its order."""
    if columns.label is None:
        return columns
    named = {table.path: _class_names(table.features.get(columns.label)) for table in tables}
    if len({names for names in named.values() if names}) < 2:
        return columns
    if nameless := [path for path, names in named.items() if not names]:
        raise UserError(f"{nameless[0]} does not name its classes, and other files name different ones: {_OFF}")
    return replace(columns, classes=tuple(dict.fromkeys(name for names in named.values() for name in names)))


def _one_of(table: Table, names: list[str]) -> str | None:
    """The one of several columns that holds images, by its name or its first value."""
    called = [name for name in names if is_images(name)]
    if len(called) == 1 or len(names) == 1:
        return (called or names)[0]
    holding = [name for name in called or names if _begins_with_image(table, name)]
    if len(holding) > 1:
        raise UserError(
            f"{table.path} has several columns of images ({', '.join(holding[:5])}): keep one, with datasets:"
            f" dataset.select_columns(['{holding[0]}', 'label']).to_parquet('images.parquet')"
        )
    return holding[0] if holding else None


def _begins_with_image(table: Table, name: str) -> bool:
    for batch in table.batches([name]):
        for value in batch.column(0)[:1].to_pylist():
            content = value.get("bytes") if isinstance(value, dict) else value
            if not isinstance(content, bytes):
                return False
            try:
                header(content)
            except UnreadableError:
                return False
            return True
    return False


def _label(table: Table, types: Any, fields: Sequence[Any]) -> tuple[str | None, tuple[str, ...], tuple[str, ...]]:
    """The column of classes, their names, and what is to be said."""
    usable = [each.name for each in fields if is_class(types, each.type) and not is_split(each.name)]
    named = {name: _class_names(table.features.get(name)) for name in usable}
    called = [name for name in usable if is_label(name)] or [name for name in usable if named[name]]
    if len(called) > 1:  # the finest, of those that name their classes
        called = [name for name in called if name in ("label", "labels")] or sorted(
            called, key=lambda name: -len(named[name])
        )
        if not named[called[0]] and called[0] not in ("label", "labels"):
            said = f"columns {', '.join(called[:5])} may each be the class: call the one `label`"
            return None, (), (said,)
    if not called:
        return None, (), ()
    return called[0], named[called[0]], ()


def _class_names(feature: Any) -> tuple[str, ...]:
    names = feature.get("names") if isinstance(feature, dict) else None
    return tuple(names) if isinstance(names, list) and all(isinstance(name, str) for name in names) else ()


# Rows


def _read(
    where: Path, table: Table, columns: _Columns, content: list[Any], beside: dict[str, list[Any]], left: int
) -> int:
    """Add a file's images, and values of other columns, to what there is; how many bytes there may still be."""
    names = set(table.schema.names)
    if columns.images not in names:
        raise UserError(f"{table.path} has no column {columns.images}, as the other files have: remove it")
    others = [name for name in beside if name in names]
    with readable(table.path):
        for batch in table.batches([columns.images, *others]):
            images = batch.column(batch.schema.get_field_index(columns.images))
            if columns.files:
                start = len(content)
                files = _files(table.path, images, start)
                left -= sum(len(file.content) for file in files if isinstance(file.content, bytes))
                content += files
            else:
                content.append(pixels_of(arrow(table.path).types, columns.images, images))
                left -= content[-1].nbytes
            if left < 0:
                raise UserError(
                    f"{where} holds images of more than a quarter of the memory: write them into a folder, with"
                    f" datasets: [row['{columns.images}'].save(f'images/{{i}}.png') for i, row in enumerate(dataset)]"
                )
            for name in others:
                values = batch.column(batch.schema.get_field_index(name)).to_pylist()
                if name == columns.label:
                    beside[name] += _renumbered(table, columns, name, values)
                else:
                    beside[name] += _said(table, name, values)
    if columns.split in beside.keys() - names:
        beside[columns.split] += [None] * table.rows
    return left


def _said(table: Table, column: str, values: list[Any]) -> list[Any]:
    """Values by the names that Hugging Face gives them, if it does."""
    names = _class_names(table.features.get(column))
    return [names[value] if isinstance(value, int) and 0 <= value < len(names) else value for value in values]


def _renumbered(table: Table, columns: _Columns, label: str, values: list[Any]) -> list[Any]:
    """A file's classes by the numbers that all files' have."""
    names = _class_names(table.features.get(label))
    if not names or not columns.classes or names == columns.classes:
        return values
    if max((value for value in values if isinstance(value, int)), default=0) >= len(names):
        raise UserError(f"{table.path} has more classes in {label} than the {len(names)} that it names: {_OFF}")
    number = {i: columns.classes.index(name) for i, name in enumerate(names)}
    return [number.get(value, value) for value in values]


def _files(path: Path, images: Any, start: int) -> list[File]:
    """Of image files' bytes; those that are elsewhere are empty here, and found to be no images."""
    values = images.to_pylist()
    contents = [value.get("bytes") if isinstance(value, dict) else value for value in values]
    return [File(f"{path.name}, row {start + i}", content or b"") for i, content in enumerate(contents)]


def _labels(where: Path, part: str, values: list[Any], columns: _Columns) -> Labels | None:
    """Numbers or names, one an image; None where there are none."""
    if not values:
        return None
    images = "images" if part == WHOLE else f"{part} images"
    none = sum(value is None or (bool(columns.classes) and isinstance(value, int) and value < 0) for value in values)
    if none:
        raise UserError(f"{where}: {none:,} of {len(values):,} {images} have no {columns.label}: {_OFF}")
    return np.array(values)
