"""A run directory's files as plain data, read without trust: they may come from anywhere, or be damaged."""

import csv
import errno
import hashlib
import io
import json
import struct
import warnings
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import ValidationError

from genbench.cache import regular_file
from genbench.runs import migration
from genbench.runs.records import Metrics, Record, Row

if TYPE_CHECKING:
    from PIL import Image

AnyRecord = TypeVar("AnyRecord", bound=Record)
_MIGRATIONS = {"summary.json": migration.summary, "scores.json": migration.scorecard}
_UNCHECKED = ("config.yaml", "metrics.csv", "timing.csv")
_LARGEST_TEXT = 16 * 2**20  # bytes of a JSON or YAML file
_LARGEST_TABLE = 64 * 2**20  # bytes of a CSV file
_WIDEST = 8192  # pixels of a picture's side
_DEEPEST = 20  # groups within groups of a YAML file
# What PyYAML raises; all but the first for values with a wrong tag.
_NOT_YAML = (yaml.YAMLError, AttributeError, LookupError, TypeError, OverflowError)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where it was built


def read_record(path: Path, kind: type[AnyRecord]) -> AnyRecord:
    """A JSON file as one of the records, whatever version of it.

    Raises:
        OSError, ValueError: it cannot be read, or is something else.
    """
    content = read_json(path)
    if "checksum" in content and content.pop("checksum") != _digest(content):  # files of before have none
        raise ValueError("its checksum is wrong: it is damaged, or was changed by hand")
    return kind.model_validate(_MIGRATIONS[path.name](content) if path.name in _MIGRATIONS else content)


def record_text(record: Record) -> str:
    """A record as the text of its file, with a checksum by which damage shows."""
    content = record.model_dump()
    return json.dumps({**content, "checksum": _digest(content)}, indent=2) + "\n"


def file_digests(folder: Path) -> dict[str, str]:
    """The sha256, in hex, of a run's files that have no checksum of their own, as far as they are there.

    Raises:
        OSError, ValueError: one cannot be read, or is something else.
    """
    paths = {name: folder / name for name in _UNCHECKED if (folder / name).exists()}
    return {
        name: hashlib.sha256(regular_file(path, _LARGEST_TABLE).read_bytes()).hexdigest()
        for name, path in paths.items()
    }


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file's object.

    Raises:
        OSError, ValueError: it cannot be read, or is something else.
    """
    try:
        content = json.loads(_text(path, _LARGEST_TEXT))
        _check_writable(content)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(content, dict):
        raise ValueError("it holds no object")
    return content


def closed(folder: Path) -> str:
    """Why one may not look into a folder, such as another user's; empty if one may, or there is none."""
    try:
        (folder / "status.json").exists()
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def no_run(folder: Path) -> str:
    """What to say of a folder in which no run is seen."""
    if why := closed(folder):
        return f"{folder} cannot be looked into ({why}): have its owner open it, or give another run"
    return f"{folder} is not a run directory: give one that genbench.train made (it holds status.json)"


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file's mapping, as plain data: nothing in it is interpolated.

    Raises:
        OSError, ValueError: it cannot be read, or is something else.
    """
    text = _text(path, _LARGEST_TEXT)
    try:
        depth = 0
        for event in yaml.parse(text, _LOADER):
            if isinstance(event, yaml.AliasEvent):  # a few of them within each other are more than a memory holds
                raise ValueError("it has aliases")
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                raise ValueError("it is nested too deeply")
        content = yaml.load(text, _LOADER)
        _check_writable(content)
    except _NOT_YAML as error:
        raise ValueError(reason(error)) from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ValueError("it holds no group of values")
    return content


def read_checksum(path: Path) -> str:
    """The checksum that a weights file says it has; empty if it says none. The weights themselves are not read.

    Raises:
        OSError, ValueError: it cannot be read, or is something else.
    """
    with regular_file(path).open("rb") as file:
        length = int.from_bytes(file.read(8), "little")  # of the header, as safetensors has it
        if length > _LARGEST_TEXT:
            raise ValueError(f"its header is larger than {_LARGEST_TEXT // 2**20} MiB")
        header = file.read(length)
    try:
        about = json.loads(json.loads(header)["__metadata__"]["genbench"])
        return str(about.get("checksum", ""))
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("it is no weights file") from error


def read_table(path: Path) -> Metrics:
    """The rows of a CSV file of numbers, without its empty cells.

    Raises:
        OSError, ValueError: it cannot be read, or is something else.
    """
    table = csv.DictReader(io.StringIO(_text(path, _LARGEST_TABLE), newline=""))
    rows = []
    try:
        for cells in table:
            numbers = {name: value for name, value in cells.items() if name and value}
            images = numbers.pop("images", None)
            if images is None:
                raise ValueError("a row has no images")
            rows.append(Row(int(images), {name: float(value) for name, value in numbers.items()}))
    except csv.Error as error:
        raise ValueError(str(error)) from error
    return Metrics(rows=tuple(rows))


def read_picture(path: Path) -> "Image.Image | None":
    """A PNG file in RGB; None if it cannot be read, or is larger than any that genbench draws."""
    from PIL import Image  # here: a typo is answered without it

    try:
        with warnings.catch_warnings(), Image.open(regular_file(path, _LARGEST_TABLE), formats=("PNG",)) as opened:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return opened.convert("RGB") if max(opened.size) <= _WIDEST else None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError):
        return None


def write_table(path: Path, rows: Iterable[Row]) -> None:
    """A CSV file that `read_table` reads."""
    flat = [{"images": images, **values} for images, values in rows]
    columns = dict.fromkeys(column for row in flat for column in row)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["images", *(column for column in columns if column != "images")])
        table.writeheader()
        table.writerows(flat)


def reason(error: Exception) -> str:
    """What an error says, in one printable line."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        text = ": ".join(part for part in (".".join(map(str, first["loc"])), first["msg"]) if part)
    elif isinstance(error, yaml.MarkedYAMLError) and error.problem and error.problem_mark:
        text = f"{error.problem}, line {error.problem_mark.line + 1}"
    elif isinstance(error, OSError) and error.strerror:
        text = error.strerror
    else:
        text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return one_line(text)[:300]


def one_line(text: str) -> str:
    """A text from anywhere, without line ends and what else cannot be printed."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def is_disk_full(error: BaseException) -> bool:
    """True if an error, of whatever library, says that nothing more can be stored."""
    number = error.errno if isinstance(error, OSError) else None
    return number in (errno.ENOSPC, errno.EDQUOT) or "no space left" in str(error).lower()


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _check_writable(content: Any) -> None:
    """Refuse what could not be written anywhere again: dates, sets, and halves of surrogate pairs in texts."""
    json.dumps(content, ensure_ascii=False).encode()


def _text(path: Path, limit: int) -> str:
    with regular_file(path).open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"it is larger than {limit // 2**20} MiB")
    return content.decode()
