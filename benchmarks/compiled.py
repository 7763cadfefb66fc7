"""python -m benchmarks.compiled: what torch.compile brings to a training step here. Writes docs/compiled.md.

Ten minutes in which the machine should do nothing else; it needs a C++ compiler.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch._functorch.config

from benchmarks.by_machine import write_section
from benchmarks.contestants import bare_step, built, images
from genbench.cli import compose
from genbench.data.batches import Batch
from genbench.device import Device, choose_device

PAGE = Path(__file__).resolve().parents[1] / "docs" / "compiled.md"
MODELS = ("gan", "vae", "vae_prior:autoencoder", "flow", "vaegan:adversarial")
BATCH_SIZE, ROUNDS, SECONDS = 128, 7, 2.0
FIRST_STEPS = 3  # before anything is measured
HEAD = (
    "# What torch.compile would bring",
    "",
    f"Written by `python -m benchmarks.compiled`, a machine at a time. Steps on MNIST, batches of {BATCH_SIZE}, without"
    " a Trainer: the model as it is, and its networks compiled by inductor (`network.compile()`), in"
    f" {ROUNDS} turns of {SECONDS:g} seconds each; medians, the ratio of those within a turn with the least and the"
    " most. Compiling takes longer where inductor's cache has nothing of an earlier run; the last column is how many"
    " images a training must see before that time is made up for.",
)


def main() -> None:
    """Measure, write, print."""
    (config,) = compose("train", []).configs
    device = choose_device(config.trainer)
    lines = [
        "| model and stage | ms a step | compiled | faster by | compiling, s | pays from images |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for model in MODELS:
        lines.append(row(model, device))
        print(lines[-1], flush=True)
    on = "" if images().name == "mnist" else f"; {images().name}"
    print(write_section(PAGE, HEAD, f"{device}; torch {torch.__version__}{on}", lines))


def row(model: str, device: Device) -> str:
    """A model's line of the table."""
    steps = [step_of(model, device, compiled=compiled) for compiled in (False, True)]
    taken: list[list[float]] = [[], []]
    compiling = 0.0
    for step in steps:  # the second is compiled by its first steps
        began = time.monotonic()
        for _ in range(FIRST_STEPS):
            step()
        compiling = time.monotonic() - began
    for _ in range(ROUNDS):
        for step, found in zip(steps, taken, strict=True):
            began, count = time.monotonic(), 0
            while time.monotonic() - began < SECONDS:
                step()
                count += 1
            found.append((time.monotonic() - began) / count)
    ratios = [eager / compiled for eager, compiled in zip(*taken, strict=True)]
    eager, compiled = map(statistics.median, taken)
    pays = f"{compiling / (eager - compiled) * BATCH_SIZE:,.0f}" if compiled < eager else "never"
    return (
        f"| {model} | {1e3 * eager:.1f} | {1e3 * compiled:.1f} | {statistics.median(ratios):.2f} x"
        f" ({min(ratios):.2f} to {max(ratios):.2f}) | {compiling:.0f} | {pays} |"
    )


def step_of(model: str, device: Device, *, compiled: bool) -> Callable[[], None]:
    """A training step on one batch, as genbench takes it."""
    torch.manual_seed(0)
    network = built(model).to(device.accelerator, memory_format=torch.channels_last)
    if compiled:
        torch._functorch.config.donated_buffer = False  # several losses go back through one forward pass
        for part in network.children():
            part.compile()
    step = bare_step(network)
    train = images().train
    labels = None if train.labels is None else train.labels[:BATCH_SIZE].to(device.accelerator)
    batch = Batch(train.images[:BATCH_SIZE].to(device.accelerator), labels)

    def taken() -> None:
        with torch.autocast(device.accelerator, torch.bfloat16, enabled=device.precision == "bfloat16"):
            step(batch)

    return taken


if __name__ == "__main__":
    main()
