import gzip
import io
import os
import shutil
import struct
import tarfile
import warnings
import zipfile
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from scipy.io import savemat
from torch import Tensor

from genbench.config.data import DataConfig
from genbench.data import archives, folder
from genbench.data.images import ImageData
from genbench.data.sources import load_data
from genbench.data.splits import divided, train_and_validation
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
    return images[torch.cat(divided(torch.zeros(len(images), dtype=torch.int64) if labels is None else labels))]


def load(root: Path | str | None, **reading: Any) -> ImageData:
    where = None if root is None else str(root)
    return load_data(DataConfig(load="genbench.data.folder.load", root=where, batch_size=64, **reading))


def error_of(root: Path | str | None) -> str:
    with pytest.raises(UserError) as caught:
        load(root)
    text = str(caught.value)
    assert "\n" not in text
    return text


# Files


def test_flat_folder_keeps_every_byte_and_has_no_labels(tmp_path: Path) -> None:
    images = grey(25)
    data = load(write(tmp_path / "photos", images))
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
    data = load(tmp_path)
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
    data = load(tmp_path)
    assert len(all_images(data)) == 25
    assert data.classes == ()


@pytest.mark.parametrize("suffix", ["png", "PNG", "jpg", "jpeg", "JPG"])
def test_png_and_jpeg_by_any_suffix(tmp_path: Path, suffix: str) -> None:
    assert load(write(tmp_path, grey(20), suffix)).shape == (1, 8, 12)


def test_colour_has_three_channels(tmp_path: Path) -> None:
    images = colour(20)
    data = load(write(tmp_path, images))
    assert torch.equal(all_images(data), together(torch.from_numpy(images).permute(0, 3, 1, 2)))


def test_one_colour_image_makes_all_colour_and_grey_stored_as_rgb_is_grey(tmp_path: Path) -> None:
    images = grey(20)
    write(tmp_path, images[..., None].repeat(3, axis=3))
    assert load(tmp_path).shape.channels == 1
    Image.fromarray(colour(1)[0]).save(tmp_path / "019.png")
    data = load(tmp_path)
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
    data = load(tmp_path)
    assert data.train.images[0, :, 3, 3].tolist() == list(expected)
    assert len(data.train.images[0].flatten(1).T.tolist()) == 64
    assert {tuple(pixel) for pixel in data.train.images[0].flatten(1).T.tolist()} == {expected}


def test_palette_with_a_transparent_colour_lies_on_white(tmp_path: Path) -> None:
    write(tmp_path, colour(20, 8, 8))
    Image.new("RGB", (8, 8), (9, 8, 7)).quantize(4).save(tmp_path / "000.png", transparency=0)
    assert load(tmp_path).train.images[0, :, 0, 0].tolist() == [255, 255, 255]


def test_cmyk_jpeg_is_colour(tmp_path: Path) -> None:
    write(tmp_path, grey(20, 8, 8))
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "000.jpg")
    red, green, blue = load(tmp_path).train.images[0, :, 0, 0].tolist()
    assert red > 200
    assert green < 60
    assert blue < 60


@pytest.mark.parametrize("name", ["x.png", "a/x.jpeg", "x.npy", "x.npz"])
def test_a_pipe_is_not_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    os.mkfifo(tmp_path / name)
    assert "it is not a file" in error_of(tmp_path / name if name.startswith("x.n") else tmp_path)


def test_a_table_that_is_too_large_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, grey(25))
    (tmp_path / "captions.jsonl").write_text("{}\n" * 100)
    monkeypatch.setattr(folder, "LARGEST_TABLE", 100)
    assert "captions.jsonl cannot be read as a table of the images (it is larger than" in error_of(tmp_path)


def test_a_number_beside_the_arrays_is_no_array(tmp_path: Path) -> None:
    """It was taken for the labels, and ended in a traceback."""
    data = load(save(tmp_path / "a.npz", images=grey(25), num_classes=np.array(10)))
    assert data.train.labels is None


