import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from genbench.data.formats import mat
from tests.data.formats.reading import broken, colour, grey, labels, load, pixels, read_or_refused, refusal

LABELS = [i % 3 + 1 for i in range(30)]


@pytest.mark.parametrize("packed", [False, True])
def test_images_along_the_last_axis(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "a.mat"
    content = {"X": colour(30).transpose(1, 2, 3, 0), "y": np.array(LABELS, np.uint8)[:, None], "note": "SVHN's way"}
    savemat(path, content, do_compression=packed)
    found = load(path)
    assert np.array_equal(pixels(found), colour(30))
    assert labels(found) == LABELS
    savemat(path, content | {"X": grey(30).transpose(1, 2, 0), "y": [LABELS]}, do_compression=packed)
    assert np.array_equal(pixels(load(path)), grey(30))
    assert labels(load(path)) == LABELS
    assert np.array_equal(pixels(load(path, labels=False)), grey(30))


@pytest.mark.parametrize("packed", [False, True])
def test_emnists_structs(tmp_path: Path, packed: bool) -> None:
    of_train = {"images": grey(30).reshape(30, -1), "labels": np.array(LABELS)[:, None], "writers": np.ones((30, 1))}
    of_test = {"images": grey(20, seed=1).reshape(20, -1), "labels": np.array(LABELS[:20])[:, None]}
    content = {"train": of_train, "test": of_test, "mapping": np.ones((3, 2))}
    savemat(tmp_path / "emnist.mat", {"dataset": content}, do_compression=packed)
    there = {"train/images", "train/labels", "train/writers", "test/images", "test/labels", "mapping"}
    assert set(mat.arrays(tmp_path / "emnist.mat")) == there
    found = load(tmp_path / "emnist.mat")
    assert np.array_equal(pixels(found, "train"), grey(30))  # rows as they are, though EMNIST's own are transposed
    assert np.array_equal(pixels(found, "test"), grey(20, seed=1))
    assert labels(found, "train") == LABELS
    assert labels(found, "test") == LABELS[:20]


def test_how_rows_of_pixels_are_read_is_said(tmp_path: Path) -> None:
    """EMNIST's lie on their side then."""
    (tmp_path / "folder").mkdir()
    for images, said in ((grey(30).reshape(30, -1), True), (grey(30).reshape(30, -1).T, True), (grey(30), False)):
        savemat(tmp_path / "a.mat", {"X": images, "y": np.eye(3)[np.array(LABELS) - 1]})
        found = load(tmp_path / "a.mat")
        assert np.array_equal(pixels(found), grey(30))
        assert [note for note in found.notes if "are read line by line" in note] == list(found.notes)
        assert len(found.notes) == said
    for name in ("train", "test"):  # said once for all files
        savemat(tmp_path / "folder" / f"{name}.mat", {"X": grey(30).reshape(30, -1), "y": [LABELS]})
    assert len(load(tmp_path / "folder").notes) == 1


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "kind", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "bool", ">f4", ">u2"], ids=str
)
def test_all_numbers_are_what_scipy_reads(tmp_path: Path, kind: str, packed: bool) -> None:
    values = (np.arange(24).reshape(2, 3, 4) % 100).astype(kind)
    savemat(tmp_path / "a.mat", {"a": values, "s": {"b": values[0]}, "one": 7.5}, do_compression=packed)
    expected = loadmat(tmp_path / "a.mat", mat_dtype=True)
    read: dict[str, Any] = mat.arrays(tmp_path / "a.mat")
    assert np.array_equal(read["a"], expected["a"])
    assert read["a"].dtype == expected["a"].dtype
    assert np.array_equal(read["s/b"], values[0])
    assert read["one"] == 7.5


def test_what_is_no_array_of_numbers_is_left_out(tmp_path: Path) -> None:
    cells = np.empty(2, object)
    cells[:] = ["a", np.ones(3)]
    structs = np.zeros(2, [("field", object)])
    content = {"cells": cells, "text": "words", "complex": 1j * np.ones(3), "structs": structs, "images": grey(5)}
    savemat(tmp_path / "a.mat", content)
    assert set(mat.arrays(tmp_path / "a.mat")) == {"images"}


WORDS = [("ant", "bee", "c\u00e9t")[label - 1] for label in LABELS]


