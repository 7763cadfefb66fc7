"""Files that a person asks for by out=: marked as genbench's, and never written over what is not."""

import json
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from genbench import __version__
from genbench.cache import whole_file
from genbench.errors import UserError
from genbench.places import MARK
from genbench.runs.directory import Run

_LOOKED_AT = 2**16  # bytes at either end of a file
_MADE = f"{MARK} {__version__}"
_ZIP_END = 22  # bytes of a zip file's last record, without a comment


def check_out(paths: Iterable[Path], *, force: bool) -> None:
    """Refuse what stands at a place that is to be written, before there is work for it.

    Args:
        paths: the files.
        force: whether files may be replaced that genbench did not make.

    Raises:
        UserError: a place cannot be written, lies in a run's directory, or holds a file without genbench's mark.
    """
    for path in paths:
        parent = path.parent
        try:
            if not parent.is_dir():
                raise UserError(f"out={path}: there is no folder {parent}")
            if not os.access(parent, os.W_OK | os.X_OK):
                raise UserError(f"out={path}: {parent} cannot be written: give another place")
            if path.is_dir():
                raise UserError(f"out={path}: is a folder; give a file")
            if force:
                continue
            if Run(parent).exists:
                raise UserError(f"out={path}: {parent} is a run's directory: give another place, or add force=true")
            if os.path.lexists(path) and not _is_ours(path):
                raise UserError(
                    f"out={path}: is there already, and genbench did not make it: give another name, or add force=true"
                )
        except OSError as error:
            raise UserError(f"out={path}: cannot be written ({error.strerror})") from error


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """`whole_file` for a file that `check_out` let pass; it gets genbench's mark.

    Raises:
        UserError: it cannot be written.
    """
    try:
        with whole_file(path) as temporary:
            yield temporary
            mark(temporary, path.suffix)
    except OSError as error:
        raise UserError(f"out={path}: cannot be written ({error.strerror})") from error


def mark(path: Path, suffix: str) -> None:
    """Note in a file that it is genbench's, where its kind keeps such things; a table and a model have it already."""
    if suffix in (".npz", ".pt2", ".zip"):  # zip files, which end with a comment
        with path.open("r+b") as file:
            file.seek(-_ZIP_END, os.SEEK_END)
            end = file.read()
            if not (end.startswith(b"PK\5\6") and end.endswith(b"\0\0")):
                raise ValueError(f"{path} does not end as a zip file without a comment")
            file.seek(-2, os.SEEK_END)
            file.write(struct.pack("<H", len(_MADE)) + _MADE.encode())
        return
    path.write_bytes(marked(path.read_bytes(), suffix))


def marked(content: bytes, suffix: str) -> bytes:
    """The content of a file that is no zip file, with genbench's mark."""
    if suffix == ".png":
        piece = b"tEXtSoftware\0" + _MADE.encode()
        piece = struct.pack(">I", len(piece) - 4) + piece + struct.pack(">I", zlib.crc32(piece))
        content = content[:33] + piece + content[33:]  # after the signature and the header, which have one length
    elif suffix == ".json":
        content = content.replace(b"{", f"{{{json.dumps(MARK)}: {json.dumps(__version__)},".encode(), 1)
    elif suffix in (".md", ".html"):
        content += f"\n<!-- {_MADE} -->\n".encode()
    return content


def _is_ours(path: Path) -> bool:
    if not path.is_file():  # a pipe would never end
        return False
    with path.open("rb") as file:
        first = file.read(_LOOKED_AT)
        file.seek(max(0, path.stat().st_size - _LOOKED_AT))
        return MARK.encode() in first + file.read()
