"""Images of any size to one size, antialiased."""

from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from genbench.data.found import Bytes

Fit = Literal["crop", "pad", "stretch"]


def fitted(image: Image.Image, sides: tuple[int, int], fit: Fit) -> Image.Image:
    """An image at so many pixels; averaged where it shrinks, bicubic where it grows.

    Args:
        image: of mode L or RGB.
        sides: height and width wanted.
        fit: crop keeps the middle, pad fills up with the colour of the image's edge, stretch distorts.
    """
    size = (sides[1], sides[0])
    if image.size == size:
        return image
    if fit == "stretch":
        return image.resize(size, Image.Resampling.BICUBIC)
    if fit == "crop":
        return ImageOps.fit(image, size, Image.Resampling.BICUBIC)
    return ImageOps.pad(image, size, Image.Resampling.BICUBIC, color=_edge(image))


def fitted_array(images: Bytes, sides: tuple[int, int], fit: Fit) -> Bytes:
    """The same for (n, H, W, 1 or 3)."""
    if images.shape[1:3] == sides:
        return images
    grey = images.shape[3] == 1
    resized = [
        np.asarray(fitted(Image.fromarray(image[..., 0] if grey else image), sides, fit)).reshape(*sides, -1)
        for image in images
    ]
    return np.stack(resized) if resized else np.empty((0, *sides, images.shape[3]), np.uint8)


def _edge(image: Image.Image) -> int | tuple[int, ...]:
    """The median of the pixels along an image's four sides."""
    pixels = np.asarray(image).reshape(image.height, image.width, -1)
    around = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    middle = np.median(around, axis=0).astype(int)
    return int(middle[0]) if len(middle) == 1 else tuple(int(value) for value in middle)


def luminance(images: Bytes) -> Bytes:
    """Grey images (n, H, W, 1) of colour ones (n, H, W, 3): ITU-R 601, as Pillow and OpenCV."""
    if images.shape[3] == 1:
        return images
    weighted = images.astype(np.uint32) @ np.array([19595, 38470, 7471], np.uint32)
    return ((weighted + 0x8000) >> 16).astype(np.uint8)[..., None]
