"""out= goes over nothing but what genbench made for it."""

import csv
import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.errors import UserError
from genbench.reporting.results import results_csv
from genbench.runs.outputs import check_out, mark, written

KINDS: dict[str, Callable[[Path], object]] = {
    ".png": lambda path: Image.new("L", (8, 4), 77).save(path),
    ".npz": lambda path: np.savez_compressed(path, images=np.arange(6)),
    ".zip": lambda path: zipfile.ZipFile(path, "w").close(),
    ".json": lambda path: path.write_text('{"scores": {"fcd": 1}}', encoding="utf-8"),
    ".md": lambda path: path.write_text("# Tables\n", encoding="utf-8"),
    ".html": lambda path: path.write_text("<!doctype html><p>A page", encoding="utf-8"),
    ".csv": lambda path: path.write_text(results_csv([]), encoding="utf-8"),
}


def program(path: Path) -> None:
    torch.export.save(torch.export.export(torch.nn.Linear(2, 2), (torch.zeros(1, 2),)), path)


@pytest.mark.parametrize("suffix", [*KINDS, pytest.param(".pt2", marks=pytest.mark.slow)])
def test_what_genbench_made_is_replaced_and_nothing_else(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"file{suffix}"
    check_out([path], force=False)
    with written(path) as temporary:
        KINDS.get(suffix, program)(temporary)
    if suffix == ".pt2":
        assert torch.export.load(path).module()(torch.zeros(1, 2)).shape == (1, 2)
    check_out([path], force=False)  # ours
    somebodys = b"\x89PNG of my own"
    path.write_bytes(somebodys)
    with pytest.raises(UserError, match="genbench did not make it: give another name, or add force=true"):
        check_out([path], force=False)
    check_out([path], force=True)
    assert path.read_bytes() == somebodys


def test_a_mark_changes_nothing_that_is_read(tmp_path: Path) -> None:
    for suffix, make in KINDS.items():
        path = tmp_path / f"file{suffix}"
        make(path)
        mark(path, suffix)
    assert np.asarray(Image.open(tmp_path / "file.png")).tolist() == [[77] * 8] * 4
    assert np.load(tmp_path / "file.npz")["images"].tolist() == [0, 1, 2, 3, 4, 5]
    assert json.loads((tmp_path / "file.json").read_text())["scores"] == {"fcd": 1}
    assert (tmp_path / "file.md").read_text().startswith("# Tables\n")
    assert len(next(csv.reader(io.StringIO((tmp_path / "file.csv").read_text())))) == 12


def test_places_that_are_none_are_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "status.json").write_text("{}")
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "dangling.png").symlink_to("nowhere")
    for name, message in (
        ("nowhere/a.png", "there is no folder"),
        ("run/scores.json", "is a run's directory: give another place, or add force=true"),
        ("pipe.json", "genbench did not make it"),
        ("folder.png", "is a folder"),
        ("dangling.png", "genbench did not make it"),
    ):
        with pytest.raises(UserError, match=message):
            check_out([tmp_path / name], force=False)
