"""A place is the same however it is written, and one that cannot be is a user's mistake."""

import os
from pathlib import Path

import pytest

from genbench.cli import compose
from genbench.errors import UserError, refused_by_system
from genbench.places import absolute, near


@pytest.mark.slow
def test_every_word_for_a_place_is_the_same_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    found = [
        compose("train", ["model=vae", "data=folder", f"data.root={place}/photos", f"runs={place}/exp"]).configs[0]
        for place in ("~", "..", str(tmp_path))
    ]
    assert {config.data.root for config in found} == {str(tmp_path / "photos")}
    assert {str(config.directory) for config in found} == {str(tmp_path / "exp" / found[0].run_name)}
    assert near(tmp_path / "work" / "runs") == Path("runs")  # as it is shown
    swept = compose("train", ["-m", "model=vae", "data=folder", "data.root=~/a,~/b"]).configs
    assert [config.data.root for config in swept] == [str(tmp_path / "a"), str(tmp_path / "b")]
    for verb, words in (
        ("sample", ["run=~/r", "out=~/o.png"]),
        ("export", ["run=~/r", "format=onnx", "out=~/o"]),
        ("evaluate", ["samples=~/s.npz", "data=optdigits", "out=~/o.json"]),
        ("report", ["runs=~/r", "out=~/o"]),
        ("search", ["out=~/o"]),
        ("compare", ["out=~/o"]),
        ("data", ["data=optdigits", "out=~/o.png"]),
    ):
        values = compose(verb, words).configs[0].model_dump()
        named = [value for key, value in values.items() if key in ("run", "runs", "out", "samples") and value]
        assert named and all(value.startswith(f"{tmp_path}/") for value in named), verb


def test_a_place_that_cannot_be_is_refused() -> None:
    for place, message in (
        ("a" * 300, "must be shorter"),
        ("a/" * 3000, "must be shorter"),
        ("", "must be a file or folder"),
    ):
        with pytest.raises(UserError, match=message):
            compose("sample", [f"run='{place}'"])
    with pytest.raises(ValueError, match="UTF-8"):
        absolute(os.fsdecode(b"photos-\xff"))
    with pytest.raises(ValueError, match="a file or folder"):
        absolute("a\0b")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            PermissionError(13, "Permission denied", "/home/somebody/run"),
            "/home/somebody/run: Permission denied: change its permissions",
        ),
        (OSError(30, "Read-only file system", "/x"), "/x: Read-only file system: give another place"),
        (OSError(36, "File name too long", "/x"), "/x: File name too long: give a shorter one"),
        (MemoryError(), "there is not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate"), "not enough memory"),
        (RuntimeError("port: 29500, name: EADDRINUSE, message: address already in use"), "is taken by another"),
        (FileNotFoundError(2, "No such file or directory", "/x"), None),
        (ValueError("a mistake of ours"), None),
    ],
)
def test_what_the_system_refuses_is_said_in_one_line(error: Exception, said: str | None) -> None:
    found = refused_by_system(error)
    assert (found is None) == (said is None)
    assert said is None or said in str(found)
