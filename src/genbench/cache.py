"""Where genbench keeps what it can make again, and how a file is written whole or not at all."""

import os
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
