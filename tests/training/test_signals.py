"""Whatever is told to end does so within seconds, with all that it started, and can go on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genbench.config.train import TrainerConfig
from genbench.interruption import Interrupted, on_signals, while_wanted
from genbench.runs.directory import Run
from genbench.training import budget
from genbench.training.budget import Budget
from tests.faults.processes import command_of, descendants, start
from tests.runs.example import runs_in
from tests.small import small_digits

LONG = ("-m", "model=vae", "trainer=cpu", "trainer.max_images=100000000", "logger=none")
# Interrupts itself, as a person would, where a module is imported.
INTERRUPTED = """
import os, signal, sys
module = sys.argv.pop(1)
class Finder:
    def find_spec(self, name, *others):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from genbench.start import main
main()
"""


def test_what_is_ignored_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with on_signals():
            os.kill(os.getpid(), signal.SIGHUP)
        with pytest.raises(Interrupted, match="SIGINT"), on_signals():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_worker_hears_what_it_works_for_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genbench.interruption.LOOK_SECONDS", 0.01)
    with while_wanted(lambda: True):
        os.kill(os.getpid(), signal.SIGINT)  # the terminal told all
    with pytest.raises(Interrupted, match="SIGTERM"), while_wanted(lambda: False):
        time.sleep(5)


def test_several_signals_at_once_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    about = {"accelerator": "cpu", "precision": "float32", "max_epochs": 1.0, "max_images": None, "max_minutes": None}
    config = TrainerConfig.model_validate({**about, "ema_decay": 0.0, "validations": 1, "log_every_images": 1})
    listening = Budget(config, 10, 1)
    listening._on_signal(15)
    listening._on_signal(15)
    assert listening.signal == 15
    monkeypatch.setattr(budget, "ONE_SIGNAL", -1.0)
    with pytest.raises(Interrupted):
        listening._on_signal(15)


@pytest.mark.slow
def test_a_sweep_on_cores_takes_its_workers_with_it(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    process = start(*LONG, *small_digits(tmp_path), "seed=0,1,2", "hydra/launcher=cores", f"runs={runs}")
    workers: list[int] = []
    try:
        deadline = time.monotonic() + 120
        while not any(run.status.state == "running" for run in runs_in(runs)) and time.monotonic() < deadline:
            time.sleep(0.2)
        workers = [pid for pid in descendants(process.pid) if "LokyProcess" in command_of(pid)]
        process.terminate()  # it alone
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        left = [pid for pid in workers if "LokyProcess" in command_of(pid)]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
    assert workers
    assert (process.returncode, left, "Traceback" in err) == (143, [], False), out + err
    found = runs_in(runs)
    assert not any(run.is_locked for run in found)
    assert {run.status.state for run in found} == {"interrupted", "queued"}
    (some, *_) = (run for run in found if run.status.state == "interrupted")
    assert some.status.why == "SIGTERM"


@pytest.mark.slow
def test_processes_that_share_a_training_end_with_the_first(tmp_path: Path) -> None:
    words = (*LONG[1:], "trainer=ddp", "trainer.accelerator=cpu", "trainer.precision=float32", *small_digits(tmp_path))
    process = start(*words, f"runs={tmp_path / 'runs'}")
    others: list[int] = []
    deadline = time.monotonic() + 120
    while not (others := descendants(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.2)
    process.kill()  # it alone, while the other imports
    process.communicate()
    assert others
    deadline = time.monotonic() + 60
    while any("ddp" in command_of(pid) for pid in others) and time.monotonic() < deadline:
        time.sleep(0.2)
    left = [pid for pid in others if "ddp" in command_of(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []
    assert Run(next((tmp_path / "runs").iterdir())).status.state == "interrupted"


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("hydra", ["--help"]),
        pytest.param("lightning", ["model=vae", "data=optdigits", "trainer=cpu"], marks=pytest.mark.slow),
    ],
)
def test_ctrl_c_while_importing_is_one_line(module: str, words: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-c", INTERRUPTED, module, "train", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.startswith("genbench: interrupted by SIGINT")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_training_goes_on_when_nobody_reads_any_more(tmp_path: Path) -> None:
    words = "model=vae data=optdigits trainer=cpu trainer.max_images=64 trainer.validations=1"
    command = f"{sys.executable} -m genbench.train {words} runs={tmp_path} 2>&1 | head -c 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert Run(next(tmp_path.iterdir())).is_finished


@pytest.mark.slow
def test_what_only_says_something_ends_quietly() -> None:
    script = f"{sys.executable} -m genbench train --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert int(done.stdout) in (0, 141)  # that of a program that the pipe's end ends
