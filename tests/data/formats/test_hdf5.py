import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genbench.data.formats import hdf5
from tests.data.formats.reading import broken, colour, grey, labels, load, pixels, read_or_refused, refusal

LABELS = [i % 3 for i in range(30)]


def write(path: Path, **content: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in content.items():
            file[name.replace("__", "/")] = values
    return path


@pytest.mark.parametrize("name", ["a.h5", "a.hdf5", "a.hdf", "a.H5"])
def test_images_and_labels(tmp_path: Path, name: str) -> None:
    found = load(write(tmp_path / name, images=grey(30), labels=LABELS))
    assert np.array_equal(pixels(found), grey(30))
    assert labels(found) == LABELS


def test_groups_are_splits(tmp_path: Path) -> None:
    content = {"train__images": colour(30), "train__labels": LABELS}
    content |= {"test__images": colour(20, seed=1), "test__labels": LABELS[:20]}
    path = write(tmp_path / "a.h5", **content)
    assert set(hdf5.arrays(path)) == {"train/images", "train/labels", "test/images", "test/labels"}
    found = load(path)
    assert np.array_equal(pixels(found, "train"), colour(30))
    assert np.array_equal(pixels(found, "test"), colour(20, seed=1))
    assert labels(found, "train") == LABELS


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["abc"[i] for i in LABELS], ["abc"[i] for i in LABELS]),
        (np.array([b"abc"[i : i + 1] for i in LABELS]), ["abc"[i] for i in LABELS]),
        (np.array(LABELS, float), LABELS),
        (np.array(LABELS) > 1, [int(i > 1) for i in LABELS]),
        (np.eye(3)[LABELS], LABELS),
    ],
    ids=["names", "fixed names", "floats", "bits", "one-hot"],
)
def test_kinds_of_labels(tmp_path: Path, values: Any, expected: list[Any]) -> None:
    assert labels(load(write(tmp_path / "a.h5", images=grey(30), labels=values))) == expected


@pytest.mark.parametrize("kind", ["O", "S"])
def test_an_array_of_splits_divides_the_images(tmp_path: Path, kind: str) -> None:
    """It was not used: test images were trained on."""
    words = np.array(["train", "test", "val"] * 10).astype(kind)
    found = load(write(tmp_path / "a.h5", images=grey(30), labels=LABELS, split=words))
    for i, name in enumerate(("train", "test", "validation")):
        assert np.array_equal(pixels(found, name), grey(30)[i::3])
        assert labels(found, name) == LABELS[i::3]
    assert found.notes == ()


@pytest.mark.parametrize("kind", ["u1", "f4", ">f8", "f2", "bool"])
def test_kinds_of_numbers(tmp_path: Path, kind: str) -> None:
    bits = (grey(30) > 127).astype(np.uint8)
    found = load(write(tmp_path / "a.h5", images=bits.astype(kind)), **({"scale": 1} if kind == "u1" else {}))
    assert np.array_equal(pixels(found), bits * 255)


def test_nothing_is_read_before_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.h5", images=grey(30))
    asked: list[Any] = []
    read = h5py.Dataset.__getitem__

    def watch(self: Any, index: Any) -> Any:
        asked.append(index)
        return read(self, index)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", watch)
    array = hdf5.arrays(path)["images"]
    assert array.shape == (30, 8, 8)
    assert array.dtype == np.uint8
    assert not asked
    assert np.array_equal(array[3:5], grey(30)[3:5])
    assert np.array_equal(array[..., 2:4], grey(30)[..., 2:4])
    assert np.array_equal(array[1:9, :, 0:2], grey(30)[1:9, :, 0:2])
    assert asked[0][0] == slice(3, 5)


def test_matlabs_view(tmp_path: Path) -> None:
    array = hdf5.arrays(write(tmp_path / "a.h5", images=colour(30)), reverse=True)["images"]
    assert array.shape == (3, 8, 8, 30)
    turned = colour(30).transpose()
    assert np.array_equal(array[..., 4:7], turned[..., 4:7])
    assert np.array_equal(array[1:2], turned[1:2])
    assert np.array_equal(array[:], turned)


def test_what_is_no_array_is_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", images=grey(30), one=3.0, pairs=np.zeros(3, "u1,f4"), waves=np.zeros(3, complex))
    with h5py.File(path, "a") as file:
        file.create_dataset("lists", (3,), h5py.vlen_dtype(np.uint8))
        file.create_dataset("pointers", (3,), h5py.ref_dtype)
        file["empty"] = h5py.Empty("f4")
        file["kind"] = np.dtype("f8")
        file["below/itself"] = file["/"]
    assert set(hdf5.arrays(path)) == {"images"}
    (note,) = load(path).notes
    assert all(name in note for name in ("pairs (compound)", "waves", "lists", "pointers", "empty"))
    assert "one" not in note


def test_other_files_are_not_read(tmp_path: Path) -> None:
    secret = write(tmp_path / "secret.h5", images=grey(30))
    (tmp_path / "raw").write_bytes(grey(30).tobytes())
    path = write(tmp_path / "a.h5", own=grey(30))
    with h5py.File(path, "a") as file:
        file["external"] = h5py.ExternalLink(str(secret), "images")
        file["soft"] = h5py.SoftLink("/own")
        file["through"] = h5py.SoftLink("/external")
        file.create_dataset("stored", (30, 8, 8), "u1", external=[(str(tmp_path / "raw"), 0, 1920)])
        layout = h5py.VirtualLayout((30, 8, 8), "u1")
        layout[:] = h5py.VirtualSource(str(secret), "images", (30, 8, 8))
        file.create_virtual_dataset("virtual", layout)
    assert set(hdf5.arrays(path)) == {"own"}


