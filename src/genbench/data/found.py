"""What a source of images holds, before it is brought to one form: see sources.py for what becomes of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from genbench.data.facts import Facts

Bytes = npt.NDArray[np.uint8]
Labels = npt.NDArray[Any]  # (N,) whole numbers, or names

CHUNK_BYTES = 2**20  # about so much of a source is looked at at once; copies of it come to several times that
WHOLE = "whole"  # the one part of a source without splits
SPLITS = ("train", "validation", "test")


class Sliceable(Protocol):
    """A NumPy array, or what lies in a file and is read slice by slice."""

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def dtype(self) -> np.dtype[Any]: ...  # noqa: D102
    def __getitem__(self, index: Any, /) -> Any: ...


class Arrays(dict[str, Sliceable]):
    """A file's arrays by name."""

    def __init__(
        self,
        arrays: Mapping[str, Sliceable],
        notes: Mapping[str, str] | None = None,
        left_out: Mapping[str, str] | None = None,
        splits: str = "",
    ) -> None:
        """Keep them.

        Args:
            arrays: by name.
            notes: what a reader has to know of an array if it is used; a line each, by its name.
            left_out: what else has a name there, with the reason; of a name that is in both, what can be used counts.
            splits: what the column is called that became the array "split", for messages.
        """
        super().__init__(arrays)
        self.notes = dict(notes or {})
        self.splits = splits
        self.left_out = {name: reason for name, reason in (left_out or {}).items() if name not in self}


class Pictures(Protocol):
    """Images of one size, in the source's order; they need not all be in memory."""

    def __len__(self) -> int:
        """How many."""
        ...

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width in pixels."""
        ...

    def chunks(self) -> Iterator[Bytes]:
        """All of them, some at a time: (n, H, W, 1 or 3), 0 to 255. Each call begins anew."""
        ...


@dataclass(frozen=True)
class Part:
    """One split as the source has it, or the whole of a source without splits."""

    pictures: Pictures
    labels: Labels | None = None
    notes: tuple[str, ...] = ()  # what a reader has to know of these images; a line each
    facts: Facts | None = None  # where they are known already

    def __post_init__(self) -> None:
        """A reader must not pair images with other images' labels."""
        if self.labels is not None and self.labels.shape != (len(self.pictures),):
            raise ValueError(f"{len(self.pictures)} images, labels of shape {self.labels.shape}")


@dataclass(frozen=True)
class Found:
    """A data set as its source has it."""

    name: str
    parts: Mapping[str, Part]  # WHOLE, or those of SPLITS that there are
    classes: Sequence[str] = ()  # names by label, where the labels are their numbers; else they are read off
    notes: tuple[str, ...] = ()  # what a reader has to know: what was left out and why; a line each
    gate: float | None = None  # see images.ImageData
