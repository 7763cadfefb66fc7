"""What the tests of the formats share."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from genbench.config.data import DataConfig
from genbench.data import folder
from genbench.data.found import WHOLE, Found
from genbench.errors import UserError
from genbench.wording import parse

Bytes = npt.NDArray[np.uint8]


def grey(n: int, side: int = 8, seed: int = 0) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, (n, side, side), dtype=np.uint8)


def colour(n: int, side: int = 8, seed: int = 0) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


def png(image: Bytes) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def config(root: Path, **options: Any) -> DataConfig:
    return parse(DataConfig, {"load": "genbench.data.folder.load", "root": str(root), "batch_size": 8} | options)


def load(root: Path, **options: Any) -> Found:
    """As `data=folder data.root=ROOT` reads it."""
    return folder.load(config(root, **options))


def pixels(found: Found, part: str = WHOLE) -> Bytes:
    """(N, H, W) of grey images, (N, H, W, 3) of others."""
    together = np.concatenate(list(found.parts[part].pictures.chunks()))
    return together[..., 0] if together.shape[3] == 1 else together


def labels(found: Found, part: str = WHOLE) -> list[Any] | None:
    values = found.parts[part].labels
    return None if values is None else values.tolist()


def refusal(root: Path, **options: Any) -> str:
    """The one line that says why it is not read, now or when its images are wanted."""
    with pytest.raises(UserError) as caught:
        _read(root, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 700
    return text


def _read(root: Path, **options: Any) -> None:
    found = load(root, **options)
    for part in found.parts:
        pixels(found, part)


def read_or_refused(root: Path) -> None:
    """Broken bytes may still be images, but nothing else than a UserError comes of them."""
    said = ""
    try:
        _read(root)
    except UserError as error:
        said = str(error)
    assert "\n" not in said


def broken(whole: bytes, at: int, value: int, length: int) -> bytes:
    """One byte of it is another, and the end is missing where `length` is less than all (of 1,000)."""
    data = bytearray(whole[: len(whole) * length // 1000])
    if data:
        data[at % len(data)] = value
    return bytes(data)