def test_links_in_a_file_are_followed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", raw__first=grey(30), raw__second=LABELS, raw__third=grey(20, seed=1))
    with h5py.File(path, "a") as file:
        file["train_images"] = h5py.SoftLink("/raw/first")
        file["splits/test/images"] = h5py.SoftLink("/raw/third")
        file["splits/up"] = h5py.SoftLink("/splits")
        file["test"] = h5py.SoftLink("splits/test")
        file["train_labels"] = h5py.SoftLink("/again")
        file["again"] = h5py.SoftLink("raw/./second")
    assert set(hdf5.arrays(path)) == {"train_images", "train_labels", "splits/test/images"}
    found = load(path, labels=False)
    assert np.array_equal(pixels(found, "train"), grey(30))
    assert np.array_equal(pixels(found, "test"), grey(20, seed=1))


def test_an_array_of_two_splits_is_in_both(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", train__images=grey(30), train__labels=LABELS)
    with h5py.File(path, "a") as file:
        file["test"] = file["train"]
    found = load(path)
    assert labels(found, "train") == labels(found, "test") == LABELS


def test_endless_links_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", images=grey(30))
    with h5py.File(path, "a") as file:
        for level in range(12):
            group = file.create_group(f"g{level}")
            for k in range(4):
                group[f"next{k}"] = h5py.SoftLink(f"/g{level + 1}")
        file["g12"] = h5py.SoftLink("/images")
    assert "more than 1,000 datasets" in refusal(path)


@pytest.mark.parametrize("name", ["labels", "test_images"])
@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("external", "it is in another file"),
        ("through", "it is in another file"),
        ("gone", "it links to nothing"),
        ("round", "its links go round"),
        ("compound", "compound"),
        ("virtual", "its values are in other datasets or files"),
        ("lists", "no numbers"),
    ],
)
def test_what_is_needed_and_cannot_be_used_is_refused(tmp_path: Path, name: str, how: str, why: str) -> None:
    """It was left out in silence: classes were lost, and training images became the test set."""
    other = write(tmp_path / "other.h5", values=grey(30))
    path = write(tmp_path / "a.h5", images=grey(30))
    with h5py.File(path, "a") as file:
        if how == "compound":
            file[name] = np.zeros(30, "u1,f4")
        elif how == "lists":
            file.create_dataset(name, (30,), h5py.vlen_dtype(np.uint8))
        elif how == "virtual":
            layout = h5py.VirtualLayout((30, 8, 8), "u1")
            layout[:] = h5py.VirtualSource(str(other), "values", (30, 8, 8))
            file.create_virtual_dataset(name, layout)
        else:
            file["beyond"] = h5py.ExternalLink(str(other), "values")
            links = {"through": "/beyond", "gone": "/nowhere/at/all", "round": f"/{name}"}
            file[name] = h5py.ExternalLink(str(other), "values") if how == "external" else h5py.SoftLink(links[how])
    assert f"{name} cannot be used for {name.removeprefix('test_')} ({why})" in refusal(path)
    if name == "labels":
        assert any(f"labels ({why})" in note for note in load(path, labels=False).notes)


def test_shapes_that_are_not_in_the_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for options in ({}, {"chunks": (100, 8, 8), "compression": "gzip"}):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.create_dataset("images", (10**10, 8, 8), "u1", **options)
        assert "most of it is not in the file" in refusal(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("images", data=np.zeros((100, 8, 8), np.uint8), chunks=(100, 8, 8), compression="gzip")
        file.create_dataset("labels", data=np.zeros(100, np.uint8))
    assert load(tmp_path / "b.h5").parts
    monkeypatch.setattr(hdf5, "memory", lambda: 1000)
    assert "is in chunks (100, 8, 8), larger than half of the memory" in refusal(tmp_path / "b.h5")
    path = write(tmp_path / "c.h5", images=grey(30), labels=["a" * 40] * 30)
    array = hdf5.arrays(path)
    with pytest.raises(Exception, match="more than half of the memory"):
        array["images"][:]
    with pytest.raises(Exception, match="the names in labels fill more than half of the memory"):
        array["labels"][:]


@pytest.mark.slow
def test_an_image_a_dataset_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", **{f"image_{i}": grey(1)[0] for i in range(1001)})
    assert "np.stack(images)" in refusal(path)


def test_without_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.h5", images=grey(30))
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert "pip install 'genbench[hdf5]'" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"this is a text", b"\x0e\x03\x13\x01 HDF4", b"\x89HDF\r\n\x1a\n"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.hdf").write_bytes(content)
    assert "is not a readable HDF5 file" in refusal(tmp_path / "a.hdf")


def test_pixels_that_are_damaged_are_refused_when_they_are_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("images", data=grey(30), chunks=(30, 8, 8), fletcher32=True)
    whole = (tmp_path / "a.h5").read_bytes()
    at = whole.index(grey(30)[10].tobytes())
    (tmp_path / "a.h5").write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    assert "is not a readable HDF5 file" in refusal(tmp_path / "a.h5")


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10**6) | st.integers(0, 2000), value=st.integers(0, 255), length=st.integers(0, 2000))
@pytest.mark.slow
def test_broken_bytes(tmp_path: Path, at: int, value: int, length: int) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("train/images", data=grey(20), compression="gzip")
        file["train/labels"] = ["ab"[i % 2] for i in range(20)]
    path.write_bytes(broken(path.read_bytes(), at, value, min(length, 1000)))
    read_or_refused(path)
