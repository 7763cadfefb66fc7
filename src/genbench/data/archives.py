"""Images in a .zip or .tar file, which are read where they are: nothing is unpacked onto the disk."""

import lzma
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from genbench.cache import regular_file
from genbench.data.decoding import LARGEST_FILE
from genbench.data.files import File
from genbench.data.memory import memory
from genbench.errors import UserError

_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_MOST = 5_000_000  # files
_SHARE = 0.25  # of the memory, for the files as they are packed in their own formats


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
    """An archive's images and tables, by their suffixes.

    Raises:
        UserError: it cannot be read, or unpacks to more than a part of the memory.
    """
    about = regular_file(path).stat()
    archive = Archive(f"{path}\0{about.st_size}\0{about.st_mtime_ns}")
    left = int(_SHARE * memory())
    try:
        for name, size, content in _members(path):
            at = PurePosixPath(name)
            if any(part.startswith((".", "__MACOSX")) and part != ".." for part in at.parts):
                continue
            suffix = at.suffix.lower()
            if suffix not in images and suffix not in tables:
                archive.others[suffix or at.name] += 1
                continue
            left -= size
            if size > LARGEST_FILE or left < 0 or len(archive.files) > _MOST:
                raise UserError(f"{path} unpacks to too much to be read at once: unpack it, and give its folder")
            data = content()
            if suffix in images:
                archive.files.append(File(at.as_posix(), data))
            else:
                archive.tables[at.as_posix()] = data
    except (OSError, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise _unreadable(path, error) from error
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError) as error:
        raise _unreadable(path, error) from error
    archive.files.sort(key=lambda file: file.name)
    return archive


def _members(path: Path) -> Iterator[tuple[str, int, Callable[[], bytes]]]:
    """Names, unpacked sizes and contents of the files, in the archive's order; of a member no more than its size."""
    if path.name.lower().endswith(".zip"):
        with zipfile.ZipFile(path) as zipped:
            for entry in zipped.infolist():
                # Windows' PowerShell writes backslashes, which are no folders elsewhere.
                name = entry.filename if "/" in entry.filename else entry.filename.replace("\\", "/")
                if not name.endswith("/"):
                    yield name, entry.file_size, partial(_content, zipped, entry)
        return
    with tarfile.open(path) as tar:
        for member in tar:
            if member.isfile():
                yield member.name, member.size, partial(_of_tar, tar, member)


def _content(zipped: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with zipped.open(entry) as file:
        return file.read(entry.file_size)


def _of_tar(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return b"" if file is None else file.read(member.size)


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(f"{path} cannot be read ({' '.join(str(error).split())}): unpack it, and give its folder")
