"""Run directories that are moved, deleted or taken by another process while they train."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from genbench.runs.directory import Run
from tests.faults.processes import SMOKE, Done, Finding, content, is_one_line, one_run, run, start
from tests.warm import Started

WORDS = ("model=vae", *SMOKE, "trainer.max_images=20000", "trainer.validations=20")


def directories(folder: Path, long: bool) -> Finding:
    """A run directory that is moved, deleted or made anew by another process while it trains."""
    failed = []
    tried: dict[str, Callable[[Path], None]] = {"moved": _move}
    tried |= {"deleted": _delete, "made anew": _make_anew} if long else {}
    for what, happens in tried.items():
        runs = folder / what.replace(" ", "-")
        process = start(*WORDS, f"runs={runs}")
        _wait(process, runs)
        place = one_run(runs)
        happens(place)
        out, err = process.communicate(timeout=300)
        done = Done(process.returncode or 0, out, err)
        if not (is_one_line(done) and "was moved or deleted" in done.last):
            failed.append(f"{what}: exit code {done.code}, {done.last}")
        if place.exists() and happens is not _make_anew:
            failed.append(f"{what}: it was made again")
    if long:
        assert run(*WORDS, f"runs={folder / 'whole'}").code == 0
        whole = content(one_run(folder / "whole"))
        moved = folder / "moved"
        moved.with_name("moved-away").rename(moved / one_run(folder / "whole").name)
        if run(*WORDS, f"runs={moved}").code != 0 or content(one_run(moved)) != whole:
            failed.append("moved back: it does not go on to the same bytes")
        if content(one_run(folder / "made-anew")) != whole:
            failed.append("made anew: the other process has come to other bytes")
    return Finding(len(tried), failed, ", ".join(tried))


def _wait(process: Started, runs: Path) -> None:
    """Until there is a checkpoint."""
    while not list(runs.glob("*/checkpoints/*.ckpt")) and process.poll() is None:
        time.sleep(0.05)


def _move(place: Path) -> None:
    place.rename(place.parent.with_name(f"{place.parent.name}-away"))


def _delete(place: Path) -> None:
    shutil.rmtree(place)


def _make_anew(place: Path) -> None:
    """Stopped while it is moved and another begins in its place, so that it finds that already there."""
    pid = int(Run(place).status.why.split()[1])  # "process 12 on host"
    os.kill(pid, signal.SIGSTOP)
    _move(place)
    other = run(*WORDS, f"runs={place.parent}")
    os.kill(pid, signal.SIGCONT)
    assert other.code == 0, other.err
