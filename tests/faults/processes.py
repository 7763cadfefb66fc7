"""Trainings as processes of their own, in which things go wrong; and what a row of faults found."""

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from tests.warm import Interpreter

SAME = ("weights.safetensors", "metrics.csv", "samples.png")  # of which an interrupted run has the same bytes
SMOKE = ("experiment=smoke", "trainer=cpu", "trainer.validations=5", "logger=none")
NOBODY = 65534


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
    prefix: Sequence[str] = (),
    env: Mapping[str, str] = MappingProxyType({}),
) -> Any:
    """Start a verb in a process group of its own, on one thread."""
    return subprocess.Popen(
        [*prefix, sys.executable, "-m", f"genbench.{verb}", *words],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def run(*words: str, fresh: bool = False, **more: Any) -> Done:
    """Run a verb to its end: as a fork of a warm interpreter, unless it needs surroundings or a start of its own."""
    if not fresh and set(more) <= {"verb", "cwd"} and not torch.cuda.is_available():
        return _forked(words, more.get("verb", "train"), more.get("cwd"))
    process = start(*words, **more)
    try:
        out, err = process.communicate(timeout=540)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return Done(process.returncode, out, err)


_warm = threading.local()  # an interpreter for each thread: it does one thing at a time


def _forked(words: Sequence[str], verb: str, cwd: Path | None) -> Done:
    if not hasattr(_warm, "interpreter"):
        _warm.interpreter = Interpreter()
        atexit.register(_warm.interpreter.close)
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as streams:
        done = _warm.interpreter.run([f"genbench.{verb}", *words], cwd or Path.cwd(), env, Path(streams), timeout=540)
    return Done(done.returncode, done.stdout, done.stderr)


def content(directory: Path) -> dict[str, bytes]:
    """The bytes that must be the same."""
    return {name: (directory / name).read_bytes() for name in SAME}


def one_run(runs: Path) -> Path:
    """The only run of a folder."""
    (path,) = (p for p in runs.iterdir() if not p.name.startswith("."))
    return path


def is_one_line(done: Done) -> bool:
    """True if a user's error was answered as it should be."""
    return done.code == 2 and "Traceback" not in done.err and done.last.startswith("genbench: ")


def as_nobody(folder: Path) -> tuple[str, ...]:
    """Words before a command that take root's rights from it, and let it into a folder; none if that cannot be had."""
    words = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return ()
    for parent in (folder, *folder.parents):
        if parent.is_relative_to(tempfile.gettempdir()) and parent != Path(tempfile.gettempdir()):
            parent.chmod(parent.stat().st_mode | 0o005)
    done = subprocess.run([*words, sys.executable, "-c", "import genbench, torch"], capture_output=True, check=False)
    return () if done.returncode else words


def descendants(pid: int) -> list[int]:
    found = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in tasks.read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
