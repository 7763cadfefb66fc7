"""A run writes and deletes what is its own, where it is its own."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from genbench.errors import UserError
from genbench.runs.directory import Run
from tests.runs.example import ROWS, SCORECARD, SUMMARY, example

THEIRS = (
    *(".1password.kdbx", ".2024-plan.md", "notes/.2024-plan.md", "notes/.7.status.json", "letter.txt", ".env"),
    *(
        "checkpoints/.3.mine",
        "checkpoints/best.ckpt",
        "frames/best.png",
        "frames/000000000064.ckpt",
        ".git/config",
        "figures/samples.png",
        ".12.letter.txt",
    ),
)
OURS = (".7.status.json", ".7.weights.safetensors", "checkpoints/.7.000000000064.ckpt", "frames/.7.000000000064.png")


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name, encoding="utf-8")


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_users_keep_in_a_run_stays(overwrite: bool, tmp_path: Path) -> None:
    run = example(tmp_path / "run")
    run.set_status("interrupted")
    put(run.path, *THEIRS, *OURS, "checkpoints/000000000064.ckpt", "events.out.tfevents.1.here.2.0", "samples.png")
    (tmp_path / "elsewhere").mkdir()
    put(tmp_path / "elsewhere", "000000000064.ckpt", ".7.status.json")
    (run.path / "linked").symlink_to(tmp_path / "elsewhere")
    with run.held("", overwrite=overwrite):
        pass
    assert {name for name in THEIRS if (run.path / name).read_text(encoding="utf-8") == name} == set(THEIRS)
    assert len(list((tmp_path / "elsewhere").iterdir())) == 2
    assert not [name for name in OURS if (run.path / name).exists()]
    left = {path.name for path in run.path.iterdir()} & {"scores.json", "metrics.csv", "samples.png", "data.json"}
    assert bool(left) != overwrite
    assert run.checkpoints == ([] if overwrite else [run.path / "checkpoints" / "000000000064.ckpt"])


def test_nothing_is_deleted_beyond_a_link(tmp_path: Path) -> None:
    run = example(tmp_path / "run")
    put(tmp_path / "elsewhere", "000000000064.ckpt")
    (run.path / "checkpoints").symlink_to(tmp_path / "elsewhere")
    with run.held("", overwrite=True):
        pass
    assert (tmp_path / "elsewhere" / "000000000064.ckpt").exists()


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("theirs", [(".git/config", ".env"), (".12.letter.txt",), ("notes/status.json",)])
def test_a_folder_of_somebody_else_is_refused(theirs: tuple[str, ...], overwrite: bool, tmp_path: Path) -> None:
    put(tmp_path / "run", *theirs)
    with pytest.raises(UserError, match="is in the way and is not a run"):
        Run(tmp_path / "run").held("", overwrite=overwrite).__enter__()
    found = {str(path.relative_to(tmp_path / "run")) for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert found == set(theirs)


def test_a_run_that_was_killed_at_its_birth_is_begun(tmp_path: Path) -> None:
    put(tmp_path / "run", ".lock", ".7.status.json")
    Run(tmp_path / "run").queue("")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [".lock", "config.yaml", "status.json"]


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _link(path: Path) -> None:
    path.symlink_to(path.parent.parent / "profile")


@pytest.mark.parametrize(
    ("name", "make"), [("train.log", _pipe), ("train.log", _link), ("samples.png", Path.mkdir), ("checkpoints", _pipe)]
)
def test_nothing_is_written_where_something_else_stands(name: str, make: Callable[[Path], Any], tmp_path: Path) -> None:
    run = example(tmp_path / "run")
    run.set_status("interrupted")
    (run.path / name).unlink(missing_ok=True)
    make(run.path / name)
    with pytest.raises(UserError, match=f"{name} is in the way"):
        run.queue("")


@pytest.mark.parametrize(
    ("name", "make"), [("samples.png", Path.mkdir), ("checkpoints", Path.touch), (".sweep", Path.mkdir)]
)
def test_a_run_is_not_emptied_where_it_could_not_write(name: str, make: Callable[[Path], Any], tmp_path: Path) -> None:
    """overwrite=true looked for what stands in the way when it had deleted everything else."""
    run = example(tmp_path / "run")
    put(run.path, "weights.safetensors")
    make(run.path / name)
    before = {path.name: path.is_dir() or path.read_bytes() for path in run.path.iterdir()}
    with pytest.raises(UserError, match=f"{name} is in the way"):
        run.held("", overwrite=True).__enter__()
    assert {path.name: path.is_dir() or path.read_bytes() for path in run.path.iterdir()} == before
    assert run.is_finished


def test_what_is_deleted_anyway_is_in_nobody_s_way(tmp_path: Path) -> None:
    run = example(tmp_path / "run")
    (run.path / "weights.safetensors").symlink_to(tmp_path / "elsewhere")
    _pipe(run.path / "train.log")
    with run.held("", overwrite=True):
        assert sorted(path.name for path in run.path.iterdir()) == [".lock", "config.yaml", "status.json"]


@pytest.mark.parametrize("content", ["", "{", '{"state": "finis', "[]"])
def test_half_a_status_is_named_and_mended_by_overwriting(content: str, tmp_path: Path) -> None:
    run = example(tmp_path / "run")
    (run.path / "status.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"status.json cannot be read .*: train the run with overwrite=true"):
        run.queue("")
    with run.held("config", overwrite=True):
        pass
    assert run.status.state == "queued"
    assert not run.has_scorecard


def _renamed(run: Run) -> None:
    run.path.rename(run.path.with_name("renamed"))


def _deleted(run: Run) -> None:
    shutil.rmtree(run.path)


def _without_lock(run: Run) -> None:
    (run.path / ".lock").unlink()


def _taken_by_another(run: Run) -> None:
    _renamed(run)
    example(run.path)


WRITES: list[Callable[[Run], Any]] = [
    lambda run: run.set_status("finished"),
    lambda run: run.write_metrics(ROWS),
    lambda run: run.write_summary(SUMMARY),
    lambda run: run.write_scorecard(SCORECARD),
    lambda run: run.write_card("#"),
    lambda run: run.whole("checkpoints/000000000064.ckpt").__enter__(),
]


@pytest.mark.parametrize("happens", [_renamed, _deleted, _without_lock, _taken_by_another])
def test_nothing_is_written_once_the_directory_is_another(happens: Callable[[Run], None], tmp_path: Path) -> None:
    def files() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    run = Run(tmp_path / "runs" / "run")
    with run.held("config", overwrite=False) as own:
        own.set_status("running")
        happens(run)
        before = files()
        for write in WRITES:
            with pytest.raises(UserError, match="was moved or deleted while this process was at work on it"):
                write(own)
    assert files() == before


def test_what_is_written_when_the_directory_goes_is_not_kept(tmp_path: Path) -> None:
    run = Run(tmp_path / "runs" / "run")

    def write(own: Run) -> None:
        with own.whole("weights.safetensors") as temporary:
            temporary.write_text("", encoding="utf-8")
            _taken_by_another(run)

    with run.held("config", overwrite=False) as own, pytest.raises(UserError, match="was moved or deleted"):
        write(own)
    assert not (run.path / "weights.safetensors").exists()


def test_scores_of_a_deleted_run_do_not_make_it_again(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such directory any more"):
        Run(tmp_path / "run").write_scorecard(SCORECARD)
    assert list(tmp_path.iterdir()) == []
