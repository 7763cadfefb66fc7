"""What becomes of any source: splits, limits, classes, duplicates, and what nobody would train on."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genbench.config.data import DataConfig
from genbench.data import memory
from genbench.data.arrays import part_of
from genbench.data.found import WHOLE, Bytes, Found, Labels
from genbench.data.images import ImageData
from genbench.data.sources import assembled
from genbench.errors import UserError


def config(**reading: Any) -> DataConfig:
    return DataConfig(load="genbench.data.folder.load", root=None, batch_size=8, **reading)


def pixels(n: int, seed: int = 0, side: int = 8) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, (n, side, side), dtype=np.uint8)


def made(parts: dict[str, tuple[Bytes, Labels | None]], **reading: Any) -> ImageData:
    how = config(**reading)
    found = Found("some", {name: part_of(name, images, labels, how) for name, (images, labels) in parts.items()})
    return assembled(found, how)


def error_of(parts: dict[str, tuple[Bytes, Labels | None]], **reading: Any) -> str:
    with pytest.raises(UserError) as caught:
        made(parts, **reading)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_test_images_some_are_held_out_and_that_is_said() -> None:
    images = pixels(60)
    data = made({"train": (images, None), "validation": (pixels(9, 1), None)})
    assert (len(data.train), len(data.validation), len(data.test)) == (51, 9, 9)
    assert np.array_equal(data.validation.images[:, 0], pixels(9, 1))
    assert data.notes == ("there are no test images: held out for that are 9 training images",)
    together = torch.cat([data.train.images, data.test.images])[:, 0].numpy()
    assert sorted(map(bytes, together)) == sorted(map(bytes, images))


def test_training_images_that_are_none_are_refused_in_a_line() -> None:
    """Validation images were to be held out of them, and that ended in a traceback."""
    for labels in (None, np.zeros(0, np.int64)):
        of_test = None if labels is None else np.arange(30) % 3
        parts = {"train": (pixels(0), labels), "test": (pixels(30), of_test)}
        assert "some has no train images: add some" in error_of(parts)


def test_limit_is_stratified_and_leaves_the_rest_as_it_was() -> None:
    labels = np.repeat([0, 1, 2], [100, 50, 50])
    whole = made({WHOLE: (pixels(200), labels)})
    few = made({WHOLE: (pixels(200), labels)}, limit=20)
    assert few.train.labels is not None
    assert torch.bincount(few.train.labels).tolist() == [10, 5, 5]
    assert torch.equal(few.test.images, whole.test.images)
    assert few.whole is not None
    assert few.whole.fingerprint == whole.fingerprint != few.fingerprint
    kept = {bytes(image.numpy()) for image in whole.train.images}
    assert all(bytes(image.numpy()) in kept for image in few.train.images)
    assert made({WHOLE: (pixels(200), labels)}, limit=10_000).whole is None


@pytest.mark.parametrize("wanted", [[0, 2], ["a", "c"], ["c", 0]])
def test_some_classes_alone_are_numbered_anew(wanted: list[int | str]) -> None:
    images, labels = pixels(90), np.array(["a", "b", "c"] * 30)
    data = made({WHOLE: (images, labels)}, classes=wanted)
    assert data.classes == ("a", "c")
    by_image = dict(zip(map(bytes, images), labels, strict=True))
    for split in (data.train, data.validation, data.test):
        assert split.labels is not None
        for image, label in zip(split.images, split.labels.tolist(), strict=True):
            assert by_image[bytes(image.numpy())] == data.classes[label]


def test_classes_called_by_numbers_are_taken_by_name() -> None:
    data = made({WHOLE: (pixels(90), np.array([1, 2, 3] * 30))}, classes=[1])
    assert data.classes == ("1",)


@pytest.mark.parametrize(
    ("classes", "wanted", "words"),
    [
        ([1, 2, 3], [0, 1], "has no class 0: it has 1, 2, 3"),
        ([1, 2, 3], [0], "has no class 0: it has 1, 2, 3"),
        (["1", "a", "b"], [1, 2], "has no class 2: it has 1, a, b"),
        (["a", "b", "c"], ["a", 0], "a and 0 are one class"),
        (["a", "b", "c"], [1, 1], "1 and 1 are one class"),
    ],
)
def test_a_number_is_not_one_classs_name_and_anothers_place(
    classes: list[Any], wanted: list[int | str], words: str
) -> None:
    """Of SVHN's classes 1 to 10, [0,1] were the class 1 alone."""
    assert words in error_of({WHOLE: (pixels(90), np.array(classes * 30))}, classes=wanted)


