"""What there is to know of each image before it is kept: whether it is grey, how bright, of one colour, and which."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]

_COLUMNS = np.dtype([("digest", np.uint64), ("brightest", np.uint8), ("grey", np.bool_), ("one_colour", np.bool_)])


@dataclass(frozen=True)
class Facts:
    """Of each of some images, in their order."""

    table: npt.NDArray[np.void]  # (N,) of _COLUMNS

    @classmethod
    def of(cls, chunks: Iterable[Bytes], count: int) -> "Facts":
        """Look at all of so many images, which come some at a time: (n, H, W, 1 or 3)."""
        table = np.empty(count, _COLUMNS)
        seen = 0
        for chunk in chunks:
            rows = table[seen : seen + len(chunk)]
            seen += len(chunk)
            rows["grey"] = _everywhere(chunk, lambda images: images == images[..., :1])  # red, green and blue
            rows["one_colour"] = _everywhere(chunk, lambda images: images == images[:, :1, :1])
            rows["brightest"] = chunk.max((1, 2, 3))
            # Of the first channel where all are equal, so that a picture is the same however it is stored.
            rows["digest"] = [
                _digest(image[..., :1] if grey else image) for image, grey in zip(chunk, rows["grey"], strict=True)
            ]
        return cls(table)

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, indices: npt.NDArray[np.int64]) -> "Facts":
        """Those of some of the images."""
        return Facts(self.table[indices])

    @property
    def digests(self) -> npt.NDArray[np.uint64]:
        """Of each image's pixels: of 2 million different images two agree once in 10^7."""
        found: npt.NDArray[np.uint64] = self.table["digest"]
        return found

    @property
    def grey(self) -> bool:
        """Whether all of them are."""
        return bool(self.table["grey"].all())

    @property
    def brightest(self) -> int:
        """The largest value of all pixels."""
        return int(self.table["brightest"].max(initial=0))

    @property
    def one_colour(self) -> int:
        """How many have one colour throughout."""
        return int(self.table["one_colour"].sum())


def _everywhere(chunk: Bytes, holds: Callable[[Bytes], npt.NDArray[np.bool_]]) -> npt.NDArray[np.bool_]:
    """Of which images (n, H, W, C) something holds in every pixel: (n,). Most are told by a few of their pixels."""
    found = np.asarray(holds(chunk[:, ::4, ::4]).all((1, 2, 3)))
    found[found] = holds(chunk[found]).all((1, 2, 3))
    return found


def _digest(image: Bytes) -> int:
    return int.from_bytes(hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=8).digest(), "little")
