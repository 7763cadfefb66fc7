"""The embedded digits."""

from genbench.data import ImageDataModule
from genbench.data.images import ImageData


def optdigits() -> ImageData:
    """1,412 train, 128 validation and 257 test images, (1, 28, 28)."""
    return ImageDataModule("optdigits").data