def test_matlab_s_order_is_known_without_labels(tmp_path: Path) -> None:
    """Of 28 x 28 x 40 images there were 28, of slices."""
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "a.npy", images.transpose(1, 2, 0))
    assert torch.equal(all_images(load(tmp_path / "a.npy")), together(torch.from_numpy(images).unsqueeze(1)))


def test_symlinks_that_point_outside_are_followed(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", grey(20))
    root = tmp_path / "root"
    root.mkdir()
    (root / "a").symlink_to(outside)
    (root / "b").mkdir()
    for path in outside.iterdir():
        (root / "b" / path.name).symlink_to(path)
    data = load(root)
    assert data.classes == ("a", "b")
    assert len(all_images(data)) == 40


@pytest.mark.parametrize("size", [(8, 16), (16, 8)])
def test_several_sizes_are_counted_and_the_word_for_them_is_named(tmp_path: Path, size: tuple[int, int]) -> None:
    write(tmp_path, grey(25, 8, 8))
    for name in ("007.png", "019.png"):
        Image.new("L", size).save(tmp_path / name)
    text = error_of(tmp_path)
    assert f"images of 2 sizes: 2 of 25 are not 8x8 (007.png is {size[0]}x{size[1]})" in text
    assert "data.size=32" in text
    assert load(tmp_path, size=8).shape == (1, 8, 8)


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [(28, 30, "28x32"), (30, 30, "32"), (260, 8, "256x8"), (8, 260, "8x256"), (2, 2, "4")],
)
def test_sizes_that_no_model_takes_are_refused_with_the_nearest(
    tmp_path: Path, width: int, height: int, size: str
) -> None:
    text = error_of(write(tmp_path, grey(20, height, width)))
    assert f"{width}x{height} pixels" in text
    assert f"data.size={size} " in text
    assert load(tmp_path, size=int(size) if size.isdecimal() else size, scale=255.0).shape[1:] == (
        (int(size), int(size)) if size.isdecimal() else tuple(map(int, reversed(size.split("x"))))
    )


def test_largest_and_smallest_sizes_are_taken(tmp_path: Path) -> None:
    assert load(write(tmp_path / "a", grey(20, 4, 256))).shape == (1, 4, 256)


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
def test_image_bomb_is_not_decoded(tmp_path: Path, side: int) -> None:
    write(tmp_path, grey(25, 8, 8))
    (tmp_path / "010.png").write_bytes(png(side, side, chunk(b"IDAT", b"")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (note,) = load(tmp_path).notes
    assert note.startswith("left out: 1 of 25 files (010.png)")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"", "no image that can be read", id="empty"),
        pytest.param(b"this is a text", "no image that can be read", id="text"),
        pytest.param(png(12, 8, chunk(b"IDAT", b"")), "", id="no pixels"),
        pytest.param(png(12, 8, chunk(b"IDAT", b""), bytes(12)), "", id="broken chunk"),
        pytest.param(png(12, 8, chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2**21)))), "", id="text bomb"),
        pytest.param(None, "", id="truncated"),
        pytest.param("gone", "No such file", id="dangling"),
    ],
)
def test_an_image_that_cannot_be_read_is_left_out_and_said(
    tmp_path: Path, content: bytes | str | None, why: str
) -> None:
    images = grey(26)
    path = write(tmp_path, images) / "005.png"
    if isinstance(content, str):
        path.unlink()
        path.symlink_to(tmp_path / content)
    else:
        path.write_bytes(path.read_bytes()[:-20] if content is None else content)
    data = load(tmp_path)
    (note,) = data.notes
    assert note.startswith("left out: 1 of 26 files (005.png): ")
    assert why in note
    kept = torch.from_numpy(np.delete(images, 5, axis=0)).unsqueeze(1)
    assert torch.equal(all_images(data), together(kept))


