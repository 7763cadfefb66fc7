import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genbench.data import encoded
from genbench.data.formats import parquet
from genbench.data.sources import load_data
from tests.data.formats.reading import (
    Bytes,
    broken,
    colour,
    config,
    grey,
    labels,
    load,
    pixels,
    png,
    read_or_refused,
    refusal,
)

LABELS = [i % 3 for i in range(30)]
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
FEATURES = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["ant", "bee", "cat"]}}


def structs(images: Bytes) -> Any:
    return pa.array([{"bytes": png(image), "path": None} for image in images], IMAGE)


def write(path: Path, features: dict[str, Any] | None = None, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path, row_group_size=11)
    return path


@pytest.mark.parametrize("name", ["a.parquet", "A.PARQUET"])
def test_hugging_faces_file(tmp_path: Path, name: str) -> None:
    found = load(write(tmp_path / name, FEATURES, image=structs(colour(30)), label=LABELS))
    assert found.name == name[0]
    assert np.array_equal(pixels(found), colour(30))
    assert labels(found) == LABELS
    assert found.classes == ("ant", "bee", "cat")
    assert found.notes == ()


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("data/train-00000-of-00002", "data/train-00001-of-00002", "data/test-00000-of-00001"), id="data"),
        pytest.param(("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"), id="at the top"),
        pytest.param(("train/0", "train/1", "test/0"), id="folders"),
        pytest.param(("mnist/train-00000", "mnist/train-00001", "mnist/test-00000"), id="one set"),
    ],
)
def test_splits_of_a_folder(tmp_path: Path, names: tuple[str, ...]) -> None:
    for k, name in enumerate(names):
        write(tmp_path / f"{name}.parquet", FEATURES, image=structs(grey(30, seed=k)), label=LABELS[k:] + LABELS[:k])
    (tmp_path / "README.md").write_text("about it")
    assert parquet.takes(tmp_path)
    found = load(tmp_path)
    assert set(found.parts) == {"train", "test"}
    assert np.array_equal(pixels(found, "train"), np.concatenate([grey(30), grey(30, seed=1)]))
    assert np.array_equal(pixels(found, "test"), grey(30, seed=2))
    assert labels(found, "train") == [*LABELS, *LABELS[1:], LABELS[0]]
    assert labels(found, "test") == [*LABELS[2:], *LABELS[:2]]
    assert load_data(config(tmp_path)).classes == ("ant", "bee", "cat")


def test_files_that_name_no_split(tmp_path: Path) -> None:
    write(tmp_path / "0000.parquet", image=structs(grey(30)))
    write(tmp_path / "0001.parquet", image=structs(grey(20, seed=1)))
    assert len(pixels(load(tmp_path))) == 50
    write(tmp_path / "test.parquet", image=structs(grey(20)))
    assert "0000.parquet, which names no split" in refusal(tmp_path)
    write(tmp_path / "train.parquet", image=structs(grey(30)))
    found = load(tmp_path)
    assert {part: len(pixels(found, part)) for part in found.parts} == {"train": 30, "test": 20}
    assert "2 files that name no split are left out (0000.parquet, ...)" in found.notes


def test_several_sets_in_a_folder(tmp_path: Path) -> None:
    for name in ("balanced", "letters"):
        write(tmp_path / name / "train-0.parquet", image=structs(grey(30)))
    text = refusal(tmp_path)
    assert "several sets (balanced, letters)" in text
    assert f"data.root={tmp_path / 'balanced'}" in text


def test_images_beside_a_file_are_not_lost(tmp_path: Path) -> None:
    write(tmp_path / "thumbs.parquet", image=structs(grey(30)))
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for i in range(10):
            (tmp_path / name / f"{i}.png").write_bytes(png(grey(1)[0]))
    assert f"thumbs.parquet and 20 images (cat{os.sep}0.png, ...)" in refusal(tmp_path)
    assert len(pixels(load(tmp_path / "thumbs.parquet"))) == 30
    (tmp_path / "dog" / "0.png").unlink()
    (tmp_path / "dog" / "films.mp4").write_bytes(b"")
    assert load(tmp_path).notes == (f"left out: 19 images (cat{os.sep}0.png)", "left out: 1 other file (.mp4)")


