"""IDX data sets (MNIST and its kin): found, verified, read, and downloaded where nothing else has them.

The search order is `data.root`, $GENBENCH_DATA, the cache, the Debian package, the download. The MD5 of the
IDX bytes is checked whenever they are read: no score rests on a damaged file. Only the cache is written to.
"""

import gzip
import hashlib
import io
import logging
import math
import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock

from genbench.cache import cache_folder, regular_file
from genbench.config.data import DataConfig
from genbench.data.arrays import part_of
from genbench.data.found import Bytes, Found
from genbench.data.official import NotDownloadedError, exists, retrieve
from genbench.errors import UserError

log = logging.getLogger(__name__)

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"
FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)

LARGEST = 256 * 2**20  # bytes of a file; the official ones have 47 MB at most


@dataclass(frozen=True)
class Downloads:
    """Where the gzip files can be had."""

    mirrors: tuple[str, ...]  # URLs that end in a slash, tried in this order
    md5: Mapping[str, str]  # of each gzip file, by its name


@dataclass(frozen=True)
class IdxDataSet:
    """What must be known of one IDX data set to find it and to trust it."""

    name: str
    folder: str  # as torchvision lays it out: <root>/<folder>/raw
    classes: tuple[str, ...]
    md5: Mapping[str, str]  # of the uncompressed bytes of each of FILES
    gate: float  # see ImageData
    downloads: Callable[[], Downloads]  # called only to download: torchvision knows, and is slow to import
    debian: Path | None = None  # where the Debian package puts the files


def torchvision_downloads(folder: str) -> Downloads:
    """The mirrors that torchvision knows for its data set of this name."""
    import torchvision.datasets

    known = getattr(torchvision.datasets, folder)
    return Downloads(tuple(known.mirrors), dict(known.resources))


def load(about: IdxDataSet, config: DataConfig) -> Found:
    """Find, verify and read the data set, with its official test split.

    Args:
        about: which data set.
        config: its root is the folder that must hold it, or None to search and, if need be, download.

    Raises:
        UserError: it is nowhere, or a file is damaged and cannot be replaced.
    """
    files = _find(about, config.root)
    names = {"train": (TRAIN_IMAGES, TRAIN_LABELS), "test": (TEST_IMAGES, TEST_LABELS)}
    parts = {
        split: part_of(about.folder, parse_idx(files[images], 3), parse_idx(files[labels], 1), config)
        for split, (images, labels) in names.items()
    }
    return Found(about.name, parts, about.classes, gate=about.gate)


def parse_idx(data: bytes, dimensions: int) -> Bytes:
    """The array of unsigned bytes in an IDX file (format: yann.lecun.com/exdb/mnist).

    Raises:
        ValueError: the magic number or the size is not that of such an array.
    """
    header = 4 * (1 + dimensions)
    # Two zero bytes, 0x08 for unsigned bytes, the number of dimensions; then each length, big-endian.
    if len(data) < header or data[:4] != bytes((0, 0, 8, dimensions)):
        raise ValueError(
            f"not an IDX file of unsigned bytes with {dimensions} dimensions: starts with {data[:4].hex()}"
        )
    shape = [int.from_bytes(data[i : i + 4], "big") for i in range(4, header, 4)]
    if math.prod(shape) != len(data) - header or 0 in shape:
        raise ValueError(f"IDX file of shape {shape} has {len(data) - header} bytes")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def _find(about: IdxDataSet, root: str | None) -> dict[str, bytes]:
    """The IDX bytes of FILES, from the first place that has them."""
    if root is not None:
        found = _read_root(about, Path(os.path.expanduser(root)))
        if found is None:
            raise UserError(
                f"data.root={root} does not hold {about.folder}: expected"
                f" {about.folder}/raw/{TRAIN_IMAGES}.gz"
                f" and the other three IDX files (also without .gz, in raw/ or in the folder itself)"
            )
        return found
    given = os.environ.get("GENBENCH_DATA")
    if given:
        found = _read_root(about, Path(os.path.expanduser(given)))
        if found is not None:
            return found
        log.warning("GENBENCH_DATA=%s does not hold %s: looking elsewhere", given, about.folder)
    cache = _cache_folder(about)
    if cache is not None:
        try:
            if _holds(cache):
                return _read_folder(about, cache)
        except UserError as error:
            log.warning("%s; looking elsewhere", error)
    if about.debian is not None and _holds(about.debian):
        return _read_folder(about, about.debian)
    return _download(about, cache)


