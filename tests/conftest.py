"""Small runs that several tests look at."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Runs `python -m <words>` as a user would, in an empty folder."""
    folder = tmp_path_factory.mktemp("empty")

    def run(*words: str, cwd: Path = folder, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        words = (sys.executable, "-m", *words)
        return subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=540)

    return run


@pytest.fixture(scope="session")
def runs(command: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished smoke run of each model, trained by one sweep."""
    folder = tmp_path_factory.mktemp("runs")
    done = command("genbench.train", "-m", "model=gan,vae", "experiment=smoke", "trainer=cpu", f"runs={folder}")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder
