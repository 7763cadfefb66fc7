"""Which images, and how they are read."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from genbench.config.schema import Place, Schema

LARGEST_SIDE = 256  # pixels
_SIZE = re.compile(r"(\d{1,3})(?:x(\d{1,3}))?")


class DataConfig(Schema):
    """Which images, and how many of them make a step."""

    load: str = Field(description="the function that reads the images: genbench.data.<file>.load")
    title: str = Field(default="", description="what tables and pages call the data set; null: the folder's name")
    root: Place | None = Field(description="where the images lie: see the choices of data")
    batch_size: int = Field(ge=1, le=65536, description="real images in one step")
    subset: str | None = Field(default=None, description="which of several sets: see the choices of data")
    size: int | str | None = Field(
        default=None, description="pixels to bring all images to, 32 or WIDTHxHEIGHT; divisible by 4, at most 256"
    )
    fit: Literal["crop", "pad", "stretch"] = Field(
        default="crop", description="what size does with another shape: cut its middle out, fill it up, or distort it"
    )
    channels: Literal[1, 3] | None = Field(
        default=None, description="1 makes grey images, 3 colour ones; null: grey if all images are"
    )
    background: Literal["white", "black"] | None = Field(
        default=None, description="what transparent pixels are laid on; null: white, or black where white would hide it"
    )
    scale: Annotated[float, Field(gt=0, le=1e9)] | None = Field(
        default=None, description="the value that is white, where 0 is black: 1, 16, 4095, ...; 255 takes bytes as such"
    )
    range: Annotated[list[float], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="the values that are black and white, where black is not 0: [-1,1] say"
    )
    labels: bool = Field(default=True, description="false leaves classes out, where there are any")
    classes: list[int | str] | None = Field(default=None, description="the classes to take, by number or name")
    limit: int | None = Field(
        default=None, ge=1, le=10**9, description="training images to take, evenly of all classes' shares"
    )
    deduplicate: bool = Field(
        default=False, description="leave out training images that stand among validation or test images too"
    )

    @model_validator(mode="before")
    @classmethod
    def _find_title(cls, content: Any) -> Any:
        if not isinstance(content, Mapping) or content.get("title") or not isinstance(content.get("load"), str):
            return content
        name = (content["load"].split(".")[-2:-1] or [""])[0]
        root = content.get("root")
        # The folder's last part as it is written; a path such as "." has none.
        folder = Path(root).stem if name == "folder" and isinstance(root, str) else ""
        return {**content, "title": folder or name}

    @field_validator("load")
    @classmethod
    def _check_load(cls, load: str) -> str:
        # A config may come with a run directory that somebody else made.
        parts = load.split(".")
        if len(parts) != 4 or parts[:2] != ["genbench", "data"] or parts[3] != "load" or not parts[2].isidentifier():
            raise ValueError("genbench.data.<file>.load")
        return load

    @field_validator("size")
    @classmethod
    def _check_size(cls, size: int | str | None) -> int | str | None:
        found = None if size is None else _SIZE.fullmatch(str(size))
        if size is not None and (found is None or not all(_fits(int(side)) for side in found.groups() if side)):
            raise ValueError("32 or WIDTHxHEIGHT, both divisible by 4 and at most 256")
        return size

    @field_validator("fit")
    @classmethod
    def _check_fit(cls, fit: str, info: ValidationInfo) -> str:
        if fit != "crop" and "size" in info.data and info.data["size"] is None:
            raise ValueError("crop without data.size, for it says how images are brought to that: add data.size=32")
        return fit

    @field_validator("range")
    @classmethod
    def _check_range(cls, given: list[float] | None) -> list[float] | None:
        if given is not None and not (abs(given[0]) <= 1e9 and abs(given[1]) <= 1e9 and given[0] < given[1]):
            raise ValueError("two numbers, the value that is black and a larger one that is white")
        return given

    @model_validator(mode="after")
    def _check_together(self) -> "DataConfig":
        if self.scale is not None and self.range is not None:
            raise ValueError("scale or range, not both")
        return self

    @property
    def sides(self) -> tuple[int, int] | None:
        """Height and width that all images are brought to, if they are."""
        found = None if self.size is None else _SIZE.fullmatch(str(self.size))
        return None if found is None else (int(found[2] or found[1]), int(found[1]))

    @property
    def white(self) -> tuple[float, float] | None:
        """The values that are black and white, where that is said."""
        if self.scale is not None:
            return 0.0, self.scale
        return None if self.range is None else (self.range[0], self.range[1])

    @property
    def reading(self) -> dict[str, Any]:
        """What was said about how the images are read, where it is not as ever."""
        names = {"size", "fit", "channels", "background", "scale", "range", "labels", "classes", "limit", "deduplicate"}
        return self.model_dump(include={*names, "subset"}, exclude_defaults=True)

    @property
    def source(self) -> str:
        """What tells apart where configs' images come from, and how they are read."""
        return self.model_dump_json(exclude={"title", "batch_size"})

    @property
    def words(self) -> dict[str, Any]:
        """What names these images on a command line: data, and data.root, data.size, ... where they are given."""
        given = {"root": self.root} if self.root is not None else {}
        return {"data": self.name, **{f"data.{key}": value for key, value in (given | self.reading).items()}}

    @property
    def name(self) -> str:
        """The module that loads the data set: mnist, fashion, optdigits, folder, ..."""
        return self.load.split(".")[-2]

    @property
    def absolute_root(self) -> str | None:
        """Where the images lie, without links."""
        return None if self.root is None else str(Path(self.root).resolve())


def _fits(side: int) -> bool:
    return 0 < side <= LARGEST_SIDE and side % 4 == 0
