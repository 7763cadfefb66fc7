import io
import os
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from torch import Tensor

from genbench.data import folder
from genbench.data.images import ImageData, Split
from genbench.data.splits import divide, divide_train
from genbench.errors import UserError

Bytes = npt.NDArray[np.uint8]


def grey(n: int, height: int = 8, width: int = 12, seed: int = 0) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, (n, height, width), dtype=np.uint8)


def colour(n: int, height: int = 8, width: int = 12) -> Bytes:
    return np.random.default_rng(1).integers(0, 256, (n, height, width, 3), dtype=np.uint8)


def write(root: Path, images: Bytes, suffix: str = "png") -> Path:
    """Flat image files whose names sort in the images' order."""
    root.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(images):
        Image.fromarray(image).save(root / f"{i:03}.{suffix}")
    return root


def save(path: Path, **arrays: npt.NDArray[Any]) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def all_images(data: ImageData) -> Tensor:
    """The images of all splits; `together` gives the order in which the splits take them."""
    return torch.cat([data.train.images, data.validation.images, data.test.images])


def together(images: Tensor, labels: Tensor | None = None) -> Tensor:
    return torch.cat([split.images for split in divide(Split(images, labels))])


def error_of(root: Path | str | None) -> str:
    with pytest.raises(UserError) as caught:
        folder.load(None if root is None else str(root))
    text = str(caught.value)
    assert "\n" not in text
    return text


# Files


def test_flat_folder_keeps_every_byte_and_has_no_labels(tmp_path: Path) -> None:
    images = grey(25)
    data = folder.load(str(write(tmp_path / "photos", images)))
    assert data.name == "photos"
    assert data.classes == ()
    assert data.train.labels is None
    assert data.shape == (1, 8, 12)
    assert data.train.images.is_contiguous()
    assert torch.equal(all_images(data), together(torch.from_numpy(images).unsqueeze(1)))


def test_class_folders_are_labels_in_sorted_order(tmp_path: Path) -> None:
    images = grey(60)
    for name, part in (("zebra", images[:20]), ("Ant", images[20:50]), ("bee", images[50:])):
        write(tmp_path / name, part)
    (tmp_path / "empty").mkdir()
    data = folder.load(str(tmp_path))
    assert data.classes == ("Ant", "bee", "zebra")
    order = torch.from_numpy(np.concatenate([images[20:50], images[50:], images[:20]])).unsqueeze(1)
    labels = torch.tensor([0] * 30 + [1] * 10 + [2] * 20)
    assert torch.equal(all_images(data), together(order, labels))
    assert data.test.labels is not None
    assert torch.bincount(data.test.labels).tolist() == [5, 1, 3]


def test_files_that_are_no_images_are_ignored(tmp_path: Path) -> None:
    write(tmp_path, grey(25))
    for name in ("notes.txt", "Thumbs.db", ".DS_Store", "._000.png", ".hidden.png"):
        (tmp_path / name).write_text("no image")
    write(tmp_path / ".thumbnails", grey(2))
    write(tmp_path / "notes" / ".thumbnails", grey(2))
    write(tmp_path / "notes" / "old" / ".thumbnails", grey(2))
    (tmp_path / "notes" / "old" / "._000.png").write_text("no image")
    data = folder.load(str(tmp_path))
    assert len(all_images(data)) == 25
    assert data.classes == ()


@pytest.mark.parametrize("suffix", ["png", "PNG", "jpg", "jpeg", "JPG"])
def test_png_and_jpeg_by_any_suffix(tmp_path: Path, suffix: str) -> None:
    assert folder.load(str(write(tmp_path, grey(20), suffix))).shape == (1, 8, 12)


def test_colour_has_three_channels(tmp_path: Path) -> None:
    images = colour(20)
    data = folder.load(str(write(tmp_path, images)))
    assert torch.equal(all_images(data), together(torch.from_numpy(images).permute(0, 3, 1, 2)))


