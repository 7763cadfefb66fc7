"""MNIST: 70,000 handwritten digits, 28x28 (LeCun, Cortes, Burges 1998)."""

from functools import partial

from genbench.data import idx
from genbench.data.images import ImageData

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


def load(root: str | None) -> ImageData:
    """55,000 train, 5,000 validation and 10,000 test images, (1, 28, 28); see `idx.load` for `root`."""
    return idx.load(MNIST, root)
