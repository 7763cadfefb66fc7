"""Numbers that are none, odd surroundings, and many trainings in one process."""

import shutil
from pathlib import Path
from typing import Any

from scipy.stats import theilslopes

from genbench.runs.directory import Run
from tests.faults.processes import (
    SMOKE,
    TINY,
    Finding,
    content,
    fresh,
    is_one_line,
    one_run,
    run,
)
from tests.small import small_digits


def not_a_number(folder: Path, long: bool) -> Finding:
    """A learning rate that makes the loss infinite."""
    failed = []
    done = run("model=vae", "model.learning_rate=1000", *SMOKE, *small_digits(folder), f"runs={folder / 'runs'}")
    path = Run(one_run(folder / "runs"))
    if not is_one_line(done) or "is not a finite number any more after" not in done.last:
        failed.append(f"exit code {done.code}, {done.last}")
    if path.status.state != "failed" or "images" not in path.status.why:
        failed.append(f"status {path.status}")
    if (path.path / "weights.safetensors").exists():
        failed.append("weights were written")
    return Finding(1, failed, done.last.removeprefix("genbench: "))


def surroundings(folder: Path, long: bool) -> Finding:
    """Clocks that jump, no home, a home that cannot be written, old locales, odd paths."""
    failed: list[str] = []
    tried = 0
    words = ("model=vae", *SMOKE, *small_digits(folder))
    assert run(*words, f"runs={folder / 'plain'}").code == 0
    whole = content(one_run(folder / "plain"))

    def works(what: str, runs: Path, anew: bool = True, **more: Any) -> None:
        nonlocal tried
        tried += 1
        done = (fresh if anew else run)(*words, f"runs='{runs}'", **more)
        if done.code != 0 or content(one_run(runs)) != whole:
            failed.append(f"{what}: exit code {done.code}, {done.last}")

    odd = "my runs größer 数"
    works("a path with spaces and Unicode", folder / odd, anew=False)
    works("no HOME", folder / "home", anew=long, env={"HOME": ""})
    works("a HOME that is not there", folder / "home2", anew=long, env={"HOME": "/nonexistent/home"})
    note = ""
    if clock := shutil.which("faketime"):
        if long:
            works("a clock two years behind", folder / "past", prefix=(clock, "-f", "-2y"))
        prefix: tuple[str, ...] = (clock, "-f", "+0 x1000")
    else:
        note, prefix = "no faketime here: clocks were not tried", ()
    letters = {"PYTHONIOENCODING": "ascii"}
    works(
        "a clock a thousand times too fast, letters that cannot be said", folder / odd / "2", prefix=prefix, env=letters
    )
    if long:
        works("no locale", folder / "c", env={"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", **letters})
    home = folder / "locked"
    home.mkdir(mode=0o555)
    works("a HOME that cannot be written", folder / "beside", anew=False, powerless=True, env={"HOME": str(home)})
    return Finding(tried, failed, note)


# Prints the memory in MiB before each training of a sweep in this process.
NOTING = """
import os
from genbench.verbs import train as verb
train = verb.train
def noting(*words):
    pages = int(open("/proc/self/statm").read().split()[1])
    print("memory", pages * os.sysconf("SC_PAGE_SIZE") / 2**20, flush=True)
    train(*words)
verb.train = noting
"""


def memory(folder: Path, long: bool) -> Finding:
    """Many trainings in one process: the memory before each."""
    jobs, early = (50, 10) if long else (12, 6)
    words = ("-m", "model=vae", *TINY, f"seed=range({jobs})", f"runs={folder}")
    done = run(*words, act=NOTING)
    sizes = [float(line.split()[1]) for line in done.out.splitlines() if line.startswith("memory ")]
    if done.code != 0 or len(sizes) != jobs:
        return Finding(jobs, [f"exit code {done.code}: {done.err[-300:]}"], "")
    growth = float(theilslopes(sizes[early:]).slope)  # a garbage collection more or less does not decide
    failed = [f"{growth:.2f} MiB a job"] if growth > 3.0 else []  # one leaves 5 MiB behind if nothing collects it
    note = f"{sizes[early]:.0f} MiB after {early}, {sizes[-1]:.0f} MiB after {jobs - 1}: {growth:.2f} MiB a job"
    return Finding(jobs, failed, note)