def test_one_colour_image_makes_all_colour_and_grey_stored_as_rgb_is_grey(tmp_path: Path) -> None:
    images = grey(20)
    write(tmp_path, images[..., None].repeat(3, axis=3))
    assert folder.load(str(tmp_path)).shape.channels == 1
    Image.fromarray(colour(1)[0]).save(tmp_path / "019.png")
    data = folder.load(str(tmp_path))
    assert data.shape.channels == 3
    first = data.train.images[0].numpy()
    assert all(np.array_equal(channel, images[0]) for channel in first)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        pytest.param(Image.new("RGBA", (8, 8), (255, 0, 0, 0)), (255, 255, 255), id="transparent"),
        pytest.param(Image.new("RGBA", (8, 8), (255, 0, 0, 255)), (255, 0, 0), id="opaque"),
        pytest.param(Image.new("RGBA", (8, 8), (0, 0, 0, 51)), (204, 204, 204), id="one fifth black"),
        pytest.param(Image.new("LA", (8, 8), (10, 0)), (255, 255, 255), id="transparent grey"),
        pytest.param(Image.new("RGB", (8, 8), (9, 8, 7)).quantize(4), (9, 8, 7), id="palette"),
        pytest.param(Image.new("1", (8, 8), 1), (255, 255, 255), id="one bit"),
        pytest.param(Image.fromarray(np.full((8, 8), 65535, np.uint16)), (255, 255, 255), id="16 bits, white"),
        pytest.param(Image.fromarray(np.full((8, 8), 257 * 77, np.uint16)), (77, 77, 77), id="16 bits, grey"),
    ],
)
def test_every_mode_becomes_rgb(tmp_path: Path, image: Image.Image, expected: tuple[int, ...]) -> None:
    write(tmp_path, colour(20, 8, 8))
    image.save(tmp_path / "000.png")  # the first of its stretch: stays in the training split
    data = folder.load(str(tmp_path))
    assert data.train.images[0, :, 3, 3].tolist() == list(expected)
    assert len(data.train.images[0].flatten(1).T.tolist()) == 64
    assert {tuple(pixel) for pixel in data.train.images[0].flatten(1).T.tolist()} == {expected}


def test_palette_with_a_transparent_colour_lies_on_white(tmp_path: Path) -> None:
    write(tmp_path, colour(20, 8, 8))
    Image.new("RGB", (8, 8), (9, 8, 7)).quantize(4).save(tmp_path / "000.png", transparency=0)
    assert folder.load(str(tmp_path)).train.images[0, :, 0, 0].tolist() == [255, 255, 255]


def test_cmyk_jpeg_is_colour(tmp_path: Path) -> None:
    write(tmp_path, grey(20, 8, 8))
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "000.jpg")
    red, green, blue = folder.load(str(tmp_path)).train.images[0, :, 0, 0].tolist()
    assert red > 200
    assert green < 60
    assert blue < 60


@pytest.mark.parametrize("name", ["x.png", "a/x.jpeg", "x.npy", "x.npz"])
def test_a_pipe_is_not_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    os.mkfifo(tmp_path / name)
    assert "it is not a file" in error_of(tmp_path / name if name.startswith("x.n") else tmp_path)


