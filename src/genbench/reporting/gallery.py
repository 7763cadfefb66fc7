"""What the report shows of contenders in pictures."""

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from unicodedata import normalize

from genbench.comparison.ranking import Contender
from genbench.runs.reading import RunRecord

COUNTED = 1000  # samples whose classes are counted
LONGEST = 120  # bytes of a label in a file's name: a system takes 255, with the data set before and the kind behind


@dataclass(frozen=True)
class Picture:
    """An image file and what is to be seen on it, for the page and for report.md."""

    name: str
    kind: str  # real, samples, neighbours, reconstructions, latent-grid or latent-scatter
    png: bytes
    text: str
    width: int
    height: int
    count: int = 0  # of the images in a grid

    @property
    def uri(self) -> str:
        """The file as text, for a page of a single file."""
        return data_uri(self.png)


@dataclass(frozen=True)
class Sprite:
    """Equally large images, row by row without a gap, for the page's script to cut out."""

    file: bytes
    format: Literal["png", "webp"]
    columns: int
    count: int
    side: tuple[int, int]  # width and height of one image

    @property
    def uri(self) -> str:
        """The file as text."""
        return f"data:image/{self.format};base64," + b64encode(self.file).decode()


@dataclass(frozen=True)
class Explorer:
    """Decoded images: over a plane, or along a walk between two latents."""

    kind: Literal["plane", "walk"]
    sprite: Sprite
    reach: float  # of the plane, from -reach to reach in both dimensions
    points: tuple[tuple[float, float], ...] = ()  # where the gallery's shown test images lie in the plane
    told: str = ""  # the class that all are drawn as, of a conditional model


@dataclass(frozen=True)
class Look:
    """What is to be said of one sample; None where it cannot be said."""

    wanted: int | None  # the class that a conditional model was told
    taken_for: int | None  # class
    certainty: float | None
    ambiguous: bool
    ratio: float | None  # its distance to the nearest training image over that image's to its own nearest other
    near_duplicate: bool


@dataclass(frozen=True)
class Looks:
    """The samples of a picture looked at one by one, and the training image nearest to each."""

    samples: tuple[Look, ...]
    nearest: Sprite | None  # None without training images
    measured: str  # the feature space in which that is, or "pixels"; empty without training images
    unseen: str = ""  # why there are no training images; empty if there are


@dataclass(frozen=True)
class Lapse:
    """How the samples of the same noise changed in training."""

    sprite: Sprite  # a grid of samples is one image of it
    times: tuple[tuple[int, float | None], ...]  # images seen and seconds, in order


@dataclass(frozen=True)
class Exhibit:
    """What is shown of one contender."""

    contender: Contender
    run: RunRecord
    pictures: tuple[Picture, ...]
    explorer: Explorer | None
    class_counts: tuple[int, ...]  # of COUNTED samples; empty if they cannot be counted
    problems: tuple[str, ...]
    looks: Looks | None = None
    blind: Sprite | None = None  # further samples, seen nowhere else
    lapse: Lapse | None = None


@dataclass(frozen=True)
class Shown:
    """Test images spread evenly over all of them, and their classes by number; none without labels."""

    sprite: Sprite
    labels: tuple[int, ...]


@dataclass(frozen=True)
class Gallery:
    """The pictures of one ranking."""

    data: str
    real: Picture | None
    classes: tuple[str, ...]
    real_counts: tuple[float, ...]  # of COUNTED test images
    exhibits: tuple[Exhibit, ...]
    problems: tuple[str, ...]
    blind: Sprite | None = None  # test images among which samples hide
    shown: Shown | None = None  # on the latent planes, if there is one


def data_uri(png: bytes) -> str:
    """A picture's file as text."""
    return "data:image/png;base64," + b64encode(png).decode()


def file_names(labels: Sequence[str]) -> dict[str, str]:
    """Contenders' labels as parts of files' names: no two alike, nor where capitals are small letters."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for label in labels:
        plain = re.sub(r"[^\w.-]+", "-", label).strip("-").encode()[:LONGEST].decode(errors="ignore") or "model"
        name, number = plain, 2
        while (alike := normalize("NFC", name.casefold())) in taken:
            name, number = f"{plain}-{number}", number + 1
        taken.add(alike)
        names[label] = name
    return names