def cell(words: Sequence[Any]) -> npt.NDArray[Any]:
    cells = np.empty((len(words), 1), object)
    cells[:, 0] = words
    return cells


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("values", [cell(WORDS), np.array(WORDS)], ids=["cell", "characters"])
def test_labels_that_are_names(tmp_path: Path, values: npt.NDArray[Any], packed: bool) -> None:
    content = {"X": grey(30).transpose(1, 2, 0), "y": values}
    savemat(tmp_path / "a.mat", content, do_compression=packed)
    found = load(tmp_path / "a.mat")
    assert np.array_equal(pixels(found), grey(30))
    assert labels(found) == WORDS
    savemat(tmp_path / "a.mat", {"s": {"train": content | {"note": "words"}}}, do_compression=packed)
    assert labels(load(tmp_path / "a.mat"), "train") == WORDS
    assert load(tmp_path / "a.mat").notes == ("left out, for no arrays: train/note (text)",)


def test_labels_that_are_names_in_version_4(tmp_path: Path) -> None:
    content = {"images": grey(30).reshape(30, -1) / 255, "labels": np.array(["ant", "b"] * 15)}
    savemat(tmp_path / "a.mat", content, format="4")
    assert labels(load(tmp_path / "a.mat")) == ["ant", "b"] * 15


@pytest.mark.parametrize("version", ["4", "5"])
def test_splits_that_are_words(tmp_path: Path, version: str) -> None:
    """They were left out, and the test images trained on."""
    splits = np.array(["train", "test", "val"] * 10)
    content = {"images": grey(30).reshape(30, -1) / 255, "labels": LABELS, "set": splits}
    savemat(tmp_path / "a.mat", content, format=version)
    found = load(tmp_path / "a.mat")
    for i, name in enumerate(("train", "test", "validation")):
        assert np.array_equal(pixels(found, name), grey(30)[i::3])
        assert labels(found, name) == LABELS[i::3]


def test_names_of_the_classes_are_no_labels(tmp_path: Path) -> None:
    content = {"X": grey(30).transpose(1, 2, 0), "y": LABELS, "classes": cell(["ant", "bee", "cat"])}
    savemat(tmp_path / "a.mat", content)
    assert labels(load(tmp_path / "a.mat")) == LABELS
    assert load(tmp_path / "a.mat").notes == ("left out, for no arrays: classes (text)",)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (cell([*WORDS[1:], ""]), "a cell"),
        (cell([*WORDS[1:], np.ones(3)]), "a cell"),
        ("a" * 30, "text"),
        (1j * np.ones(30), "complex numbers"),
        (np.zeros(30, [("field", object)]), "no numbers"),
    ],
    ids=["empty", "mixed", "one word", "complex", "structs"],
)
def test_labels_that_cannot_be_used_are_refused(tmp_path: Path, values: Any, why: str) -> None:
    savemat(tmp_path / "a.mat", {"X": grey(30).transpose(1, 2, 0), "y": values})
    assert f"y cannot be used for labels ({why})" in refusal(tmp_path / "a.mat")
    assert load(tmp_path / "a.mat", labels=False).notes == (f"left out, for no arrays: y ({why})",)


def test_labels_that_are_objects_of_matlab_are_refused(tmp_path: Path) -> None:
    image = matrix(9, (8, 8, 30), b"X", 2, grey(30).transpose(1, 2, 0).tobytes(order="F"))
    parts = [(6, struct.pack("<II", 17, 0)), (1, b"y"), (1, b"MCOS"), (1, b"string")]
    body = b"".join(struct.pack("<II", kind, len(data)) + data.ljust(8, b"\0") for kind, data in parts)
    path = write(tmp_path / "a.mat", image, struct.pack("<II", 14, len(body)) + body)
    assert "y cannot be used for labels (no numbers)" in refusal(path)


def test_names_that_declare_more_than_they_hold_are_left_out(tmp_path: Path) -> None:
    image = matrix(9, (8, 8, 30), b"X", 2, grey(30).transpose(1, 2, 0).tobytes(order="F"))
    for shape in ((2**30, 2**30), (2**30, 0), (3, 1, 1), (4, 1)):
        path = write(tmp_path / "a.mat", image, matrix(4, shape, b"y", 16, b"abc"))
        assert "y cannot be used for labels (text)" in refusal(path)


