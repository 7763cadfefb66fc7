"""Many image files: their order, what is kept of them, and what is said."""

import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.config.data import DataConfig
from genbench.data import files, folder
from genbench.data.facts import Facts
from genbench.data.found import WHOLE, Bytes, Found
from genbench.data.packed import Packed
from genbench.data.sources import load_data
from genbench.data.store import StoredPictures
from genbench.errors import UserError


def config(root: Path, **reading: object) -> DataConfig:
    return DataConfig(load="genbench.data.folder.load", root=str(root), batch_size=8, **reading)  # type: ignore[arg-type]


def pixels(n: int, side: int = 8, seed: int = 0) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, (n, side, side), dtype=np.uint8)


def write(root: Path, images: Bytes) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(images):
        Image.fromarray(image).save(root / f"{i:04}.png")


def all_of(found: Found) -> Bytes:
    return np.concatenate([chunk for part in found.parts.values() for chunk in part.pictures.chunks()])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(files, "KEPT_FROM", 100)
    return tmp_path / "cache" / "genbench" / "images"


@pytest.mark.slow
def test_many_files_are_decoded_once(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = pixels(600)
    write(tmp_path / "photos", images)
    first = folder.load(config(tmp_path / "photos"))
    assert np.array_equal(all_of(first)[..., 0], images)
    kept = {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert len(kept) == 4
    monkeypatch.setattr(files, "decoded", None)  # whoever decodes now fails
    assert np.array_equal(all_of(folder.load(config(tmp_path / "photos")))[..., 0], images)
    assert {path.name: path.stat().st_mtime_ns for path in cache.iterdir()} == kept


def test_a_file_that_changed_is_read_anew(tmp_path: Path) -> None:
    images = pixels(150)
    write(tmp_path / "photos", images)
    folder.load(config(tmp_path / "photos"))
    Image.fromarray(255 - images[7]).save(tmp_path / "photos" / "0007.png")
    os.utime(tmp_path / "photos" / "0007.png", ns=(1, 1))
    found = all_of(folder.load(config(tmp_path / "photos")))
    assert np.array_equal(found[7, ..., 0], 255 - images[7])


def test_words_that_change_the_pixels_have_a_place_of_their_own(tmp_path: Path) -> None:
    write(tmp_path / "photos", pixels(150))
    assert folder.load(config(tmp_path / "photos", size=16)).parts[WHOLE].pictures.sides == (16, 16)
    assert folder.load(config(tmp_path / "photos")).parts[WHOLE].pictures.sides == (8, 8)


@pytest.mark.parametrize("which", ["*", "*.json", "*.bin", "*-kept.npy", "*-facts.npy"])
def test_a_damaged_place_in_the_cache_is_made_anew(which: str, tmp_path: Path, cache: Path) -> None:
    images = pixels(150)
    write(tmp_path / "photos", images)
    folder.load(config(tmp_path / "photos"))
    for path in cache.glob(which):
        path.write_bytes(path.read_bytes()[:-1])
    assert np.array_equal(all_of(folder.load(config(tmp_path / "photos")))[..., 0], images)


def test_what_is_known_of_kept_images_is_what_there_is_to_know(tmp_path: Path) -> None:
    images = pixels(150)
    images[3] = 7
    for i, image in enumerate(images):
        place = tmp_path / "photos" / ("train" if i % 3 else "test") / f"{i:04}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place)
    for _ in range(2):  # the second time from the cache
        parts = folder.load(config(tmp_path / "photos")).parts
        for part in parts.values():
            assert part.facts is not None
            expected = Facts.of(part.pictures.chunks(), len(part.pictures))
            assert np.array_equal(part.facts.table, expected.table)
            assert part.facts.one_colour == (part is parts["test"])


def test_packed_strings_are_the_strings() -> None:
    strings = ["a/0.png", "", "\u00e4\u4e2d\U0001f600", "\udcff.png", "b"]
    packed = Packed(strings)
    assert list(packed) == strings
    assert packed[-1] == "b" and packed[1:4] == strings[1:4] and len(packed) == 5
    with pytest.raises(IndexError):
        packed[5]


def test_many_files_of_which_none_can_be_read_are_refused_as_few_are(tmp_path: Path, cache: Path) -> None:
    """So many that they are kept, they ended in a ZeroDivisionError."""
    (tmp_path / "photos").mkdir()
    for i in range(150):
        (tmp_path / "photos" / f"{i:04}.png").write_bytes(b"none")
    for _ in range(2):
        with pytest.raises(UserError, match="none of 150 images can be read"):
            folder.load(config(tmp_path / "photos"))
        assert not list(cache.iterdir())  # nothing is kept of that: it may change without a file being written


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, cache: Path) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_text("a file where a folder should be")
    images = pixels(150)
    write(tmp_path / "photos", images)
    assert np.array_equal(all_of(folder.load(config(tmp_path / "photos")))[..., 0], images)


@pytest.mark.parametrize("count", [50, 600])  # in memory, and through a file
@pytest.mark.slow
def test_one_colour_picture_late_makes_all_colour(tmp_path: Path, count: int) -> None:
    images = pixels(count)
    write(tmp_path / "photos", images)
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = images[0]
    Image.fromarray(red).save(tmp_path / "photos" / "9999.png")
    found = all_of(folder.load(config(tmp_path / "photos")))
    assert np.array_equal(found[:-1], images[..., None].repeat(3, axis=3))
    assert np.array_equal(found[-1], red)


def test_labels_stay_with_their_images_where_files_are_left_out(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 1)):
        write(tmp_path / "photos" / name, pixels(30, seed=seed))
    (tmp_path / "photos" / "a" / "0003.png").write_bytes(b"none")
    data = load_data(config(tmp_path / "photos"))
    assert data.notes == ("left out: 1 of 60 files (a/0003.png): no image that can be read",)
    known = {bytes(image): seed for seed in (0, 1) for image in pixels(30, seed=seed)}
    for split in (data.train, data.validation, data.test):
        assert split.labels is not None
        assert [known[bytes(image.numpy())] for image in split.images] == split.labels.tolist()