def test_a_class_whose_name_is_no_utf_8_is_refused() -> None:
    """A folder called so ended in a traceback of whatever wrote its name first."""
    names = np.array([os.fsdecode(name) for name in (b"cat", b"a\xff")])
    said = error_of({WHOLE: (pixels(40), names[np.arange(40) % 2])})
    assert said.endswith(": the name of the class a\ufffd is no UTF-8: rename it")


def test_numbers_are_places_where_the_names_agree() -> None:
    data = made({WHOLE: (pixels(90), np.array(["0", "1", "a"] * 30))}, classes=[1, 2])
    assert data.classes == ("1", "a")


def test_duplicates_across_splits_are_said_and_left_out_when_asked() -> None:
    train, test = pixels(60), pixels(20, 1)
    train[5], train[50] = test[3], test[3]
    data = made({"train": (train, None), "test": (test, None)})
    assert "2 training images among the validation or test images too" in data.notes[0]
    cleaned = made({"train": (train, None), "test": (test, None)}, deduplicate=True)
    assert len(cleaned.train) == len(data.train) - 2
    held = {bytes(image.numpy()) for image in cleaned.test.images}
    assert not any(bytes(image.numpy()) in held for image in cleaned.train.images)
    assert len(cleaned.test) == 20


def test_a_grey_picture_is_the_same_among_colour_ones() -> None:
    grey = pixels(20, 1)
    colour = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
    colour[50] = grey[3][..., None]  # after colour ones, and in three channels
    data = made({"train": (colour, None), "test": (grey, None)})
    assert data.notes == (
        "1 training image among the validation or test images too (data.deduplicate=true leaves them out)",
    )


@pytest.mark.parametrize(("shown", "background"), [(0, "black"), (1, "white")])
def test_transparent_pixels_of_arrays_are_laid_on_what_is_said(shown: int, background: str) -> None:
    images = np.full((30, 8, 8, 4), 255, np.uint8)
    signs = pixels(30)
    if shown:
        images[..., :3], images[:, 0, 0, 3] = signs[..., None], 0
    else:
        images[..., 3] = signs  # white signs, which white would hide
    data = made({"train": (images, None), "test": (pixels(20, 1), None)})
    assert data.notes[0] == f"train: 30 images with transparent pixels, laid on {background}"
    images[..., 3] = 255
    opaque = images if shown else np.repeat(signs[..., None], 3, axis=3)
    assert not [note for note in made({WHOLE: (opaque, None)}).notes if "transparent" in note]


def test_a_cache_that_cannot_take_what_is_mapped_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "genbench").write_text("a file where a folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(memory, "memory", lambda: 100)
    assert "do not fit into memory" in error_of({WHOLE: (pixels(30), None)})


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (pixels(30) % 2, "brighter than 1 of 255: data.scale=1 if 1 is white"),
        (pixels(30) % 17, "data.scale=16 if 16 is white"),
        (np.repeat(pixels(30)[:, :1, :1], 64, axis=1).reshape(30, 8, 8), "one colour throughout"),
        (np.repeat(pixels(1), 30, axis=0), "all 30 images are the same"),
    ],
)
def test_what_nobody_would_train_on_is_refused(images: Bytes, words: str) -> None:
    assert words in error_of({WHOLE: (images, None)})


@pytest.mark.parametrize(
    ("values", "words", "white"),
    [
        (np.array([0, 1]), {"scale": 1.0}, 1),
        (np.array([0, 8, 16]), {"scale": 16.0}, 16),
        (np.array([0, 4095], np.uint16), {"scale": 4095.0}, 4095),
        (np.array([-1.0, 0.0, 1.0]), {"range": [-1.0, 1.0]}, None),
        (np.array([0.0, 255.0]), {"scale": 255.0}, 255),
        (np.array([0, 16]), {"scale": 255.0}, 255),
        (np.array([False, True]), {}, 1),
        (np.array([-1e-7, 1 + 1e-7]), {}, 1),
        (np.array([0, 200], np.int64), {}, 255),
    ],
)
def test_values_become_0_to_255(values: Any, words: dict[str, Any], white: int | None) -> None:
    images = values[np.random.default_rng(0).integers(0, len(values), (40, 8, 8))]
    data = made({WHOLE: (images, None)}, **words)
    expected = (images + 1) * 127.5 if white is None else images.astype(float) * 255 / white
    together = torch.cat([data.train.images, data.validation.images, data.test.images])[:, 0].numpy()
    assert sorted(map(bytes, together)) == sorted(map(bytes, np.rint(expected.clip(0, 255)).astype(np.uint8)))


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (pixels(30).astype(np.int32) * 16, "data.scale=4095"),
        (pixels(30) / 127.5 - 1, "data.range=[-1,1]"),
        (pixels(30).astype(float), "data.scale=255"),
        (pixels(30) / 255 * 0.01, "data.scale=0.01"),
    ],
)
def test_values_of_another_range_are_refused_with_the_word_for_them(images: Any, words: str) -> None:
    assert words in error_of({WHOLE: (images, None)})


