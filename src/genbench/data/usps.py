"""USPS: 9,298 digits from envelopes, 16x16 (Hull 1994), as LIBSVM's data page has them."""

import bz2
import io
from pathlib import Path

import numpy as np

from genbench.config.data import DataConfig
from genbench.data.arrays import part_of
from genbench.data.found import Found, Part
from genbench.data.official import Archive, Official, limited, located

_MIRRORS = (
    "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/",
    "http://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/",
)
_MD5 = {"usps.bz2": "ec16c51db3855ca6c91edd34d0e9b197", "usps.t.bz2": "8ea070ee2aca1ac39742fdd1ef5ed118"}
USPS = Official(
    "USPS",
    "USPS",
    tuple(Archive(name, md5, tuple(mirror + name for mirror in _MIRRORS)) for name, md5 in _MD5.items()),
)
_SIDE = 16


def load(config: DataConfig) -> Found:
    """7,291 training and 2,007 test images, 16x16; see `official.located`."""
    train, test = located(USPS, config.root)
    return Found("usps", {"train": _part(train, config), "test": _part(test, config)}, tuple("0123456789"))


def _part(path: Path, config: DataConfig) -> Part:
    """Lines of a label, 1 for the digit 0, and index:value of each pixel, from -1 (black) to 1; 0 may be left out."""
    from sklearn.datasets import load_svmlight_file  # slow to import

    with bz2.open(path) as file:
        text = limited(file, path)
    values, labels = load_svmlight_file(io.BytesIO(text), n_features=_SIDE * _SIDE, zero_based=False)
    pixels = np.rint((values.toarray() + 1) * 127.5).clip(0, 255).astype(np.uint8)
    return part_of(USPS.title, pixels.reshape(-1, _SIDE, _SIDE), labels.astype(np.int64) - 1, config)
