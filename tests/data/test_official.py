import hashlib
import os

import pytest
import torch
from torch import Tensor

from genbench.data import ImageDataModule, fashion, idx, mnist

real = pytest.mark.skipif("GENBENCH_DATA" not in os.environ, reason="GENBENCH_DATA is not set")


def digest(*tensors: Tensor) -> str:
    return hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in tensors)).hexdigest()


@real
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "train", "validation", "mean"),
    [
        pytest.param(
            "mnist",
            "fcd96c8a0034cb5be134ab17418239db32b3b4c0871588776c58ff07942fea93",
            "3dc8ca1673782aef3421a27e19cf5be1408b55d177b52c3fa791e4f2c3fb3544",
            0.1307,
            id="mnist",
        ),
        pytest.param(
            "fashion",
            "25215da906215ba3fa5e515a6eb8ec7fc831700cc1d786b0e15ce9fec22f1ec3",
            "34c5c1bab21dd466eed5be15ac504e4ac85c26db50fdd0339c8f2b503c03f2a0",
            0.2860,
            id="fashion",
        ),
    ],
)
def test_official_splits(name: str, train: str, validation: str, mean: float) -> None:
    data = ImageDataModule(name).data
    assert (len(data.train), len(data.validation), len(data.test)) == (55_000, 5_000, 10_000)
    assert data.shape == (1, 28, 28)
    assert data.train.labels is not None
    assert data.validation.labels is not None
    counts = torch.stack([torch.bincount(data.train.labels), torch.bincount(data.validation.labels)])
    assert float((counts[1] - counts.sum(0) / 12).abs().max()) < 1
    # The published mean of the 60,000.
    pixels = torch.cat([data.train.images, data.validation.images])
    assert float(pixels.double().mean()) / 255 == pytest.approx(mean, abs=5e-5)
    assert digest(data.train.images, data.train.labels) == train
    assert digest(data.validation.images, data.validation.labels) == validation


@pytest.mark.parametrize("about", [mnist.MNIST, fashion.FASHION])
def test_torchvision_still_knows_the_downloads(about: idx.IdxDataSet) -> None:
    downloads = about.downloads()
    assert set(downloads.md5) == {f"{name}.gz" for name in idx.FILES}
    assert all(mirror.endswith("/") for mirror in downloads.mirrors)
    assert set(about.md5) == set(idx.FILES)
    assert len(about.classes) == 10


def test_class_names_are_torchvisions() -> None:
    import torchvision.datasets

    assert fashion.FASHION.classes == tuple(torchvision.datasets.FashionMNIST.classes)
    assert mnist.MNIST.classes == tuple(name[0] for name in torchvision.datasets.MNIST.classes)
