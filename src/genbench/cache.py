"""Where genbench keeps what it can make again, how a file is written whole or not at all, and what is read."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from genbench.errors import UserError


def cache_folder() -> Path | None:
    """The folder genbench in $XDG_CACHE_HOME or ~/.cache; None where there is neither that variable nor a home."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "genbench"
    except RuntimeError:
        return None


def feature_cache() -> Path:
    """Where feature spaces, references and calibrations are kept.

    Raises:
        UserError: there is neither $XDG_CACHE_HOME nor a home.
    """
    cache = cache_folder()
    if cache is None:
        raise UserError("there is no folder for the feature spaces: set XDG_CACHE_HOME to one that can be written")
    return cache


def regular_file(path: Path, most: int | None = None) -> Path:
    """The path, if a file is there: a pipe or a device would never end.

    Args:
        path: of a file from anywhere.
        most: bytes that it may have.

    Raises:
        OSError: there is nothing, or it may not be looked at.
        ValueError: it is something else, or larger.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is not a file")
    if most is not None and found.st_size > most:
        raise ValueError(f"it is larger than {most // 2**20} MiB")
    return path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name beside the path to write to; it is synced and renamed to the path if all went well."""
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a renaming last through a power failure, where the system can."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
