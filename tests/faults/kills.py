"""Trainings that are killed, alone and in sweeps."""

import os
import random
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from genbench.runs.directory import Run
from tests.faults.processes import SMOKE, Finding, command_of, content, descendants, one_run, run, start


def kills(folder: Path, long: bool) -> Finding:
    """SIGKILL at random moments, then the same command."""
    wanted = 50 if long else 3  # of each model
    with ThreadPoolExecutor(2) as both:
        found = list(both.map(lambda model: _kills_of(folder, model, wanted), ("gan", "vae")))
    killed = sum(a for a, _, _, _ in found)
    runs = sum(b for _, b, _, _ in found)
    resumed = sum(d for _, _, _, d in found)
    return Finding(
        killed,
        [line for _, _, lines, _ in found for line in lines],
        f"{runs} runs, GAN and VAE, killed once to four times each; {resumed} of the starts went on from a checkpoint",
    )


def _kills_of(folder: Path, model: str, wanted: int) -> tuple[int, int, list[str], int]:
    began = time.monotonic()
    assert run(f"model={model}", *SMOKE, f"runs={folder / model}", fresh=True).code == 0
    lasts = time.monotonic() - began
    whole = content(one_run(folder / model))
    moments = random.Random(0)
    killed = runs = resumed = 0
    failed = []
    while killed < wanted:
        runs += 1
        where = folder / f"{model}-{runs}"
        for _ in range(min(moments.randint(1, 4), wanted - killed)):
            process = start(f"model={model}", *SMOKE, f"runs={where}")
            try:
                # Most of a life is imports, which can lose nothing: one kill in four falls there.
                early = moments.random() < 0.25
                out, _ = process.communicate(timeout=moments.uniform(0 if early else 0.35, 1) * lasts)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                out, _ = process.communicate()
                killed += 1
            resumed += "goes on" in out
        done = run(f"model={model}", *SMOKE, f"runs={where}")
        resumed += "goes on" in done.out
        if done.code != 0:
            failed.append(f"{model} {runs}: exit code {done.code}, {done.last}")
        elif content(one_run(where)) != whole:
            failed.append(f"{model} {runs}: other bytes")
        elif list(one_run(where).rglob(".[0-9]*.*")):
            failed.append(f"{model} {runs}: half-written files were left")
        shutil.rmtree(where)
    return killed, runs, failed, resumed


def sweep(folder: Path, long: bool) -> Finding:
    """A sweep of which some configs are poisoned, while workers are killed."""
    good, bad, wanted = (19, 5, 3) if long else (4, 2, 1)
    words = ("-m", "model=vae", *SMOKE, "hydra/launcher=cores")
    rates = [f"{0.001 + 0.0001 * i:.4f}" for i in range(good)]
    poison = [str(1000 - i) for i in range(bad)]  # these make the loss infinite within a few steps
    alone = run(*words, f"model.learning_rate={','.join(rates)}", f"runs={folder / 'whole'}", fresh=True)
    assert alone.code == 0, alone.err
    mixed = [*rates, *poison]
    random.Random(0).shuffle(mixed)
    process = start(*words, f"model.learning_rate={','.join(mixed)}", f"runs={folder / 'sweep'}")
    moments = random.Random(0)
    killed = 0
    with ThreadPoolExecutor(1) as reader:
        said = reader.submit(process.communicate)  # a full pipe would stop it
        while killed < wanted and not said.done():
            while not list(folder.glob("sweep/*/checkpoints/*.ckpt")) and not said.done():
                time.sleep(0.05)
            time.sleep(moments.uniform(0, 1) if killed == 0 else moments.uniform(5, 9))
            workers = [pid for pid in descendants(process.pid) if "LokyProcess" in command_of(pid)]
            if workers:
                os.kill(moments.choice(workers), signal.SIGKILL)
                killed += 1
        out, err = said.result(timeout=900)
    failed = [] if process.returncode == 1 else [f"exit code {process.returncode}: {err[-300:]}"]
    if killed < wanted:
        failed.append(f"only {killed} of {wanted} kills")
    for path in (folder / "whole").glob("optdigits-*"):
        again = folder / "sweep" / path.name
        if not Run(again).is_finished or content(again) != content(path):
            failed.append(f"{path.name}: {Run(again).status.state}, or other bytes")
    table = " ".join(out.split())
    states = [Run(path) for path in (folder / "sweep").glob("optdigits-*")]
    lost = [path for path in states if path.status.state == "failed" and str(path.path.name) in table]
    if len(lost) != bad or any("is not a finite number" not in path.status.why for path in lost):
        failed.append(f"{len(lost)} of {bad} poisoned runs were reported")
    return Finding(good + bad, failed, f"{good} finished with the same bytes, {len(lost)} reported, {killed} kills")
