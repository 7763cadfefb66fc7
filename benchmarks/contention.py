"""python -m benchmarks.contention: trainings beside busy processes, as many threads as cores and as genbench chooses.

Writes docs/contention.md; five minutes in which the machine should do nothing else.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from benchmarks.by_machine import write_section
from genbench.cores import VARIABLE
from genbench.device import processor_name

PAGE = Path(__file__).resolve().parents[1] / "docs" / "contention.md"
MODELS, BUSY, SECONDS = ("gan", "vae"), (0, 1, 2), 15
HEAD = (
    "# Beside busy processes",
    "",
    "Written by `python -m benchmarks.contention`, a machine at a time. `genbench train model=... data=mnist` for"
    f" {SECONDS} seconds, once each, batches of 64, beside processes that count; images a second with {VARIABLE} the"
    " number of cores, and with as many threads as genbench chooses.",
)


def main() -> None:
    """Train, write, print."""
    cores = len(os.sched_getaffinity(0))
    lines = [
        f"| model | busy processes | {cores} threads | chosen | |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for model in MODELS:
        for busy in BUSY:
            with counting(busy):
                told, fitted = (speed(model, threads) for threads in (str(cores), None))
            lines.append(f"| {model} | {busy} | {told:,.0f} | {fitted:,.0f} | {fitted / told:.2f} x |")
            print(lines[-1], flush=True)
    print(write_section(PAGE, HEAD, f"{processor_name()}, {cores} cores, torch {torch.__version__}", lines))


@contextmanager
def counting(processes: int) -> Iterator[None]:
    """So many processes that never rest."""
    started = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    time.sleep(1.0)
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def speed(model: str, threads: str | None) -> float:
    """Images a second of a training."""
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    if threads is not None:
        environment[VARIABLE] = threads
    with tempfile.TemporaryDirectory() as folder:
        words = [
            f"model={model}",
            "data=mnist",
            "trainer=cpu",
            f"trainer.max_minutes={SECONDS / 60}",
            *("trainer.validations=1", "logger=none", f"runs={folder}"),
        ]
        command = [sys.executable, "-m", "genbench.train", *words]
        done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command[1:])} ended:\n{done.stderr[-2000:]}")
        (summary,) = Path(folder).glob("*/summary.json")
        found: float = json.loads(summary.read_text(encoding="utf-8"))["images_per_second"]
        return found


if __name__ == "__main__":
    main()
