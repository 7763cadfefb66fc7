"""status.json tells how a training went, and train.log what was said."""

import errno
import logging
import re
import shutil
import warnings
from pathlib import Path

import pytest
import torch

from genbench.device import Device
from genbench.errors import UserError
from genbench.interruption import Interrupted
from genbench.runs.directory import Run
from genbench.training import run_log
from genbench.training.run_log import environment, log_file, recorded


def said(run: Run) -> str:
    return (run.path / "train.log").read_text(encoding="utf-8")


@pytest.mark.filterwarnings("default::UserWarning")
def test_a_training_that_ends_well(tmp_path: Path) -> None:
    run = Run(tmp_path)
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level
    with recorded(run):
        assert (tmp_path / "status.json").is_file()
        logging.getLogger("anybody").info("a word")
        warnings.warn("a warning", UserWarning, stacklevel=1)
    assert run.status.state == "finished"
    assert "INFO anybody: a word" in said(run)
    assert "a warning" in said(run)
    assert (logging.getLogger().handlers, logging.getLogger().level) == (handlers, level)


@pytest.mark.parametrize(
    ("error", "state", "why"),
    [
        (UserError("do this instead"), "failed", "do this instead"),
        (RuntimeError("one line\nand another"), "failed", "RuntimeError: one line"),
        (ValueError(), "failed", "ValueError: "),
        (Interrupted(15), "interrupted", "SIGTERM"),
    ],
)
def test_one_that_does_not_says_why(error: BaseException, state: str, why: str, tmp_path: Path) -> None:
    run = Run(tmp_path)
    with pytest.raises(type(error)), recorded(run):
        raise error
    assert (run.status.state, run.status.why) == (state, why)
    assert ("Traceback" in said(run)) == (state == "failed")


def test_a_full_disk_is_the_users_to_mend(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with pytest.raises(UserError, match="no space left: free some, and give the same command again"), recorded(run):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert run.status.why == "no space left on the disk"


def test_no_log_is_left_in_a_directory_that_came_into_the_runs_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the directory and the opening of the file there is a moment."""
    opened = run_log._LogFile._open

    def late(handler: logging.FileHandler) -> object:
        run.path.rename(tmp_path / "away")
        run.path.mkdir()
        return opened(handler)

    monkeypatch.setattr(run_log._LogFile, "_open", late)
    with Run(tmp_path / "run").held("seed: 0\n", overwrite=False) as run:
        before = list(logging.getLogger().handlers)
        with pytest.raises(UserError, match="was moved or deleted"), recorded(run):
            pytest.fail("it trains")
        assert list(run.path.iterdir()) == []
        assert logging.getLogger().handlers == before


def test_the_environment_is_that_of_this_process() -> None:
    found = environment(Device("cpu", "float32", "an abacus"))
    assert (found.accelerator, found.precision, found.device) == ("cpu", "float32", "an abacus")
    assert (
        found.packages["torch"] == torch.__version__.partition("+")[0] or found.packages["torch"] == torch.__version__
    )
    assert found.threads == torch.get_num_threads()


@pytest.mark.parametrize("deleted", [False, True])
def test_a_directory_that_goes_just_before_its_log_is_opened_is_said(deleted: bool, tmp_path: Path) -> None:
    """It was a traceback: the file could not be found."""
    run = Run(tmp_path / "run")
    with run.held("", overwrite=False) as own:
        shutil.rmtree(run.path) if deleted else run.path.rename(tmp_path / "away")
        with (
            pytest.raises(UserError, match=re.escape(str(run.path))),
            log_file(own, logging.getLogger("gone")),
        ):
            pass
    assert not run.path.exists()