def matrix(kind: int, shape: tuple[int, ...], name: bytes, stored: int, data: bytes, order: str = "<") -> bytes:
    """An array as MATLAB lays it out."""

    def element(kind: int, data: bytes) -> bytes:
        if 0 < len(data) <= 4:
            return struct.pack(f"{order}I", len(data) << 16 | kind) + data.ljust(4, b"\0")
        return struct.pack(f"{order}II", kind, len(data)) + data + bytes(-len(data) % 8)

    sides = struct.pack(f"{order}{len(shape)}i", *shape)
    body = element(6, struct.pack(f"{order}II", kind, 0)) + element(5, sides) + element(1, name) + element(stored, data)
    return struct.pack(f"{order}II", 14, len(body)) + body


def packed(matrix: bytes) -> bytes:
    data = zlib.compress(matrix)
    return struct.pack("<II", 15, len(data)) + data


def write(path: Path, *elements: bytes, order: str = "<") -> Path:
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(f"{order}H", 0x100)
    path.write_bytes(head + (b"IM" if order == "<" else b"MI") + b"".join(elements))
    return path


@pytest.mark.parametrize("order", ["<", ">"])
def test_floats_that_matlab_stores_as_bytes(tmp_path: Path, order: str) -> None:
    images = grey(30)
    image = matrix(6, (8, 8, 30), b"X", 2, images.transpose(1, 2, 0).tobytes(order="F"), order)
    label = matrix(6, (30, 1), b"y", 2, bytes(LABELS), order)
    found = load(write(tmp_path / "a.mat", image, label, order=order))
    assert np.array_equal(pixels(found), images)
    assert labels(found) == LABELS
    bits = (images > 127).astype(np.uint8)
    image = matrix(6, (8, 8, 30), b"X", 2, bits.transpose(1, 2, 0).tobytes(order="F"), order)
    found = load(write(tmp_path / "a.mat", image, label, order=order))
    assert np.array_equal(pixels(found), bits * 255)
    deep = struct.pack(f"{order}4H", 1, 2, 3, 1000)
    read = mat.arrays(write(tmp_path / "a.mat", matrix(11, (2, 2), b"deep", 4, deep, order), order=order))
    assert np.array_equal(read["deep"][:], [[1, 3], [2, 1000]])


def test_version_4(tmp_path: Path) -> None:
    rows = grey(30).reshape(30, -1) / 255
    savemat(tmp_path / "a.mat", {"images": rows, "labels": np.array(LABELS, float)}, format="4")
    found = load(tmp_path / "a.mat")
    assert np.array_equal(pixels(found), grey(30))
    assert labels(found) == LABELS
    savemat(tmp_path / "a.mat", {"a": np.ones((2, 2))}, format="4")  # shorter than the header of the next version
    assert np.array_equal(mat.arrays(tmp_path / "a.mat")["a"][:], np.ones((2, 2)))


def test_version_4_that_declares_more_than_it_holds(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"images": np.ones((30, 64))}, format="4")
    whole = (tmp_path / "a.mat").read_bytes()
    (tmp_path / "a.mat").write_bytes(whole[:4] + struct.pack("<2i", 2**31 - 1, 2**20) + whole[12:])
    assert "is not a readable MATLAB file" in refusal(tmp_path / "a.mat")