@pytest.mark.parametrize("missing", [12, 20])
def test_a_png_whose_pixels_are_there_but_not_its_end_is_left_out(tmp_path: Path, missing: int) -> None:
    path = write(tmp_path, grey(21, 8, 8)) / "005.png"
    path.write_bytes(path.read_bytes()[:-missing])
    assert "005.png" in load(tmp_path).notes[0]


def test_flipped_bits_in_a_png_are_found(tmp_path: Path) -> None:
    path = write(tmp_path, grey(21, 64, 64)) / "005.png"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    assert "005.png" in load(tmp_path).notes[0]


def test_folder_without_images_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "class").mkdir()
    assert f"{tmp_path} holds no image" in error_of(tmp_path)


def test_an_archive_in_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.zip").write_bytes(b"PK")
    said = f"holds no image, and no file of arrays: give the archive, data.root={tmp_path / 'train.zip'}"
    assert said in error_of(tmp_path)


def packed(path: Path, **files: bytes) -> Path:
    """An archive with files whose names have a dot and a slash for two and three low lines."""
    names = {name.replace("___", "/").replace("__", "."): content for name, content in files.items()}
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in names.items():
                archive.writestr(name, content)
        return path
    with tarfile.open(path, "w:gz") as tar:
        for name, content in names.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def as_npz(**arrays: npt.NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_arrays_in_an_archive_are_unpacked_once_into_the_cache(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kaggle's archive.zip with a table in it was refused."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    content = as_npz(images=grey(30), labels=np.arange(30) % 3)
    path = packed(tmp_path / f"digits{suffix}", set___digits__npz=content, __MACOSX___set___digits__npz=b"no array")
    data = load(path)
    assert (data.name, data.classes, len(data.train)) == ("digits", ("0", "1", "2"), 24)
    unpacked = list((tmp_path / "cache").glob("genbench/unpacked/*/*/set/digits.npz"))
    assert [file.read_bytes() for file in unpacked] == [content]
    monkeypatch.setattr(archives, "_extract", lambda *_: pytest.fail("unpacked again"))
    assert load(path).fingerprint == data.fingerprint
    (tmp_path / f"link{suffix}").symlink_to(path)
    assert load(tmp_path / f"link{suffix}").fingerprint == data.fingerprint


def test_several_tables_in_an_archive_are_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    lines = [",".join(["label", *(f"pixel{i}" for i in range(64))])]
    lines += [",".join([str(i % 2), *map(str, image.reshape(-1))]) for i, image in enumerate(grey(30, 8, 8))]
    table = "\n".join(lines).encode()
    data = load(packed(tmp_path / "archive.zip", train__csv=table, test__csv=table, about__txt=b"digits"))
    assert (data.classes, len(data.test)) == (("0", "1"), 30)
    assert data.name == "archive"


def test_figures_and_copies_beside_tables_are_left_out_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kaggle's sign language: three pictures of signs were taken for the data set, and each table is there twice."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    lines = [",".join(["label", *(f"pixel{i}" for i in range(64))])]
    lines += [",".join([str(i % 2), *map(str, image.reshape(-1))]) for i, image in enumerate(grey(30, 8, 8))]
    train, test = "\n".join(lines).encode(), "\n".join(lines[:21]).encode()
    files = {"train__csv": train, "train___train__csv": train, "test__csv": test, "test___test__csv": test}
    sign = (write(tmp_path / "signs", grey(1)) / "000.png").read_bytes()
    data = load(packed(tmp_path / "archive.zip", **files, signs__png=sign))
    assert (len(data.train) + len(data.validation), len(data.test)) == (30, 20)
    assert "left out, for it is a copy of another: train/train.csv" in data.notes
    assert "left out: 1 other file (.png)" in data.notes
    (tmp_path / "arrays").mkdir()
    save(tmp_path / "arrays" / "set.npz", images=grey(30))
    write(tmp_path / "arrays", grey(19))
    assert "left out: 19 other files (.png)" in load(tmp_path / "arrays").notes
    write(tmp_path / "arrays" / "more", grey(1))
    assert "holds set.npz and other data: give the one file to read" in error_of(tmp_path / "arrays")


def test_an_archive_that_reaches_out_of_its_folder_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inside.npz", as_npz(images=grey(30)))
        archive.writestr("../../../../outside.npz", as_npz(images=grey(30)))
    assert "outside.npz would lie outside of its folder" in error_of(path)
    assert not list(tmp_path.rglob("*side.npz"))


def test_an_archive_that_would_fill_the_disk_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=50_000))
    path = packed(tmp_path / "a.zip", a__npy=b"0" * 30_000)
    assert "more than half of what is free in" in error_of(path)
    assert not list((tmp_path / "cache").rglob("*.npy"))


