"""One way to train one model: a process that trains when it is told to, and says how fast.

    python -m benchmarks.contestants genbench|loop|lightning|keras MODEL[:STAGE] BATCH_SIZE
    python -m benchmarks.contestants loop|keras MODEL BATCH_SIZE DATA SEED IMAGES SAMPLES.npz

For each line "SECONDS" on stdin it trains about so long and prints {"images": ..., "seconds": ...} as one line.
The first answer is a warm-up. All train the same layers on the same images; Lightning and Keras know gan and vae.
With a data set it trains on so many of its images, prints such a line, and then writes samples.
"""

import contextlib
import functools
import importlib
import json
import math
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from genbench.cli import compose
from genbench.config.train import TrainConfig
from genbench.data import ImageDataModule
from genbench.data.batches import Batch
from genbench.data.images import ImageData
from genbench.errors import UserError
from genbench.models.gan import DCGAN
from genbench.models.layers import Conv2d, ConvTranspose2d
from genbench.models.model import Model
from genbench.models.sampling import draw
from genbench.models.vae import VAE, kl_divergence
from genbench.models.weights import build

CONTESTANTS = {
    "genbench": "genbench",
    "loop": "PyTorch loop, DataLoader",
    "lightning": "Lightning, DataLoader",
    "keras": "Keras 3 on PyTorch",
}
SAMPLES = 5_000
data_sets = ["mnist", "optdigits"]  # the first that can be had is trained on


@dataclass(frozen=True)
class Length:
    """How long to train: whichever comes first."""

    seconds: float = math.inf
    images: float = math.inf

    def reached(self, seen: float, since: float) -> bool:
        """Whether a training that began then, and has seen so many images, is at its end."""
        return seen >= self.images or time.monotonic() - since >= self.seconds


Contest = Callable[[Length], tuple[int, float]]  # -> images, seconds
Sample = Callable[[int, int], Tensor]  # how many, seed -> (N, C, H, W) uint8
Contestant = tuple[Contest, Sample | None]


@functools.cache
def images() -> ImageData:
    """What is trained on: MNIST; where it cannot be had, the digits that come with scikit-learn."""
    for name in data_sets[:-1]:
        with contextlib.suppress(UserError):
            return ImageDataModule(name).data
    return ImageDataModule(data_sets[-1]).data


def built(model: str) -> Model:
    """A model by its YAML, in the stage that is named behind a colon, if one is, which then is all of its training."""
    name, _, stage = model.partition(":")
    network = build(config(name, 128).model, images().shape, len(images().classes))
    if stage:
        network.stages, network.stage = {stage: 1.0}, stage  # type: ignore[misc]
    return network


def config(model: str, batch_size: int) -> TrainConfig:
    """genbench's own configuration of a training."""
    name = model.partition(":")[0]
    words = [f"model={name}", f"data={images().name}", f"data.batch_size={batch_size}"]
    words += ["logger=none", "trainer.validations=1"]
    (composed,) = compose("train", words).configs
    checked: TrainConfig = composed
    return checked


def genbench(model: str, batch_size: int) -> Contestant:
    """Our own training, callbacks and all, without the one validation at the end."""
    from rich.console import Console

    from genbench.device import choose_device
    from genbench.runs.directory import Run
    from genbench.training.engine import fit

    wanted = config(model, batch_size)
    device = choose_device(wanted.trainer)

    def contest(length: Length) -> tuple[int, float]:
        limited = limited_to(wanted, length.seconds)
        data = ImageDataModule(images(), batch_size)
        network = built(model)
        with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w", encoding="utf-8") as nowhere:
            outcome = fit(network, data, limited, device, Run(Path(folder)), Console(file=nowhere))
        return outcome.images_seen, outcome.train_seconds

    return contest, None


