"""The two models of the paper come to the same bytes as ever, under both recipes.

On any machine they are held against their steps written out by hand, as they were before there was a contract. On
processors of which same_bytes.json has the hashes, weights, metrics and samples are held against those as well:

    python -m tests.training.test_same_bytes 640 20000

prints them anew for this processor, for a budget of so many images.
"""

import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lightning as L
import pytest
import torch
import torch.nn.functional as F
from rich.console import Console
from torch import Tensor
from torch.optim import Adam

from genbench.cli import compose
from genbench.config.train import TrainConfig
from genbench.data.datamodule import ImageDataModule, Stream
from genbench.device import choose_device
from genbench.models.gan import DCGAN
from genbench.models.model import Model
from genbench.models.pictures import draw_all
from genbench.models.vae import VAE
from genbench.models.weights import build, checksum
from genbench.runs.directory import Run
from genbench.training.engine import fit
from tests.digits import optdigits

pytestmark = pytest.mark.slow
RECORDED = Path(__file__).with_name("same_bytes.json")
IMAGES = 256  # of the plain loop: two steps at least, in batches of 32, 64 or 128
CASES = [(model, recipe) for model in ("gan", "vae") for recipe in ("default", "paper")]


def config(model: str, recipe: str, images: int, runs: Path) -> TrainConfig:
    words = [f"model={model}", "trainer=cpu", "trainer.precision=float32", "logger=none", f"runs={runs}"]
    words += [f"trainer.max_images={images}", f"trainer.validations={2 if images <= 640 else 10}"]
    words += ["trainer.log_every_images=64", *(["experiment=paper"] if recipe == "paper" else [])]
    told: TrainConfig = compose("train", words).configs[0]
    return told


@contextmanager
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def trained(told: TrainConfig, folder: Path) -> Model:
    data = optdigits()
    L.seed_everything(told.seed, workers=True, verbose=False)
    model = build(told.model, data.shape)
    with one_thread():
        module = ImageDataModule(data, told.data.batch_size, seed=told.seed)
        fit(model, module, told, choose_device(told.trainer), Run(folder), Console(quiet=True))
    return model


def processor() -> str:
    """What decides how sums are rounded: the processor's model and caches, and PyTorch's version."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").split("\n\n")[0].splitlines() if path.is_file() else []
    pairs = (line.partition(":") for line in lines)
    facts = {key.strip(): value.strip() for key, _, value in pairs}
    flags = hashlib.sha256(" ".join(sorted(facts.get("flags", "").split())).encode()).hexdigest()[:8]
    words = [facts.get(key, "?") for key in ("vendor_id", "cpu family", "model", "cache size")]
    return f"{' '.join(words)} flags {flags}, torch {torch.__version__}"


def hashes(model: str, recipe: str, images: int) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        network = trained(config(model, recipe, images, Path(folder)), Path(folder))
        samples = draw_all(network, optdigits())["samples.png"]
        metrics = (Path(folder) / "metrics.csv").read_bytes()
    return {
        "weights": checksum({name: value.contiguous() for name, value in network.state_dict().items()}),
        "metrics": hashlib.sha256(metrics).hexdigest()[:16],
        "samples": hashlib.sha256(samples.tobytes()).hexdigest()[:16],
    }


@pytest.mark.parametrize(("model", "recipe"), CASES)
def test_bytes_are_the_recorded_ones(model: str, recipe: str) -> None:
    recorded = json.loads(RECORDED.read_text(encoding="utf-8")).get(processor())
    if recorded is None:
        pytest.skip(f"no hashes were recorded on this processor ({processor()})")
    assert hashes(model, recipe, 640) == recorded[f"{model} {recipe} 640"]


# As the steps were written before there was a contract of models.


def gan_step(model: DCGAN, adams: list[Adam], batch: Tensor) -> None:
    real = batch.float().div(127.5).sub(1.0)
    z = torch.randn(len(batch), 100)
    real_logits, fake_logits = model.discriminator(real), model.discriminator(model.generator(z))
    ones = torch.ones_like(real_logits)
    loss_d = F.binary_cross_entropy_with_logits(real_logits, ones) + F.softplus(fake_logits).mean()
    loss_g = F.softplus(-fake_logits).mean()
    for adam in adams:
        adam.zero_grad()
    torch.autograd.backward(loss_g, inputs=list(model.generator.parameters()), retain_graph=True)
    torch.autograd.backward(loss_d, inputs=list(model.discriminator.parameters()))
    for adam in adams:
        adam.step()


def vae_step(model: VAE, adams: list[Adam], batch: Tensor) -> None:
    images, noise = batch.float().div(255.0), torch.randn(len(batch), 2)
    mean, log_variance = model.encoder(images)
    logits = model.decoder(mean + (0.5 * log_variance).exp() * noise)
    pixels = F.binary_cross_entropy_with_logits(logits, images, reduction="none").flatten(1).sum(1)
    kl = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance)
    adams[0].zero_grad()
    torch.autograd.backward(pixels.mean() + kl.sum(1).mean())
    adams[0].step()


@pytest.mark.parametrize(("name", "recipe"), CASES)
def test_a_plain_loop_comes_to_the_same_weights(name: str, recipe: str, tmp_path: Path) -> None:
    told = config(name, recipe, IMAGES, tmp_path)
    told = told.model_copy(update={"trainer": told.trainer.model_copy(update={"ema_decay": 0.0})})
    ours = trained(told, tmp_path)
    data = optdigits()
    L.seed_everything(told.seed, verbose=False)
    model = build(told.model, data.shape).to(memory_format=torch.channels_last)
    stream = Stream(data.train, told.data.batch_size, told.seed)
    parts: list[torch.nn.Module]
    if isinstance(model, DCGAN):
        parts, rate, betas = [model.generator, model.discriminator], 2e-4, (0.5, 0.999)
    else:
        parts, rate, betas = [model], told.model["learning_rate"], (0.9, 0.999)
    adams = [Adam(part.parameters(), rate, betas, fused=True) for part in parts]
    model.train()
    with one_thread():
        for _ in range(IMAGES // told.data.batch_size):
            batch = stream.take(1).images[0]
            if isinstance(model, DCGAN):
                gan_step(model, adams, batch)
            elif isinstance(model, VAE):
                vae_step(model, adams, batch)
    for key, value in model.state_dict().items():
        assert torch.equal(ours.state_dict()[key], value), key


if __name__ == "__main__":
    found = {
        f"{model} {recipe} {images}": hashes(model, recipe, int(images))
        for images in sys.argv[1:]
        for model, recipe in CASES
    }
    print(json.dumps({processor(): found}, indent=1))
