"""One image file of any format to pixels: upright, without transparency, at the size that is wanted."""

import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from genbench.cache import regular_file
from genbench.data.found import Bytes
from genbench.data.resizing import Fit, fitted

LARGEST_FILE = 256 * 2**20  # bytes
# What Pillow reads by itself. Others start programs (EPS), are films, or are read by plugins that are not there.
_FORMATS = (
    *("PNG", "JPEG", "BMP", "DIB", "GIF", "WEBP", "TIFF", "PPM", "TGA", "ICO", "PCX", "JPEG2000", "AVIF"),
    *("SGI", "DDS", "MPO", "XBM", "XPM", "PFM", "QOI"),
)
_16_BITS = 65535

Background = Literal["white", "black"]


@dataclass(frozen=True)
class How:
    """How a file is brought to pixels."""

    sides: tuple[int, int] | None  # height and width to fit it to; None: as it is
    fit: Fit
    background: Background
    white: tuple[float, float] | None  # the file's values that become 0 and 255; None: those that its type says


@dataclass(frozen=True)
class Decoded:
    """An image, and what was found on the way."""

    pixels: Bytes  # (H, W, 1 or 3); 1 if red, green and blue are equal everywhere
    deepest: int = 0  # the largest value of a file of 16 bits
    transparent: bool = False
    hidden: bool = False  # transparent, and of one colour throughout on this background


class UnreadableError(Exception):
    """Why a file is left out, in a few words."""


def suffixes() -> frozenset[str]:
    """Extensions, in lower case, of the files that are taken for images."""
    known = {suffix for suffix, name in Image.registered_extensions().items() if name in _FORMATS}
    return frozenset({*known, ".jfif", ".jpe", ".pgm", ".pbm", ".ppm", ".pnm"})


def decoded(source: str | bytes, how: How) -> Decoded:
    """The first picture of a file.

    Raises:
        UnreadableError: it is none, is damaged, or holds values of which nobody said what is white.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about size, which is limited here, and about EXIF data, which may be odd
            with _opened(source) as image:
                if image.format == "PNG":
                    image.verify()  # each piece's checksum, to the last: pixels are read without it, but not after it
                    with _opened(source) as again:
                        return _pixels(again, how)
                return _pixels(image, how)
    except Image.DecompressionBombError as error:
        raise UnreadableError("larger than any photograph") from error
    except UnreadableError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise UnreadableError(_in_words(error)) from error
    except (struct.error, zlib.error, OverflowError, ZeroDivisionError, NotImplementedError) as error:
        raise UnreadableError(_in_words(error)) from error


def header(source: str | bytes) -> tuple[int, int]:
    """Height and width of an image as it will be upright, without its pixels.

    Raises:
        UnreadableError: see `decoded`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _opened(source) as image:
                width, height = image.size
                # Of a PNG without EXIF data at its beginning Pillow would read all pixels to look for them at its end.
                # A TIFF's size is that of the upright picture.
                known = image.format != "TIFF" and (image.format != "PNG" or "exif" in image.info)
                turned = known and image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
                return (width, height) if turned else (height, width)
    except Exception as error:
        raise UnreadableError(_in_words(error)) from error


def _opened(source: str | bytes) -> Image.Image:
    opened = io.BytesIO(source) if isinstance(source, bytes) else regular_file(Path(source), LARGEST_FILE)
    return Image.open(opened, formats=_there())


@cache
def _there() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)  # this build's


def _in_words(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no image that can be read"
    text = " ".join(str(getattr(error, "strerror", None) or error).split())
    return text.split(": '")[0][:100] or type(error).__name__


def _pixels(image: Image.Image, how: How) -> Decoded:
    if how.sides is not None and image.format in ("JPEG", "MPO") and image.mode in ("L", "RGB"):
        height, width = how.sides
        image.draft(image.mode, (2 * max(width, height), 2 * max(width, height)))  # decodes no more than is needed
    upright = ImageOps.exif_transpose(image)
    if upright.mode in ("F", "I") or upright.mode.startswith("I;16"):
        return _deep(upright, how)
    transparent = upright.has_transparency_data
    hidden = False
    if transparent:
        colours = upright.convert("RGBA")
        transparent = int(np.asarray(colours.getchannel("A")).min()) < 255
        laid = Image.alpha_composite(Image.new("RGBA", upright.size, how.background), colours).convert("RGB")
        pixels = np.asarray(laid)
        hidden = transparent and bool((pixels == pixels[:1, :1]).all())
        upright = laid
    elif upright.mode not in ("L", "RGB"):
        upright = upright.convert("L" if upright.mode == "1" else "RGB")
    if how.white is not None:
        upright = Image.fromarray(_scaled(np.asarray(upright), how.white))
    return Decoded(_kept(upright, how), 0, transparent, hidden)


def _deep(image: Image.Image, how: How) -> Decoded:
    """Of more than 8 bits."""
    values = np.asarray(image)
    if how.white is not None:
        scaled = _scaled(values, how.white)
    elif values.dtype.kind == "f":
        if not (values.min(initial=0) >= 0 and values.max(initial=0) <= 1):
            raise UnreadableError("floats that are not from 0 to 1: data.scale says which is white")
        scaled = _scaled(values, (0.0, 1.0))
    elif values.min(initial=0) < 0 or values.max(initial=0) > _16_BITS:
        raise UnreadableError("values of more than 16 bits: data.scale says which is white")
    else:
        scaled = _scaled(values, (0.0, float(_16_BITS)))
    deepest = int(values.max(initial=0)) if values.dtype.kind != "f" else 0
    return Decoded(_kept(Image.fromarray(scaled), how), deepest)


def _scaled(values: npt.NDArray[np.generic], white: tuple[float, float]) -> Bytes:
    black, full = white
    if values.size and not (values.min() >= black and values.max() <= full):
        raise UnreadableError("values beyond those that data.scale or data.range says")
    scaled: npt.NDArray[np.float64] = (values.astype(np.float64) - black) * (255.0 / (full - black))
    rounded: Bytes = np.rint(scaled.clip(0.0, 255.0)).astype(np.uint8)
    return rounded


def _kept(image: Image.Image, how: How) -> Bytes:
    if how.sides is not None:
        image = fitted(image, how.sides, how.fit)
    pixels: Bytes = np.asarray(image)
    if pixels.ndim == 2:
        return pixels[..., None]
    grey: Bytes = pixels[..., :1]
    return grey if bool((pixels == grey).all()) else pixels
