"""A .zip or .tar file: images in it are read where they are, what holds arrays is unpacked into the cache."""

import hashlib
import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from filelock import FileLock

from genbench.cache import regular_file
from genbench.data.decoding import LARGEST_FILE
from genbench.data.files import File
from genbench.data.memory import memory
from genbench.errors import UserError
from genbench.progress import advance, task

_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_MOST = 5_000_000  # files
_SHARE = 0.25  # of the memory, for the files as they are packed in their own formats
_OF_DISK = 0.5  # of what is free, for what is unpacked
_UNREADABLE = (
    *(OSError, ValueError, EOFError, NotImplementedError, RuntimeError, zlib.error, lzma.LZMAError),
    *(zipfile.BadZipFile, tarfile.TarError),
)


@dataclass
class Archive:
    """What is in an archive."""

    stamp: str  # changes if the archive does
    files: list[File] = field(default_factory=list)
    tables: dict[str, bytes] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)


def takes(path: Path) -> bool:
    """By its name."""
    return path.name.lower().endswith(_SUFFIXES)


def unpacked(path: Path, images: Collection[str], tables: Collection[str]) -> Archive:
    """An archive's images, and the tables beside them, by their suffixes.

    Raises:
        UserError: it cannot be read, or unpacks to more than a part of the memory.
    """
    archive = Archive(_stamp(path))
    left = int(_SHARE * memory())
    large = False
    try:
        for at, size, opened in _members(path):
            suffix = at.suffix.lower()
            of_pixels = suffix in tables and size > LARGEST_FILE  # no table beside images is so large
            large = large or of_pixels
            if of_pixels or (suffix not in images and suffix not in tables):
                archive.others[suffix or at.name] += 1
                continue
            left -= size
            if size > LARGEST_FILE or left < 0 or len(archive.files) > _MOST:
                raise _too_much(path)
            with opened() as file:
                data = file.read(size)
            if suffix in images:
                archive.files.append(File(at.as_posix(), data))
            else:
                archive.tables[at.as_posix()] = data
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error
    if large and archive.files:
        raise _too_much(path)
    archive.files.sort(key=lambda file: file.name)
    return archive


def extracted(path: Path, cache: Path) -> Path:
    """A folder with all files of an archive, called as it is, made in the cache if it is not there.

    Raises:
        UserError: the archive cannot be read, or the disk has no room for what is in it.
    """
    path = path.resolve()  # by another name it is the same one
    place = cache / "unpacked" / hashlib.sha256(_stamp(path).encode()).hexdigest()[:32]
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(place.with_suffix(".lock")):
            if not place.is_dir():
                _extract(path, place)
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error
    return place / path.name.partition(".")[0]


def _extract(path: Path, place: Path) -> None:
    """All of it or nothing."""
    sizes = [size for _, size, _ in _members(path)]
    total = sum(sizes)
    if total > _OF_DISK * shutil.disk_usage(place.parent).free:
        raise UserError(
            f"{path} unpacks to {total / 2**30:.1f} GiB, more than half of what is free in {place.parent}: unpack it"
            " elsewhere, and give its folder"
        )
    partly = place.with_name(f".{place.name}")
    shutil.rmtree(partly, ignore_errors=True)  # of a process that was killed
    try:
        with task(f"unpacking {path.name}", len(sizes)):
            for at, size, opened in _members(path):
                if at.is_absolute() or ".." in at.parts:
                    raise ValueError(f"{at} would lie outside of its folder")
                _write(partly / path.name.partition(".")[0] / at, size, opened)
                advance()
        partly.rename(place)
    finally:
        shutil.rmtree(partly, ignore_errors=True)


def _write(path: Path, size: int, opened: Callable[[], IO[bytes]]) -> None:
    """A member, of which no more is taken than is declared."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with opened() as source, path.open("wb") as file:
        while size > 0 and (part := source.read(min(size, 2**20))):
            file.write(part)
            size -= len(part)


def _stamp(path: Path) -> str:
    about = regular_file(path).stat()
    return f"{path}\0{about.st_size}\0{about.st_mtime_ns}"


def _members(path: Path) -> Iterator[tuple[PurePosixPath, int, Callable[[], IO[bytes]]]]:
    """Names, unpacked sizes and contents of the files, in the archive's order; none that is hidden."""
    for name, size, opened in _of_zip(path) if path.name.lower().endswith(".zip") else _of_tar(path):
        at = PurePosixPath(name)
        if not any(part.startswith((".", "__MACOSX")) and part != ".." for part in at.parts):
            yield at, size, opened


def _of_zip(path: Path) -> Iterator[tuple[str, int, Callable[[], IO[bytes]]]]:
    with zipfile.ZipFile(path) as zipped:
        for entry in zipped.infolist():
            # Windows' PowerShell writes backslashes, which are no folders elsewhere.
            name = entry.filename if "/" in entry.filename else entry.filename.replace("\\", "/")
            if not name.endswith("/"):
                yield name, entry.file_size, partial(zipped.open, entry)


def _of_tar(path: Path) -> Iterator[tuple[str, int, Callable[[], IO[bytes]]]]:
    with tarfile.open(path) as tar:
        for member in tar:
            if member.isfile():
                yield member.name, member.size, partial(_of_member, tar, member)


def _of_member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(member)
    if file is None:
        raise ValueError(f"{member.name} is no file")
    return file


def _too_much(path: Path) -> UserError:
    return UserError(f"{path} unpacks to too much to be read at once: unpack it, and give its folder")


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(f"{path} cannot be read ({' '.join(str(error).split())}): unpack it, and give its folder")
