import os
from pathlib import Path

import pytest

from genbench.data.formats import format_of
from tests.data.formats.reading import refusal


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.mat", "a.h5", "a.parquet", "a.npy", "a.npz", "a.pt"])
def test_a_pipe_is_not_read(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    assert "it is not a file" in refusal(tmp_path / name) or name.startswith("a.csv")


@pytest.mark.parametrize("name", ["a.txt", "a.png", "a", "a.json", "a.arrow", "gone/a.mat.txt", "labels.csv"])
def test_other_names_are_nobodys(tmp_path: Path, name: str) -> None:
    assert format_of(tmp_path / name) is None
    assert format_of(tmp_path) is None
