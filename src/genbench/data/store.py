"""Decoded images, one after another in memory or in a file; of each a channel after the other, as models take them."""

import errno
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from genbench.data.found import CHUNK_BYTES, Bytes


class StoredPictures:
    """Decoded images in memory or in a file; as many of them as are wanted.

    Args:
        pixels: (N, C, H, W), or the file that holds these bytes.
        shape: that shape.
        chosen: indices of those that are wanted, ascending; None: all.
    """

    def __init__(self, pixels: Bytes | Path, shape: tuple[int, int, int, int], chosen: Sequence[int] | None = None):
        self.pixels, self.shape, self.chosen = pixels, shape, chosen

    def __len__(self) -> int:
        return self.shape[0] if self.chosen is None else len(self.chosen)

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width."""
        return self.shape[2], self.shape[3]

    def of(self, chosen: Sequence[int]) -> "StoredPictures":
        """Those of ascending indices."""
        return StoredPictures(self.pixels, self.shape, chosen)

    def chunks(self) -> Iterator[Bytes]:
        """See `found.Pictures`."""
        each = self.shape[1] * self.shape[2] * self.shape[3]
        step = max(1, CHUNK_BYTES // max(1, each))  # of no images nobody knows a size
        chosen = np.arange(self.shape[0]) if self.chosen is None else np.asarray(self.chosen, np.int64)
        for start in range(0, self.shape[0], step):
            stop = min(start + step, self.shape[0])
            first, last = np.searchsorted(chosen, [start, stop])
            if last == first:
                continue
            if isinstance(self.pixels, Path):
                block = np.empty((stop - start, *self.shape[1:]), np.uint8)
                with self.pixels.open("rb") as file:
                    file.seek(start * each)
                    if file.readinto(block.data) != block.nbytes:
                        raise OSError(errno.EIO, "shorter than it was", str(self.pixels))
            else:
                block = self.pixels[start:stop]
            wanted = block if last - first == len(block) else block[chosen[first:last] - start]
            yield wanted.transpose(0, 2, 3, 1)


class Store:
    """Images that come one after another, in memory or in a file: of one channel until a colour one comes."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.file: BinaryIO | None = None if path is None else path.open("wb+")
        self.images: list[Bytes] = []
        self.sides: tuple[int, int] | None = None
        self.channels = 1
        self.count = 0

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, C, H, W) of those that there are."""
        return self.count, self.channels, *(self.sides or (0, 0))

    def add(self, image: Bytes) -> bool:
        """Keep an image (H, W, 1 or 3); False if it is of another size than the first."""
        if self.sides is None:
            self.sides = image.shape[0], image.shape[1]
        if image.shape[:2] != self.sides:
            return False
        if image.shape[2] == 3 and self.channels == 1:
            self._recolour()
        planes = np.ascontiguousarray(image.transpose(2, 0, 1))
        if len(planes) < self.channels:
            planes = np.repeat(planes, 3, axis=0)
        if self.file is not None:
            self.file.write(planes.data)
        else:
            self.images.append(planes)
        self.count += 1
        return True

    def _recolour(self) -> None:
        """What is there with three channels."""
        self.channels = 3
        if self.file is None or self.path is None:
            self.images = [np.repeat(image, 3, axis=0) for image in self.images]
            return
        before = self.path.with_name(f"{self.path.name}.grey")
        try:
            self.file.close()
            self.path.replace(before)
            self.file = self.path.open("wb+")
            with before.open("rb") as grey:
                plane = math.prod(self.sides or ())
                while block := grey.read(max(1, CHUNK_BYTES // plane) * plane):
                    self.file.write(np.frombuffer(block, np.uint8).reshape(-1, 1, plane).repeat(3, axis=1).data)
        finally:
            before.unlink(missing_ok=True)

    def end(self) -> Bytes | Path:
        """All of them, or the file that holds them."""
        if self.file is not None and self.path is not None:
            self.file.flush()
            return self.path
        images = self.images
        self.images = []
        return np.stack(images) if images else np.empty(self.shape, np.uint8)

    def close(self) -> None:
        """Whatever became of it."""
        if self.file is not None:
            self.file.close()