def test_a_split_in_a_folder_beside_a_file_is_not_lost(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", image=structs(grey(30)))
    write(tmp_path / "old" / "train.parquet", image=structs(grey(20)))
    assert load(tmp_path).notes == (f"left out: 1 parquet file (old{os.sep}train.parquet)",)
    write(tmp_path / "test" / "test.parquet", image=structs(grey(20)))
    assert f"holds test{os.sep}test.parquet beside files that are read" in refusal(tmp_path)


def test_taking_a_folder(tmp_path: Path) -> None:
    assert not parquet.takes(tmp_path)
    assert not parquet.takes(tmp_path / "gone")
    assert not parquet.takes(tmp_path / "a.csv")
    (tmp_path / ".cache").mkdir()
    write(tmp_path / ".cache" / "train.parquet", image=structs(grey(1)))
    write(tmp_path / ".hidden.parquet", image=structs(grey(1)))
    assert not parquet.takes(tmp_path)
    write(tmp_path / "data" / "train.parquet", image=structs(grey(1)))
    assert parquet.takes(tmp_path)
    (tmp_path / "a.png").write_bytes(png(grey(1)[0]))
    assert not parquet.takes(tmp_path)


def test_plain_bytes_under_any_name(tmp_path: Path) -> None:
    encoded_images = [png(image) for image in colour(30)]
    hashes = [bytes([i] * 16) for i in range(30)]
    for columns in (
        {"image": encoded_images, "digest": hashes},
        {"digest": hashes, "scan": encoded_images},
        {"digest": hashes, "img": encoded_images, "other_scan": encoded_images},
        {"scan": pa.array(encoded_images, pa.large_binary())},
    ):
        found = load(write(tmp_path / "a.parquet", **columns, target=LABELS))
        assert np.array_equal(pixels(found), colour(30))
        assert labels(found) == LABELS


def test_which_column_holds_the_images_must_be_plain(tmp_path: Path) -> None:
    scans = [png(image) for image in grey(30)]
    text = refusal(write(tmp_path / "a.parquet", left=scans, right=scans))
    assert "several columns of images (left, right)" in text
    assert "select_columns(['left', 'label'])" in text
    text = refusal(write(tmp_path / "b.parquet", digest=[b"no"] * 30, hash=[b"image"] * 30, number=LABELS))
    assert "has the columns digest, hash, number, and none holds images" in text
    text = refusal(write(tmp_path / "c.parquet", caption=["a", "b"]))
    assert "none holds images" in text


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["abc"[i] for i in LABELS], ["abc"[i] for i in LABELS]),
        (pa.array(["abc"[i] for i in LABELS]).dictionary_encode(), ["abc"[i] for i in LABELS]),
        (pa.array(LABELS, pa.uint8()), LABELS),
        ([i - 1 for i in LABELS], [i - 1 for i in LABELS]),
        ([[0, 1]] * 30, None),
        ([0.5] * 30, None),
    ],
    ids=["names", "dictionary", "bytes", "-1 to 1", "several", "floats"],
)
def test_kinds_of_labels(tmp_path: Path, values: Any, expected: list[Any] | None) -> None:
    found = load(write(tmp_path / "a.parquet", image=structs(grey(30)), label=values))
    assert labels(found) == expected
    assert found.notes == (() if expected else ("columns that are not used: label",))


@pytest.mark.parametrize("named", [False, True])
def test_a_column_of_splits_is_no_class_and_divides_the_images(tmp_path: Path, named: bool) -> None:
    """The one column that names its values was the class: train and test; then it was not used."""
    names = ["test", "train"]
    numbers = [i % 2 for i in range(30)]
    values = numbers if named else [names[i] for i in numbers]
    features = {"image": {"_type": "Image"}, "split": {"_type": "ClassLabel", "names": names}} if named else None
    found = load(write(tmp_path / "a.parquet", features, image=structs(grey(30)), split=values))
    for i, name in enumerate(names):
        assert labels(found, name) is None
        assert np.array_equal(pixels(found, name), grey(30)[i::2])
    assert (list(found.parts), found.notes) == (["train", "test"], ())
    lists = pa.array(grey(30).reshape(30, -1).tolist(), pa.list_(pa.uint8()))
    found = load(write(tmp_path / "b.parquet", features, image=lists, split=values, label=LABELS))
    assert np.array_equal(pixels(found, "test"), grey(30)[::2])
    assert labels(found, "train") == LABELS[1::2]


