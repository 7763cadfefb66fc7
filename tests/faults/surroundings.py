"""Numbers that are none, odd surroundings, and many trainings in one process."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from genbench.runs.directory import Run
from tests.faults.processes import SMOKE, Finding, as_nobody, content, is_one_line, one_run, run


def not_a_number(folder: Path, long: bool) -> Finding:
    """A learning rate that makes the loss infinite."""
    failed = []
    done = run("model=vae", "model.learning_rate=1000", *SMOKE, f"runs={folder}")
    path = Run(one_run(folder))
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
    assert run("model=vae", *SMOKE, f"runs={folder / 'plain'}").code == 0
    whole = content(one_run(folder / "plain"))

    def works(what: str, runs: Path, **more: Any) -> None:
        nonlocal tried
        tried += 1
        done = run("model=vae", *SMOKE, f"runs='{runs}'", **more)
        if done.code != 0 or content(one_run(runs)) != whole:
            failed.append(f"{what}: exit code {done.code}, {done.last}")

    works("a path with spaces and Unicode", folder / "my runs größer 数")
    works("no locale", folder / "c", env={"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"})
    works("no HOME", folder / "home", env={"HOME": ""})
    works("a HOME that is not there", folder / "home2", env={"HOME": "/nonexistent/home"})
    note = ""
    if shutil.which("faketime"):
        works("a clock two years behind", folder / "past", prefix=("faketime", "-f", "-2y"))
        works("a clock that runs a thousand times too fast", folder / "fast", prefix=("faketime", "-f", "+0 x1000"))
    else:
        note = "no faketime here: clocks were not tried"
    if prefix := as_nobody(folder):
        home = folder / "locked"
        home.mkdir(mode=0o555)
        writable = folder / "open"
        writable.mkdir()
        writable.chmod(0o777)
        works("a HOME that cannot be written", writable / "runs", prefix=prefix, env={"HOME": str(home)})
    note += "" if prefix else " no other user can be had here: a locked home was not tried"
    return Finding(tried, failed, note)


# Runs a sweep in this process and prints the memory in MiB before each training.
NOTING = """
import os
from genbench import cli
from genbench.verbs import train as verb
train = verb.train
def noting(config, console):
    pages = int(open("/proc/self/statm").read().split()[1])
    print("memory", pages * os.sysconf("SC_PAGE_SIZE") / 2**20, flush=True)
    train(config, console)
verb.train = noting
cli.main("train")
"""


def memory(folder: Path, long: bool) -> Finding:
    """Many trainings in one process: the memory before each."""
    jobs, early = (50, 10) if long else (12, 6)
    words = ["-m", "model=vae", "trainer.max_images=64", *SMOKE, f"seed=range({jobs})", f"runs={folder}"]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", NOTING, *words]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=580)
    sizes = [float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("memory ")]
    failed = (
        [] if done.returncode == 0 and len(sizes) == jobs else [f"exit code {done.returncode}: {done.stderr[-300:]}"]
    )
    if failed:
        return Finding(jobs, failed, "")
    growth = (sizes[-1] - sizes[early]) / (jobs - early)
    if growth > 3.0:  # one training leaves 5 MiB behind if nothing collects it
        failed.append(f"{growth:.2f} MiB a job")
    note = f"{sizes[early]:.0f} MiB after {early}, {sizes[-1]:.0f} MiB after {jobs - 1}: {growth:.2f} MiB a job"
    return Finding(jobs, failed, note)
