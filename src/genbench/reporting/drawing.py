"""Image files of the report, each as small as it can be at its own size."""

import io
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from genbench.data.tiles import tiled
from genbench.reporting.gallery import Picture, Sprite
from genbench.runs.directory import Run
from genbench.runs.files import read_picture

SIDE = 64  # pixels of a sprite's image: larger ones are shrunk, or some of them would be a page's 5 MB
# Ten grids of 64 samples take 104 kB (MNIST) and 263 kB (Fashion-MNIST) as PNG, 93 and 255 as lossless WebP, 93 and 126
# as WebP of quality 80: with ten frames a model that is the difference between 4 and 8 models in a page. What is looked
# at one by one stays PNG, true to the last pixel.
QUALITY = 80


def grid(name: str, kind: str, images: Tensor, columns: int, text: str) -> Picture:
    """Images (N, C, H, W) uint8, row by row with white between them."""
    cells = tiled(images, columns, gap=2, empty=255)
    return _picture(name, kind, _image(cells, grey=images.shape[1] == 1), text, len(images))


def of_run(run: Run, file: str, name: str, text: str) -> list[Picture]:
    """A picture of the run's directory, as small as it can be without a loss; none if it cannot be read."""
    picture = read_picture(run.picture(f"{file}.png"))
    if picture is None:
        return []
    colours = picture.getcolors(256)
    if colours is not None and all(r == g == b for _, (r, g, b) in colours):  # type: ignore[misc]
        picture = picture.convert("L")
        for scale in (4, 3, 2):  # grids were enlarged to be looked at
            small = picture.resize((picture.width // scale, picture.height // scale), Image.Resampling.NEAREST)
            if small.resize(picture.size, Image.Resampling.NEAREST).tobytes() == picture.tobytes():
                picture = small
                break
    kind = file.replace("_", "-")
    return [_picture(f"{name}-{kind}", kind, picture, text)]


def sprite(images: Tensor, columns: int, *, exact: bool) -> Sprite:
    """Images (N, C, H, W) uint8, row by row without a gap; those that are not exact may lose what is hardly seen."""
    scale = min(1.0, SIDE / max(images.shape[2:]))
    if scale < 1:
        size = (max(1, round(images.shape[2] * scale)), max(1, round(images.shape[3] * scale)))
        images = F.adaptive_avg_pool2d(images.float(), size).round().to(torch.uint8)
    cells = _image(tiled(images, columns), grey=images.shape[1] == 1)
    return _sprite(cells, columns, len(images), (images.shape[3], images.shape[2]), exact=exact)


def strip(pictures: Sequence[Image.Image]) -> Sprite:
    """Equally large pictures as one sprite."""
    columns = math.ceil(math.sqrt(len(pictures)))
    width, height = pictures[0].size
    whole = Image.new("RGB", (columns * width, -(-len(pictures) // columns) * height))
    for i, picture in enumerate(pictures):
        whole.paste(picture, (i % columns * width, i // columns * height))
    return _sprite(whole, columns, len(pictures), (width, height), exact=False)


def _sprite(cells: Image.Image, columns: int, count: int, side: tuple[int, int], *, exact: bool) -> Sprite:
    buffer = io.BytesIO()
    if exact:
        cells.save(buffer, "PNG", optimize=True)
        return Sprite(buffer.getvalue(), "png", columns, count, side)
    cells.convert("RGB").save(buffer, "WEBP", quality=QUALITY, method=6)
    return Sprite(buffer.getvalue(), "webp", columns, count, side)


def _image(pixels: Tensor, *, grey: bool) -> Image.Image:
    picture = Image.fromarray(pixels.expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy())
    return picture.convert("L") if grey else picture


def _picture(name: str, kind: str, picture: Image.Image, text: str, count: int = 0) -> Picture:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return Picture(name, kind, buffer.getvalue(), text, picture.width, picture.height, count)
