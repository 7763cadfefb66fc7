import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genbench.data import encoded
from genbench.data.formats import saved_dataset
from genbench.data.sources import load_data
from tests.data.formats.reading import (
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
from tests.data.formats.test_parquet import FEATURES, LABELS, structs


def stream(path: Path, table: Any, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.ipc.new_stream(path, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as out:
        out.write_table(table, max_chunksize=7)
    return path


def save(folder: Path, *tables: Any, features: dict[str, Any] | None = None, **state: Any) -> Path:
    """As `datasets` 5.2 does it."""
    names = [f"data-{i:05}-of-{len(tables):05}.arrow" for i in range(len(tables))]
    for name, table in zip(names, tables, strict=True):
        stream(folder / name, table)
    about = {"_data_files": [{"filename": name} for name in names], "_fingerprint": "ef781e1183bf0d27", "_split": None}
    (folder / "state.json").write_text(json.dumps(about | state))
    info = {"citation": "", "description": "", "features": FEATURES if features is None else features}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    return folder


def table(count: int = 30, seed: int = 0, **more: Any) -> Any:
    return pa.table({"image": structs(grey(count, seed=seed)), "label": LABELS[:count], **more})


def save_splits(folder: Path, *names: str) -> Path:
    for k, name in enumerate(names):
        save(folder / name, table(30 - k, k))
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": list(names)}))
    return folder


def test_one_data_set_in_several_files(tmp_path: Path) -> None:
    folder = save(tmp_path / "set", table(), table(20, 1))
    assert saved_dataset.takes(folder)
    found = load(folder)
    assert found.name == "set"
    assert np.array_equal(pixels(found), np.concatenate([grey(30), grey(20, seed=1)]))
    assert labels(found) == LABELS + LABELS[:20]
    assert found.classes == ("ant", "bee", "cat")


def test_splits(tmp_path: Path) -> None:
    found = load(save_splits(tmp_path / "set", "train", "valid", "test", "unsupervised"))
    assert set(found.parts) == {"train", "validation", "test"}
    for k, part in enumerate(("train", "validation", "test")):
        assert np.array_equal(pixels(found, part), grey(30 - k, seed=k))
        assert labels(found, part) == LABELS[: 30 - k]
    assert found.notes == ("splits that are not used: unsupervised",)
    assert load_data(config(tmp_path / "set")).classes == ("ant", "bee", "cat")


def test_one_split_is_the_whole(tmp_path: Path) -> None:
    assert np.array_equal(pixels(load(save_splits(tmp_path / "a", "train"))), grey(30))
    assert np.array_equal(pixels(load(save_splits(tmp_path / "b", "unsupervised"))), grey(30))


def test_splits_that_are_none(tmp_path: Path) -> None:
    text = refusal(save_splits(tmp_path / "a", "balanced", "test"))
    assert "has the splits balanced, test, and none is train" in text
    assert "several splits that are train" in refusal(save_splits(tmp_path / "b", "train", "train_extra"))
    (tmp_path / "c").mkdir()
    for content in ("{}", "[]", '{"splits": 3}', '{"splits": []}'):
        (tmp_path / "c" / "dataset_dict.json").write_text(content)
        assert "names no splits" in refusal(tmp_path / "c")


def test_lists_of_pixels(tmp_path: Path) -> None:
    found = load(save(tmp_path / "a", pa.table({"pixels": colour(30).tolist(), "label": LABELS}), features={}))
    assert np.array_equal(pixels(found), colour(30))
    assert labels(found) == LABELS


def test_large_bytes(tmp_path: Path) -> None:
    images = pa.array([png(image) for image in grey(30)], pa.large_binary())
    found = load(save(tmp_path / "a", pa.table({"image": images, "label": LABELS})))
    assert np.array_equal(pixels(found), grey(30))


@pytest.mark.parametrize("name", ["../secret.arrow", "/etc/passwd", "..", "", "a/b.arrow", "a\\b.arrow", 3, None])
def test_other_files_are_not_read(tmp_path: Path, name: Any) -> None:
    stream(tmp_path / "secret.arrow", table())
    folder = save(tmp_path / "set", table(), _data_files=[{"filename": name}])
    assert "which is no file in it" in refusal(folder)
    folder = save_splits(tmp_path / "splits", "train")
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": ["../set"]}))
    assert "which is no file in it" in refusal(folder)


def test_a_choice_of_rows_is_refused(tmp_path: Path) -> None:
    for key in ("_indices_data_files", "_indices_files"):
        indices: dict[str, Any] = {key: [{"filename": "indices.arrow"}]}
        folder = save(tmp_path / key, table(), **indices)
        assert "dataset.flatten_indices().save_to_disk(FOLDER)" in refusal(folder)


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_compressed_bombs_are_refused_unpacked(tmp_path: Path, codec: str) -> None:
    folder = save(tmp_path / "a", table())
    zeros = pa.table({"image": pa.array([bytes(10**6)] * 21)})
    stream(folder / "data-00000-of-00001.arrow", zeros, compression=codec)
    assert "it is compressed, which save_to_disk does not do" in refusal(folder)


def test_dictionaries_are_refused(tmp_path: Path) -> None:
    words = pa.array(["ab"[i % 2] for i in range(30)]).dictionary_encode()
    folder = save(tmp_path / "a", pa.table({"image": structs(grey(30)), "label": words}))
    assert "it has dictionaries" in refusal(folder)


def test_offsets_that_point_elsewhere_are_found(tmp_path: Path) -> None:
    images = pa.array([png(image) for image in grey(30)], pa.binary())
    offsets = np.frombuffer(images.buffers()[1], np.int32).copy()
    offsets[5] = 2**30
    wild = pa.Array.from_buffers(pa.binary(), 30, [None, pa.py_buffer(offsets), images.buffers()[2]])
    path = tmp_path / "a" / "data-00000-of-00001.arrow"
    folder = save(tmp_path / "a", table())
    with pa.ipc.new_stream(path, pa.schema([("image", pa.binary())])) as out:
        out.write_batch(pa.RecordBatch.from_arrays([wild], ["image"]))
    assert "cannot be read" in refusal(folder)


def test_no_more_than_a_part_of_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save(tmp_path / "a", table())
    monkeypatch.setattr(encoded, "memory", lambda: 4000)
    assert "more than a quarter of the memory" in refusal(folder)


def test_missing_and_odd_files(tmp_path: Path) -> None:
    folder = save(tmp_path / "a", table())
    (folder / "data-00000-of-00001.arrow").unlink()
    assert "data-00000-of-00001.arrow" in refusal(folder)
    for content in ("", "no JSON", "[" * 100_000, "\xff"):
        (folder / "state.json").write_bytes(content.encode("latin-1"))
        assert "state.json cannot be read" in refusal(folder)
    (folder / "state.json").write_text('{"_data_files": 3}')
    assert "names no data files" in refusal(folder)
    folder = save(tmp_path / "b", table())
    (folder / "dataset_info.json").write_text("no JSON")
    assert labels(load(folder)) == LABELS
    assert load(folder).classes == ()


def test_taking(tmp_path: Path) -> None:
    assert not saved_dataset.takes(tmp_path)
    (tmp_path / "state.json").write_text("{}")
    assert not saved_dataset.takes(tmp_path)
    assert not saved_dataset.takes(tmp_path / "state.json")
    assert not saved_dataset.takes(tmp_path / ("a" * 300))


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save(tmp_path / "a", table())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install 'genbench[parquet]'" in refusal(folder)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10**6) | st.integers(0, 1500), value=st.integers(0, 255), length=st.integers(0, 2000))
@pytest.mark.slow
def test_broken_bytes(tmp_path: Path, at: int, value: int, length: int) -> None:
    folder = save(tmp_path / "a", table(20))
    path = folder / "data-00000-of-00001.arrow"
    path.write_bytes(broken(path.read_bytes(), at, value, min(length, 1000)))
    read_or_refused(folder)