class Pictures(torch.utils.data.Dataset[Tensor]):
    """As torchvision's MNIST gives them out: a PIL image each, through its transforms."""

    def __init__(self, data: ImageData, transform: Callable[[object], Tensor]) -> None:
        self.images = data.train.images.squeeze(1).numpy()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        from PIL import Image

        return self.transform(Image.fromarray(self.images[index]))


def loader(model: str, batch_size: int) -> "torch.utils.data.DataLoader[Tensor]":
    """A DataLoader as the tutorials have it."""
    from torchvision import transforms

    steps = {
        "gan": [transforms.ToTensor(), transforms.Normalize(0.5, 0.5)],
        "vae": [transforms.ToTensor()],
    }.get(model, [transforms.PILToTensor()])
    data = Pictures(images(), transforms.Compose(steps))
    return torch.utils.data.DataLoader(data, batch_size, shuffle=True, drop_last=True)


def plain(model: str) -> Model:
    """The same layers, the convolutions as PyTorch ships them."""
    network = built(model)
    for module in network.modules():
        if type(module) is Conv2d:
            module.__class__ = nn.Conv2d  # type: ignore[assignment]
        elif type(module) is ConvTranspose2d:
            module.__class__ = nn.ConvTranspose2d  # type: ignore[assignment]
    return network


def limited_to(settings: TrainConfig, seconds: float) -> TrainConfig:
    """The same training, of so many seconds."""
    trainer = settings.trainer.model_copy(update={"max_minutes": seconds / 60})
    return settings.model_copy(update={"trainer": trainer})


def bare_step(network: Model) -> Callable[[Batch], None]:
    """The model's step as its `updates` have it, without a Trainer."""
    optimizers = network.make_optimizers()

    def step(batch: Batch) -> None:
        for update in network.updates(batch, network.noise(len(batch.images))):
            chosen = [optimizers[name] for name in update.losses]
            for optimizer in chosen:
                optimizer.zero_grad()
            for left, (optimizer, loss) in zip(
                range(len(chosen))[::-1], zip(chosen, update.losses.values(), strict=True), strict=True
            ):
                parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
                torch.autograd.backward(loss, inputs=parameters, retain_graph=left > 0)
            for optimizer in chosen:
                optimizer.step()
            torch.clear_autocast_cache()

    return step


def vae_loss(network: VAE, images: Tensor) -> Tensor:
    """The negative evidence lower bound."""
    mean, log_variance = network.encode(images)
    z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
    pixels = F.binary_cross_entropy_with_logits(network.decode(z), images, reduction="sum") / len(images)
    return pixels + kl_divergence(mean, log_variance).sum(1).mean()


def gan_step(
    network: DCGAN, images: Tensor, generator_step: torch.optim.Adam, discriminator_step: torch.optim.Adam
) -> None:
    """As in PyTorch's DCGAN tutorial: the discriminator on real and generated images, then the generator."""
    ones, zeros = torch.ones(len(images), device=images.device), torch.zeros(len(images), device=images.device)
    fake = network.generator(network.noise(len(images)))
    discriminator_step.zero_grad()
    torch.autograd.backward(F.binary_cross_entropy_with_logits(network.discriminator(images), ones))
    torch.autograd.backward(F.binary_cross_entropy_with_logits(network.discriminator(fake.detach()), zeros))
    discriminator_step.step()
    generator_step.zero_grad()
    torch.autograd.backward(F.binary_cross_entropy_with_logits(network.discriminator(fake), ones))
    generator_step.step()


