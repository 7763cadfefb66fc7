"""A run directory is written whole, by one process at a time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from genbench.errors import UserError
from genbench.runs import Run, Status, is_disk_full, whole_file


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


def test_a_run_is_held_by_one_process(tmp_path: Path) -> None:
    run = Run(tmp_path / "runs" / "a")
    assert not run.is_locked
    with run.held("config: 1\n", overwrite=False):
        assert run.is_locked
        run.set_status("running")
        assert run.status.state == "running"
        with pytest.raises(UserError, match=f"another process trains it .process {os.getpid()} on "):
            run.held("config: 2\n", overwrite=True).__enter__()
        run.queue("config: 2\n", overwrite=True)  # of a sweep that has it on its list as well
        assert run.status.state == "running"
    assert not run.is_locked
    assert (run.path / "config.yaml").read_text() == "config: 1\n"


def test_a_dead_owner_s_run_is_interrupted_and_can_be_taken_over(tmp_path: Path) -> None:
    program = (
        "import os, signal; from pathlib import Path; from genbench.runs import Run; run = Run(Path('a'))\n"
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
    run.queue("second", overwrite=False)
    assert run.is_finished
    assert (run.path / "config.yaml").read_text() == "first"
    run.queue("third", overwrite=True)
    assert run.status.state == "queued"
    assert (run.path / "config.yaml").read_text() == "third"
    assert run.checkpoints == []


def test_an_unfinished_run_keeps_what_it_has(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for images in (64, 1000000000000, 128):
        with run.held("", overwrite=False), run.whole(f"checkpoints/{images:012}.ckpt") as temporary:
            temporary.write_text("")
    run.set_status("failed", "why")
    run.queue("", overwrite=False)
    assert run.status == Status("queued", run.status.when)
    assert [int(path.stem) for path in run.checkpoints] == [1000000000000, 128, 64]


def test_what_is_not_a_run_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    for run in (Run(tmp_path), Run(tmp_path / "letter.txt")):
        for overwrite in (False, True):
            with pytest.raises(UserError, match="is in the way and is not a run"):
                run.queue("", overwrite=overwrite)
    assert [p.name for p in tmp_path.iterdir()] == ["letter.txt"]
    killed_at_birth = tmp_path / "b"
    killed_at_birth.mkdir()
    (killed_at_birth / ".lock").touch()
    Run(killed_at_birth).queue("", overwrite=False)
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