def test_splits_stay_with_their_images(tmp_path: Path) -> None:
    """Some cannot be read, and one file says no split."""
    words = ["test", None, "train"] * 10
    write(tmp_path / "0.parquet", image=damaged(grey(30), 0, 8), label=list(range(30)), split=words)
    write(tmp_path / "1.parquet", image=structs(grey(20, seed=1)), label=list(range(20)))
    found = load(tmp_path)
    for name, start in (("test", 0), ("train", 2)):
        kept = [i for i in range(start, 30, 3) if i not in (0, 8)]
        assert labels(found, name) == kept
        assert np.array_equal(pixels(found, name), grey(30)[kept])
    assert "left out, for the column split says no split of them (nothing): 30 images" in found.notes


def test_where_files_say_the_splits_a_column_does_not(tmp_path: Path) -> None:
    for name in ("train", "test"):
        write(tmp_path / f"{name}.parquet", image=structs(grey(30)), split=["train", "test"] * 15)
    found = load(tmp_path)
    assert {name: len(part.pictures) for name, part in found.parts.items()} == {"train": 30, "test": 30}
    assert found.notes == ("columns that are not used: split",)


def test_finest_of_several_labels(tmp_path: Path) -> None:
    features = {name: {"_type": "ClassLabel", "names": list("abcdef"[:count])} for name, count in CIFAR_100.items()}
    path = write(tmp_path / "a.parquet", features, coarse_label=LABELS, img=structs(grey(30)), fine_label=[5] * 30)
    found = load(path)
    assert found.classes == tuple("abcdef")
    assert labels(found) == [5] * 30
    assert found.notes == ("columns that are not used: coarse_label",)
    found = load(write(tmp_path / "b.parquet", label_a=LABELS, img=structs(grey(30)), label_b=LABELS))
    assert labels(found) is None
    assert "columns label_a, label_b may each be the class: call the one `label`" in found.notes
    found = load(write(tmp_path / "c.parquet", label=LABELS, img=structs(grey(30)), label_b=[1] * 30))
    assert labels(found) == LABELS


CIFAR_100 = {"coarse_label": 3, "fine_label": 6}


def test_classes_are_found_by_what_hugging_face_says_of_them(tmp_path: Path) -> None:
    features = {"insect": FEATURES["label"]}
    found = load(write(tmp_path / "a.parquet", features, image=structs(grey(30)), insect=LABELS, size=LABELS))
    assert labels(found) == LABELS
    assert found.classes == ("ant", "bee", "cat")


def insects(*names: str) -> dict[str, Any]:
    return {"label": {"_type": "ClassLabel", "names": names}}


@pytest.mark.parametrize("second", ["test", "train-1"])
@pytest.mark.parametrize("others", [("bee", "cat"), ("cat", "ant", "bee"), ("cat", "dog", "ant")])
def test_each_files_classes_have_their_own_names(tmp_path: Path, second: str, others: tuple[str, ...]) -> None:
    """The first file's names were those of all numbers: a bee among the test images was an ant."""
    numbers = [i % len(others) for i in range(30)]
    write(tmp_path / "train-0.parquet", insects("ant", "bee", "cat"), image=structs(grey(30)), label=LABELS)
    write(tmp_path / f"{second}.parquet", insects(*others), image=structs(grey(30, seed=1)), label=numbers)
    found = load(tmp_path)
    assert tuple(found.classes) == ("ant", "bee", "cat", "dog")[: 4 if "dog" in others else 3]
    read = [label for part in found.parts for label in labels(found, part) or []]
    assert [found.classes[label] for label in read[:30]] == [("ant", "bee", "cat")[label] for label in LABELS]
    assert [found.classes[label] for label in read[30:]] == [others[number] for number in numbers]


def test_classes_without_names_beside_others_with_different_ones(tmp_path: Path) -> None:
    write(tmp_path / "0.parquet", insects("ant", "bee", "cat"), image=structs(grey(30)), label=LABELS)
    write(tmp_path / "1.parquet", image=structs(grey(30, seed=1)), label=LABELS)
    assert load(tmp_path).classes == ("ant", "bee", "cat")
    write(tmp_path / "2.parquet", insects("bee", "cat"), image=structs(grey(30, seed=2)), label=[0, 1] * 15)
    assert "1.parquet does not name its classes" in refusal(tmp_path)
    assert labels(load(tmp_path, labels=False)) is None
    write(tmp_path / "1.parquet", insects("bee", "cat"), image=structs(grey(30, seed=1)), label=LABELS)
    assert "1.parquet has more classes in label than the 2 that it names" in refusal(tmp_path)