def test_other_files_are_counted_by_kind(tmp_path: Path) -> None:
    write(tmp_path / "photos", pixels(30))
    for name in ("film.mp4", "film2.mp4", "notes.txt"):
        (tmp_path / "photos" / name).write_bytes(b"")
    assert load_data(config(tmp_path / "photos")).notes == ("left out: 2 other files (.mp4)",)


def test_white_signs_on_nothing_are_laid_on_black(tmp_path: Path) -> None:
    (tmp_path / "signs").mkdir()
    for i, image in enumerate(pixels(30)):
        colours = np.full((8, 8, 4), 255, np.uint8)
        colours[..., 3] = image
        Image.fromarray(colours).save(tmp_path / "signs" / f"{i:02}.png")
    data = load_data(config(tmp_path / "signs"))
    assert data.notes == ("30 images with transparent pixels, laid on black",)
    known = set(map(bytes, pixels(30)))
    assert all(bytes(image.numpy()) in known for image in torch.cat([data.train.images, data.test.images]))
    with pytest.raises(UserError, match="one colour throughout"):
        load_data(config(tmp_path / "signs", background="white"))


def test_twelve_bits_in_sixteen_are_asked_about(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    for i in range(30):
        values = np.random.default_rng(i).integers(0, 4096, (8, 8), dtype=np.uint16)
        Image.fromarray(values).save(tmp_path / "scans" / f"{i:02}.png")
    with pytest.raises(UserError, match=r"data\.scale=4095 if 4095 is white"):
        load_data(config(tmp_path / "scans"))
    assert int(load_data(config(tmp_path / "scans", scale=4095.0)).train.images.max()) > 240


@pytest.mark.parametrize("kind", ["zip", "powershell.zip", "tar", "tar.gz"])
def test_archives_are_read_as_their_folders_would_be(tmp_path: Path, kind: str) -> None:
    for split, seed in (("train", 0), ("test", 1)):
        for name in ("a", "b"):
            write(tmp_path / "set" / split / name, pixels(20, seed=seed + 2 * (name == "b")))
    path = tmp_path / f"packed.{kind}"
    inside = sorted(each for each in (tmp_path / "set").rglob("*.png"))[::-1]  # in any order
    if kind == "powershell.zip":  # all were files at the top, of no class and no split
        with zipfile.ZipFile(path, "w") as zipped:
            zipped.writestr("set\\train\\", b"")
            for each in inside:
                zipped.writestr(str(each.relative_to(tmp_path)).replace("/", "\\"), each.read_bytes())
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as zipped:
            for each in inside:
                zipped.write(each, each.relative_to(tmp_path))
            zipped.writestr("__MACOSX/._a.png", b"none")
    else:
        with tarfile.open(path, "w:gz" if kind.endswith("gz") else "w") as tar:
            for each in inside:
                tar.add(each, each.relative_to(tmp_path))
    packed, unpacked = load_data(config(path)), load_data(config(tmp_path / "set"))
    assert packed.fingerprint == unpacked.fingerprint
    assert packed.classes == unpacked.classes == ("a", "b")
    assert packed.name == "packed"


@pytest.mark.slow
def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("a.png", bytes(300 * 2**20))
    with pytest.raises(UserError, match="unpacks to too much"):
        load_data(config(path))


def test_an_archive_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "outside.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        for i, image in enumerate(pixels(30)):
            Image.fromarray(image).save(tmp_path / "x.png")
            zipped.write(tmp_path / "x.png", f"../../evil/{i}.png")
    before = sorted(tmp_path.rglob("*"))
    assert len(load_data(config(path)).train) == 24
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and nothing", b"no archive"])
@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_damaged_archives_are_named(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=r"cannot be read|holds no image") as caught:
        load_data(config(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_of_no_stored_pictures_there_are_none() -> None:
    """Their size is not known, and was divided by."""
    assert list(StoredPictures(np.empty((0, 1, 0, 0), np.uint8), (0, 1, 0, 0)).chunks()) == []


def test_some_of_the_stored_pictures_in_order() -> None:
    stored = StoredPictures(pixels(50)[:, None], (50, 1, 8, 8))
    chosen = [0, 7, 8, 49]
    assert np.array_equal(np.concatenate(list(stored.of(chosen).chunks()))[..., 0], pixels(50)[chosen])
    assert len(stored.of(chosen)) == 4
