"""What the page shows of contenders in pictures."""

import re
from base64 import b64encode
from dataclasses import dataclass
from typing import Literal

from genbench.comparison.ranking import Contender
from genbench.runs.reading import RunRecord

COUNTED = 1000  # samples whose classes are counted


@dataclass(frozen=True)
class Picture:
    """An image file and what is to be seen on it."""

    name: str
    kind: str  # real, samples, neighbours, reconstructions, latent-grid, latent-scatter, plane or walk
    png: bytes
    text: str
    width: int
    height: int

    @property
    def uri(self) -> str:
        """The file as text, for a page of a single file."""
        return data_uri(self.png)


@dataclass(frozen=True)
class Explorer:
    """Decoded images in one sprite: over a plane, or along a walk between two latents."""

    kind: Literal["plane", "walk"]
    sprite: Picture
    columns: int
    rows: int
    frames: int  # in the sprite
    side: tuple[int, int]  # width and height of one image
    reach: float


@dataclass(frozen=True)
class Exhibit:
    """What is shown of one contender."""

    contender: Contender
    run: RunRecord
    pictures: tuple[Picture, ...]
    explorer: Explorer | None
    class_counts: tuple[int, ...]  # of COUNTED samples; empty if they cannot be counted
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Gallery:
    """The pictures of one ranking."""

    data: str
    real: Picture | None
    classes: tuple[str, ...]
    real_counts: tuple[float, ...]  # of COUNTED test images
    exhibits: tuple[Exhibit, ...]
    problems: tuple[str, ...]


def data_uri(png: bytes) -> str:
    """A picture's file as text."""
    return "data:image/png;base64," + b64encode(png).decode()


def file_name(label: str) -> str:
    """A contender's label as part of a file's name."""
    return re.sub(r"[^\w.-]+", "-", label).strip("-")
