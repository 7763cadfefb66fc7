"""One file of any format to pixels."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from genbench.data.decoding import How, UnreadableError, decoded, header, suffixes
from genbench.data.found import Bytes

PLAIN = How(None, "crop", "white", None)


def picture(height: int = 8, width: int = 12) -> Bytes:
    """Smooth, so that a lossy format keeps it within some levels; red, green and blue differ."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([20 * y, 15 * x, 255 - 10 * (x + y)], axis=2).clip(0, 255).astype(np.uint8)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "TGA", "PCX", "SGI", "DIB"])
def test_formats_without_loss_keep_every_byte(kind: str) -> None:
    assert np.array_equal(decoded(encoded(Image.fromarray(picture()), kind), PLAIN).pixels, picture())


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF", "JPEG2000"])
def test_lossy_formats_are_close(kind: str) -> None:
    found = decoded(encoded(Image.fromarray(picture(32, 32)), kind), PLAIN).pixels.astype(int)
    assert abs(found - picture(32, 32)).mean() < 16


def test_the_first_of_several_pictures_is_taken() -> None:
    first, second = (Image.new("L", (8, 8), grey) for grey in (50, 200))
    animated = encoded(first, "GIF", save_all=True, append_images=[second])
    assert int(decoded(animated, PLAIN).pixels.max()) == 50


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jfif", ".webp", ".bmp", ".tif", ".pgm", ".pbm", ".gif", ".tiff"])
def test_suffixes_of_images_are_known(suffix: str) -> None:
    assert suffix in suffixes()


@pytest.mark.parametrize("suffix", [".eps", ".ps", ".pdf", ".mpg", ".h5", ".wmf", ".txt", ".csv"])
def test_what_starts_programs_or_is_no_image_is_not(suffix: str) -> None:
    assert suffix not in suffixes()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_pictures_are_upright(orientation: int, kind: str) -> None:
    """The stored pixels are turned back by what a camera wrote into the file."""
    upright = Image.new("L", (16, 8))
    upright.paste(255, (0, 0, 8, 4))  # bright at the top left
    turn = {
        **{2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM},
        **{5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE},
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(turn[orientation]) if orientation in turn else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(stored, kind, exif=exif)
    found = decoded(content, PLAIN).pixels[..., 0].astype(int)
    assert found.shape == (8, 16) == header(content)
    assert found[:4, :8].mean() > 230
    assert found[4:].mean() < 30
    assert found[:, 8:].mean() < 30


@pytest.mark.parametrize(("background", "level"), [("white", 255), ("black", 0)])
def test_transparent_pixels_lie_on_the_background(background: Any, level: int) -> None:
    colours = np.zeros((8, 8, 4), np.uint8)
    colours[:4] = (10, 20, 30, 255)
    found = decoded(encoded(Image.fromarray(colours), "PNG"), How(None, "crop", background, None))
    assert found.transparent
    assert found.pixels[0, 0].tolist() == [10, 20, 30]
    assert set(found.pixels[7, 0].tolist()) == {level}


def test_an_opaque_picture_with_an_alpha_channel_is_not_transparent() -> None:
    found = decoded(encoded(Image.new("RGBA", (8, 8), (1, 2, 3, 255)), "PNG"), PLAIN)
    assert not found.transparent


def test_white_on_nothing_is_hidden_by_white_alone() -> None:
    colours = np.full((8, 8, 4), 255, np.uint8)
    colours[2:6, 2:6, 3] = 0
    content = encoded(Image.fromarray(colours), "PNG")
    assert decoded(content, PLAIN).hidden
    assert not decoded(content, How(None, "crop", "black", None)).hidden


def test_sixteen_bits_are_scaled_and_the_largest_is_told() -> None:
    values = np.arange(64, dtype=np.uint16).reshape(8, 8) * 65
    content = encoded(Image.fromarray(values), "PNG")
    found = decoded(content, PLAIN)
    assert found.deepest == 63 * 65
    assert np.array_equal(found.pixels[..., 0], np.rint(values / 257).astype(np.uint8))
    told = decoded(content, How(None, "crop", "white", (0.0, 4095.0)))
    assert np.array_equal(told.pixels[..., 0], np.rint(values * (255 / 4095)).astype(np.uint8))


def test_masks_are_scaled_when_that_is_said() -> None:
    mask = np.eye(8, dtype=np.uint8)
    found = decoded(encoded(Image.fromarray(mask), "PNG"), How(None, "crop", "white", (0.0, 1.0)))
    assert np.array_equal(found.pixels[..., 0], mask * 255)
    with pytest.raises(UnreadableError, match="beyond"):
        decoded(encoded(Image.fromarray(mask * 3), "PNG"), How(None, "crop", "white", (0.0, 1.0)))


def test_pixels_below_the_black_that_is_said_are_refused_as_in_arrays() -> None:
    """They became black without a word."""
    levels = np.arange(50, 114, dtype=np.uint8).reshape(8, 8)
    how = How(None, "crop", "white", (50.0, 177.5))
    assert np.array_equal(decoded(encoded(Image.fromarray(levels), "PNG"), how).pixels[..., 0], (levels - 50) * 2)
    levels[0, 0] = 49
    with pytest.raises(UnreadableError, match="beyond"):
        decoded(encoded(Image.fromarray(levels), "PNG"), how)


def test_grey_pixels_have_one_channel_however_they_are_stored() -> None:
    grey = picture()[..., :1]
    assert np.array_equal(decoded(encoded(Image.fromarray(grey.repeat(3, axis=2)), "PNG"), PLAIN).pixels, grey)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_fits(kind: str) -> None:
    """A wide picture, dark but for its bright middle third."""
    wide = np.zeros((40, 120), np.uint8)
    wide[:, 40:80] = 240
    content = encoded(Image.fromarray(wide), kind)
    found = {
        fit: decoded(content, How((16, 16), fit, "white", None)).pixels[..., 0].astype(int)
        for fit in ("crop", "pad", "stretch")
    }
    assert {image.shape for image in found.values()} == {(16, 16)}
    assert found["crop"][:, 1:-1].min() > 200  # the middle alone
    assert found["pad"][:5].max() < 30  # filled up with the edge's colour
    assert found["pad"][7:9, 7:9].min() > 200
    assert found["stretch"][:, 7:9].min() > 200
    assert found["stretch"][:, :4].max() < 30


def test_shrinking_averages() -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))
    found = decoded(encoded(Image.fromarray(stripes), "PNG"), How((16, 16), "crop", "white", None)).pixels
    assert abs(found.astype(int) - 127).max() < 12


@given(st.binary(max_size=300), st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", ""]), st.data())
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_a_picture_or_unreadable(junk: bytes, kind: str, data: st.DataObject) -> None:
    content = bytearray(encoded(Image.fromarray(picture()), kind) if kind else b"")
    if content:
        at = data.draw(st.integers(0, len(content)))
        content[at : at + len(junk)] = junk
    why = "none"
    try:
        found = decoded(bytes(content) or junk, PLAIN)
        assert found.pixels.dtype == np.uint8
        assert found.pixels.shape[2] in (1, 3)
    except UnreadableError as error:
        why = str(error)
    assert why
    assert "\n" not in why


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(UnreadableError, match="not a file"):
        decoded(str(tmp_path / "a.png"), PLAIN)
