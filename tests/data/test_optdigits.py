import hashlib

import torch

from genbench.cli import compose
from genbench.data import ImageDataModule
from genbench.data.images import ImageData
from genbench.data.sources import load_data


def digest(data: ImageData) -> str:
    pieces = (data.train.images, data.validation.images, data.test.images)
    return hashlib.sha256(torch.cat(pieces).numpy().tobytes()).hexdigest()


def test_optdigits_are_digits_in_mnists_layout() -> None:
    data = ImageDataModule("optdigits").data
    assert (len(data.train), len(data.validation), len(data.test)) == (1412, 128, 257)
    assert data.shape == (1, 28, 28)
    images = torch.cat([data.train.images, data.validation.images, data.test.images])
    assert images.dtype == torch.uint8
    assert int(images.max()) == 255
    # Bicubic strokes may reach one pixel into the margin of 4.
    assert int(images[:, :, :2].max()) == 0
    assert int(images[:, :, -2:].max()) == 0
    assert len({image.numpy().tobytes() for image in images}) == 1797


def test_a_root_that_nobody_reads_is_said() -> None:
    (config,) = compose("train", ["data=optdigits", "data.root=photos"]).configs
    (note,) = load_data(config.data).notes
    assert "photos is not read" in note


def test_optdigits_splits_are_stratified() -> None:
    data = ImageDataModule("optdigits").data
    splits = (data.train, data.validation, data.test)
    counts = torch.stack([torch.bincount(s.labels, minlength=10) for s in splits if s.labels is not None])
    assert counts.sum(0).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    proportion = counts.sum(0) * counts.sum(1, keepdim=True) / 1797
    assert float((counts - proportion).abs().max()) <= 1


def test_optdigits_are_the_same_everywhere() -> None:
    data = ImageDataModule("optdigits").data
    assert digest(data) == "95cd3280d9901896f9ff9571596b1bdb7712efbbdc8df64191ff7eaeadfcfb84"