def test_symlinks_that_point_outside_are_followed(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", grey(20))
    root = tmp_path / "root"
    root.mkdir()
    (root / "a").symlink_to(outside)
    (root / "b").mkdir()
    for path in outside.iterdir():
        (root / "b" / path.name).symlink_to(path)
    data = folder.load(str(root))
    assert data.classes == ("a", "b")
    assert len(all_images(data)) == 40


@pytest.mark.parametrize("size", [(8, 16), (16, 8)])
def test_first_image_of_another_size_is_named_with_both_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    write(tmp_path, grey(25, 8, 8))
    for name in ("007.png", "019.png"):
        Image.new("L", size).save(tmp_path / name)
    text = error_of(tmp_path)
    assert f"{tmp_path / '007.png'} is {size[0]}x{size[1]} but 000.png is 8x8" in text
    assert "bring all images to one size" in text


@pytest.mark.parametrize(("width", "height"), [(28, 30), (30, 28), (260, 8), (8, 260), (1, 1)])
def test_sizes_that_no_model_takes_are_refused(tmp_path: Path, width: int, height: int) -> None:
    text = error_of(write(tmp_path, grey(20, height, width)))
    assert f"{tmp_path / '000.png'} is {width}x{height} pixels" in text
    assert "divisible by 4 and at most 256" in text


def test_largest_and_smallest_sizes_are_taken(tmp_path: Path) -> None:
    assert folder.load(str(write(tmp_path / "a", grey(20, 4, 256)))).shape == (1, 4, 256)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"".join((b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *chunks, chunk(b"IEND", b"")))


def gif(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (width, height)).save(file, "GIF")
    return file.getvalue()


@pytest.mark.parametrize("side", [10_000, 50_000])  # Pillow warns of the first and refuses the second
@pytest.mark.parametrize("name", ["000.png", "010.png"])
def test_image_bomb_is_refused_undecoded(tmp_path: Path, side: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    to_rgb = folder._to_rgb

    def watch(image: Image.Image) -> Image.Image:
        decoded.append(image.size)
        return to_rgb(image)

    monkeypatch.setattr(folder, "_to_rgb", watch)
    write(tmp_path, grey(20, 8, 8))
    (tmp_path / name).write_bytes(png(side, side, chunk(b"IDAT", b"")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = error_of(tmp_path)
    assert str(tmp_path / name) in text
    assert f"{side}x{side}" in text or f"{side * side} pixels" in text
    assert set(decoded) <= {(8, 8)}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"this is a text", id="text"),
        pytest.param(png(12, 8, chunk(b"IDAT", b"")), id="no pixels"),
        pytest.param(png(12, 8, chunk(b"IDAT", b""), bytes(12)), id="broken chunk"),
        pytest.param(png(12, 8, chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2**21)))), id="text bomb"),
        pytest.param(gif(12, 8), id="another format"),
    ],
)
def test_image_file_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, grey(20))
    (tmp_path / "005.png").write_bytes(content)
    text = error_of(tmp_path)
    assert f"{tmp_path / '005.png'} is not a readable PNG or JPEG image" in text
    assert "replace or remove it" in text


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_truncated_and_dangling_files_are_named(tmp_path: Path, suffix: str) -> None:
    write(tmp_path, grey(20, 64, 64), suffix)
    path = tmp_path / f"005.{suffix}"
    path.write_bytes(path.read_bytes()[:-300])
    assert f"{path} is not a readable" in error_of(tmp_path)
    path.unlink()
    path.symlink_to(tmp_path / "gone")
    assert f"{path} is not a readable" in error_of(tmp_path)


@pytest.mark.parametrize("missing", [12, 20])
def test_a_png_whose_pixels_are_there_but_not_its_end_is_named(tmp_path: Path, missing: int) -> None:
    path = write(tmp_path, grey(20, 8, 8)) / "005.png"
    path.write_bytes(path.read_bytes()[:-missing])
    assert f"{path} is not a readable" in error_of(tmp_path)


def test_flipped_bits_in_a_png_are_found(tmp_path: Path) -> None:
    path = write(tmp_path, grey(20, 64, 64)) / "005.png"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    assert str(path) in error_of(tmp_path)


def test_folder_without_images_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "class").mkdir()
    assert f"{tmp_path} holds no PNG or JPEG image" in error_of(tmp_path)


def test_too_few_images(tmp_path: Path) -> None:
    assert "holds 19 images: at least 20" in error_of(write(tmp_path, grey(19)))


def test_images_deeper_than_one_folder_are_an_error(tmp_path: Path) -> None:
    write(tmp_path / "train" / "cats", grey(20))
    text = error_of(tmp_path)
    assert str(tmp_path / "train" / "cats" / "000.png") in text
    assert "deeper than one folder" in text


def test_images_beside_class_folders_are_an_error(tmp_path: Path) -> None:
    write(tmp_path / "cats", grey(20))
    write(tmp_path, grey(1))
    text = error_of(tmp_path)
    assert "000.png" in text
    assert "cats" in text


def test_root_must_be_given_and_be_there(tmp_path: Path) -> None:
    assert "data.root=DIR" in error_of(None)
    assert "there is no such file or folder" in error_of(tmp_path / "nowhere")
    (tmp_path / "images.zip").write_bytes(b"")
    assert "must be a folder" in error_of(tmp_path / "images.zip")


def test_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", refuse)
    text = error_of(tmp_path)
    assert str(tmp_path) in text
    assert "Permission denied" in text


# Arrays