def _cache_folder(about: IdxDataSet) -> Path | None:
    cache = cache_folder()
    return None if cache is None else cache / about.folder / "raw"


def _read_root(about: IdxDataSet, root: Path) -> dict[str, bytes] | None:
    """The files in <root>/<folder>/raw, <root>/raw or <root>; None if none of them is there."""
    for folder in (root / about.folder / "raw", root / "raw", root):
        if _holds(folder):
            return _read_folder(about, folder)
    return None


def _holds(folder: Path) -> bool:
    return any(_paths(folder, name) for name in FILES)


def _read_folder(about: IdxDataSet, folder: Path) -> dict[str, bytes]:
    return {name: _read_file(about, folder, name) for name in FILES}


def _read_file(about: IdxDataSet, folder: Path, name: str) -> bytes:
    """The verified bytes of <name> or <name>.gz, whichever is sound."""
    paths = _paths(folder, name)
    if not paths:
        raise UserError(f"{folder} lacks {name}.gz: put all four IDX files of {about.folder} there")
    damage = []
    for path in paths:
        try:
            return _verified(about, path, name)
        except UserError as error:
            damage.append(error)
    raise damage[0]


def _paths(folder: Path, name: str) -> list[Path]:
    return [path for path in (folder / name, folder / f"{name}.gz") if exists(path)]


def _verified(about: IdxDataSet, path: Path, name: str) -> bytes:
    """The uncompressed bytes of a file, if they are the official ones."""
    try:
        data = regular_file(path, LARGEST).read_bytes()
        if data.startswith(b"\x1f\x8b"):
            with gzip.open(io.BytesIO(data)) as packed:
                data = packed.read(LARGEST)
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise UserError(
            f"cannot read {path} ({error}): make it readable, or replace it by {_official(about)}"
        ) from error
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if md5 != about.md5[name]:
        raise UserError(
            f"{path} is damaged or of another data set (MD5 of the IDX bytes {md5}, expected"
            f" {about.md5[name]}): replace it by {_official(about)}, or if it is another's, put those of"
            f" {about.folder} into {about.folder}/raw"
        )
    return data


def _official(about: IdxDataSet) -> str:
    return f"the official file of {about.folder}"


def _download(about: IdxDataSet, folder: Path | None) -> dict[str, bytes]:
    """Fetch into the cache what it lacks; processes that do so at once wait for the first."""
    if folder is None:
        raise UserError(
            f"{about.folder} must be downloaded but there is no home folder to keep it in: set XDG_CACHE_HOME"
            f" to a folder that can be written to, or {_instead(about, None)}"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            return {name: _cached(about, folder, name) for name in FILES}
    except OSError as error:
        raise UserError(
            f"{about.folder} must be downloaded but the cache {folder} cannot be written to"
            f" ({error.strerror or error}): set XDG_CACHE_HOME to a folder that can,"
            f" or {_instead(about, None)}"
        ) from error


def _cached(about: IdxDataSet, folder: Path, name: str) -> bytes:
    damage = ""
    if _paths(folder, name):
        try:
            return _read_file(about, folder, name)
        except UserError as error:
            damage = f"{error}; "
    return _fetch(about, folder, name, damage)


def _fetch(about: IdxDataSet, folder: Path, name: str, damage: str) -> bytes:
    """Download one file from the first mirror that has it whole."""
    downloads = about.downloads()
    archive = f"{name}.gz"
    sources = [f"{mirror}{archive}" for mirror in downloads.mirrors]
    try:
        return retrieve(sources, downloads.md5[archive], folder / archive, lambda part: _verified(about, part, name))
    except NotDownloadedError as error:
        raise UserError(
            f"{damage}{about.folder} is not on this machine and could not be downloaded ({error}):"
            f" go online once so that it downloads, or {_instead(about, folder)}"
        ) from error


def _instead(about: IdxDataSet, cache: Path | None) -> str:
    """How to get the images without a download, for a message."""
    ways = [f"set GENBENCH_DATA or data.root to a folder that holds {about.folder}/raw with the four IDX files"]
    if about.debian is not None:
        ways.append("install the Debian package dataset-fashion-mnist")
    elif cache is not None:
        ways.append(f"copy the four files into {cache}")
    return f"{', or '.join(ways)}; data=optdigits needs no download"
