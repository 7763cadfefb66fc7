"""Along which axis images are counted where no labels say it: images and what is made of them, both known."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.datasets import load_digits

from genbench.config.data import DataConfig
from genbench.data.arrays import part_of
from genbench.data.axes import layout_of
from genbench.data.folder import read_images

Array = npt.NDArray[Any]


def noise(n: int, height: int, width: int) -> Array:
    return np.random.default_rng(0).integers(0, 256, (n, height, width), dtype=np.uint8)


def smooth(n: int, height: int, width: int) -> Array:
    """Pictures of spots, 8x8 pixels large."""
    return noise(n, height // 8, width // 8).repeat(8, axis=1).repeat(8, axis=2)


def digits(n: int, beside: int) -> Array:
    """Images of some written digits beside each other, 8 pixels high."""
    values = load_digits().images[: n * beside].astype(np.uint8)
    return np.concatenate(np.split(values.reshape(n, beside, 8, 8), beside, axis=1), axis=3)[:, 0]


def read(array: Array, count: int | None = None) -> tuple[Array, str]:
    """The images (N, H, W) that are made of an array, and what is said."""
    found = layout_of("here", array, count)
    return found.channels_last(array)[..., 0], found.note


@pytest.mark.parametrize(
    "images",
    [smooth(64, 64, 96), smooth(32, 32, 256), smooth(24, 24, 32).astype(np.float32) / 255, digits(8, 2), digits(8, 20)],
    ids=["wide", "wider", "floats", "two digits", "twenty digits"],
)
def test_as_many_images_as_each_is_high_are_counted_along_the_first_axis(images: Array) -> None:
    """64 images of 64x96 came in as 96 of 64x64, scrambled."""
    found, note = read(images)
    assert np.array_equal(found, images)
    assert note == ""


@pytest.mark.parametrize(
    "images",
    [smooth(96, 64, 64), smooth(1500, 24, 24), smooth(40, 32, 32) > 127, digits(9, 1), digits(100, 1), digits(500, 1)],
    ids=["few", "many", "of two values", "nine digits", "a hundred digits", "five hundred digits"],
)
def test_matlab_s_squares_are_counted_along_the_last(images: Array) -> None:
    found, note = read(np.moveaxis(images, 0, -1))
    assert np.array_equal(found, images)
    assert note == ""


@pytest.mark.parametrize("labelled", [False, True])
def test_where_pixels_do_not_say_it_what_was_taken_is_said(labelled: bool) -> None:
    """Nothing was said; labels say it."""
    images = noise(64, 64, 96)
    found, note = read(images, 64 if labelled else None)
    assert np.array_equal(found, images if labelled else np.moveaxis(images, -1, 0))
    assert note == (
        ""
        if labelled
        else "the images are counted along the last axis, but nothing says so plainly: if they are not 96 of 64x64, but"
        " 64 of 96x64, save them as a[..., None]"
    )
    assert np.array_equal(read(images[..., None])[0], images)  # as it says


def test_what_the_shape_does_not_say_and_the_pixels_do_is_said() -> None:
    """MATLAB's 200 images of 64x48 came in as 48 of 200x64, and nothing was said."""
    images = smooth(200, 48, 64)
    assert read(images)[1] == ""
    array = np.moveaxis(images, 0, -1)
    part = part_of("here", array, None, DataConfig(load="genbench.data.folder.load", root=None, batch_size=8))
    assert len(part.pictures) == 48
    assert part.notes == (
        "the images are counted along the first axis, though along it values change as within an image: if they are"
        " not 48 of 200x64, but 200 of 64x48, save them as np.moveaxis(a, -1, 0)",
    )
    assert np.array_equal(read(np.moveaxis(array, -1, 0))[0], images)  # as it says


def test_what_is_said_of_samples_is_said_as_well(tmp_path: Path) -> None:
    """Of images that are to be scored it was not."""
    np.save(tmp_path / "samples.npy", noise(24, 24, 32))
    images, notes = read_images(str(tmp_path / "samples.npy"), 1)
    assert tuple(images.shape) == (32, 1, 24, 24)
    assert len(notes) == 1 and "counted along the last axis" in notes[0]


def test_values_that_are_not_finite_say_nothing() -> None:
    values = smooth(64, 64, 96).astype(np.float64)
    values[..., ::2] = np.inf
    assert read(values)[1].startswith("the images are counted along the last axis")
