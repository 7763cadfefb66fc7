"""Trainings that are killed, alone and in sweeps."""

import os
import random
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from genbench.runs.directory import Run
from tests.faults.processes import (
    SMOKE,
    Done,
    Finding,
    command_of,
    content,
    descendants,
    ended,
    names_in,
    one_run,
    run,
    start,
)
from tests.small import small_digits

SHORT = (*SMOKE, "trainer.max_images=320", "trainer.log_every_images=32")  # ten steps, a checkpoint after every second
MOST_KILLS = 12  # of one run
# Kills the process before it opens, renames or removes a file of the run for the so-and-so-manieth time.
AT_A_FILE = """
import os, signal, sys
left = {number}
def watch(event, about):
    global left
    if event in ("open", "os.rename", "os.remove", "os.mkdir") and str(about[0]).startswith({runs!r}):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
"""
SAYING = "import atexit; atexit.register(lambda: print('left', left))"


def kills(folder: Path, long: bool) -> Finding:
    """SIGKILL at random moments and before random openings, renamings and removals of files, then the same command."""
    found = _Kills(folder, small_digits(folder))
    for model in ("gan", "vae"):
        found.of(model, 500 if long else 6)
    note = (
        f"{found.runs} runs, GAN and VAE, each killed up to {MOST_KILLS} times, {found.planted} of the kills before a "
        f"file was touched; {found.resumed} of the starts went on from a checkpoint"
    )
    return Finding(found.killed, found.failed, note)


@dataclass
class _Kills:
    folder: Path
    digits: tuple[str, str]
    moments: random.Random = field(default_factory=lambda: random.Random(0))
    killed: int = 0
    planted: int = 0
    runs: int = 0
    resumed: int = 0
    failed: list[str] = field(default_factory=list)

    def of(self, model: str, wanted: int) -> None:
        """Kill a model's trainings so many times."""
        words = (f"model={model}", *SHORT, *self.digits)
        whole = self.folder / model
        lasts, touched = self._undisturbed(whole, words)
        until = self.killed + wanted
        while self.killed < until:
            self.runs += 1
            where = self.folder / f"{model}-{self.runs}"
            for _ in range(min(self.moments.randint(1, MOST_KILLS), until - self.killed)):
                if not self._kill(where, words, lasts, touched):
                    break  # it came to its end
            done = run(*words, f"runs={where}")
            self.resumed += "goes on" in done.out
            wrong = _differs(done, where, whole)
            self.failed += [f"{where.name}: {wrong}"] if wrong else []
            shutil.rmtree(where)

    def _undisturbed(self, where: Path, words: tuple[str, ...]) -> tuple[float, int]:
        """How many seconds a training takes, and how many files it touches."""
        act = (
            AT_A_FILE.format(number=0, runs=str(where)) + "import atexit; atexit.register(lambda: print('left', left))"
        )
        done = run(*words, f"runs={where}", act=act)
        assert done.code == 0, done.err
        touched = -int(done.out.rpartition("left ")[2])
        began = time.monotonic()
        assert run(*words, f"runs={where.with_name('again')}").code == 0
        assert content(one_run(where)) == content(one_run(where.with_name("again")))
        shutil.rmtree(where.with_name("again"))
        return time.monotonic() - began, touched

    def _kill(self, where: Path, words: tuple[str, ...], lasts: float, touched: int) -> bool:
        """Start it, and kill it unless it is over before."""
        planted = self.moments.random() < 0.5
        act = AT_A_FILE.format(number=self.moments.randint(1, touched), runs=str(where)) if planted else ""
        process = start(*words, f"runs={where}", act=act)
        try:
            process.communicate(timeout=60 if planted else self.moments.uniform(0, lasts))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        out, _ = process.communicate()
        self.resumed += "goes on" in out
        was = process.wait() == -signal.SIGKILL
        self.killed += was
        self.planted += was and planted
        return was


def _differs(done: Done, where: Path, whole: Path) -> str:
    """In what a run that was killed is another than one that was not."""
    if done.code != 0:
        return f"exit code {done.code}, {done.last}"
    if content(one_run(where)) != content(one_run(whole)):
        return "other bytes"
    there, here = names_in(one_run(where)), names_in(one_run(whole))
    return "" if there == here else f"other files: {', '.join(sorted(there ^ here))}"


def sweep(folder: Path, long: bool) -> Finding:
    """A sweep of which some configs are poisoned, while workers are killed."""
    good, bad, wanted = (19, 5, 3) if long else (3, 1, 1)
    digits = small_digits(folder)
    words = ("-m", "model=vae", *SMOKE, *digits)
    rates = [f"{0.001 + 0.0001 * i:.4f}" for i in range(good)]
    poison = [str(1000 - i) for i in range(bad)]  # these make the loss infinite within a few steps
    alone = run(*words, f"model.learning_rate={','.join(rates)}", f"runs={folder / 'whole'}")
    assert alone.code == 0, alone.err
    mixed = [*rates, *poison]
    random.Random(0).shuffle(mixed)
    process = start(
        *words, "hydra/launcher=cores", f"model.learning_rate={','.join(mixed)}", f"runs={folder / 'sweep'}"
    )
    moments = random.Random(0)
    killed = 0
    while killed < wanted and process.poll() is None:
        while not list(folder.glob("sweep/*/checkpoints/*.ckpt")) and process.poll() is None:
            time.sleep(0.05)
        time.sleep(moments.uniform(0, 1) if killed == 0 else moments.uniform(5, 9))
        workers = [pid for pid in descendants(process.pid) if "LokyProcess" in command_of(pid)]
        if workers:
            os.kill(moments.choice(workers), signal.SIGKILL)
            killed += 1
    done = ended(process)
    failed = [] if done.code == 1 else [f"exit code {done.code}: {done.err[-300:]}"]
    if killed < wanted:
        failed.append(f"only {killed} of {wanted} kills")
    whole = [path for path in (folder / "whole").iterdir() if not path.name.startswith(".")]
    for path in whole:
        again = folder / "sweep" / path.name
        if not Run(again).is_finished or content(again) != content(path):
            failed.append(f"{path.name}: {Run(again).status.state}, or other bytes")
    table = " ".join(done.out.split())
    states = [Run(path) for path in (folder / "sweep").iterdir() if not path.name.startswith(".")]
    lost = [path for path in states if path.status.state == "failed" and str(path.path.name) in table]
    if len(lost) != bad or any("is not a finite number" not in path.status.why for path in lost):
        failed.append(f"{len(lost)} of {bad} poisoned runs were reported")
    note = f"{len(whole)} finished with the same bytes, {len(lost)} reported, {killed} kills"
    return Finding(good + bad, failed, note)
