"""EMNIST: handwritten letters and digits, 28x28 (Cohen, Afshar, Tapson, van Schaik 2017)."""

import gzip
import string
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genbench.config.data import DataConfig
from genbench.data.arrays import part_of
from genbench.data.found import Found, Part
from genbench.data.idx import parse_idx
from genbench.data.official import Archive, Official, limited, located, subset_of

EMNIST = Official(
    "EMNIST",
    "EMNIST/raw",
    (
        Archive(
            "gzip.zip",
            "58c8d27c78d21e728a6bc7b3cc06412e",
            (
                "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip",
                "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/gzip.zip",
            ),
        ),
    ),
)


@dataclass(frozen=True)
class _Subset:
    classes: tuple[str, ...]
    first: int  # the label of the first class


SUBSETS = {
    # Small letters that look like the capital are one class with it.
    "balanced": _Subset(tuple(string.digits + string.ascii_uppercase + "abdefghnqrt"), 0),
    # Small and capital letters are one class each.
    "letters": _Subset(tuple(string.ascii_lowercase), 1),
}


def load(config: DataConfig) -> Found:
    """balanced: 112,800 and 18,800 images of 47 classes; letters: 124,800 and 20,800 of 26; see `official.located`."""
    subset = subset_of(EMNIST.title, SUBSETS, config, "balanced")
    (path,) = located(EMNIST, config.root)
    parts = {split: _part(path, subset, split, config) for split in ("train", "test")}
    return Found(f"emnist_{subset}", parts, SUBSETS[subset].classes)


def _part(path: Path, subset: str, split: str, config: DataConfig) -> Part:
    images, labels = (
        _member(path, f"gzip/emnist-{subset}-{split}-{what}-ubyte.gz") for what in ("images-idx3", "labels-idx1")
    )
    # The files hold each image column by column.
    upright = parse_idx(images, 3).transpose(0, 2, 1)
    numbers = parse_idx(labels, 1).astype(np.int64) - SUBSETS[subset].first
    return part_of(f"EMNIST's {subset}", upright, numbers, config)


def _member(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive, archive.open(name) as packed, gzip.open(packed) as file:
        return limited(file, path)