def test_values_beyond_the_given_scale_are_refused() -> None:
    assert "more than data.scale or data.range says" in error_of({WHOLE: (pixels(30), None)}, scale=100.0)


def test_channels_are_made_or_taken_away() -> None:
    colour = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3), dtype=np.uint8)
    grey = made({WHOLE: (colour, None)}, channels=1)
    assert grey.shape == (1, 8, 8)
    expected = np.rint(colour @ np.array([0.299, 0.587, 0.114]))
    means = sorted(float(image.double().mean()) for image in torch.cat([s.images for s in (grey.train, grey.test)]))
    assert all(min(abs(mean - e.mean()) for e in expected) < 0.5 for mean in means)
    assert made({WHOLE: (pixels(30), None)}, channels=3).shape == (3, 8, 8)


def test_images_that_fill_the_memory_are_mapped_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    labels = np.arange(100) % 3
    here = made({WHOLE: (pixels(100), labels)})
    monkeypatch.setattr(memory, "memory", lambda: 100 * 64)
    for _ in range(2):  # the second time from the files of the first
        mapped = made({WHOLE: (pixels(100), labels)})
        assert mapped.fingerprint == here.fingerprint
        assert mapped.train.images.is_contiguous()
        mapped.test.images[0] = 0  # of this process alone
    assert len(list(tmp_path.rglob("*.bin"))) == 3
    other = made({WHOLE: (pixels(100, 1), labels)})
    assert other.fingerprint != here.fingerprint


def test_grey_images_among_colour_ones_are_mapped_with_all_their_channels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A third of the bytes was written, and the training ended there, each time."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    parts: dict[str, tuple[Bytes, Labels | None]] = {WHOLE: (pixels(100), None)}
    here = made(parts, channels=3)
    monkeypatch.setattr(memory, "memory", lambda: 100 * 64)
    mapped = made(parts, channels=3)
    assert mapped.train.mapped
    assert mapped.fingerprint == here.fingerprint


def test_mapped_images_are_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(memory, "memory", lambda: 100)
    shapes = {"train": (3, 1, 4, 4), "test": (2, 1, 4, 4)}
    folder = tmp_path / "genbench" / "mapped"
    folder.mkdir(parents=True)
    (folder / ".7.abc-train.bin").write_bytes(b"of a process that was killed")
    with pytest.raises(OSError, match="of the source"), memory.new_images(shapes, "abc") as images:  # noqa: PT012
        images.add("train", torch.ones(3, 1, 4, 4, dtype=torch.uint8))
        raise OSError("of the source")
    assert not list(folder.glob("*.bin")) + list(folder.glob(".*.bin"))
    with memory.new_images(shapes, "abc") as images:
        for name, shape in shapes.items():
            for i in range(shape[0]):
                images.add(name, torch.full((1, 1, 4, 4), i, dtype=torch.uint8))
    assert images.tensors()["train"][:, 0, 0, 0].tolist() == [0, 1, 2]
    assert sorted(path.name for path in folder.glob("*.bin")) == ["abc-test.bin", "abc-train.bin"]
    with memory.new_images(shapes, "abc") as images:
        assert images.filled


