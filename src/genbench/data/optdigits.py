"""Optical digits: 1,797 real handwritten digits that come with scikit-learn (Alpaydin, Kaynak 1998)."""

from functools import cache
from importlib.metadata import distribution

import numpy as np
import numpy.typing as npt
from PIL import Image

from genbench.config.data import DataConfig
from genbench.data.arrays import part_of
from genbench.data.found import WHOLE, Found


def load(config: DataConfig) -> Found:
    """1,797 images, 28x28; the config's root is not used, which is said."""
    images, labels = _digits()
    whole = part_of("optdigits", images.copy(), labels.copy(), config)
    unused = f"data.root={config.root} is not read: optdigits come with scikit-learn. Your own images: data=folder"
    notes = () if config.root is None else (unused,)
    return Found("optdigits", {WHOLE: whole}, tuple("0123456789"), gate=0.95, notes=notes)


@cache  # a training and its scores load the same
def _digits() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """(1797, 28, 28), and the class of each (1797,)."""
    # What sklearn.datasets.load_digits() reads. To import scikit-learn for that would take longer than all the rest.
    file = distribution("scikit-learn").locate_file("sklearn/datasets/data/digits.csv.gz")
    digits = np.loadtxt(str(file), delimiter=",", dtype=np.int64)  # (1797, 65): 8x8 pixels, class
    pixels = (digits[:, :-1].reshape(-1, 8, 8) * 255 + 8) // 16  # 0..16 to 0..255
    return np.stack([_enlarge(image) for image in pixels.astype(np.uint8)]), digits[:, -1]


def _enlarge(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """8x8 to MNIST's layout, a digit of 20x20 pixels within a margin of 4; bicubic, in Pillow's integers."""
    # 20 / 8 is 28 / 11.2: the middle 11.2 pixels of the padded 12x12 become the picture. The padding comes
    # first, so that strokes which touch the edge of the 8x8 end softly.
    padded = Image.fromarray(np.pad(image, 2))
    return np.asarray(padded.resize((28, 28), Image.Resampling.BICUBIC, box=(0.4, 0.4, 11.6, 11.6)))
