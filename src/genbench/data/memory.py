"""Where the images of a data set lie: in memory, or where they would fill half of it, in files that are mapped."""

import mmap
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from genbench.cache import cache_folder
from genbench.errors import UserError

SHARE = 0.5  # of the machine's memory; what is larger is mapped


@dataclass(frozen=True)
class Images:
    """Room for the images of each split; to be filled unless it was before."""

    tensors: dict[str, Tensor]  # uint8
    files: dict[str, Path]  # of those that are mapped; empty where all are in memory
    filled: bool
    maps: dict[str, mmap.mmap] = field(default_factory=dict)  # of those that were asked for

    def kept(self, name: str) -> Tensor:
        """A split's images, once they are there."""
        if name not in self.files:
            return self.tensors[name]
        path = self.files[name]
        if not self.filled:
            part = path.with_suffix(f".{os.getpid()}")
            part.replace(path)
        array = np.memmap(path, np.uint8, "c", shape=tuple(self.tensors[name].shape))
        self.maps[name] = array._mmap  # type: ignore[attr-defined]
        return torch.from_numpy(array)

    def read_at_random(self) -> None:
        """From now on: what lies beside a training image on the disk is not wanted with it."""
        if "train" in self.maps and hasattr(mmap, "MADV_RANDOM"):
            self.maps["train"].madvise(mmap.MADV_RANDOM)


def new_images(shapes: Mapping[str, tuple[int, ...]], key: str) -> Images:
    """Room for images.

    Args:
        shapes: by split, (N, C, H, W).
        key: what tells these images from others, in hex.

    Raises:
        UserError: they would fill more than `SHARE` of the memory, and there is no room in the cache either.
    """
    if sum(map(prod, shapes.values())) <= SHARE * memory():
        return Images({name: torch.empty(shape, dtype=torch.uint8) for name, shape in shapes.items()}, {}, filled=False)
    cache = cache_folder()
    if cache is None:
        raise UserError("the images do not fit into memory: set XDG_CACHE_HOME to a folder on a disk with room")
    files = {name: cache / "mapped" / f"{key}-{name}.bin" for name in shapes}
    if all(path.is_file() and path.stat().st_size == prod(shapes[name]) for name, path in files.items()):
        return Images({name: _mapped(path, shapes[name], "c") for name, path in files.items()}, files, filled=True)
    parts = {name: path.with_suffix(f".{os.getpid()}") for name, path in files.items()}
    try:
        (cache / "mapped").mkdir(parents=True, exist_ok=True)
        for name, part in parts.items():
            with part.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, prod(shapes[name]))
        return Images({name: _mapped(part, shapes[name], "r+") for name, part in parts.items()}, files, filled=False)
    except OSError as error:
        for part in parts.values():
            with suppress(OSError):
                part.unlink()
        gib = sum(map(prod, shapes.values())) / 2**30
        raise UserError(
            f"the images do not fit into memory, and {cache / 'mapped'} cannot take them ({error.strerror}): make"
            f" {gib:.1f} GiB of room, or set XDG_CACHE_HOME to a folder on another disk"
        ) from error


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


def _mapped(path: Path, shape: tuple[int, ...], mode: str) -> Tensor:
    return torch.from_numpy(np.memmap(path, np.uint8, mode, shape=shape))  # type: ignore[call-overload]
