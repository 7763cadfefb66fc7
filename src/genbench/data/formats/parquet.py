"""Parquet files with images, one or a folder of them as Hugging Face has: data/train-00000-of-00001.parquet."""

import os
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from genbench.cache import regular_file
from genbench.config.data import DataConfig
from genbench.data.beside import SET, files_below, others_note
from genbench.data.decoding import suffixes
from genbench.data.encoded import SHARE, Table, arrow, described, found_in, readable
from genbench.data.found import WHOLE, Found
from genbench.data.memory import memory
from genbench.data.names import split_in
from genbench.errors import UserError
from genbench.wording import counted

_SUFFIX = ".parquet"
_LOOKED_AT = 64  # entries of a folder: in one of class folders there may be millions
_ROWS = 256  # at once


def takes(path: Path) -> bool:
    """A file by its name; a folder if such files are in it, or in folders in it, and no images beside them."""
    try:
        if not path.is_dir():
            return path.suffix.lower() == _SUFFIX
        known = suffixes()
        there = False
        for name in _names(path, None):
            suffix = Path(name).suffix.lower()
            if suffix in known:
                return False
            there = there or suffix == _SUFFIX
        return there or any(
            name.lower().endswith(_SUFFIX)
            for folder in islice(_folders(path), _LOOKED_AT)
            for name in _names(folder, _LOOKED_AT)
        )
    except OSError:
        return False


def found(path: Path, config: DataConfig) -> Found:
    """What is in a file, or in the files of a folder; splits are told by their names, or their folders'."""
    arrow(path)
    if not path.is_dir():
        return found_in(path, path.name.partition(".")[0], {WHOLE: [_table(path)]}, config)
    files = _files(path)
    by_split: dict[str | None, list[Path]] = {}
    for file, folder in files:
        by_split.setdefault(split_in(file.stem) or split_in(folder), []).append(file)
    unknown = by_split.get(None, [])
    notes = []
    if unknown and len(by_split) > 1:
        if "train" not in by_split:
            raise UserError(f"{path} holds {unknown[0].name}, which names no split, beside others: call it train")
        notes = [f"{len(unknown)} files that name no split are left out ({unknown[0].name}, ...)"]
        del by_split[None]
    notes += _beside(path, {file for file, _ in files}, {split or WHOLE for split in by_split})
    parts = {split or WHOLE: [_table(file) for file in own] for split, own in by_split.items()}
    return found_in(path, path.resolve().name, parts, config, notes)


def _beside(root: Path, used: set[Path], splits: set[str]) -> list[str]:
    """What is said of other files in the folder and below it, which may be what is meant, or belong to it."""
    known = suffixes()
    images: list[str] = []
    tables: list[str] = []
    others: Counter[str] = Counter()
    for text in files_below(str(root)):
        if Path(text) in used:
            continue
        name = text[len(str(root)) + 1 :]
        suffix = os.path.splitext(text)[1].lower()  # noqa: PTH122  (there may be a million)
        if suffix in known:
            images.append(name)
        elif suffix == _SUFFIX:
            tables.append(name)
            split = split_in(name)
            if split is not None and split not in splits:
                raise UserError(
                    f"{root} holds {name} beside files that are read: put all into one folder, or give the one"
                )
        else:
            others[suffix or name] += 1
    if len(images) >= SET:
        raise UserError(
            f"{root} holds {next(iter(used)).name} and {counted(len(images), 'image')} ({images[0]}, ...): move one of"
            " them away, or give the one file to read"
        )
    notes = [
        f"left out: {counted(len(of), kind)} ({of[0]})"
        for of, kind in ((images, "image"), (tables, "parquet file"))
        if of
    ]
    return [*notes, *others_note(others)]


def _files(root: Path) -> list[tuple[Path, str]]:
    """The files at the top, or else those in folders, and the folders' names."""
    at_top = sorted(name for name in _names(root, None) if name.lower().endswith(_SUFFIX))
    if at_top:
        return [(root / name, "") for name in at_top]
    folders = {}
    for folder in sorted(_folders(root)):
        names = sorted(name for name in _names(folder, None) if name.lower().endswith(_SUFFIX))
        if names:
            folders[folder.name] = [folder / name for name in names]
    sets = [name for name in folders if split_in(name) is None]
    if len(sets) > 1 or (sets and len(folders) > 1):
        raise UserError(
            f"{root} holds several sets ({', '.join(folders)}): give one, data.root={root / next(iter(folders))}"
        )
    return [(file, name) for name, files in folders.items() for file in files]


def _names(folder: Path, most: int | None) -> list[str]:
    """Of the first files in a folder; hidden ones are nobody's data."""
    with os.scandir(folder) as entries:
        return [each.name for each in islice(entries, most) if not each.name.startswith(".") and not each.is_dir()]


def _folders(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for each in entries:
            if each.is_dir() and not each.name.startswith("."):
                yield Path(each.path)


def _table(path: Path) -> Table:
    from pyarrow.parquet import ParquetFile

    with readable(path):
        file = ParquetFile(regular_file(path), memory_map=True, pre_buffer=False)
        schema = file.schema_arrow
        features = described((schema.metadata or {}).get(b"huggingface"))
        return Table(path, schema, file.metadata.num_rows, partial(_batches, file, path), features)


def _batches(file: Any, path: Path, columns: list[str]) -> Iterator[Any]:
    """Few rows at once: a value that is written once can stand in every row."""
    limit = int(SHARE * memory())
    total, largest = 0, 0
    for i in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(i)
        for k in range(group.num_columns):
            column = group.column(k)
            if column.path_in_schema.partition(".")[0] not in columns:
                continue
            total += column.total_uncompressed_size
            largest = max(largest, column.total_uncompressed_size, column.num_values)
    if total > limit or largest > limit:
        raise UserError(
            f"{path} holds {total / 2**30:.1f} GiB of images, more than a quarter of the memory: write them into a"
            " folder, with datasets: [row['image'].save(f'images/{i}.png') for i, row in enumerate(dataset)]"
        )
    rows = max(1, min(_ROWS, limit // max(1, largest)))
    yield from file.iter_batches(batch_size=rows, columns=columns, use_threads=False)