@pytest.mark.parametrize("layout", [(20, 8, 12), (20, 8, 12, 1), (20, 1, 8, 12), (20, 8, 12, 3), (20, 3, 8, 12)])
@pytest.mark.parametrize("name", ["images.npy", "images.npz"])
def test_array_layouts(tmp_path: Path, layout: tuple[int, ...], name: str) -> None:
    three = 3 in layout
    expected = colour(20).transpose(0, 3, 1, 2) if three else grey(20)[:, None]
    array = expected.transpose(0, 2, 3, 1) if three and layout[-1] == 3 else expected.reshape(layout)
    path = tmp_path / name
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        save(path, images=array)
    for root in (path, tmp_path):  # the file itself, or the folder that holds it alone
        data = folder.load(str(root))
        assert data.name == "images"
        assert data.shape == (3 if three else 1, 8, 12)
        assert torch.equal(all_images(data), together(torch.from_numpy(expected.copy())))


def test_grey_array_with_three_equal_channels_has_one(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", grey(20)[..., None].repeat(3, axis=3))
    assert folder.load(str(tmp_path)).shape == (1, 8, 12)


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(np.arange(30) % 3 * 5, id="numbers"),
        pytest.param((np.arange(30) % 3 * 5).reshape(30, 1).astype(np.uint8), id="column"),
        pytest.param(np.array(["0", "10", "5"])[[0, 2, 1] * 10], id="names"),
    ],
)
def test_npz_labels(tmp_path: Path, labels: npt.NDArray[Any]) -> None:
    data = folder.load(str(save(tmp_path / "set.npz", images=grey(30), labels=labels)))
    names = {"0", "5", "10"}
    assert set(data.classes) == names
    # Each image keeps its own label.
    by_image = {image.tobytes(): str(label) for image, label in zip(grey(30), labels.reshape(-1), strict=True)}
    for split in (data.train, data.validation, data.test):
        assert split.labels is not None
        assert split.labels.dtype == torch.int64
        for image, label in zip(split.images, split.labels.tolist(), strict=True):
            assert by_image[image.numpy().tobytes()] == data.classes[label]


def medmnist(**more: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    parts = {"train": grey(24), "val": grey(5, seed=1), "test": grey(6, seed=2)}
    images = {f"{name}_images": part for name, part in parts.items()}
    labels = {f"{name}_labels": np.arange(len(part))[:, None] % 2 for name, part in parts.items()}
    return {**images, **labels, **more}


def test_medmnists_own_splits_are_kept(tmp_path: Path) -> None:
    given = medmnist()
    data = folder.load(str(save(tmp_path / "bloodmnist.npz", **given)))
    assert data.name == "bloodmnist"
    assert data.classes == ("0", "1")
    for split, name in ((data.train, "train"), (data.validation, "val"), (data.test, "test")):
        assert np.array_equal(split.images[:, 0].numpy(), given[f"{name}_images"])
        assert split.labels is not None
        assert split.labels.tolist() == given[f"{name}_labels"].ravel().tolist()


def test_keras_splits_are_kept_and_validation_taken_from_train(tmp_path: Path) -> None:
    train, test = grey(24), grey(6, seed=2)
    labels = np.arange(24) % 2
    path = save(tmp_path / "mnist.npz", x_train=train, y_train=labels, x_test=test, y_test=labels[:6])
    data = folder.load(str(path))
    kept, validation = divide_train(
        Split(torch.from_numpy(train).unsqueeze(1), torch.from_numpy(labels.astype(np.int64)))
    )
    assert len(validation) == 2
    assert torch.equal(data.train.images, kept.images)
    assert torch.equal(data.validation.images, validation.images)
    assert np.array_equal(data.test.images[:, 0].numpy(), test)


def test_one_colour_split_makes_all_colour(tmp_path: Path) -> None:
    data = folder.load(str(save(tmp_path / "a.npz", **medmnist(test_images=colour(6)))))
    assert {split.images.shape[1] for split in (data.train, data.validation, data.test)} == {3}


def test_floats_from_0_to_1_are_rounded_to_8_bits(tmp_path: Path) -> None:
    images = grey(20)
    for kind in (np.float16, np.float32, np.float64):
        np.save(tmp_path / "images.npy", (images / 255).astype(kind))
        assert torch.equal(all_images(folder.load(str(tmp_path))), together(torch.from_numpy(images).unsqueeze(1)))
    np.save(tmp_path / "images.npy", np.full((20, 8, 8), 0.499 / 255))
    assert int(all_images(folder.load(str(tmp_path))).max()) == 0
    np.save(tmp_path / "images.npy", np.full((20, 8, 8), 0.501 / 255))
    assert int(all_images(folder.load(str(tmp_path))).min()) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.001, 1.001, 255.0])