def loop(model: str, batch_size: int) -> Contestant:
    """A plain PyTorch loop."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = plain(model).to(device)
    batches = endless(loader(model, batch_size))
    if isinstance(network, DCGAN):
        adams = [Adam(n.parameters(), 2e-4, (0.5, 0.999)) for n in (network.generator, network.discriminator)]
    else:
        adams = [Adam(network.parameters(), 1e-3)]
    step = bare_step(network)

    def contest(length: Length) -> tuple[int, float]:
        seen, start = 0, time.monotonic()
        while not length.reached(seen, start):
            batch = next(batches).to(device)
            if isinstance(network, DCGAN):
                gan_step(network, batch, *adams)
            elif isinstance(network, VAE):
                adams[0].zero_grad()
                torch.autograd.backward(vae_loss(network, batch))
                adams[0].step()
            else:
                step(Batch(batch))
            seen += len(batch)
        if device.type == "cuda":
            torch.cuda.synchronize()
        return seen, time.monotonic() - start

    return contest, functools.partial(draw, network)


def endless(batches: "torch.utils.data.DataLoader[Tensor]") -> Iterator[Tensor]:
    """Epoch after epoch."""
    while True:
        yield from batches


def lightning(model: str, batch_size: int) -> Contestant:
    """Plain Lightning with the same loader, its defaults, and no logger."""
    import lightning as L

    network = plain(model)

    class Plain(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = network
            self.automatic_optimization = model == "vae"
            self.start = self.images = 0.0

        def on_train_start(self) -> None:
            self.start, self.images = time.monotonic(), 0.0

        def training_step(self, batch: Tensor, index: int) -> Tensor | None:
            self.images += len(batch)
            if self.length.reached(self.images, self.start):
                self.trainer.should_stop = True
            if isinstance(network, VAE):
                return vae_loss(network, batch)
            assert isinstance(network, DCGAN)
            gan_step(network, batch, *self.optimizers(use_pl_optimizer=False))  # type: ignore[misc]
            return None

        def configure_optimizers(self) -> list[Optimizer]:
            if isinstance(network, DCGAN):
                parts = (network.generator, network.discriminator)
                return [Adam(part.parameters(), 2e-4, (0.5, 0.999)) for part in parts]
            return [Adam(network.parameters(), 1e-3)]

        length = Length()

    module, batches = Plain(), loader(model, batch_size)

    def contest(length: Length) -> tuple[int, float]:
        module.length = length
        trainer = L.Trainer(
            max_epochs=1000,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, batches)
        return int(module.images), time.monotonic() - module.start

    return contest, None


def keras(model: str, batch_size: int) -> Contestant:
    """Keras 3 on PyTorch: its layers and optimizers, the step as its examples write it."""
    os.environ["KERAS_BACKEND"] = "torch"
    k: Any = importlib.import_module("keras")
    k.utils.set_random_seed(torch.initial_seed() % 2**32)  # its layers' weights

    device = "cuda" if torch.cuda.is_available() else "cpu"
    pixels = images().train.images.permute(0, 2, 3, 1).float()
    scaled = pixels / 127.5 - 1 if model == "gan" else pixels / 255
    height, width = images().shape.height // 4, images().shape.width // 4
    layer = k.layers

    def up(filters: int, size: int, stride: int = 2) -> Any:
        return layer.Conv2DTranspose(filters, size, strides=stride, padding="same")

    def down(filters: int, size: int) -> Any:
        return layer.Conv2D(filters, size, strides=2, padding="same")

    if model == "gan":
        norm, relu, leaky = layer.BatchNormalization, layer.ReLU, functools.partial(layer.LeakyReLU, 0.2)
        generator = k.Sequential(
            [k.Input((100,)), layer.Dense(height * width * 256), norm(), relu(), layer.Reshape((height, width, 256))]
        )
        for part in (up(128, 5), norm(), relu(), up(64, 5), norm(), relu()):
            generator.add(part)
        generator.add(layer.Conv2D(1, 5, padding="same", activation="tanh"))
        discriminator = k.Sequential(
            [k.Input(scaled.shape[1:]), down(64, 5), norm(), leaky(), down(128, 5), norm(), leaky()]
        )
        for part in (layer.Flatten(), layer.Dropout(0.3), layer.Dense(1)):
            discriminator.add(part)
        adams = [k.optimizers.Adam(2e-4, beta_1=0.5) for _ in range(2)]
        parts = (generator, discriminator)
    else:
        x = k.Input(scaled.shape[1:])
        h = layer.Dense(16, "relu")(layer.Flatten()(layer.ReLU()(down(64, 3)(layer.ReLU()(down(32, 3)(x))))))
        encoder = k.Model(x, [layer.Dense(2)(h), layer.Dense(2)(h)])
        decoder = k.Sequential(
            [k.Input((2,)), layer.Dense(height * width * 64, "relu"), layer.Reshape((height, width, 64))]
        )
        for part in (up(64, 3), layer.ReLU(), up(32, 3), layer.ReLU(), up(1, 3, 1)):
            decoder.add(part)
        adams, parts = [k.optimizers.Adam(1e-3)], (encoder, decoder)

    def apply(adam: Any, weights: list[Any]) -> None:
        with torch.no_grad():
            adam.apply([weight.value.grad for weight in weights], weights)

    def bce(logits: Tensor, value: float) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, value))

    def step(batch: Tensor) -> None:
        for part in parts:
            part.zero_grad()
        if model == "gan":
            fake = generator(torch.randn(len(batch), 100, device=device), training=True)
            on_real, on_fake = discriminator(batch, training=True), discriminator(fake.detach(), training=True)
            torch.autograd.backward(bce(on_real, 1) + bce(on_fake, 0))
            apply(adams[0], discriminator.trainable_weights)
            generator.zero_grad()
            torch.autograd.backward(bce(discriminator(fake, training=True), 1))
            apply(adams[1], generator.trainable_weights)
        else:
            mean, log_variance = encoder(batch, training=True)
            z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
            logits = decoder(z, training=True)
            loss = F.binary_cross_entropy_with_logits(logits, batch, reduction="sum") / len(batch)
            torch.autograd.backward(loss + kl_divergence(mean, log_variance).sum(1).mean())
            apply(adams[0], encoder.trainable_weights + decoder.trainable_weights)

    def contest(length: Length) -> tuple[int, float]:
        seen, start = 0, time.monotonic()
        while not length.reached(seen, start):
            step(scaled[torch.randint(len(scaled), (batch_size,))].to(device))
            seen += batch_size
        if device == "cuda":
            torch.cuda.synchronize()
        return seen, time.monotonic() - start

    @torch.no_grad()
    def sample(n: int, seed: int) -> Tensor:
        z = torch.randn(n, 100 if model == "gan" else 2, generator=torch.Generator().manual_seed(seed))
        network = generator if model == "gan" else decoder
        found = torch.cat([network(part.to(device), training=False).cpu() for part in torch.split(z, 250)])
        pixels = (found + 1) / 2 if model == "gan" else found.sigmoid()
        return pixels.permute(0, 3, 1, 2).mul(255).round().to(torch.uint8)

    return contest, sample


def main() -> None:
    """Answer requests until stdin ends; with a data set, train once."""
    warnings.simplefilter("ignore")
    name, model, batch_size = sys.argv[1], sys.argv[2], int(sys.argv[3])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the libraries print goes elsewhere

    def answer(contest: Contest, length: Length) -> None:
        seen, seconds = contest(length)
        print(json.dumps({"images": seen, "seconds": seconds}), file=answers, flush=True)

    make = {"genbench": genbench, "loop": loop, "lightning": lightning, "keras": keras}[name]
    if len(sys.argv) == 4:
        contest, _ = make(model, batch_size)
        for line in sys.stdin:
            answer(contest, Length(seconds=float(line)))
        return
    data, seed, number, out = sys.argv[4:]
    data_sets[:] = [data]
    torch.manual_seed(int(seed))
    contest, sample = make(model, batch_size)
    if sample is None:
        raise ValueError(f"{name} makes no samples")
    answer(contest, Length(images=int(number)))
    np.savez(out, images=sample(SAMPLES, 1_000_000).numpy())


if __name__ == "__main__":
    main()
