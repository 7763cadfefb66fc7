"""How many threads PyTorch gets where other processes keep cores busy.

It divides every loop among its threads and waits for the last of them: one that shares its core keeps all waiting.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "OMP_NUM_THREADS"  # read when PyTorch is imported, by processes that this one starts as well
_STAT = Path("/proc/stat")  # Linux; elsewhere nothing is known of others, and all cores are taken
# Seconds to look for: time is counted in hundredths. Cores that are free at the first are free: nothing waits for them.
_LOOKS = (0.1, 0.5)
_fitted = False


@dataclass(frozen=True)
class Look:
    """Seconds so far: by the clock, of this process, and of all processes on its cores; since whenever."""

    clock: float
    own: float
    all: float


def look() -> Look | None:
    """Now; None where the system does not tell. Processes that give way to others (nice) do not count."""
    try:
        allowed = {f"cpu{number}" for number in os.sched_getaffinity(0)}
        lines = [line.split() for line in _STAT.read_text(encoding="utf-8").splitlines()]
        # user, nice, system, idle, iowait, irq, softirq, steal
        ticks = sum(int(line[i]) for line in lines if line[0] in allowed for i in (1, 3, 6, 7, 8))
        return Look(time.monotonic(), time.process_time(), ticks / os.sysconf("SC_CLK_TCK"))
    except (AttributeError, OSError, ValueError, IndexError):
        return None


def threads_beside(first: Look, last: Look, cores: int) -> int:
    """Threads for a process, where others kept so much of the cores busy between two looks; at least one."""
    others = (last.all - first.all) - (last.own - first.own)
    return max(1, cores - round(others / max(last.clock - first.clock, 1e-9)))


def fit_threads(first: Look | None) -> str:
    """Leave busy cores to others, unless the variable says how many threads there are to be; what to say of it."""
    global _fitted
    if first is None or os.environ.get(VARIABLE):
        return ""
    cores = len(os.sched_getaffinity(0))
    for seconds in _LOOKS:
        time.sleep(max(0.0, first.clock + seconds - time.monotonic()))
        last = look()
        threads = cores if last is None else threads_beside(first, last, cores)
        if threads == cores:
            return ""
    _fitted = True
    os.environ[VARIABLE] = str(threads)
    return f"other processes are busy: {threads} of {cores} cores are taken ({VARIABLE}={cores} takes all)"


def give_back() -> None:
    """Have the processes that this one starts choose for themselves: several workers divide the cores."""
    if _fitted:
        os.environ.pop(VARIABLE, None)


def are_fitted() -> bool:
    """Whether this process has fewer threads than cores because of others, and not because it was told so."""
    return _fitted
