"""python -m benchmarks.published [vae] [iwae] [priors] [PASSES] [WORD=VALUE ...]: published numbers, obtained again.

All three if none is named. PASSES over the training images are made of the 3,280 of Burda et al.'s training; all of
them are for a GPU. Words such as hydra.launcher.n_jobs=4 go to the sweep of the priors. Writes docs/published.md, with
all that was obtained before; what was not is said to be missing.
"""

import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from genbench import cli
from genbench.data.batches import Batch
from genbench.data.datamodule import epoch_order
from genbench.data.images import ImageData
from genbench.data.sources import load_data
from genbench.device import best_device, processor_name
from genbench.evaluation.likelihood import binarise, importance_sampled_nll
from genbench.evaluation.protocol import PROTOCOL
from genbench.models.vae import Variational, glorot
from genbench.runs.directory import Run
from genbench.runs.records import Key, Score

PAGE = Path(__file__).resolve().parents[1] / "docs" / "published.md"
RUNS = Path("runs/published")
PASSES = 3280  # over the training images, in Burda et al.'s training
STAGES, FIRST_RATE = 8, 1e-3  # 3^i passes with a rate of 10^(-i / 7) times the first
BATCH, LATENTS, HIDDEN = 20, 50, 200
NLL_SAMPLES = 5000
# Their table 1, one stochastic layer, MNIST: nats by latents an image.
PUBLISHED = {1: ("VAE", 86.76), 50: ("IWAE", 84.78)}
DEFAULT_PASSES = {1: 121, 50: 13}  # on a CPU
TWO_STAGE = (16.6, 12.6)  # Dai & Wipf 2019, table 1, MNIST: FID of a VAE and of a two-stage VAE
IMAGES = 300_000  # in the trainings of which the priors are compared
PARTS = ["vae", "iwae", "priors"]
STAGES_WORDS = [
    *("model=vae_prior", "model.prior=normal,mixture,flow", "data=mnist", "seed=range(3)"),
    *(f"trainer.max_images={IMAGES}", "evaluation=fast", f"runs={RUNS}"),
]


class Perceptrons(Variational):
    """Burda et al.'s network with one stochastic layer: two layers of 200 tanh units on either side of 50 latents."""

    def __init__(self, data: ImageData, importance_samples: int) -> None:
        super().__init__(data.shape, latent_size=LATENTS, importance_samples=importance_samples)
        pixels = math.prod(data.shape)
        last = nn.Linear(HIDDEN, pixels)
        self.encoder = _Encoder(pixels)  # type: ignore[assignment]
        self.decoder = nn.Sequential(  # type: ignore[assignment]
            *(nn.Linear(LATENTS, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, HIDDEN), nn.Tanh()),
            *(last, nn.Unflatten(1, data.shape)),
        )
        self.apply(glorot)
        mean = (data.train.images.double().mean(0) / 255).clamp(1e-3, 1 - 1e-3)
        with torch.no_grad():
            last.bias.copy_(mean.logit().flatten())


class _Encoder(nn.Module):
    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Flatten(), nn.Linear(pixels, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, HIDDEN), nn.Tanh())
        )
        self.mean, self.log_variance = nn.Linear(HIDDEN, LATENTS), nn.Linear(HIDDEN, LATENTS)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        hidden = self.body(images)
        return self.mean(hidden), self.log_variance(hidden)


def main() -> None:
    """Train, score, write, print."""
    RUNS.mkdir(parents=True, exist_ok=True)
    said = [word for word in sys.argv[1:] if "=" not in word]
    wanted = [word for word in said if not word.isdecimal()] or PARTS
    if unknown := [word for word in wanted if word not in PARTS]:
        sys.exit(f"{unknown[0]}: choose of {', '.join(PARTS)}")
    for samples, (name, _) in PUBLISHED.items():
        if name.lower() in wanted:
            (config,) = cli.compose("train", ["data=mnist"]).configs
            passes = next((int(word) for word in said if word.isdecimal()), DEFAULT_PASSES[samples])
            print(likelihood(load_data(config.data), samples, passes), flush=True)
    if "priors" in wanted:
        ours = [word for word in sys.argv[1:] if "=" in word]
        subprocess.run([sys.executable, "-m", "genbench.train", "-m", *STAGES_WORDS, *ours], check=True)
    lines = [
        "# Published numbers, obtained again",
        "",
        "Written by `python -m benchmarks.published`, or for other passes with `vae PASSES` or `iwae PASSES`; as far as"
        " the time went: the last columns say how far.",
        "",
        "## Negative log-likelihood of MNIST",
        "",
        "Burda et al. 2015, table 1, one stochastic layer of 50 dimensions, pixels binarised anew at every step,"
        f" batches of {BATCH}, Adam, 3^i passes over the 60,000 training images at a rate of 0.001 10^(-i/7), i = 0 to"
        " 7."
        f" By {NLL_SAMPLES:,} importance samples of each of the 10,000 test images, binarised once. Where fewer passes"
        " were made, each rate has the same share of them. One training each, seed 0; ± is the standard error over the"
        " test images.",
        "",
        "| model | obtained, nats | published | passes of 3,280 | seconds | on |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
        *(row for samples in PUBLISHED for row in rows(samples)),
        *two_stages(),
    ]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def rows(samples: int) -> list[str]:
    """A line for each length that was trained."""
    name, published = PUBLISHED[samples]
    model = f"{name}, {samples} sample{'s' if samples > 1 else ''}"
    lines = []
    for passes in sorted(int(path.stem.rpartition("-")[2]) for path in RUNS.glob(f"burda-{samples}-*.json")):
        found = json.loads((RUNS / f"burda-{samples}-{passes}.json").read_text(encoding="utf-8"))
        lines.append(
            f"| {model} | {found['nll']:.2f} ± {found['error']:.2f} | {published} |"
            f" {passes:,} ({passes / PASSES:.1%}) | {found['seconds']:,.0f} | {found['device']} |"
        )
    return lines or [f"| {model} | not measured | {published} | | | |"]


