"""docs/data.md says what comes of every kind of source: of each it is tried here."""

from pathlib import Path

import pytest

from tests.data import cases


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.slow
def test_the_page_says_what_comes_of_every_source(tmp_path: Path) -> None:
    page = cases.PAGE.read_text(encoding="utf-8")
    written = page.split(cases.BEGIN)[1].split(cases.END)[0].strip().splitlines()
    assert written == cases.table(tmp_path / "sources").splitlines()
