"""A folder that Hugging Face's `datasets` wrote with save_to_disk: one data set, or a folder a split."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from genbench.cache import regular_file
from genbench.config.data import DataConfig
from genbench.data.encoded import Table, arrow, described, found_in, readable
from genbench.data.found import WHOLE, Found
from genbench.data.names import split_in
from genbench.errors import UserError

_LARGEST = 16 * 2**20  # bytes of what is written about the data
_ROWS = 256  # at once
_ANEW = "save it anew, dataset.flatten_indices().save_to_disk(FOLDER)"


def takes(path: Path) -> bool:
    """By the files that save_to_disk writes beside the data."""
    try:
        return (path / "dataset_dict.json").is_file() or (
            (path / "state.json").is_file() and (path / "dataset_info.json").is_file()
        )
    except OSError:
        return False


def found(path: Path, config: DataConfig) -> Found:
    """All its splits, or those whose names are known."""
    arrow(path)
    name = path.resolve().name
    if not (path / "dataset_dict.json").is_file():
        return found_in(path, name, {WHOLE: _tables(path)}, config)
    listed = _json(path / "dataset_dict.json").get("splits")
    folders = [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []
    if not folders:
        raise UserError(f"{path / 'dataset_dict.json'} names no splits: {_ANEW}")
    if len(folders) == 1:
        return found_in(path, name, {WHOLE: _tables(path / _plain(path, folders[0]))}, config)
    parts: dict[str, list[Table]] = {}
    others = []
    for folder in folders:
        split = split_in(folder)
        if split is None:
            others.append(folder)
        elif split in parts:
            raise UserError(
                f"{path} has several splits that are {split} ({', '.join(folders)}): give one, {path / folder}"
            )
        else:
            parts[split] = _tables(path / _plain(path, folder))
    if "train" not in parts:
        raise UserError(f"{path} has the splits {', '.join(folders)}, and none is train: give one, {path / folders[0]}")
    notes = [f"splits that are not used: {', '.join(others[:10])}"] if others else []
    return found_in(path, name, parts, config, notes)


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(regular_file(path, _LARGEST).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        reason = "it nests too deep" if isinstance(error, RecursionError) else " ".join(str(error).split())
        raise UserError(f"{path} cannot be read ({reason}): {_ANEW}") from error
    return content if isinstance(content, dict) else {}


def _plain(folder: Path, name: Any) -> str:
    """A name of something in the folder itself: what came from elsewhere must not name other files."""
    if not isinstance(name, str) or name in ("", ".", "..") or set(name) & set("/\\\0:"):
        raise UserError(f"{folder} names {str(name)[:50]!r}, which is no file in it: {_ANEW}")
    return name


def _tables(folder: Path) -> list[Table]:
    """The files of one data set, in their order."""
    state = _json(folder / "state.json")
    if state.get("_indices_data_files") or state.get("_indices_files"):
        raise UserError(f"{folder} holds a choice of rows: {_ANEW}")
    about = folder / "dataset_info.json"
    with readable(about):
        features = described(regular_file(about, _LARGEST).read_bytes())
    listed = state.get("_data_files")
    names = [each.get("filename") for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    if not names:
        raise UserError(f"{folder / 'state.json'} names no data files: {_ANEW}")
    return [_table(folder / _plain(folder, name), features) for name in names]


def _table(path: Path, features: dict[str, Any]) -> Table:
    from pyarrow import ipc, memory_map

    with readable(path):
        rows = 0
        with memory_map(str(regular_file(path))) as file:
            reader = ipc.MessageReader.open_stream(file)
            for message in reader:
                _check_plain(message)
        with memory_map(str(path)) as file, ipc.open_stream(file) as stream:
            schema = stream.schema
            rows = sum(batch.num_rows for batch in stream)
    return Table(path, schema, rows, partial(_batches, path), features)


def _check_plain(message: Any) -> None:
    """Packed or repeated values, which `datasets` does not write, could unpack to more than any memory holds.

    The start of a message is a flatbuffer (format/Message.fbs of Arrow): tables whose fields are found by offsets.
    """
    data = bytes(message.metadata)
    if message.type == "dictionary":
        raise ValueError("it has dictionaries, which save_to_disk does not write")
    if message.type != "record batch":
        return
    root = int.from_bytes(data[:4], "little")
    at = _field(data, root, 2)  # the header
    table = at + int.from_bytes(data[at : at + 4], "little")
    if _field(data, table, 3):  # its compression
        raise ValueError("it is compressed, which save_to_disk does not do")


def _field(data: bytes, table: int, number: int) -> int:
    """Where a field of a flatbuffer's table lies; 0 if it is not there."""
    about = table - int.from_bytes(data[table : table + 4], "little", signed=True)
    size = int.from_bytes(data[about : about + 2], "little")
    if 4 + 2 * number + 2 > size:
        return 0
    offset = int.from_bytes(data[about + 4 + 2 * number : about + 6 + 2 * number], "little")
    return table + offset if offset else 0


def _batches(path: Path, columns: list[str]) -> Iterator[Any]:
    from pyarrow import ipc, memory_map

    with memory_map(str(path)) as file, ipc.open_stream(file) as stream:
        for batch in stream:
            some = batch.select(columns)
            some.validate(full=True)  # nothing else says that offsets do not point elsewhere
            for start in range(0, some.num_rows, _ROWS):
                yield some.slice(start, _ROWS)
