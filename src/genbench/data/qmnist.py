"""QMNIST: MNIST's training digits, made anew, and 60,000 test digits instead of 10,000, 28x28 (Yadav, Bottou 2019)."""

import numpy as np
import numpy.typing as npt

from genbench.config.data import DataConfig
from genbench.data.arrays import part_of
from genbench.data.found import Found
from genbench.data.idx import parse_idx
from genbench.data.official import Archive, Official, gunzipped, located

_MIRRORS = (
    "https://raw.githubusercontent.com/facebookresearch/qmnist/master/",
    "https://github.com/facebookresearch/qmnist/raw/master/",
)
_MD5 = {
    "qmnist-train-images-idx3-ubyte.gz": "ed72d4157d28c017586c42bc6afe6370",
    "qmnist-train-labels-idx2-int.gz": "0058f8dd561b90ffdd0f734c6a30e5e4",
    "qmnist-test-images-idx3-ubyte.gz": "1394631089c404de565df7b7aeaf9412",
    "qmnist-test-labels-idx2-int.gz": "5b5b05890a5e13444e108efe57b788aa",
}
QMNIST = Official(
    "QMNIST",
    "QMNIST/raw",
    tuple(Archive(name, md5, tuple(mirror + name for mirror in _MIRRORS)) for name, md5 in _MD5.items()),
)


def load(config: DataConfig) -> Found:
    """60,000 training and 60,000 test images, 28x28; see `official.located`."""
    train_images, train_labels, test_images, test_labels = map(gunzipped, located(QMNIST, config.root))
    parts = {
        "train": part_of(QMNIST.title, parse_idx(train_images, 3), parse_labels(train_labels), config),
        "test": part_of(QMNIST.title, parse_idx(test_images, 3), parse_labels(test_labels), config),
    }
    return Found("qmnist", parts, tuple("0123456789"))


def parse_labels(data: bytes) -> npt.NDArray[np.int64]:
    """The classes in an IDX file of 32-bit integers: the first of an image's 8; the others say who wrote it.

    Raises:
        ValueError: the magic number or the size is not that of such a file.
    """
    # Two zero bytes, 0x0c for 32-bit integers, two dimensions; then each length; all big-endian.
    rows, columns = (int.from_bytes(data[i : i + 4], "big") for i in (4, 8))
    if data[:4] != b"\0\0\x0c\x02" or columns != 8 or len(data) != 12 + 4 * rows * columns:
        raise ValueError(f"not an IDX file of rows of 8 integers: starts with {data[:12].hex()}")
    return np.frombuffer(data, ">i4", offset=12).reshape(rows, columns)[:, 0].astype(np.int64)
