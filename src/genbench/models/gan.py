"""The deep convolutional GAN of the paper (Goodfellow et al. 2014, arXiv:1406.2661; Radford et al. 2016)."""

from collections.abc import Iterator
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Optimizer

from genbench.data.batches import Batch
from genbench.data.images import ImageShape
from genbench.models.layers import Conv2d, ConvTranspose2d
from genbench.models.model import Model, Update


class Generator(nn.Module):
    """Latent vectors to images in [-1, 1]."""

    def __init__(self, shape: ImageShape, latent_size: int) -> None:
        super().__init__()
        height, width = shape.height // 4, shape.width // 4
        self.body = nn.Sequential(
            nn.Linear(latent_size, 256 * height * width),
            nn.BatchNorm1d(256 * height * width),
            nn.ReLU(),
            nn.Unflatten(1, (256, height, width)),
            ConvTranspose2d(256, 128, 5, stride=2, padding=2, output_padding=1),  # (B, 128, H/2, W/2)
            nn.BatchNorm2d(128),
            nn.ReLU(),
            ConvTranspose2d(128, 64, 5, stride=2, padding=2, output_padding=1),  # (B, 64, H, W)
            nn.BatchNorm2d(64),
            nn.ReLU(),
            Conv2d(64, shape.channels, 5, padding=2),  # (B, C, H, W)
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] of latent vectors (B, latent_size)."""
        images: Tensor = self.body(z)
        return images


class Discriminator(nn.Module):
    """Images in [-1, 1] to the logit of being real."""

    def __init__(self, shape: ImageShape, dropout: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            Conv2d(shape.channels, 64, 5, stride=2, padding=2),  # (B, 64, H/2, W/2)
            nn.BatchNorm2d(64),
            nn.LeakyReLU(0.2),
            Conv2d(64, 128, 5, stride=2, padding=2),  # (B, 128, H/4, W/4)
            nn.BatchNorm2d(128),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(128 * (shape.height // 4) * (shape.width // 4), 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B,) of images (B, C, H, W)."""
        logits: Tensor = self.body(images)
        return logits.squeeze(1)


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor, label_smoothing: float) -> Tensor:
    """Binary cross-entropy on real plus on generated images (Goodfellow et al. 2014, eq. 1), in nats.

    Args:
        real_logits: (B,), of real images; their target is 1 - label_smoothing (one-sided, Salimans et al. 2016).
        fake_logits: (B,), of generated images; their target is 0.
        label_smoothing: in [0, 0.5).
    """
    real_logits, fake_logits = real_logits.float(), fake_logits.float()
    target = torch.full_like(real_logits, 1.0 - label_smoothing)
    return F.binary_cross_entropy_with_logits(real_logits, target) + F.softplus(fake_logits).mean()


def generator_loss(fake_logits: Tensor) -> Tensor:
    """The non-saturating loss -log D(G(z)) (Goodfellow et al. 2014, section 3), in nats; fake_logits is (B,)."""
    return F.softplus(-fake_logits.float()).mean()


class DCGAN(Model):
    """Generator and discriminator, each with its own Adam, one step each per batch of real images."""

    def __init__(
        self,
        shape: ImageShape | tuple[int, int, int],
        *,
        latent_size: Annotated[int, Field(ge=1, le=65536, description="dimensions of z")] = 100,
        generator_learning_rate: Annotated[float, Field(gt=0, le=1000, description="of the generator's Adam")] = 2e-4,
        discriminator_learning_rate: Annotated[
            float, Field(gt=0, le=1000, description="of the discriminator's Adam")
        ] = 2e-4,
        betas: Annotated[
            tuple[Annotated[float, Field(ge=0, le=0.999999)], Annotated[float, Field(ge=0, le=0.999999)]],
            Field(description="of both Adams: decay of the first and the second moment"),
        ] = (0.5, 0.999),
        dropout: Annotated[
            float, Field(ge=0, le=0.99, description="share of units left out before the discriminator's last layer")
        ] = 0.3,
        label_smoothing: Annotated[
            float, Field(ge=0, le=0.49, description="real images' target is 1 minus this")
        ] = 0.0,
    ) -> None:
        super().__init__(shape, noise_shape=(latent_size,))
        self.generator_learning_rate = generator_learning_rate
        self.discriminator_learning_rate = discriminator_learning_rate
        self.betas = betas
        self.label_smoothing = label_smoothing
        self.generator = Generator(self.shape, latent_size)
        self.discriminator = Discriminator(self.shape, dropout)
        self.apply(_initialise)

    def make_optimizers(self) -> dict[str, Optimizer]:
        """Two Adams."""
        return {
            "generator": self.adam(self.generator.parameters(), self.generator_learning_rate, self.betas),
            "discriminator": self.adam(self.discriminator.parameters(), self.discriminator_learning_rate, self.betas),
        }

    def updates(self, batch: Batch, noise: Tensor) -> Iterator[Update]:
        """Both networks at once: both losses, mean D(x) and mean D(G(z)).

        As in the paper's code, both losses see the same generated images and the same discriminator: neither
        network's step waits for the other's.
        """
        real_logits, fake_logits = self._logits(batch, noise)
        losses = self._losses(real_logits, fake_logits)
        yield Update(
            {name: losses[f"{name}_loss"] for name in ("generator", "discriminator")},
            {**losses, **_means(real_logits.detach(), fake_logits.detach())},
        )

    def losses(self, batch: Batch, noise: Tensor) -> dict[str, Tensor]:
        """Both losses, mean D(x) and D(G(z)), and the share of real and generated images that D tells rightly."""
        real_logits, fake_logits = (logits.float() for logits in self._logits(batch, noise))
        right = torch.cat([real_logits > 0, fake_logits < 0])
        return {
            **self._losses(real_logits, fake_logits),
            **_means(real_logits, fake_logits),
            "discriminator_accuracy": right.float().mean(),
        }

    def sample(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (B, C, H, W) in [0, 1] of z (B, latent_size)."""
        images: Tensor = self.generator(noise)
        return images.float().add(1.0).div(2.0)

    def _logits(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor]:
        """D(x) and D(G(z)) before the sigmoid, (B,) each."""
        real = batch.images.float().div(127.5).sub(1.0)
        return self.discriminator(real), self.discriminator(self.generator(noise))

    def _losses(self, real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
        return {
            "discriminator_loss": discriminator_loss(real_logits, fake_logits, self.label_smoothing),
            "generator_loss": generator_loss(fake_logits),
        }


def _means(real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
    return {"d_real": real_logits.float().sigmoid().mean(), "d_fake": fake_logits.float().sigmoid().mean()}


def _initialise(module: nn.Module) -> None:
    # Convolutions from N(0, 0.02) (Radford et al. 2016); linear layers Glorot-uniform; no bias at the start.
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