def test_floats_out_of_range_are_refused(tmp_path: Path, value: float) -> None:
    images = np.full((20, 8, 8), 0.5)
    images[7, 3, 2] = value
    np.save(tmp_path / "images.npy", images)
    text = error_of(tmp_path)
    assert str(tmp_path / "images.npy") in text
    assert "not from 0 to 1" in text


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((20, 8, 8), np.int64), "is int64: must be uint8"),
        (np.zeros((20, 8, 8), bool), "is bool: must be uint8"),
        (np.zeros((20, 8, 8, 4), np.uint8), "has shape (20, 8, 8, 4)"),
        (np.zeros((20, 64), np.uint8), "has shape (20, 64)"),
        (np.zeros((20, 8, 30), np.uint8), "30x8 pixels"),
        (np.zeros((20, 260, 8), np.uint8), "8x260 pixels"),
        (np.zeros((20, 0, 8), np.uint8), "8x0 pixels"),
        (np.zeros((19, 8, 8), np.uint8), "holds 19 images"),
        (np.array([{}] * 20), "is not a readable array file"),
    ],
)
def test_arrays_that_are_no_images_are_refused(tmp_path: Path, array: npt.NDArray[Any], words: str) -> None:
    np.save(tmp_path / "images.npy", array)
    text = error_of(tmp_path / "images.npy")
    assert str(tmp_path / "images.npy") in text
    assert words in text


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"pictures": grey(20)}, "has the arrays pictures: expected one of images, train_images, x_train"),
        ({"images": grey(20), "labels": np.zeros(19, np.int64)}, "labels is int64 of shape (19,)"),
        ({"images": grey(20), "labels": np.zeros((20, 14), np.int64)}, "must be 20 whole numbers"),
        ({"images": grey(20), "labels": np.zeros(20)}, "labels is float64"),
        ({"images": grey(20), "labels": np.array([{}] * 20)}, "pickle"),
        ({"train_images": grey(20)}, "has train_images but no test_images"),
        (medmnist(test_images=grey(6, 16, 16)), "images of 12x8 and 16x16 pixels"),
        (medmnist(train_images=grey(19), train_labels=np.zeros(19, np.int64)), "too few images"),
        (medmnist(val_images=grey(0), val_labels=np.zeros(0, np.int64)), "too few images"),
        ({"x_train": grey(20), "y_train": np.zeros(20, np.int64), "x_test": grey(6)}, "not labels for each"),
    ],
)
def test_npz_files_that_are_no_data_set_are_refused(
    tmp_path: Path, arrays: dict[str, npt.NDArray[Any]], words: str
) -> None:
    text = error_of(save(tmp_path / "set.npz", **arrays))
    assert str(tmp_path / "set.npz") in text
    assert words in text


@pytest.mark.parametrize("name", ["images.npy", "images.npz"])
def test_damaged_array_files_are_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("npy"):
        np.save(path, grey(20))
    else:
        save(path, images=grey(20))
    whole = path.read_bytes()
    middle = len(whole) // 2
    for content in (b"", b"this is a text", whole[:middle], whole[:20]):
        path.write_bytes(content)
        assert f"{path} is not a readable array file" in error_of(path)
    if name.endswith("npz"):
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
        assert f"{path} is not a readable array file" in error_of(path)


def test_array_file_beside_other_data_is_ambiguous(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", grey(20))
    np.save(tmp_path / "b.npy", grey(20))
    assert "holds a.npy and other data" in error_of(tmp_path)
    (tmp_path / "b.npy").unlink()
    (tmp_path / "notes.txt").write_text("ignored")
    assert folder.load(str(tmp_path)).name == "a"
    write(tmp_path / "cats", grey(1))
    assert "holds a.npy and other data" in error_of(tmp_path)
