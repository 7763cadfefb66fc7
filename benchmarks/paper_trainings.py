"""python -m benchmarks.paper_trainings: the paper's four trainings, whole, and how close they come to the GPU's limit.

50 epochs of the GAN at batch 32 and 30 of the VAE at batch 128, on MNIST and Fashion-MNIST; the paper took 108 minutes
on its GPU. Then, for both models, images per second of genbench's training, of the same without a CUDA graph, and of
bare replays of the captured step. Writes benchmarks/results/paper-<device>.json and .md; samples, weights and scores
stay in runs/paper-trainings. Needs a CUDA GPU.
"""

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from benchmarks.contestants import bare_step, config, limited_to
from genbench.cli import compose
from genbench.data.batches import Batch
from genbench.data.datamodule import ImageDataModule
from genbench.device import choose_device
from genbench.models.weights import build
from genbench.runs.directory import Run
from genbench.runs.records import Key
from genbench.training import steps
from genbench.training.engine import fit

RESULTS = Path(__file__).parent / "results"
RUNS = "runs/paper-trainings"
WORDS = ["model=gan,vae", "data=mnist,fashion", "experiment=paper", "trainer=gpu", f"runs={RUNS}"]
BATCHES = {"gan": 32, "vae": 128}
REPLAYS = 2000


def main() -> None:
    """Train, score, measure, write, print."""
    if not torch.cuda.is_available():
        print("this machine has no CUDA GPU that PyTorch can use: nothing is measured", file=sys.stderr)
        sys.exit(2)
    start = time.monotonic()
    subprocess.run([sys.executable, "-m", "genbench.train", "-m", *WORDS], check=True)
    whole = time.monotonic() - start
    subprocess.run([sys.executable, "-m", "genbench.evaluate", f"runs={RUNS}"], check=True)
    configs = compose("train", ["-m", *WORDS]).configs
    device = choose_device(configs[0].trainer)
    result: dict[str, Any] = {
        "device": str(device),
        "torch": torch.__version__,
        "seconds_with_start_up_and_pictures": whole,
        "trainings": {run.path.name: summary(run) for run in (Run(config.directory) for config in configs)},
        "images_per_second": {model: speeds(model) for model in BATCHES},
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"paper-{re.sub(r'[^a-z0-9]+', '-', str(device).lower()).strip('-')}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(table(result), encoding="utf-8")
    print(table(result))


def summary(run: Run) -> dict[str, float]:
    """A training's cost and its scores in the classifier's features."""
    cost, card = run.summary(), run.scorecard()
    found = {name: float(getattr(cost, name)) for name in ("images_seen", "train_seconds", "peak_memory_bytes")}
    values = card.values()
    found |= {name: values[Key("classifier", name)].mean for name in ("fcd", "coverage")}
    return {**found, "evaluation_seconds": card.evaluation_seconds}


def speeds(model: str) -> dict[str, float]:
    """Images per second with the graph, without it, and of the graph alone: medians of three, in turns."""
    found: dict[str, list[float]] = {"genbench": [], "without a graph": [], "bare replays": []}
    trained(model, seconds=5)  # warms up
    for _ in range(3):
        graphed = trained(model, seconds=5)
        found["genbench"].append(graphed)
        eager_steps, steps.EAGER_STEPS = steps.EAGER_STEPS, 10**12  # never captured
        found["without a graph"].append(trained(model, seconds=5))
        steps.EAGER_STEPS = eager_steps
        found["bare replays"].append(replayed(model))
    return {name: statistics.median(values) for name, values in found.items()}


def trained(model: str, seconds: float) -> float:
    """Images per second of a training without its validation."""
    settings = limited_to(config(model, BATCHES[model]), seconds)
    images = ImageDataModule("mnist").data
    data = ImageDataModule(images, BATCHES[model])
    network = build(settings.model, images.shape)
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w", encoding="utf-8") as log:
        run = Run(Path(folder) / "run")
        run.path.mkdir()
        outcome = fit(network, data, settings, choose_device(settings.trainer), run, Console(file=log))
    return outcome.images_seen / (outcome.train_seconds - outcome.validation_seconds)


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


def table(result: dict[str, Any]) -> str:
    """The results as markdown."""
    lines = [
        f"{result['device']}; torch {result['torch']}. Written by `python -m benchmarks.paper_trainings`. The four "
        f"trainings one after the other, start-up and pictures included: "
        f"{result['seconds_with_start_up_and_pictures']:.0f} s.",
        "",
        "| training | images | seconds | peak memory | fcd | coverage | seconds of its scorecard |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, row in result["trainings"].items():
        memory = row["peak_memory_bytes"] / 1e9
        lines.append(
            f"| {name} | {row['images_seen']:,} | {row['train_seconds']:.1f} | {memory:.2f} GB | {row['fcd']:.2f} | "
            f"{row['coverage']:.3f} | {row['evaluation_seconds']:.1f} |"
        )
    lines += ["", "| images/s | genbench | without a graph | bare replays |", "| --- | ---: | ---: | ---: |"]
    for model, speed in result["images_per_second"].items():
        cells = [f"{value:,.0f} ({speed['genbench'] / value:.2f} x)" for value in speed.values()]
        lines.append(f"| {model}, batch {BATCHES[model]} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
