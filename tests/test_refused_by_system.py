"""What the system does not give a real process is one line and exit code 2: another user's files, memory, a port."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.conftest import Command
from tests.faults.processes import Done, run
from tests.reporting.synthetic import synthetic_run

TRAINING = ("model=vae", "data=optdigits", "trainer=cpu", "trainer.max_images=64", "trainer.validations=1")
NOBODY = "import os; os.setgid(65534); os.setuid(65534)"
LITTLE_MEMORY = """
import resource
most = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + {more}
resource.setrlimit(resource.RLIMIT_AS, (most, most))
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can be somebody else"),
    pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA does not outlive a fork"),
]


def refused(done: Done, *said: str) -> None:
    assert done.code == 2, done.out + done.err
    assert len(done.err.splitlines()) == 1, done.err
    assert all(text in done.err for text in said), done.err


@pytest.fixture(scope="module")
def roots() -> Iterator[Path]:
    """A folder that all may look into, with root's own runs and cache, and a place where all may write."""
    folder = Path(tempfile.mkdtemp())  # pytest's are closed to others
    folder.chmod(0o755)
    synthetic_run(folder / "runs", "vae", 0, weights=True).path.chmod(0o700)
    (folder / "cache").mkdir(mode=0o700)
    (folder / "work").mkdir()
    (folder / "work").chmod(0o777)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        ("sample", ["run={run}", "out=grid.png"]),
        ("evaluate", ["run={run}"]),
        ("export", ["run={run}", "format=safetensors"]),
        ("train", [*TRAINING, "runs={cache}"]),
        ("train", [*TRAINING, "evaluation=fast"]),
    ],
)
def test_what_belongs_to_another_user_is_named(verb: str, words: list[str], roots: Path) -> None:
    (path,) = (roots / "runs").iterdir()
    told = [word.format(run=path, cache=roots / "cache") for word in words]
    env = {"XDG_CACHE_HOME": str(roots / "cache")}
    done = run(*told, verb=verb, cwd=roots / "work", env=env, act=NOBODY)
    refused(done, "Permission denied", str(roots))
    assert list((roots / "work").rglob("status.json")) == []


def test_another_users_run_is_named_among_others(roots: Path) -> None:
    done = run(f"runs={roots / 'runs'}", verb="evaluate", cwd=roots / "work", act=NOBODY)
    assert done.code == 2
    assert "cannot be looked into (Permission denied): have its owner open it" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("more", [2**20, 2**24, 2**27])
def test_too_little_memory_is_one_line(more: int, tmp_path: Path) -> None:
    words = (*TRAINING, "data.batch_size=4096", "trainer.max_images=8192", f"runs={tmp_path}")
    refused(run(*words, cwd=tmp_path, act=LITTLE_MEMORY.format(more=more)), "there is not enough memory")


def test_a_port_that_is_taken_is_one_line(command: Command, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        words = ("model=vae", "data=optdigits", "trainer=ddp", "trainer.accelerator=cpu", "trainer.max_images=64")
        env = os.environ | {"MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
        done = command("genbench.train", *words, f"runs={tmp_path}", env=env, fresh=True)
    assert done.returncode == 2, done.stderr
    assert f"MASTER_PORT={port}: is taken" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
