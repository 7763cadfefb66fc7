"""MNIST: 70,000 handwritten digits, 28x28 (LeCun, Cortes, Burges 1998)."""

from functools import partial

from genbench.config.data import DataConfig
from genbench.data import idx
from genbench.data.found import Found

MNIST = idx.IdxDataSet(
    name="mnist",
    folder="MNIST",
    classes=tuple("0123456789"),
    md5={
        idx.TRAIN_IMAGES: "6bbc9ace898e44ae57da46a324031adb",
        idx.TRAIN_LABELS: "a25bea736e30d166cdddb491f175f624",
        idx.TEST_IMAGES: "2646ac647ad5339dbf082846283269ea",
        idx.TEST_LABELS: "27ae3e4e09519cfbb04c329615203637",
    },
    gate=0.993,
    downloads=partial(idx.torchvision_downloads, "MNIST"),
)


def load(config: DataConfig) -> Found:
    """60,000 training and 10,000 test images, 28x28; see `idx.load`."""
    return idx.load(MNIST, config)