@pytest.mark.parametrize(
    "metadata", [b"no JSON", b"[" * 100_000, b"[]", b'{"info": 3}', b'{"info": {"features": [1]}}']
)
def test_odd_metadata_is_not_used(tmp_path: Path, metadata: bytes) -> None:
    table = pa.table({"image": structs(grey(30)), "label": LABELS}).replace_schema_metadata({"huggingface": metadata})
    pq.write_table(table, tmp_path / "a.parquet")
    found = load(tmp_path / "a.parquet")
    assert labels(found) == LABELS
    assert found.classes == ()


def test_missing_labels_can_be_done_without(tmp_path: Path) -> None:
    for missing in (-1, None):
        some = [*LABELS[:-2], missing, missing]
        path = write(tmp_path / "a.parquet", FEATURES, image=structs(grey(30)), label=some)
        assert "2 of 30 images have no label: data.labels=false trains without them" in refusal(path)
        assert np.array_equal(pixels(load(path, labels=False)), grey(30))
    write(tmp_path / "b" / "train.parquet", image=structs(grey(30)), label=LABELS)
    write(tmp_path / "b" / "test.parquet", image=structs(grey(20)))
    with pytest.raises(Exception, match=r"none for test: data\.labels=false"):
        load_data(config(tmp_path / "b"))
    assert len(load_data(config(tmp_path / "b", labels=False)).test) == 20


def test_labels_stay_with_their_images(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", image=damaged(grey(30), 0, 7), label=list(range(30)))
    write(tmp_path / "test.parquet", image=damaged(grey(20, seed=1), 3, 19), label=list(range(20)))
    found = load(tmp_path)
    for part, count, gone, seed in (("train", 30, {0, 7}, 0), ("test", 20, {3, 19}, 1)):
        kept = [i for i in range(count) if i not in gone]
        assert labels(found, part) == kept
        assert np.array_equal(pixels(found, part), grey(count, seed=seed)[kept])
    assert any("left out: 4 of 50 files" in note and "train.parquet, row 7" in note for note in found.notes)


def damaged(images: Bytes, first: int, second: int) -> Any:
    values = structs(images).to_pylist()
    values[first]["bytes"] = b"no image"
    values[second] = None
    return pa.array(values, IMAGE)


def test_paths_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(png(grey(1)[0]))
    elsewhere = {"bytes": None, "path": str(tmp_path / "images" / "a.png")}
    path = write(tmp_path / "a.parquet", image=pa.array([elsewhere] * 30, IMAGE))
    text = refusal(path)
    assert "holds no images, only paths of them" in text
    assert "to_parquet" in text


def test_sizes_are_one_or_brought_to_one(tmp_path: Path) -> None:
    images = pa.concat_arrays([structs(grey(15)), structs(grey(15, side=12))])
    path = write(tmp_path / "a.parquet", image=images)
    assert "images of 2 sizes" in refusal(path)
    assert pixels(load(path, size=16)).shape == (30, 16, 16)


@pytest.mark.parametrize("fixed", [False, True])
def test_lists_of_pixels(tmp_path: Path, fixed: bool) -> None:
    for images in (grey(30), colour(30), grey(30).reshape(30, -1)):
        kind = pa.uint8()
        for side in images.shape[:0:-1]:
            kind = pa.list_(kind, side if fixed else -1)
        values = pa.array(images.tolist(), kind)
        path = write(tmp_path / "a.parquet", **{"pixels": values, "label": LABELS, "box": [[1, 2]] * 30})
        found = load(path)
        assert np.array_equal(pixels(found).reshape(images.shape), images)
        assert labels(found) == LABELS
        assert found.notes == ("columns that are not used: box",)


def test_lists_are_images_however_many(tmp_path: Path) -> None:
    """As many as they are high, they were taken for MATLAB's, which are counted along the last axis."""
    images = np.random.default_rng(0).integers(0, 256, (32, 32, 48), dtype=np.uint8)
    found = load(write(tmp_path / "a.parquet", image=images.tolist()))
    assert np.array_equal(pixels(found), images)
    assert found.parts["whole"].notes == ()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([[[1, 2], [3, 4]], [[1, 2]]], "not equally long"),
        ([[[1, 2], [3, 4]], None], "rows of image are missing"),
        ([[[1, 2], [3, None]]], "pixels of image are missing"),
        ([[[1.5, 2], [3, 300]]], "floats are taken for 0 to 1"),
        ([[["a"]]], "none holds images"),
    ],
)
def test_lists_that_are_no_images(tmp_path: Path, values: Any, words: str) -> None:
    assert words in refusal(write(tmp_path / "a.parquet", image=values))


