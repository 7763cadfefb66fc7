"""python -m benchmarks.profile: where the time of a training goes, in percent. Writes docs/speed.md.

Before: the plain PyTorch loop with its DataLoader. After: genbench. Batches of 128 images of MNIST, on the CPU.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import torch
from rich.console import Console
from torch import Tensor
from torch.optim import Adam
from torch.profiler import ProfilerActivity, profile

from benchmarks.by_machine import write_section
from benchmarks.contestants import bare_step, config, endless, gan_step, limited_to, loader, plain, vae_loss
from genbench import memory
from genbench.data.batches import Batch
from genbench.data.datamodule import ImageDataModule, Stream
from genbench.device import choose_device
from genbench.models.gan import DCGAN
from genbench.models.vae import VAE
from genbench.models.weights import build
from genbench.runs.directory import Run
from genbench.training.engine import fit

PAGE = Path(__file__).resolve().parents[1] / "docs" / "speed.md"
BATCH, STEPS, SECONDS = 128, 12, 40.0
KINDS = {  # the first whose word is in an operation's name counts it
    "convolutions": ("conv",),
    "normalisation": ("batch_norm",),
    "activations": ("relu", "threshold", "clamp_min", "tanh", "sigmoid"),
    "linear layers": ("addmm", "::mm"),
    "optimizers": ("dam", "Optimizer", "_foreach", "lerp", "sqrt", "addcdiv", "addcmul"),
    "biases added, and their gradients": ("::add", "::sum"),
    "random numbers": ("bernoulli", "normal_", "random_", "dropout"),
}
HEAD = (
    "# Where the time goes",
    "",
    f"Written by `python -m benchmarks.profile`, a machine at a time. MNIST, batches of {BATCH}. Before: a plain"
    " PyTorch loop with a DataLoader in float32, as tutorials have it. After: genbench.",
)
DATA, OTHER = "making batches", "copies, losses, autograd, Python"

Step = Callable[[Any], Any]
Found = TypeVar("Found")


def shares(batches: Any, step: Step) -> tuple[dict[str, float], float]:
    """Share of each kind of operation in the time of a step with its batch, and that time in seconds."""
    for _ in range(3):
        step(next(batches))
    start, data = time.monotonic(), 0.0
    for _ in range(STEPS):
        before = time.monotonic()
        batch = next(batches)
        data += time.monotonic() - before
        step(batch)
    seconds = time.monotonic() - start
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(STEPS):
            step(batch)
    found = profiler.key_averages()
    total = sum(event.self_cpu_time_total for event in found)
    spent = dict.fromkeys([*KINDS, OTHER], 0.0)
    for event in found:
        kind = next((kind for kind, words in KINDS.items() if any(word in event.key for word in words)), OTHER)
        spent[kind] += event.self_cpu_time_total / total * (1 - data / seconds)
    return {**spent, DATA: data / seconds}, seconds / STEPS


def before(model: str) -> tuple[Any, Step]:
    """Batches and step of the plain loop."""
    network = plain(model)
    parts = (network.generator, network.discriminator) if isinstance(network, DCGAN) else (network,)
    adams = [Adam(part.parameters(), 2e-4) for part in parts]

    def step(batch: Tensor) -> None:
        if isinstance(network, DCGAN):
            gan_step(network, batch, adams[0], adams[1])
            return
        assert isinstance(network, VAE)
        adams[0].zero_grad()
        torch.autograd.backward(vae_loss(network, batch))
        adams[0].step()

    return endless(loader(model, BATCH)), step


def after(model: str) -> tuple[Any, Step]:
    """Batches and step of genbench, without Lightning's loop."""
    settings = config(model, BATCH)
    images = ImageDataModule("mnist").data
    network = build(settings.model, images.shape).to(memory_format=torch.channels_last)
    bare = bare_step(network)
    precision = choose_device(settings.trainer).dtype

    def step(batch: Batch) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
            bare(batch)

    stream = Stream(images.train, BATCH, seed=0)
    return (batch for _ in repeat(None) for batch in stream.take(1).batches()), step


def around_steps(model: str) -> tuple[float, float]:
    """In a whole training: the share of everything but the steps, validation left out; seconds of a validation."""
    settings = limited_to(config(model, BATCH), SECONDS)
    images = ImageDataModule("mnist").data
    network = build(settings.model, images.shape).to(memory_format=torch.channels_last)
    inside, step = 0.0, network.step
    first: list[float] = []

    def timed(batch: Batch) -> dict[str, Tensor]:
        nonlocal inside
        start = time.monotonic()
        outputs = step(batch)
        if first:  # all but the first, which warms up
            inside += time.monotonic() - start
        first.append(time.monotonic())
        return outputs

    network.step = timed  # type: ignore[method-assign]
    data = ImageDataModule(images, BATCH)
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        outcome = fit(
            network, data, settings, choose_device(settings.trainer), Run(Path(folder)), Console(file=nowhere)
        )
    loop = first[-1] - first[0]
    return 1 - inside / loop, outcome.validation_seconds


def alone(function: Callable[..., Found], *arguments: Any) -> Found:
    """In a process of its own, which has its memory from the system as the environment says by now."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def column(make: Callable[[str], tuple[Any, Step]], model: str) -> tuple[dict[str, float], float]:
    """Shares and seconds of a step."""
    return shares(*make(model))


def main() -> None:
    """Measure, write, print."""
    device = choose_device(config("vae", BATCH).trainer)
    if device.accelerator != "cpu":
        sys.exit("this is of the CPU: CUDA_VISIBLE_DEVICES= python -m benchmarks.profile")
    lines = [
        "| share of a step | GAN before | GAN after | VAE before | VAE after |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    plainly = [alone(column, before, model) for model in ("gan", "vae")]
    memory.settle()  # as genbench's command does
    ours = [alone(column, after, model) for model in ("gan", "vae")]
    columns = [found for pair in zip(plainly, ours, strict=True) for found in pair]
    for kind in columns[0][0]:
        lines.append(f"| {kind} | " + " | ".join(f"{share[kind]:.1%}" for share, _ in columns) + " |")
    lines.append("| **milliseconds a step** | " + " | ".join(f"{1000 * seconds:.1f}" for _, seconds in columns) + " |")
    lines += [
        "",
        f"In a training of {SECONDS:.0f} seconds, by the clock around every step:",
        "",
        "| | GAN | VAE |",
        "| --- | ---: | ---: |",
    ]
    around = [alone(around_steps, model) for model in ("gan", "vae")]
    lines.append(
        "| batches, Lightning, callbacks, moving average | " + " | ".join(f"{a:.1%}" for a, _ in around) + " |"
    )
    lines.append("| a validation, with its checkpoint | " + " | ".join(f"{v:.2f} s" for _, v in around) + " |")
    lines.append("| ten of these in five minutes | " + " | ".join(f"{10 * v / 300:.1%}" for _, v in around) + " |")
    print(write_section(PAGE, HEAD, f"{device}; torch {torch.__version__}", lines))


if __name__ == "__main__":
    main()
