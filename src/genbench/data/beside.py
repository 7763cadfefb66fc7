"""What lies beside the data that is read: it is said, and refused where it is plainly a part of them."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from genbench.cache import regular_file
from genbench.config.data import DataConfig
from genbench.data import archives
from genbench.data.formats import format_of
from genbench.data.found import Found
from genbench.data.names import Pair, is_label, missed
from genbench.data.tables import TABLES, rows_of
from genbench.errors import UserError
from genbench.wording import counted

SET = 20  # images that lie beside arrays are more than figures that explain them: they may be what is meant
_LOOKED_PAST = {".txt", ".md", ".json", ".xml", ".yaml", ".yml", ".pdf", ".html", ".py", ".db", ".ini"}  # no images
_LISTS = {*TABLES, ".txt", ".json", ".pkl", ".pickle", ".pt", ".pth"}  # in which classes may be
_LONGEST = 2**16  # bytes of a table's line


def others_note(others: Mapping[str, int]) -> tuple[str, ...]:
    """What is said of files that are nothing known, counted by suffix."""
    left = {suffix: count for suffix, count in others.items() if suffix not in _LOOKED_PAST}
    return (f"left out: {counted(sum(left.values()), 'other file')} ({', '.join(list(left)[:5])})",) if left else ()


def beside_arrays(root: Path, others: Iterable[Path], found: Found, config: DataConfig) -> tuple[str, ...]:
    """What is said of the other files of a folder with arrays.

    Args:
        root: the folder.
        others: all files in it and below that are not used.
        found: what the arrays hold.
        config: whether classes are wanted.

    Raises:
        UserError: one of them holds what the arrays lack: their classes, or a split's images.
    """
    named = {split: Pair("", None if part.labels is None else "") for split, part in found.parts.items()}
    unlabelled = all(pair.labels is None for pair in named.values())
    notes, left = [], Counter[str]()
    for path in others:
        name = path.relative_to(root)
        suffix = path.suffix.lower()
        lacking = missed(name.with_suffix("").as_posix(), named)
        if lacking == "images" and (format_of(path) is not None or archives.takes(path)):
            raise UserError(
                f"{root} holds {name} beside the arrays that are read, and it is not: put all arrays into the one"
                " folder, or move it away"
            )
        called = lacking == "labels" and (suffix in _LISTS or format_of(path) is not None)
        telling = unlabelled and suffix in TABLES and _has_classes(path)
        if config.labels and (called or telling):
            raise UserError(
                f"{root} holds {name} beside arrays without classes, and which row is of which image is not known: save"
                " the classes in the images' order, np.save('labels.npy', labels); data.labels=false trains without"
            )
        if suffix in TABLES:
            notes.append(f"{name} is not used: arrays have no names that a table could say something of")
        else:
            left[suffix or path.name] += 1
    return (*notes[:10], *others_note(left))


def _has_classes(table: Path) -> bool:
    """Whether one of a table's columns is called what classes are called; y alone may be a place."""
    try:
        with regular_file(table).open("rb") as file:
            start = file.readline(_LONGEST) + file.readline(_LONGEST)
        rows = rows_of(str(table.parent), table.name, start)
    except (OSError, ValueError, UserError):
        return False
    return any(is_label(column) and column.lower() != "y" for row in rows for column in row)


def files_below(folder: str) -> Iterable[str]:
    """All files in a folder and the folders in it, sorted, but hidden ones."""

    def fail(error: OSError) -> None:
        raise error

    seen = set()  # folders, of which one may be a link to another that it lies in
    for parent, folders, names in os.walk(folder, onerror=fail, followlinks=True):
        if (place := os.path.realpath(parent)) in seen:
            folders.clear()
            continue
        seen.add(place)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        yield from (os.path.join(parent, name) for name in sorted(names) if not name.startswith("."))  # noqa: PTH118
