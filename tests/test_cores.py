"""Threads beside other processes."""

import os
from pathlib import Path

import pytest

from genbench import cores
from genbench.cores import Look, threads_beside

LINE = "cpu{} {} 400 {} 9000 9 0 0 0 0 0\n"  # a hundred ticks a second


@pytest.mark.parametrize(
    ("own", "busy", "threads"),
    [(1.0, 1.0, 4), (1.0, 1.9, 4), (1.0, 3.2, 3), (4.0, 8.0, 2), (1.0, 8.9, 1), (0.0, 30.0, 1)],
)
def test_a_process_leaves_to_others_what_they_keep_busy(own: float, busy: float, threads: int) -> None:
    assert threads_beside(Look(10.0, 1.0, 5.0), Look(12.0, 1.0 + own, 5.0 + busy), 4) == threads


def test_busy_is_what_was_worked_on_the_process_s_own_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  9 9 9 9 9 9 9 9 9 9\n" + "".join(LINE.format(i, 100 * i, 50) for i in range(4)))
    monkeypatch.setattr(cores, "_STAT", stat)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {1, 3})
    monkeypatch.setattr("os.sysconf", lambda _: 100)
    found = cores.look()
    assert found is not None
    assert found.all == 5.0  # of cores 1 and 3: 400 ticks of programs, 100 of the system; the nice ones give way
    stat.write_text("of another system")
    assert cores.look() is not None
    stat.unlink()
    assert cores.look() is None


def test_the_variable_is_the_user_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(cores, "_fitted", False)
    monkeypatch.setattr(cores, "look", lambda: Look(1.0, 0.5, 2.0))
    monkeypatch.setenv(cores.VARIABLE, "2")
    assert cores.fit_threads(Look(0.0, 0.0, 0.0)) == ""
    monkeypatch.delenv(cores.VARIABLE)
    assert cores.fit_threads(None) == ""
    assert not cores.are_fitted()
    assert cores.fit_threads(Look(0.0, 0.0, 0.0)) == (
        "other processes are busy: 1 of 2 cores are taken (OMP_NUM_THREADS=2 takes all)"
    )
    assert cores.are_fitted()


def test_free_cores_are_seen_at_the_first_look_and_busy_ones_looked_at_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command waited for a third of a second, whether there was anybody or not."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    monkeypatch.delenv(cores.VARIABLE, raising=False)
    clock = [10.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr("time.sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    busy = {10.1: 0.01, 10.5: 0.01}  # seconds of others by the clock
    monkeypatch.setattr(cores, "look", lambda: Look(clock[0], 0.0, busy[round(clock[0], 3)]))
    assert cores.fit_threads(Look(10.0, 0.0, 0.0)) == ""
    assert clock == [pytest.approx(10.1)]
    clock[0], busy[10.1] = 10.0, 0.1  # somebody ended
    assert cores.fit_threads(Look(10.0, 0.0, 0.0)) == ""
    assert clock == [pytest.approx(10.5)]


def test_a_launcher_s_workers_divide_the_cores_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight workers inherited six threads each, where two of eight cores were busy."""
    monkeypatch.setenv(cores.VARIABLE, "6")
    monkeypatch.setattr(cores, "_fitted", False)
    cores.give_back()
    assert os.environ[cores.VARIABLE] == "6"  # the user's
    monkeypatch.setattr(cores, "_fitted", True)
    cores.give_back()
    assert cores.VARIABLE not in os.environ
