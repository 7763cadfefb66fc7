"""The report's pictures as the page needs them; `exhibits` draws them, in a process of its own.

PyTorch and what comes with it take most of a gigabyte, and one data set some 100 MB more. A process for each ranking
gives that back before the page is put together, which needs a browser's engine to draw the charts.
"""

import json
from base64 import b64encode
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Literal

from genbench.reporting.inputs import Contender, Ranking, Record

COUNTED = 1000  # samples whose classes are counted


@dataclass(frozen=True)
class Picture:
    """An image file and what is to be seen on it."""

    name: str
    png: bytes
    text: str
    width: int
    height: int

    @property
    def uri(self) -> str:
        """The file as text, for a page of a single file."""
        return "data:image/png;base64," + b64encode(self.png).decode()


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
    run: Record
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


def galleries(ranked: Sequence[Ranking]) -> list[Gallery]:
    """The pictures of each ranking."""
    if not ranked:
        return []
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as process:
        return list(process.map(_gallery, ranked))


def _gallery(ranking: Ranking) -> Gallery:
    from genbench.reporting.exhibits import gallery

    return gallery(ranking)


def explorer_data(explorer: Explorer) -> str:
    """What the page's script needs to know of an explorer."""
    return json.dumps(
        {
            "kind": explorer.kind,
            "columns": explorer.columns,
            "rows": explorer.rows,
            "width": explorer.side[0],
            "height": explorer.side[1],
            "reach": explorer.reach,
        }
    )


def all_pictures(galleries: Sequence[Gallery]) -> list[Picture]:
    """Every picture, for the files beside report.md."""
    found = []
    for shown in galleries:
        found += [shown.real] if shown.real is not None else []
        for exhibit in shown.exhibits:
            found += exhibit.pictures
    return found
