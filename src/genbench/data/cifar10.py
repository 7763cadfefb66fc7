"""CIFAR-10: 60,000 colour photographs of ten kinds of things, 32x32 (Krizhevsky 2009)."""

import tarfile
from pathlib import Path, PurePosixPath

import numpy as np

from genbench.config.data import DataConfig
from genbench.data.arrays import part_of
from genbench.data.found import Found, Part
from genbench.data.official import LARGEST_UNPACKED, Archive, Official, located

# The binary version: the Python version is pickles, which can do anything.
CIFAR10 = Official(
    "CIFAR-10",
    "CIFAR10",
    (
        Archive(
            "cifar-10-binary.tar.gz",
            "c32a1d4ab5d03f1284b67883e8d87530",
            (
                "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/cifar-10-binary.tar.gz",
            ),
        ),
    ),
)
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST = "test_batch.bin"
_SIDE = 32
_RECORD = 1 + 3 * _SIDE * _SIDE  # bytes: the label, then all red, all green, all blue


def load(config: DataConfig) -> Found:
    """50,000 training and 10,000 test images, 32x32; see `official.located`."""
    (path,) = located(CIFAR10, config.root)
    batches = _batches(path)
    train = b"".join(batches[name] for name in TRAIN)
    return Found("cifar10", {"train": _part(train, config), "test": _part(batches[TEST], config)}, CLASSES)


def _batches(path: Path) -> dict[str, bytes]:
    """The batches by their names, in one walk: going back in a packed archive would unpack it again."""
    found = {}
    with tarfile.open(path, "r|gz") as archive:
        for member in archive:
            name = PurePosixPath(member.name).name
            file = archive.extractfile(member) if name in (*TRAIN, TEST) and member.isfile() else None
            if file is not None:
                found[name] = file.read(LARGEST_UNPACKED)
    return found


def _part(data: bytes, config: DataConfig) -> Part:
    records = np.frombuffer(data, np.uint8).reshape(-1, _RECORD)
    return part_of(CIFAR10.title, records[:, 1:].reshape(-1, 3, _SIDE, _SIDE), records[:, 0].astype(np.int64), config)