def test_an_archive_of_something_else_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    text = error_of(packed(tmp_path / "notes.zip", a__txt=b"a", b__txt=b"b"))
    assert "/notes holds no image, and no file of arrays: see docs/data.md" in text
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    assert "empty.zip holds no image" in error_of(tmp_path / "empty.zip")


def test_too_few_images(tmp_path: Path) -> None:
    assert "holds 19 images: at least 20" in error_of(write(tmp_path, grey(19)))


def test_deeper_folders_are_classes_called_by_their_path(tmp_path: Path) -> None:
    for name in ("Greek/alpha", "Greek/beta", "Latin/alpha"):
        write(tmp_path / "all" / name, grey(10))
    assert load(tmp_path).classes == ("Greek/alpha", "Greek/beta", "Latin/alpha")


def test_images_beside_class_folders_are_an_error(tmp_path: Path) -> None:
    write(tmp_path / "cats", grey(20))
    write(tmp_path, grey(1))
    text = error_of(tmp_path)
    assert "000.png" in text
    assert "beside class folders" in text


def test_root_must_be_given_and_be_there(tmp_path: Path) -> None:
    assert "data.root=DIR" in error_of(None)
    assert "there is no such file or folder" in error_of(tmp_path / "nowhere")
    (tmp_path / "images.xyz").write_bytes(b"")
    assert "is no kind of file" in error_of(tmp_path / "images.xyz")


def test_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: str) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(os, "scandir", refuse)
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
        data = load(root)
        assert data.name == "images"
        assert data.shape == (3 if three else 1, 8, 12)
        assert torch.equal(all_images(data), together(torch.from_numpy(expected.copy())))


def test_grey_array_with_three_equal_channels_has_one(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", grey(20)[..., None].repeat(3, axis=3))
    assert load(tmp_path).shape == (1, 8, 12)


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(np.arange(30) % 3 * 5, id="numbers"),
        pytest.param((np.arange(30) % 3 * 5).reshape(30, 1).astype(np.uint8), id="column"),
        pytest.param((np.arange(30) % 3 * 5).reshape(30, 1, 1, 1), id="as PCam has them"),
        pytest.param(np.array(["0", "10", "5"])[[0, 2, 1] * 10], id="names"),
    ],
)
def test_npz_labels(tmp_path: Path, labels: npt.NDArray[Any]) -> None:
    data = load(save(tmp_path / "set.npz", images=grey(30), labels=labels))
    names = {"0", "5", "10"}
    assert set(data.classes) == names
    # Each image keeps its own label.
    by_image = {image.tobytes(): str(label) for image, label in zip(grey(30), labels.reshape(-1), strict=True)}
    for split in (data.train, data.validation, data.test):
        assert split.labels is not None
        assert split.labels.dtype == torch.int64
        for image, label in zip(split.images, split.labels.tolist(), strict=True):
            assert by_image[image.numpy().tobytes()] == data.classes[label]


