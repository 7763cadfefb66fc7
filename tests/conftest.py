"""Small runs that several tests look at."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.warm import forget_the_disk, warm

Command = Callable[..., subprocess.CompletedProcess[str]]

# Tests run side by side, and how many threads a command takes must not depend on what else is busy.
os.environ.setdefault("OMP_NUM_THREADS", "1")
forget_the_disk()
# A shell's background job ignores Ctrl-C, and so would all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Runs `python -m <words>` as a user would, in an empty folder; with fresh=True in a Python of its own."""
    folder = tmp_path_factory.mktemp("empty")

    def run(
        *words: str, cwd: Path = folder, env: dict[str, str] | None = None, fresh: bool = False
    ) -> subprocess.CompletedProcess[str]:
        import torch

        if fresh or torch.cuda.is_available():  # CUDA does not outlive a fork
            words = (sys.executable, "-m", *words)
            return subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=540)
        return warm().run(words, cwd, os.environ if env is None else env, timeout=540)

    return run


@pytest.fixture(scope="session")
def runs(command: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished smoke run of each model, trained by one sweep."""
    folder = tmp_path_factory.mktemp("runs")
    done = command("genbench.train", "-m", "model=gan,vae", "experiment=smoke", "trainer=cpu", f"runs={folder}")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session", autouse=True)
def _pictures_by_a_fork() -> Iterator[None]:
    """The process that draws a page's pictures need not import PyTorch each time; that of a `fresh` command does."""
    from genbench.reporting import galleries

    class Forks:
        PIPE = subprocess.PIPE

        @staticmethod
        def run(words: list[str], env: dict[str, str], **_: Any) -> subprocess.CompletedProcess[str]:
            python, option, *rest = words
            assert (python, option, rest[0]) == (sys.executable, "-P", "-c")
            rest[1] = f"import sys\nsys.path[:] = {sys.path!r}\n{rest[1]}"
            return warm().run(rest, Path.cwd(), env, timeout=540)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(galleries, "subprocess", Forks)
        yield


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real one, for tests of pages."""
    from tests.browsing import launched

    with launched() as found:
        yield found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: the other workers go on with the quick ones beside them."""
    seconds: Counter[Path] = Counter()
    for item in items:
        marker = item.get_closest_marker("slow")
        if marker is not None:
            seconds[item.path] += marker.args[0] if marker.args else 5
    items.sort(key=lambda item: -seconds[item.path])
