"""A run directory is written whole, by one process at a time, and gives back what was written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from genbench.cache import whole_file
from genbench.errors import UserError
from genbench.runs.directory import Run
from genbench.runs.files import is_disk_full
from genbench.runs.records import Metrics, Status
from tests.runs.example import DATA, ENVIRONMENT, ROWS, SCORECARD, SUMMARY, config, example


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")

    def fail() -> None:
        with whole_file(path) as temporary:
            temporary.write_text("half")
            raise OSError

    with pytest.raises(OSError):
        fail()
    assert path.read_text() == "before"
    with whole_file(path) as temporary:
        temporary.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.slow
def test_a_run_is_held_by_one_process(tmp_path: Path) -> None:
    run = Run(tmp_path / "runs" / "a")
    assert not run.is_locked
    with run.held("config: 1\n", overwrite=False):
        assert run.is_locked
        run.set_status("running")
        assert run.status.state == "running"
        with pytest.raises(UserError, match=f"another process is at work on it .process {os.getpid()} on "):
            run.held("config: 2\n", overwrite=True).__enter__()
        run.queue("config: 2\n")  # of a sweep that has it on its list as well
        assert run.status.state == "running"
    assert not run.is_locked
    assert (run.path / "config.yaml").read_text() == "config: 1\n"


def test_a_dead_owner_s_run_is_interrupted_and_can_be_taken_over(tmp_path: Path) -> None:
    program = (
        "import os, signal; from pathlib import Path; from genbench.runs.directory import Run; run = Run(Path('a'))\n"
        "with run.held('', overwrite=False):\n"
        "    run.set_status('running')\n"
        "    (run.path / '.7.status.json').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False).returncode == -9
    run = Run(tmp_path / "a")
    assert '"running"' in (run.path / "status.json").read_text()
    assert (run.status.state, run.status.why) == ("interrupted", "its process is gone")
    with run.held("", overwrite=False):
        assert run.status.state == "queued"
        assert sorted(p.name for p in run.path.iterdir()) == [".lock", "config.yaml", "status.json"]


def test_a_finished_run_is_left_as_it_is_unless_it_is_to_be_overwritten(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with run.held("first", overwrite=False):
        run.set_status("finished")
        with run.whole("checkpoints/000000000001.ckpt") as temporary:
            temporary.write_text("")
    with run.held("second", overwrite=False):
        assert run.is_finished
    run.queue("second")
    assert run.is_finished
    assert (run.path / "config.yaml").read_text() == "first"
    with run.held("third", overwrite=True):
        pass
    assert run.status.state == "queued"
    assert (run.path / "config.yaml").read_text() == "third"
    assert run.checkpoints == []


def test_an_unfinished_run_keeps_what_it_has(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for images in (64, 1000000000000, 128):
        with run.held("", overwrite=False), run.whole(f"checkpoints/{images:012}.ckpt") as temporary:
            temporary.write_text("")
    run.set_status("failed", "why")
    run.queue("")
    assert run.status == Status(state="queued", when=run.status.when)
    assert [int(path.stem) for path in run.checkpoints] == [1000000000000, 128, 64]


def test_what_is_not_a_run_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    for run in (Run(tmp_path), Run(tmp_path / "letter.txt")):
        for overwrite in (False, True):
            with pytest.raises(UserError, match="is in the way and is not a run"):
                run.held("", overwrite=overwrite).__enter__()
    assert [p.name for p in tmp_path.iterdir()] == ["letter.txt"]
    killed_at_birth = tmp_path / "b"
    killed_at_birth.mkdir()
    (killed_at_birth / ".lock").touch()
    Run(killed_at_birth).queue("")
    assert Run(killed_at_birth).status.state == "queued"


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(28, "No space left on device"), True),
        (OSError(122, "Disk quota exceeded"), True),
        (RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"), True),
        (OSError(2, "No such file or directory"), False),
        (RuntimeError("shapes do not fit"), False),
    ],
)
def test_a_full_disk_is_recognised(error: Exception, full: bool) -> None:
    assert is_disk_full(error) == full


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    run = example(tmp_path / "run")
    assert run.config() == config()
    assert (run.environment(), run.data()) == (ENVIRONMENT, DATA)
    assert run.summary().model_copy(update={"files": {}}) == SUMMARY
    assert run.has_scorecard and run.scorecard() == SCORECARD
    assert run.metrics().rows == ROWS
    assert run.timing().curve("seconds") == [(320, 1.25), (640, 2.5)]


def test_files_are_for_people_too(tmp_path: Path) -> None:
    run = example(tmp_path / "run")
    text = (run.path / "summary.json").read_text(encoding="utf-8")
    assert text.startswith('{\n  "version": 3,\n  "parameters": {\n    "encoder": 69076,\n')
    assert text.endswith("\n}\n")


def test_tables_are_those_bytes(tmp_path: Path) -> None:
    """As every version has written them: a run that goes on from a checkpoint has the same as one that did not."""
    run = example(tmp_path / "run")
    assert (run.path / "metrics.csv").read_bytes() == (
        b"images,train/loss,train/kl,validation/loss,fast/fcd\r\n"
        b"64,543.25,,,\r\n"
        b"320,0.30000000000000004,1e-07,,\r\n"
        b"320,,,500.0,inf\r\n"
    )
    assert (run.path / "timing.csv").read_bytes() == b"images,seconds\r\n320,1.25\r\n640,2.5\r\n"


def test_a_run_that_has_measured_nothing_yet_has_no_rows(tmp_path: Path) -> None:
    assert Run(tmp_path).metrics() == Run(tmp_path).timing() == Metrics(rows=())
    Run(tmp_path).write_metrics([])
    assert Run(tmp_path).metrics() == Metrics(rows=())


@pytest.mark.parametrize("content", [None, "", "{", "[]", "nonsense: [", '{"state": 1}', "a,b\n1,2\n"])
def test_a_file_that_cannot_be_read_is_named_in_one_line(content: str | None, tmp_path: Path) -> None:
    run = example(tmp_path / "run")
    readers = {
        "config.yaml": run.config,
        "environment.json": run.environment,
        "summary.json": run.summary,
        "scores.json": run.scorecard,
        "status.json": lambda: run.status,
        **({} if content is None else {"data.json": run.data}),  # a run of before has none
        **({} if not content else {"metrics.csv": run.metrics, "timing.csv": run.timing}),
    }
    for name, read in readers.items():
        if name.endswith(".csv") and content in ("{", "[]", "nonsense: [", '{"state": 1}'):
            continue  # a heading without rows
        (run.path / name).unlink()
        if content is not None:
            (run.path / name).write_text(content, encoding="utf-8")
        with pytest.raises(UserError) as caught:
            read()
        assert str(run.path / name) in str(caught.value)
        assert str(caught.value).isprintable()


def test_other_data_than_the_run_s_are_refused(tmp_path: Path) -> None:
    run = example(tmp_path / "run")
    run.check_data(DATA)
    run.check_data(DATA.model_copy(update={"root": "/elsewhere", "name": "moved"}))  # the same images
    other = {"fingerprint": "cd" * 32}
    for changes, said in (
        ({}, "as many and as large, but other images or labels"),
        ({"name": "mnist"}, "mnist, not optdigits"),
        ({"shape": (3, 28, 28)}, "3x28x28, not 1x28x28"),
        ({"images": {**DATA.images, "train": 1284}}, "1284 train images, not 1283"),
        ({"classes": ("a", "b")}, "of 2 classes, not of these 10"),
        ({"fingerprint": DATA.fingerprint, "classes": (*"01234567", "eight", "9")}, "of class eight, not 8"),
    ):
        with pytest.raises(UserError) as caught:
            run.check_data(DATA.model_copy(update=other | changes))
        assert str(caught.value).startswith(f"{run.path} was trained on other images; these are {said}: ")
    (run.path / "data.json").unlink()
    run.check_data(DATA.model_copy(update=other))


def test_a_run_is_opened_where_there_is_one(tmp_path: Path) -> None:
    example(tmp_path / "a")
    (tmp_path / "c").mkdir()
    assert Run.open(tmp_path / "a").is_finished
    with pytest.raises(UserError, match="is not a run directory"):
        Run.open(tmp_path / "c")
