"""Memory is kept where it can be, and a user's word counts."""

import ctypes
import os
import subprocess
import sys

import pytest

from genbench import memory

NAMES = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
FAULTS = """import resource
from genbench import memory
memory.settle()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def step():
    return [b"x" * size for size in range(20_000_000, 24_000_000, 1_000_000)]
step()
before = faults()
for _ in range(10):
    step()
print(faults() - before)"""


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in (*NAMES, "THP_MEM_ALLOC_ENABLE", "GLIBC_TUNABLES"):
        monkeypatch.setenv(name, "")  # so that it is as before afterwards
        monkeypatch.delenv(name)
    return monkeypatch


class Library:
    """A C library that has limits."""

    def __init__(self) -> None:
        self.limits: dict[int, int] = {}

    def mallopt(self, limit: int, size: int) -> int:
        self.limits[limit] = size
        return 1


def test_limits_are_those_of_this_process_and_of_those_that_it_starts(plain: pytest.MonkeyPatch) -> None:
    library = Library()
    plain.setattr(ctypes, "CDLL", lambda _: library)
    memory.settle()
    assert library.limits == {-3: 32 * 2**20, -1: 256 * 2**20}
    assert [os.environ[name] for name in NAMES] == [str(32 * 2**20), str(256 * 2**20)]


@pytest.mark.parametrize("set_by_user", [None, NAMES[1], "GLIBC_TUNABLES"])
def test_nothing_is_set_where_there_are_no_limits_or_the_user_has_set_some(
    set_by_user: str | None, plain: pytest.MonkeyPatch
) -> None:
    library = Library()
    plain.setattr(ctypes, "CDLL", lambda _: library if set_by_user else object())
    if set_by_user:
        plain.setenv(set_by_user, "1000")
    memory.settle()
    assert library.limits == {}
    assert [name for name in NAMES if name in os.environ] == [name for name in NAMES if name == set_by_user]


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="not GNU's C library")
def test_a_block_that_was_freed_is_not_made_of_new_pages(plain: pytest.MonkeyPatch) -> None:
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100  # 165,000 otherwise