def test_no_room_for_mapped_images_is_said_before_any_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(memory, "memory", lambda: 100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    said = error_of({WHOLE: (pixels(30), None)})
    assert "cannot take them (it is full)" in said
    assert not list(tmp_path.rglob("*.bin"))


@given(st.integers(20, 80), st.integers(1, 4), st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_every_image_is_in_one_split_with_its_label(n: int, classes: int, seed: int) -> None:
    images, labels = pixels(n, seed), np.arange(n) % classes * 7
    data = made({WHOLE: (images, labels)})
    by_image = {bytes(image): str(label) for image, label in zip(images, labels, strict=True)}
    seen = []
    for split in (data.train, data.validation, data.test):
        assert split.labels is not None
        for image, label in zip(split.images, split.labels.tolist(), strict=True):
            seen.append(bytes(image.numpy()))
            assert by_image[seen[-1]] == data.classes[label]
    assert sorted(seen) == sorted(by_image)


def test_layouts_of_arrays_are_told_apart() -> None:
    colour = np.random.default_rng(0).integers(0, 256, (25, 8, 12, 3), dtype=np.uint8)
    labels = np.arange(25)
    smooth = np.cumsum(np.random.default_rng(1).integers(0, 9, (25, 8, 8, 3)), axis=2).astype(np.uint8)
    smooth += np.array([0, 80, 160], np.uint8)
    for array, expected in (
        (colour, colour),
        (colour.transpose(0, 3, 1, 2), colour),
        (colour.transpose(1, 2, 3, 0), colour),  # MATLAB's
        (colour.transpose(3, 1, 2, 0), colour),
        (colour[..., 0].transpose(1, 2, 0), colour[..., :1]),
        (colour[:, :8, :8, 0].reshape(25, 64), colour[:, :8, :8, :1]),
        (smooth.transpose(0, 3, 1, 2).reshape(25, 192), smooth),
        (smooth.reshape(25, 192), smooth),
        (colour[:, :8, :8, 0].reshape(25, 64).T, colour[:, :8, :8, :1]),
        (smooth.reshape(25, 192).T, smooth),
        (np.concatenate([colour, np.full((25, 8, 12, 1), 255, np.uint8)], axis=3), colour),
    ):
        part = part_of("x", array, labels, config())
        assert np.array_equal(np.concatenate(list(part.pictures.chunks())), expected)


def smooth_pictures(n: int, side: int) -> Bytes:
    """Waves, each with a height and a place of its own."""
    rng = np.random.default_rng(0)
    at = np.linspace(0, 5, side)
    phase, height = rng.uniform(0, 6, (2, n, 1, 1)), rng.uniform(40, 120, (n, 1, 1))
    images: Bytes = (128 + height * np.sin(phase[0] + at) * np.cos(phase[1] + at[:, None])).astype(np.uint8)
    return images


def test_neighbours_say_whether_images_are_rows_or_columns() -> None:
    """Of 400 faces of 64x64 in columns there were 4,096 of 20x20."""
    images = smooth_pictures(400, 16)
    for table in (images.reshape(400, -1), images.reshape(400, -1).T):
        for labels in (None, np.arange(99)):  # as many as neither
            part = part_of("x", table, labels, config(labels=False))
            assert np.array_equal(np.concatenate(list(part.pictures.chunks()))[..., 0], images)
    for n in (64, 100):  # noise
        said = error_of({WHOLE: (pixels(n).reshape(n, -1), None)})
        assert "nothing says whether its rows are the images or its columns" in said
        labels = np.arange(100) % 2
        assert made({WHOLE: (pixels(100).reshape(100, -1).T, labels)}).shape == (1, 8, 8)


@pytest.mark.parametrize(
    ("shape", "labels"),
    [
        ((256, 300, 4), None),  # USPS has pixels x images x classes
        ((256, 1100, 10), None),
        ((64, 64, 4), None),  # one picture
        ((64, 64, 3), None),
        ((30, 64, 1), 30),
        ((32, 5, 32, 30), 30),
        ((32, 32, 5, 30), 30),
        ((3, 5, 5, 3, 3), None),
    ],
)
def test_arrays_that_are_no_images_are_refused_whatever_size_is_wanted(
    shape: tuple[int, ...], labels: int | None
) -> None:
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    given = None if labels is None else np.arange(labels) % 2
    assert f"has shape {shape}: must be" in error_of({WHOLE: (array, given)}, size=32)


@pytest.mark.parametrize(
    "labels",
    [
        np.arange(20) % 2,
        (np.arange(20) % 2).astype(np.float32),
        (np.arange(20) % 2).astype(bool),
        (np.arange(20) % 2)[:, None],
        (np.arange(20) % 2)[None],
        np.eye(2)[np.arange(20) % 2],
        np.array([b"0", b"1"])[np.arange(20) % 2],
    ],
)
def test_labels_of_any_kind(labels: Any) -> None:
    part = part_of("x", pixels(20), labels, config())
    assert part.labels is not None
    assert [str(label) for label in part.labels] == [str(i % 2) for i in range(20)]


@pytest.mark.parametrize("labels", [np.ones((20, 3)), np.full(20, 0.5), np.arange(19), np.zeros((20, 14))])
def test_labels_that_are_none_are_refused_and_can_be_left_out(labels: Any) -> None:
    with pytest.raises(UserError, match=r"data\.labels=false"):
        part_of("x", pixels(20), labels, config())
    assert part_of("x", pixels(20), labels, config(labels=False)).labels is None
