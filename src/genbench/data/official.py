"""Data sets whose archives are known by their MD5: found, verified, and downloaded where nothing else has them.

The search order is `data.root`, $GENBENCH_DATA, the cache, the download. An archive is opened only if it is the
official one, byte by byte, and that is checked whenever it is read. Only the cache is written to.
"""

import gzip
import hashlib
import logging
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from genbench.cache import cache_folder, regular_file
from genbench.config.data import DataConfig
from genbench.errors import UserError
from genbench.progress import announce, task

log = logging.getLogger(__name__)
Read = TypeVar("Read")

LARGEST = 2**30  # bytes of an archive; the largest official one has 562 MB
LARGEST_UNPACKED = 256 * 2**20  # bytes of one file out of an archive; the official ones have 98 MB at most
_TIMEOUT = 20.0  # seconds without a byte: a firewall that swallows packets must not hang a training


@dataclass(frozen=True)
class Archive:
    """A file as it is downloaded."""

    name: str
    md5: str
    sources: tuple[str, ...]  # URLs, tried in this order


@dataclass(frozen=True)
class Official:
    """What must be known of a data set to find it and to trust it."""

    title: str  # for messages
    folder: str  # below a root, as torchvision lays it out where it has a folder; the same in the cache
    archives: tuple[Archive, ...]


class NotDownloadedError(Exception):
    """Why no source had a file whole."""


def subset_of(title: str, choices: Collection[str], config: DataConfig, default: str) -> str:
    """Which of several data sets is wanted.

    Args:
        title: what the data sets together are called.
        choices: their names.
        config: its subset is one of them, or None for the default.
        default: also one of them.

    Raises:
        UserError: there is none of this name.
    """
    wanted = default if config.subset is None else config.subset
    if wanted not in choices:
        raise UserError(f"data.subset: {title} has no {wanted}: take one of {', '.join(choices)}")
    return wanted


def located(about: Official, root: str | None) -> list[Path]:
    """The data set's archives in their order, verified, from the first place that has them.

    Args:
        about: which data set.
        root: the folder that must hold it, or None to search and, if need be, download.

    Raises:
        UserError: it is nowhere, or a file is damaged and cannot be replaced.
    """
    if root is not None:
        found = _in_root(about, Path(os.path.expanduser(root)))
        if found is None:
            raise UserError(
                f"data.root={root} does not hold {about.title}: expected {_names(about)} in {about.folder}/ or in the"
                " folder itself, as downloaded and not unpacked"
            )
        return found
    given = os.environ.get("GENBENCH_DATA")
    if given:
        found = _in_root(about, Path(os.path.expanduser(given)))
        if found is not None:
            return found
        log.warning("GENBENCH_DATA=%s does not hold %s: looking elsewhere", given, about.title)
    cache = cache_folder()
    if cache is None:
        raise UserError(
            f"{about.title} must be downloaded but there is no home folder to keep it in: set XDG_CACHE_HOME"
            f" to a folder that can be written to, or {_instead(about, None)}"
        )
    if _holds(about, cache / about.folder):
        try:
            return _in_folder(about, cache / about.folder)
        except UserError as error:
            log.warning("%s; looking elsewhere", error)
    return _download(about, cache / about.folder)


def limited(unpacking: BufferedIOBase, where: Path) -> bytes:
    """All that comes out of a packed file.

    Raises:
        UserError: it is more than there can be.
    """
    data = unpacking.read(LARGEST_UNPACKED + 1)
    if len(data) > LARGEST_UNPACKED:
        raise UserError(
            f"{where} unpacks to more than {LARGEST_UNPACKED // 2**20} MiB: replace it by the official file"
        )
    return data


def gunzipped(path: Path) -> bytes:
    """What is in a verified gzip file.

    Raises:
        UserError: it is more than there can be.
    """
    with gzip.open(path) as file:
        return limited(file, path)


def exists(path: Path) -> bool:
    """True if something is there.

    Raises:
        UserError: one may not look.
    """
    # Path.exists answers False or raises for a folder that may not be entered, depending on Python's version.
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror}): make it readable, or choose another folder") from error
    return True