def test_lists_of_other_lengths_in_another_file(tmp_path: Path) -> None:
    write(tmp_path / "0.parquet", image=grey(20).tolist())
    write(tmp_path / "1.parquet", image=grey(20, side=12).tolist())
    assert "cannot be read" in refusal(tmp_path)


def test_files_must_have_the_same_column(tmp_path: Path) -> None:
    write(tmp_path / "0.parquet", image=structs(grey(20)))
    write(tmp_path / "1.parquet", picture=structs(grey(20)))
    assert "1.parquet has no column image" in refusal(tmp_path)


@pytest.mark.parametrize("labelled", [0, 1])
def test_files_of_a_split_have_classes_all_or_none(tmp_path: Path, labelled: int) -> None:
    """Those of the first file were dropped, or the images of the second had none."""
    write(tmp_path / f"{labelled}.parquet", image=structs(grey(20)), label=LABELS[:20])
    write(tmp_path / f"{1 - labelled}.parquet", image=structs(grey(20, seed=1)))
    assert f"{1 - labelled}.parquet has no column of classes, as {labelled}.parquet has" in refusal(tmp_path)
    assert labels(load(tmp_path, labels=False)) is None


def test_no_more_than_a_part_of_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.parquet", image=structs(grey(30)), label=LABELS)
    for module in (parquet, encoded):
        with monkeypatch.context() as patch:
            patch.setattr(module, "memory", lambda: 4000)
            text = refusal(path)
        assert "more than a quarter of the memory" in text
        assert ".save(f'images/{i}.png')" in text


def test_one_value_in_every_row_is_read_few_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = png(grey(1, side=64)[0])
    pq.write_table(pa.table({"image": [large] * 300}), tmp_path / "a.parquet", compression="none")
    assert (tmp_path / "a.parquet").stat().st_size < 3 * len(large)
    monkeypatch.setattr(parquet, "memory", lambda: 4 * 12 * len(large))
    batches = list(parquet._table(tmp_path / "a.parquet").batches(["image"]))
    assert sum(map(len, batches)) == 300
    assert max(map(len, batches)) <= 12


def test_more_rows_than_anybody_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.parquet", image=structs(grey(30)))
    monkeypatch.setattr(encoded, "_MOST", 29)
    assert "30 rows, more than 29" in refusal(path)


def test_only_needed_columns_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.parquet", image=structs(grey(30)), label=LABELS, embedding=[[1.0] * 9] * 30)
    asked = []
    batches = parquet._batches

    def watch(file: Any, path: Path, names: list[str]) -> Any:
        asked.append(names)
        return batches(file, path, names)

    monkeypatch.setattr(parquet, "_batches", watch)
    load(path)
    assert asked == [["image", "label"]]
    asked.clear()
    load(path, labels=False)
    assert asked == [["image"]]


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.parquet", image=structs(grey(30)))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install 'genbench[parquet]'" in refusal(path)
    assert "pip install 'genbench[parquet]'" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"this is a text", b"PAR1" * 5])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(content)
    assert "a.parquet cannot be read" in refusal(tmp_path / "a.parquet")


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10**6), value=st.integers(0, 255), length=st.integers(0, 2000))
@pytest.mark.slow
def test_broken_bytes(tmp_path: Path, at: int, value: int, length: int) -> None:
    path = write(tmp_path / "a.parquet", FEATURES, image=structs(grey(20)), label=LABELS[:20])
    path.write_bytes(broken(path.read_bytes(), at, value, min(length, 1000)))
    read_or_refused(path)