def version_7_3(path: Path, **content: npt.NDArray[Any]) -> Path:
    """As MATLAB writes it: 512 bytes before the HDF5 file, and all axes in reverse."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in content.items():
            kinds = {"u1": b"uint8", "f8": b"double", "b1": b"logical"}
            kind = kinds[values.dtype.str[1:]]
            plain = values.astype(np.uint8) if kind == b"logical" else values
            file.create_dataset(name, data=plain.transpose(), chunks=values.T.shape, compression="gzip")
            file[name].attrs["MATLAB_class"] = np.bytes_(kind)
        file["text"] = np.frombuffer(b"words", np.uint8).astype(np.uint16)
        file["text"].attrs["MATLAB_class"] = np.bytes_(b"char")
        file["nothing"] = np.zeros(2, np.uint64)
        file["nothing"].attrs["MATLAB_class"] = np.bytes_(b"double")
        file["nothing"].attrs["MATLAB_empty"] = np.uint8(1)
        file["#refs#/a"] = np.zeros(3)
    with path.open("r+b") as out:
        out.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    return path


def test_version_7_3_has_its_axes_reversed(tmp_path: Path) -> None:
    label = np.array(LABELS, float)[:, None]
    path = version_7_3(tmp_path / "a.mat", X=colour(30).transpose(1, 2, 3, 0), y=label)
    assert set(mat.arrays(path)) == {"X", "y"}
    assert np.array_equal(pixels(load(path)), colour(30))
    assert labels(load(path)) == LABELS
    assert load(path).notes == ("left out, for no arrays: nothing (it is empty), text (text)",)
    with h5py.File(path, "a") as file:
        file["y"].attrs["MATLAB_class"] = np.bytes_(b"cell")
    assert "y cannot be used for labels (a cell)" in refusal(path)
    images = grey(30)
    found = load(version_7_3(tmp_path / "b.mat", X=images.transpose(1, 2, 0), y=label))
    assert np.array_equal(pixels(found), images)
    found = load(version_7_3(tmp_path / "c.mat", X=images > 127, y=label))
    assert np.array_equal(pixels(found), np.where(images > 127, 255, 0))
    assert mat.arrays(tmp_path / "c.mat")["X"][:].dtype == bool
    assert labels(found) == LABELS


def test_several_files_in_a_folder(tmp_path: Path) -> None:
    for name, count in (("train_32x32", 30), ("test_32x32", 20)):
        savemat(tmp_path / f"{name}.mat", {"X": colour(count).transpose(1, 2, 3, 0), "y": LABELS[:count]})
    found = load(tmp_path)
    assert np.array_equal(pixels(found, "train"), colour(30))
    assert np.array_equal(pixels(found, "test"), colour(20))
    assert labels(found, "test") == LABELS[:20]


def test_one_array_in_each_file_of_a_folder(tmp_path: Path) -> None:
    savemat(tmp_path / "train.mat", {"X": colour(30)})
    savemat(tmp_path / "test.mat", {"X": colour(20)})
    assert {part: len(pixels(load(tmp_path), part)) for part in load(tmp_path).parts} == {"train": 30, "test": 20}


def test_bombs_are_refused_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mat, "memory", lambda: 100_000)
    zeros = matrix(9, (8, 8, 2000), b"X", 2, bytes(128_000))
    for element in (zeros, packed(zeros), matrix(6, (10_000, 1), b"X", 2, b"\1" * 10_000)):
        text = refusal(write(tmp_path / "a.mat", element))
        assert "more than half of the memory" in text
        assert "-v7.3" in text


@pytest.mark.parametrize(
    ("elements", "words"),
    [
        ([matrix(9, (2**30, 2**30), b"X", 2, b"few")], "has 3 values"),
        ([matrix(9, (2, 2), b"X", 2, b"four")[:-6]], "cut off"),
        ([packed(matrix(9, (8, 8), b"X", 2, bytes(64)))[:-1]], "cut off"),
        ([struct.pack("<II", 15, 3) + b"abc"], "Error -3"),
        ([packed(matrix(9, (8, 8), b"X", 2, bytes(64)) + b"more")], "it is damaged"),
        ([struct.pack("<II", 99, 0)], "something of kind 99"),
        ([matrix(9, (2, 2), b"X", 99, b"four")], "numbers of kind 99"),
        ([matrix(4, (2**30, 2**30), b"text", 16, b"")], "has the arrays none"),
        ([], "has the arrays none"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, elements: list[bytes], words: str) -> None:
    assert words in refusal(write(tmp_path / "a.mat", *elements))


def test_wrong_checksum_is_found(tmp_path: Path) -> None:
    element = packed(matrix(9, (8, 8), b"X", 2, bytes(64)))
    damaged = element[:-1] + bytes([element[-1] ^ 1])
    assert "is not a readable MATLAB file" in refusal(write(tmp_path / "a.mat", damaged))


@pytest.mark.parametrize("content", [b"", b"short", b"this is a text" * 20, bytes(200)])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mat").write_bytes(content)
    text = refusal(tmp_path / "a.mat")
    assert "is not a readable MATLAB file" in text or "has the arrays none" in text


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10**6) | st.integers(128, 400), value=st.integers(0, 255), length=st.integers(0, 2000))
@pytest.mark.slow
def test_broken_bytes(tmp_path: Path, at: int, value: int, length: int) -> None:
    path = tmp_path / "a.mat"
    for version, options in (("5", {}), ("5", {"do_compression": True}), ("4", {})):
        content: dict[str, Any] = {"images": grey(20).reshape(20, -1), "labels": np.arange(20) % 2}
        content = content if version == "4" else {"s": {"train": content}}
        savemat(path, content, format=version, **options)
        path.write_bytes(broken(path.read_bytes(), at, value, min(length, 1000)))
        read_or_refused(path)
