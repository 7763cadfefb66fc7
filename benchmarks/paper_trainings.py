"""python -m benchmarks.paper_trainings [--seconds S] [WORD ...]: the paper's trainings on a GPU, and its limit.

Images per second, of both models alone on the GPU: genbench's training, the same without a CUDA graph, bare replays of
the captured step, and a plain PyTorch loop. Then the trainings: 50 epochs of the GAN at batch 32 and 30 of the VAE at
batch 128, on MNIST and Fashion-MNIST (the paper took 108 minutes for one of each): these four at once, by the clock,
and then with four seeds and their scorecards, several at a time. The latter end after S seconds, whatever is finished;
words go to that sweep. Called again it goes on where it stopped; of trainings that are not here the results stay.

Writes benchmarks/results/paper-<device>.json and .md; the runs stay in runs/paper. Needs a CUDA GPU. Where the NVIDIA
driver has its multi-process service, trainings that share the GPU go through it.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from rich.console import Console

from benchmarks.contestants import Length, bare_step, config, limited_to, loop
from benchmarks.provenance import launcher_words
from genbench.cli import compose
from genbench.data.batches import Batch
from genbench.data.datamodule import ImageDataModule
from genbench.device import choose_device
from genbench.evaluation.protocol import PROTOCOL
from genbench.models.weights import build
from genbench.runs.directory import Run
from genbench.runs.records import Key
from genbench.training import steps
from genbench.training.engine import fit

RESULTS = Path(__file__).parent / "results"
RUNS = Path("runs/paper")
WORDS = [
    *("seed=range(4)", "model=gan,vae", "data=mnist,fashion", "experiment=paper", "evaluation=full"),
    *("hydra/launcher=shared_gpu", f"runs={RUNS}"),
]
FOUR = ["-m", "model=gan,vae", "data=mnist,fashion", "experiment=paper", "hydra/launcher=shared_gpu"]
SERVICE = "nvidia-cuda-mps-control"
BATCHES = {"gan": 32, "vae": 128}
REPLAYS = 1000
SECONDS = 2.0  # of a measurement of speed


def main() -> None:
    """Measure, train, score, write, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper_trainings")
    parser.add_argument("--seconds", type=float, default=None, help="after which the trainings end")
    arguments, words = parser.parse_known_args()
    launcher_words(words)
    if not torch.cuda.is_available():
        print("this machine has no CUDA GPU that PyTorch can use: nothing is measured", file=sys.stderr)
        sys.exit(2)
    RUNS.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", torch.cuda.get_device_name().lower())
    measured = {}
    for what, measure in {"speeds": lambda: {model: speeds(model) for model in BATCHES}, "four": four}.items():
        known = RUNS / f"{what}-{name}.json"
        if not known.exists():
            known.write_text(json.dumps(measure()), encoding="utf-8")
            print(known.read_text(encoding="utf-8"), flush=True)
        measured[what] = json.loads(known.read_text(encoding="utf-8"))
    with multi_process_service():
        sweep(words, arguments.seconds)
    configs = compose("train", ["-m", *WORDS]).configs
    device = choose_device(configs[0].trainer)
    path = RESULTS / f"paper-{re.sub(r'[^a-z0-9]+', '-', str(device).lower()).strip('-')}.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    kept = before["trainings"] if before.get("torch") == torch.__version__ else {}  # the page states one version
    runs = [Run(config.directory) for config in configs]
    result: dict[str, Any] = {
        "device": str(device),
        "torch": torch.__version__,
        "words": ["-m", *WORDS, *words],
        "trainings": kept | {run.path.name: summary(run) for run in runs if run.is_scored("full", PROTOCOL)},
        "images_per_second": measured["speeds"],
        "four": measured["four"],
    }
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(table(result), encoding="utf-8")
    print(table(result))


def four() -> dict[str, Any]:
    """The paper's four trainings at once: seconds from the command to its end, and of each."""
    with tempfile.TemporaryDirectory() as folder, multi_process_service() as served:
        words = [*FOUR, f"runs={folder}"]
        start = time.monotonic()
        subprocess.run([sys.executable, "-m", "genbench.train", *words], check=True)
        seconds = time.monotonic() - start
        runs = [Run(path.parent) for path in sorted(Path(folder).glob("*/summary.json"))]
        each = {run.path.name: run.summary().train_seconds for run in runs}
    return {"seconds": seconds, "each": each, "served": served}


@contextlib.contextmanager
def multi_process_service() -> Iterator[bool]:
    """NVIDIA's multi-process service, by which kernels of several processes run side by side; whether it is there."""
    if shutil.which(SERVICE) is None:
        yield False
        return
    with tempfile.TemporaryDirectory() as folder:
        told = {"CUDA_MPS_PIPE_DIRECTORY": folder, "CUDA_MPS_LOG_DIRECTORY": folder}
        with mock.patch.dict(os.environ, told):  # which the trainings, processes of their own, look at
            subprocess.run([SERVICE, "-d"], check=True)
            try:
                yield True
            finally:
                subprocess.run([SERVICE], input="quit\n", text=True, check=False)


