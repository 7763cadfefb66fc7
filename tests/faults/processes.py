"""Trainings as processes of their own, in which things go wrong; and what a row of faults found."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.warm import Started, warm

SAME = ("weights.safetensors", "metrics.csv", "samples.png")  # of which an interrupted run has the same bytes
SMOKE = ("experiment=smoke", "trainer=cpu", "trainer.validations=5", "logger=none")
TINY = ("experiment=smoke", "trainer=cpu", "trainer.max_images=64", "trainer.validations=1", "logger=none")


@dataclass(frozen=True)
class Finding:
    """What a row found."""

    tried: int
    failed: list[str]  # one line for each that did not do as it must
    note: str


Row = Callable[[Path, bool], Finding]


@dataclass(frozen=True)
class Done:
    """How a process ended."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line on stderr."""
        return (self.err.strip().splitlines() or [""])[-1]


def start(
    *words: str,
    verb: str = "train",
    cwd: Path | None = None,
    env: Mapping[str, str] = MappingProxyType({}),
    powerless: bool = False,
    act: str = "",
) -> Started:
    """Start a verb in a process group of its own, on one thread: a fork of a warm interpreter.

    Args:
        words: of the command line.
        verb: of genbench.
        cwd: where.
        env: on top of this process's own.
        powerless: the modes of files and folders hold for it, although this is root's process.
        act: Python to run before it.
    """
    line = (
        ["-c", f"{act}\nfrom genbench import cli\ncli.main({verb!r})", *words] if act else [f"genbench.{verb}", *words]
    )
    return warm().start(line, cwd or Path.cwd(), {**os.environ, "OMP_NUM_THREADS": "1", **env}, powerless)


def run(*words: str, **more: Any) -> Done:
    """Run a verb to its end; see `start`."""
    return ended(start(*words, **more))


def ended(process: Started) -> Done:
    """Wait for a process's end."""
    try:
        out, err = process.communicate(timeout=540)
        return Done(process.wait(), out, err)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def fresh(
    *words: str,
    verb: str = "train",
    cwd: Path | None = None,
    prefix: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> Done:
    """Run a verb to its end in a Python of its own, which reads all of its environment."""
    done = subprocess.run(
        [*prefix, sys.executable, "-m", f"genbench.{verb}", *words],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=540,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def content(directory: Path) -> dict[str, bytes]:
    """The bytes that must be the same."""
    frames = sorted((directory / "frames").iterdir())
    return {path.name: path.read_bytes() for path in (*(directory / name for name in SAME), *frames)}


def names_in(directory: Path) -> set[str]:
    """All files below a run's directory, but for logs that a time or a process has named."""
    found = (path.relative_to(directory) for path in directory.rglob("*") if not path.is_dir())
    return {str(path) for path in found if not path.name.startswith("events.out.")}


def one_run(runs: Path) -> Path:
    """The only run of a folder."""
    (path,) = (p for p in runs.iterdir() if not p.name.startswith("."))
    return path


def is_one_line(done: Done) -> bool:
    """True if a user's error was answered as it should be."""
    return done.code == 2 and "Traceback" not in done.err and done.last.startswith("genbench: ")


def descendants(pid: int) -> list[int]:
    found = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            for child in tasks.read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