@pytest.mark.parametrize("kind", ["U", "S"])
def test_an_array_of_splits_divides_the_images(tmp_path: Path, kind: str) -> None:
    """It was not used: test images were trained on."""
    words = np.array(["train", "test", "train"] * 10).astype(kind)
    data = load(save(tmp_path / "set.npz", images=grey(30), split=words))
    assert np.array_equal(data.test.images.numpy()[:, 0], grey(30)[1::3])
    assert len(data.train) + len(data.validation) == 20


def test_an_array_of_splits_of_another_length_is_not_used_and_is_said(tmp_path: Path) -> None:
    data = load(save(tmp_path / "set.npz", images=grey(30), split=np.array(["train", "test"])))
    assert "arrays that are not used: split" in data.notes


def medmnist(**more: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    parts = {"train": grey(24), "val": grey(5, seed=1), "test": grey(6, seed=2)}
    images = {f"{name}_images": part for name, part in parts.items()}
    labels = {f"{name}_labels": np.arange(len(part))[:, None] % 2 for name, part in parts.items()}
    return {**images, **labels, **more}


def test_medmnists_own_splits_are_kept(tmp_path: Path) -> None:
    given = medmnist()
    data = load(save(tmp_path / "bloodmnist.npz", **given))
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
    data = load(path)
    kept, validation = train_and_validation(torch.from_numpy(labels.astype(np.int64)))
    assert len(validation) == 2
    assert torch.equal(data.train.images[:, 0], torch.from_numpy(train)[kept])
    assert torch.equal(data.validation.images[:, 0], torch.from_numpy(train)[validation])
    assert np.array_equal(data.test.images[:, 0].numpy(), test)


def test_one_colour_split_makes_all_colour(tmp_path: Path) -> None:
    data = load(save(tmp_path / "a.npz", **medmnist(test_images=colour(6))))
    assert {split.images.shape[1] for split in (data.train, data.validation, data.test)} == {3}


def test_floats_from_0_to_1_are_rounded_to_8_bits(tmp_path: Path) -> None:
    images = grey(20)
    for kind in (np.float16, np.float32, np.float64):
        np.save(tmp_path / "images.npy", (images / 255).astype(kind))
        assert torch.equal(all_images(load(tmp_path)), together(torch.from_numpy(images).unsqueeze(1)))
    for value, level in ((100.499, 100), (100.501, 101)):
        pixels = np.full((20, 8, 8), value / 255)
        pixels[:, 0, 0] = np.linspace(0.5, 1.0, 20)
        np.save(tmp_path / "images.npy", pixels)
        assert int(all_images(load(tmp_path)).min()) == level


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.001, 1.001, 255.0])
def test_floats_out_of_range_are_refused(tmp_path: Path, value: float) -> None:
    images = np.full((20, 8, 8), 0.5)
    images[7, 3, 2] = value
    np.save(tmp_path / "images.npy", images)
    text = error_of(tmp_path)
    assert str(tmp_path / "images.npy") in text
    assert "not finite" in text if not np.isfinite(value) else "floats are taken for 0 to 1" in text


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.full((20, 8, 8), 1j), "is of type complex128: must be numbers"),
        (np.zeros((20, 8, 8, 5), np.uint8), "has shape (20, 8, 8, 5)"),
        (np.zeros((20, 63), np.uint8), "has shape (20, 63)"),
        (np.zeros(20, np.uint8), "do not say what they are"),
        (np.zeros((20, 8, 30), np.uint8), "30x8 pixels"),
        (np.zeros((20, 260, 8), np.uint8), "8x260 pixels"),
        (np.zeros((20, 0, 8), np.uint8), "8x0 pixels"),
        (grey(19), "holds 19 images"),
        (np.array([{}] * 20), "is not a readable array file (it holds Python objects"),
        (np.full((20, 8, 8), 300), "data.scale=511"),
        (np.full((20, 8, 8), -300), "data.range=[-300,-300]"),
    ],
)
def test_arrays_that_are_no_images_are_refused(tmp_path: Path, array: npt.NDArray[Any], words: str) -> None:
    np.save(tmp_path / "images.npy", array)
    text = error_of(tmp_path / "images.npy")
    assert "images" in text
    assert words in text


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": grey(20), "b": grey(20)}, "has the arrays a, b, which do not say what they are"),
        ({"images": grey(20), "labels": np.zeros(19, np.int64)}, "20 images, and labels of shape (19,)"),
        ({"images": grey(20), "labels": np.zeros((20, 14), np.int64)}, "data.labels=false"),
        ({"images": grey(20), "labels": np.full(20, 0.5)}, "the labels are not whole numbers"),
        ({"images": grey(20), "labels": np.array([{}] * 20)}, "pickle"),
        ({"test_images": grey(20)}, "has test images and none to train on"),
        (medmnist(test_images=grey(6, 16, 16)), "several sizes (train 12x8, validation 12x8, test 16x16)"),
        (medmnist(val_images=grey(0), val_labels=np.zeros(0, np.int64)), "has no validation images"),
        (
            {"x_train": grey(20), "y_train": np.zeros(20, np.int64), "x_test": grey(6)},
            "and none for test: data.labels=false",
        ),
    ],
)
def test_npz_files_that_are_no_data_set_are_refused(
    tmp_path: Path, arrays: dict[str, npt.NDArray[Any]], words: str
) -> None:
    text = error_of(save(tmp_path / "set.npz", **arrays))
    assert "set" in text
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


