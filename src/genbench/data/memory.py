"""Where the images of a data set lie: in memory, or where they would fill half of it, in files that are mapped."""

import mmap
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from genbench.cache import cache_folder, whole_file
from genbench.errors import UserError

SHARE = 0.5  # of the machine's memory; what is larger is mapped
_WRITTEN = 2**26  # bytes that may wait for the disk: what waits fills the memory of a control group as images do


class Images(ABC):
    """The images of each split, which are added from front to back unless they were there before."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], *, filled: bool) -> None:
        self.shapes = shapes
        self.filled = filled

    @abstractmethod
    def add(self, name: str, images: Tensor) -> None:
        """Put images (n, C, H, W) uint8 behind those that a split has."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """All of them, (N, C, H, W) uint8 by split, once they are there."""


class InMemory(Images):
    """Images in memory."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__(shapes, filled=False)
        # NumPy's memory comes in large pages, where the system has such.
        self._tensors = {name: torch.from_numpy(np.empty(shape, np.uint8)) for name, shape in shapes.items()}
        self._added = dict.fromkeys(shapes, 0)

    def add(self, name: str, images: Tensor) -> None:
        """As every `Images`."""
        first = self._added[name]
        self._added[name] = first + len(images)
        self._tensors[name][first : first + len(images)] = images

    def tensors(self) -> dict[str, Tensor]:
        """As every `Images`."""
        return self._tensors


class Mapped(Images):
    """Images in files."""

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        paths: Mapping[str, Path],
        files: Mapping[str, BinaryIO] | None,
    ) -> None:
        """Describe them.

        Args:
            shapes: by split, (N, C, H, W).
            paths: by split; once they are filled.
            files: by split, where they are to be written; None: they are.
        """
        super().__init__(shapes, filled=files is None)
        self._paths = paths
        self._files = files or {}
        self._waiting = dict.fromkeys(shapes, 0)
        self._maps: dict[str, mmap.mmap] = {}

    def add(self, name: str, images: Tensor) -> None:
        """As every `Images`."""
        file, path = self._files[name], self._paths[name]
        with _room(path.parent, sum(map(prod, self.shapes.values()))):
            self._waiting[name] += file.write(images.contiguous().numpy().data)
            if self._waiting[name] >= _WRITTEN:
                self._waiting[name] = 0
                _to_disk(file)

    def tensors(self) -> dict[str, Tensor]:
        """As every `Images`."""
        found = {}
        for name, path in self._paths.items():
            with path.open("rb") as file:
                self._maps[name] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            found[name] = torch.from_numpy(np.frombuffer(self._maps[name], np.uint8).reshape(self.shapes[name]))
        return found

    def read_at_random(self) -> None:
        """What lies beside an image on the disk is not wanted with it, and of what was read so far nothing is held."""
        for each in self._maps.values():
            if hasattr(mmap, "MADV_RANDOM"):
                each.madvise(mmap.MADV_DONTNEED)
        if "train" in self._maps and hasattr(mmap, "MADV_RANDOM"):
            self._maps["train"].madvise(mmap.MADV_RANDOM)


@contextmanager
def new_images(shapes: Mapping[str, tuple[int, ...]], key: str) -> Iterator[Images]:
    """Room for images; they are there when this ends well, and nothing of them if it does not.

    Args:
        shapes: by split, (N, C, H, W).
        key: what tells these images from others, in hex.

    Raises:
        UserError: they would fill more than `SHARE` of the memory, and there is no room in the cache either.
    """
    size = sum(map(prod, shapes.values()))
    if size <= SHARE * memory():
        yield InMemory(shapes)
        return
    cache = cache_folder()
    if cache is None:
        raise UserError("the images do not fit into memory: set XDG_CACHE_HOME to a folder on a disk with room")
    folder = cache / "mapped"
    paths = {name: folder / f"{key}-{name}.bin" for name in shapes}
    if _are_there(paths, shapes):
        yield Mapped(shapes, paths, None)
        return
    with ExitStack() as lock, ExitStack() as parts:
        with _room(folder, size):
            folder.mkdir(parents=True, exist_ok=True)
            lock.enter_context(FileLock(folder / f"{key}.lock"))  # another process may be writing them
            files = None
            if not _are_there(paths, shapes):
                for left in folder.glob(f".*.{key}-*.bin"):  # of a process that was killed
                    left.unlink()
                if shutil.disk_usage(folder).free < size:
                    raise OSError("it is full")
                named = {name: parts.enter_context(whole_file(path)) for name, path in paths.items()}
                files = {name: parts.enter_context(part.open("wb")) for name, part in named.items()}
        yield Mapped(shapes, paths, files)
        with _room(folder, size):
            parts.close()


def _are_there(paths: Mapping[str, Path], shapes: Mapping[str, tuple[int, ...]]) -> bool:
    return all(path.is_file() and path.stat().st_size == prod(shapes[name]) for name, path in paths.items())


@contextmanager
def _room(folder: Path, size: int) -> Iterator[None]:
    """What a folder does not take is the user's affair."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"the images do not fit into memory, and {folder} cannot take them ({error.strerror or error}): make"
            f" {size / 2**30:.1f} GiB of room, or set XDG_CACHE_HOME to a folder on another disk"
        ) from error


def _to_disk(file: BinaryIO) -> None:
    """Until the disk has what was written; then the system's memory need not keep it."""
    file.flush()
    os.fsync(file.fileno())
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def memory() -> int:
    """Bytes of memory that this process may have: the machine's, or less where a control group says so."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in _limits():
        with suppress(OSError, ValueError):
            found = min(found, int(path.read_text(encoding="utf-8")))
    return found


def _limits() -> Iterator[Path]:
    """Files that may limit this process: those of its control groups of both kinds, and of all that these are in."""
    root = Path("/sys/fs/cgroup")
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):  # not Linux
        return
    for line in lines:
        _, controllers, place = line.split(":", 2)
        if "memory" in controllers.split(",") or not controllers:
            top = root / controllers if controllers else root
            own = top / place.lstrip("/")
            for folder in (own, *own.parents):
                if folder.is_relative_to(top):
                    yield folder / ("memory.limit_in_bytes" if controllers else "memory.max")
