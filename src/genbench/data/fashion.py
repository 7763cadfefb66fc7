"""Fashion-MNIST: 70,000 pictures of clothes, 28x28 (Xiao, Rasul, Vollgraf 2017)."""

from functools import partial
from pathlib import Path

from genbench.config.data import DataConfig
from genbench.data import idx
from genbench.data.found import Found

FASHION = idx.IdxDataSet(
    name="fashion",
    folder="FashionMNIST",
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    md5={
        idx.TRAIN_IMAGES: "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        idx.TRAIN_LABELS: "9018921c3c673c538a1fc5bad174d6f9",
        idx.TEST_IMAGES: "8181f5470baa50b63fa0f6fddb340f0a",
        idx.TEST_LABELS: "15d484375f8d13e6eb1aabb0c3f46965",
    },
    gate=0.925,
    downloads=partial(idx.torchvision_downloads, "FashionMNIST"),
    debian=Path("/usr/share/datasets/fashion-mnist"),
)


def load(config: DataConfig) -> Found:
    """60,000 training and 10,000 test images, 28x28; see `idx.load`."""
    return idx.load(FASHION, config)