def test_another_kind_of_file_called_npy_is_named(tmp_path: Path) -> None:
    save(tmp_path / "a.npz", images=grey(20)).rename(tmp_path / "a.npy")
    assert "is not a readable array file" in error_of(tmp_path / "a.npy")


def test_array_file_beside_other_data_is_ambiguous(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", grey(20))
    np.save(tmp_path / "b.npy", grey(20))
    assert "has the arrays a, b" in error_of(tmp_path)
    (tmp_path / "b.npy").unlink()
    (tmp_path / "notes.txt").write_text("ignored")
    assert load(tmp_path).name == "a"
    write(tmp_path / "cats", grey(20))
    assert "holds a.npy and other data" in error_of(tmp_path)


# What would be lost


@pytest.mark.parametrize(
    "files",
    [
        {"part.0.npz": ("images", "labels"), "part.1.npz": ("images", "labels"), "part.2.npz": ("images", "labels")},
        {"t.npz": ("train_images", "train_labels"), "train.npz": ("train_images", "train_labels")},
        {"d.npz": ("data",), "data.npz": ("data",)},
    ],
    ids=["parts", "beginnings", "one array each"],
)
def test_no_file_s_arrays_take_the_place_of_another_s(tmp_path: Path, files: dict[str, tuple[str, ...]]) -> None:
    for seed, (name, keys) in enumerate(files.items()):
        save(tmp_path / name, **{key: np.arange(30) % 3 if "label" in key else grey(30, seed=seed) for key in keys})
    assert "do not say what they are" in error_of(tmp_path)


def test_two_files_with_one_name_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "d.npz", images=grey(50))
    savemat(tmp_path / "d.mat", {"images": grey(30)})
    assert "holds d.mat and d.npz, both with d/images: move one away" in error_of(tmp_path)


def test_parts_of_a_name_behind_a_dot_are_read(tmp_path: Path) -> None:
    save(tmp_path / "d.train.npz", images=grey(30), labels=np.arange(30) % 3)
    save(tmp_path / "d.test.npz", images=grey(20, seed=1), labels=np.arange(20) % 3)
    data = load(tmp_path)
    assert len(data.test.images) == 20
    assert data.classes == ("0", "1", "2")


def test_a_packed_file_may_lie_beside_the_same_one(tmp_path: Path) -> None:
    content = b"\0\0\x08\x03" + struct.pack(">3I", 30, 8, 12) + grey(30).tobytes()
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(content))
    assert len(all_images(load(tmp_path))) == 30
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(content[:-1] + b"\0"))
    assert "move one away" in error_of(tmp_path)