def retrieve(sources: Sequence[str], md5: str, target: Path, read: Callable[[Path], Read]) -> Read:
    """Download a file from the first source that has it whole.

    Args:
        sources: URLs, tried in this order.
        md5: of the file.
        target: where to put it; nothing is there before it is whole.
        read: what to make of it; a UserError of it means that this source's file will not do.

    Returns:
        What `read` gives.

    Raises:
        NotDownloadedError: what was wrong with each source.
    """
    import pooch  # slow to import

    pooch.get_logger().setLevel(logging.WARNING)  # we say it ourselves
    part = target.with_name(f"{target.name}.part")
    fetch = pooch.HTTPDownloader(timeout=_TIMEOUT)
    failures = []
    for source in sources:
        announce(f"downloading {source}")
        try:
            with task(f"downloading {target.name}"):
                pooch.retrieve(source, f"md5:{md5}", part.name, part.parent, downloader=fetch)
            data = read(part)
        except (OSError, ValueError, UserError) as error:  # ValueError: pooch's word for another content
            part.unlink(missing_ok=True)
            failures.append(f"{source}: {' '.join(str(error).split()) or type(error).__name__}")
            continue
        part.replace(target)
        return data
    raise NotDownloadedError("; ".join(failures))


def _in_root(about: Official, root: Path) -> list[Path] | None:
    """The files where torchvision puts them below a root, or in it; None if none of them is there."""
    own = root / about.folder
    for folder in dict.fromkeys((own, own.parent, root / own.name, root)):
        if _holds(about, folder):
            return _in_folder(about, folder)
    return None


def _holds(about: Official, folder: Path) -> bool:
    return any(exists(folder / archive.name) for archive in about.archives)


def _in_folder(about: Official, folder: Path) -> list[Path]:
    return [_verified(about, archive, folder / archive.name) for archive in about.archives]


def _verified(about: Official, archive: Archive, path: Path) -> Path:
    """The path of a file, if it is the official one."""
    if not exists(path):
        raise UserError(f"{path.parent} lacks {path.name}: put all files of {about.title} there ({_names(about)})")
    try:
        with regular_file(path, LARGEST).open("rb") as file:
            md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except (OSError, ValueError) as error:
        raise UserError(
            f"cannot read {path} ({error}): make it readable, or replace it by the official file of {about.title}"
        ) from error
    if md5 != archive.md5:
        raise UserError(
            f"{path} is damaged or of another data set (MD5 {md5}, expected {archive.md5}): replace it by the official"
            f" file of {about.title}"
        )
    return path


def _download(about: Official, folder: Path) -> list[Path]:
    """Fetch into the cache what it lacks; processes that do so at once wait for the first."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            return [_cached(about, archive, folder) for archive in about.archives]
    except OSError as error:
        raise UserError(
            f"{about.title} must be downloaded but the cache {folder} cannot be written to"
            f" ({error.strerror or error}): set XDG_CACHE_HOME to a folder that can,"
            f" or {_instead(about, None)}"
        ) from error


def _cached(about: Official, archive: Archive, folder: Path) -> Path:
    path = folder / archive.name
    damage = ""
    if exists(path):
        try:
            return _verified(about, archive, path)
        except UserError as error:
            damage = f"{error}; "
    try:
        # pooch has compared the MD5, and the file is in nobody else's hands: the lock is ours.
        retrieve(archive.sources, archive.md5, path, lambda part: None)
    except NotDownloadedError as error:
        raise UserError(
            f"{damage}{about.title} is not on this machine and could not be downloaded ({error}):"
            f" go online once so that it downloads, or {_instead(about, folder)}"
        ) from error
    return path


def _instead(about: Official, cache: Path | None) -> str:
    """How to get the images without a download, for a message."""
    ways = [f"set GENBENCH_DATA or data.root to a folder that holds {about.folder}/ with {_names(about)}"]
    if cache is not None:
        ways.append(f"copy {'it' if len(about.archives) == 1 else 'them'} into {cache}")
    return f"{', or '.join(ways)}; data=optdigits needs no download"


def _names(about: Official) -> str:
    names = [archive.name for archive in about.archives]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