def sweep(words: list[str], seconds: float | None) -> None:
    """The trainings, as many as the time allows: those that Ctrl-C ends go on from their last checkpoint."""
    with subprocess.Popen([sys.executable, "-m", "genbench.train", "-m", *WORDS, *words]) as process:
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            return
    if code:
        print(f"the sweep ended with {code}", file=sys.stderr)


def summary(run: Run) -> dict[str, float]:
    """A training's cost and its scores in the classifier's features."""
    cost, card = run.summary(), run.scorecard()
    found = {name: float(getattr(cost, name)) for name in ("images_seen", "train_seconds", "peak_memory_bytes")}
    values = card.values()
    found |= {name: values[Key("classifier", name)].mean for name in ("fcd", "coverage")}
    return {**found, "evaluation_seconds": card.evaluation_seconds}


def speeds(model: str) -> dict[str, float]:
    """Images per second, medians of three, in turns."""
    found: dict[str, list[float]] = {"genbench": [], "without a graph": [], "bare replays": [], "PyTorch loop": []}
    trained(model)  # warms up
    contest, _ = loop(model, BATCHES[model])
    contest(Length(seconds=1.0))
    for _ in range(3):
        graphed = trained(model)
        found["genbench"].append(graphed)
        eager_steps, steps.EAGER_STEPS = steps.EAGER_STEPS, 10**12  # never captured
        found["without a graph"].append(trained(model))
        steps.EAGER_STEPS = eager_steps
        found["bare replays"].append(replayed(model))
        images, seconds = contest(Length(seconds=SECONDS))
        found["PyTorch loop"].append(images / seconds)
    return {name: statistics.median(values) for name, values in found.items()}


def trained(model: str) -> float:
    """Images per second of a training; its validation is beside it."""
    settings = limited_to(config(model, BATCHES[model]), SECONDS)
    images = ImageDataModule("mnist").data
    data = ImageDataModule(images, BATCHES[model])
    network = build(settings.model, images.shape)
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w", encoding="utf-8") as log:
        run = Run(Path(folder) / "run")
        run.path.mkdir()
        outcome = fit(network, data, settings, choose_device(settings.trainer), run, Console(file=log))
    return outcome.images_seen / outcome.train_seconds


def replayed(model: str) -> float:
    """Images per second of the captured step, replayed and nothing else: the limit."""
    settings = config(model, BATCHES[model])
    images = ImageDataModule("mnist").data
    network = build(settings.model, images.shape).to("cuda", memory_format=torch.channels_last)
    step = bare_step(network)
    batch = Batch(images.train.images[: BATCHES[model]].to("cuda"))
    stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()  # type: ignore[no-untyped-call]
    precision = choose_device(settings.trainer).dtype
    with torch.autocast("cuda", torch.bfloat16, enabled=precision == torch.bfloat16):
        with torch.cuda.stream(stream):
            for _ in range(3):
                step(batch)
        torch.cuda.synchronize()
        with torch.cuda.graph(graph, stream=stream):
            step(batch)
    graph.replay()
    torch.cuda.synchronize()
    start = time.monotonic()
    for _ in range(REPLAYS):
        graph.replay()
    torch.cuda.synchronize()
    return REPLAYS * len(batch.images) / (time.monotonic() - start)


SPEEDS = {  # as they are headed
    "genbench": "genbench",
    "without a graph": "without a graph",
    "bare replays": "bare replays of the graph",
    "PyTorch loop": "PyTorch loop, DataLoader, float32",
}


def speed_table(result: dict[str, Any]) -> list[str]:
    """Images per second of each contestant, and by how much genbench is faster."""
    lines = [
        f"{result['device']}; torch {result['torch']}. Written by `python -m benchmarks.paper_trainings`.",
        "",
        "Alone on the GPU, medians of three.",
        "",
        f"| images/s | {' | '.join(SPEEDS.values())} |",
        f"| --- |{' ---: |' * len(SPEEDS)}",
    ]
    for model, speed in result["images_per_second"].items():
        ours = speed["genbench"]
        cells = [f"{speed[name]:,.0f} ({ours / speed[name]:.2f} x)" for name in SPEEDS]
        lines.append(f"| {model}, batch {BATCHES[model]} | " + " | ".join(cells) + " |")
    if together := result.get("four"):
        each = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in together["each"].items())
        how = " under NVIDIA's multi-process service" if together["served"] else ""
        lines += [
            "",
            f"`genbench train {' '.join(FOUR)}`, the four whole, side by side{how}: {together['seconds']:.0f} s from"
            f" the command to its end; training itself: {each}.",
        ]
    return lines


def table(result: dict[str, Any]) -> str:
    """The results as markdown."""
    lines = speed_table(result)
    lines += [
        "",
        f"`genbench train {' '.join(result['words'])}`: seconds beside others on the same GPU.",
        "",
        "| training | images | seconds | peak memory | fcd | coverage | seconds of its scorecard |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, row in result["trainings"].items():
        memory = row["peak_memory_bytes"] / 1e9
        lines.append(
            f"| {name} | {row['images_seen']:,.0f} | {row['train_seconds']:.1f} | {memory:.2f} GB | {row['fcd']:.2f} | "
            f"{row['coverage']:.3f} | {row['evaluation_seconds']:.1f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