def test_tables_of_pixels_in_folders_are_told_apart_by_these(tmp_path: Path) -> None:
    for name, count in (("train", 30), ("test", 20)):
        (tmp_path / name).mkdir()
        rows = [",".join(map(str, [i % 2, *image.flat])) for i, image in enumerate(grey(count, 8, 8))]
        (tmp_path / name / "data.csv").write_text("\n".join([",".join(["label", *map(str, range(64))]), *rows]))
    data = load(tmp_path)
    assert len(data.train.images) + len(data.validation.images) == 30
    assert len(data.test.images) == 20


@pytest.mark.parametrize(
    ("name", "content"),
    [("labels.csv", "id,label\n0,cat\n"), ("about.csv", "id,class\n0,cat\n"), ("labels.txt", "cat\n")],
)
def test_classes_beside_arrays_that_have_none_are_not_lost(tmp_path: Path, name: str, content: str) -> None:
    np.save(tmp_path / "images.npy", grey(30))
    (tmp_path / name).write_text(content)
    text = error_of(tmp_path)
    assert f"holds {name} beside arrays without classes" in text
    assert "data.labels=false" in text
    data = load(tmp_path, labels=False)
    assert data.train.labels is None
    assert any(name in note for note in data.notes) or name.endswith(".txt")


@pytest.mark.parametrize("files", [("images", "labels"), ("images",)])
def test_what_lies_beside_arrays_is_said(tmp_path: Path, files: tuple[str, ...]) -> None:
    for name in files:
        np.save(tmp_path / f"{name}.npy", grey(30) if name == "images" else np.arange(30) % 3)
    (tmp_path / "sites.csv").write_text("x,y\n1,2\n")
    (tmp_path / "more").mkdir()
    np.save(tmp_path / "more" / "vectors.npy", np.zeros(3))
    notes = load(tmp_path).notes
    assert any(note.startswith("sites.csv is not used: ") for note in notes)
    assert "left out: 1 other file (.npy)" in notes


@pytest.mark.parametrize("name", ["test/test_images.npy", "test/x.npz", "test.zip"])
def test_a_split_that_is_elsewhere_is_not_lost(tmp_path: Path, name: str) -> None:
    np.save(tmp_path / "train_images.npy", grey(30))
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"")
    assert f"holds {name} beside the arrays that are read" in error_of(tmp_path)


def test_an_array_of_objects_does_not_stand_in_the_way_of_others(tmp_path: Path) -> None:
    """As the metadata in dSprites' file do."""
    content = {"imgs": grey(30), "metadata": np.array({"date": "2017"}), "latents_names": np.array([{}])}
    data = load(save(tmp_path / "set.npz", **content))
    assert len(all_images(data)) == 30
    why = "Python objects, which only pickle reads"
    assert data.notes == (f"left out, for no arrays: latents_names ({why}), metadata ({why})",)


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        ({"labels": np.array([{}] * 30)}, "labels cannot be used for labels (Python objects"),
        ({"test_images": np.array([{}] * 30)}, "test_images cannot be used for images (Python objects"),
    ],
)
def test_arrays_of_objects_that_are_needed_are_refused(
    tmp_path: Path, lost: dict[str, npt.NDArray[Any]], words: str
) -> None:
    path = save(tmp_path / "set.npz", images=grey(30), **lost)
    assert words in error_of(path)
    if "labels" in lost:
        assert load(path, labels=False).train.labels is None


def test_class_names_that_are_objects_are_beside_the_labels(tmp_path: Path) -> None:
    names = {"labels": np.arange(30) % 3, "class_names": np.array([{}] * 3)}
    assert load(save(tmp_path / "set.npz", images=grey(30), **names)).classes == ("0", "1", "2")