def likelihood(data: ImageData, samples: int, passes: int) -> dict[str, Any]:
    """Test NLL in nats, its standard error, and the seconds of the training."""
    path = RUNS / f"burda-{samples}-{passes}.json"
    if path.exists():
        known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return known
    device = best_device()
    torch.manual_seed(0)
    model = Perceptrons(data, samples).to(device)
    began = time.perf_counter()
    train(model, torch.cat([data.train.images, data.validation.images]).to(device), passes)
    seconds = time.perf_counter() - began
    test = binarise(data.test.images, seed=0).to(device)
    nll = importance_sampled_nll(model.eval(), test, NLL_SAMPLES, seed=0)
    on = (
        torch.cuda.get_device_name()
        if device.type == "cuda"
        else f"{processor_name()}, {torch.get_num_threads()} threads"
    )
    found = {
        "nll": float(nll.mean()),
        "error": float(nll.std() / len(nll) ** 0.5),
        "seconds": seconds,
        "device": f"{on}, torch {torch.__version__}",
    }
    path.write_text(json.dumps(found), encoding="utf-8")
    return found


def train(model: Perceptrons, images: Tensor, passes: int) -> None:
    """Go through the training, or as much of each of its stages as makes so many passes in all."""
    device = images.device
    cuda = device.type == "cuda"
    rate = torch.tensor(FIRST_RATE, device=device)
    adam = torch.optim.Adam(
        model.parameters(), rate if cuda else FIRST_RATE, betas=(0.9, 0.999), eps=1e-4, fused=True, capturable=cuda
    )
    chosen = images[:BATCH].clone()

    def step() -> None:
        binary = (torch.rand(chosen.shape, device=device) * 255 < chosen).to(torch.uint8) * 255
        (update,) = model.updates(Batch(binary), torch.randn(BATCH, LATENTS, device=device))
        adam.zero_grad()
        update.losses["both"].backward()  # type: ignore[no-untyped-call]
        adam.step()

    take = captured(step) if cuda else step
    lengths = [3**i * len(images) // BATCH * passes // PASSES for i in range(STAGES)]
    taken, epoch = 0, 0
    order = torch.from_numpy(epoch_order(len(images), 0, 0)).to(device)
    for i, steps in enumerate(lengths):
        now = FIRST_RATE * 10 ** (-i / (STAGES - 1))
        if cuda:
            rate.fill_(now)  # where the graph reads it
        else:
            adam.param_groups[0]["lr"] = now
        for _ in range(steps):
            if taken + BATCH > len(images):
                taken, epoch = 0, epoch + 1
                order = torch.from_numpy(epoch_order(len(images), 0, epoch)).to(device)
            chosen.copy_(images[order[taken : taken + BATCH]])
            taken += BATCH
            take()
        if cuda:
            torch.cuda.synchronize()
        print(f"{model.importance_samples} samples: stage {i + 1} of {STAGES}", flush=True)


def captured(step: Callable[[], None]) -> Callable[[], None]:
    """A CUDA graph of a step, which is taken three times before: launched one by one, its kernels take tenfold."""
    stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    with torch.cuda.graph(graph, stream=stream):
        step()
    return graph.replay


def two_stages() -> list[str]:
    """How much nearer samples come to real images by a fitted prior, ours and published."""
    found: dict[str, list[float]] = {}
    devices: set[str] = set()
    for config in cli.compose("train", ["-m", *STAGES_WORDS]).configs:
        run = Run(config.directory)
        if not run.is_scored("fast", PROTOCOL):
            return ["", "What a second stage brings: not measured."]
        score = run.scorecard().score(Key("classifier", "fcd"))
        if not isinstance(score, Score):
            raise ValueError(f"{run.path} has no fcd: {score.absent}")
        found.setdefault(config.model["prior"], []).append(score.mean)
        environment = run.environment()
        devices.add(f"{environment.device}, torch {environment.packages['torch']}")
    first = statistics.fmean(found["normal"])
    lines = [
        "",
        "## What a second stage brings",
        "",
        f"Dai & Wipf 2019, table 1, MNIST: FID of a VAE {TWO_STAGE[0]}, of a two-stage VAE {TWO_STAGE[1]}. Here"
        f" `genbench train -m {' '.join(STAGES_WORDS[:-1])}`: a draw of 5,000 samples against the 5,000 validation"
        " images, classifier's features, which are no Inception's: the ratios alone can be compared, and the second"
        f" stage is no VAE here. {' and '.join(sorted(devices))}.",
        "",
        "| prior | fcd, mean and sd of the seeds | over that of N(0, I) | published |",
        "| --- | ---: | ---: | ---: |",
    ]
    for prior, values in found.items():
        published = 1.0 if prior == "normal" else TWO_STAGE[1] / TWO_STAGE[0]
        mean, sd = statistics.fmean(values), statistics.stdev(values)
        lines.append(f"| {prior} | {mean:.2f} ± {sd:.2f} | {mean / first:.2f} | {published:.2f} |")
    return lines


if __name__ == "__main__":
    main()
