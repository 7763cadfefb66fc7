"""The deep convolutional GAN of the paper (Goodfellow et al. 2014, arXiv:1406.2661; Radford et al. 2016)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genbench.data.images import ImageShape
from genbench.models.convolution import Conv2d, ConvTranspose2d
from genbench.models.interface import Model


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


class GAN(Model):
    """Generator and discriminator, each with its own Adam, one step each per batch of real images."""

    def __init__(
        self,
        shape: ImageShape,
        *,
        latent_size: int,
        generator_learning_rate: float,
        discriminator_learning_rate: float,
        betas: tuple[float, float],
        dropout: float,
        label_smoothing: float,
    ) -> None:
        super().__init__()
        self.latent_size = latent_size
        self.generator_learning_rate = generator_learning_rate
        self.discriminator_learning_rate = discriminator_learning_rate
        self.betas = betas
        self.label_smoothing = label_smoothing
        self.generator = Generator(shape, latent_size)
        self.discriminator = Discriminator(shape, dropout)
        self.apply(_initialise)

    def generate(self, z: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] of latent vectors (B, latent_size)."""
        images: Tensor = self.generator(z)
        return images.float().add(1.0).div(2.0)

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        """One step of both networks on bytes (B, C, H, W); returns both losses, mean D(x) and mean D(G(z)).

        As in the paper's code, both losses see the same generated images and the same discriminator: neither
        network's step waits for the other's.
        """
        optimizers = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizers, list)
        generator_optimizer, discriminator_optimizer = optimizers
        real = _to_signed(batch)
        z = self.noise(len(batch))
        real_logits = self.discriminator(real)
        fake_logits = self.discriminator(self.generator(z))
        loss_d = discriminator_loss(real_logits, fake_logits, self.label_smoothing)
        loss_g = generator_loss(fake_logits)
        self.descend({generator_optimizer: loss_g, discriminator_optimizer: loss_d})
        return {
            "discriminator_loss": loss_d.detach(),
            "generator_loss": loss_g.detach(),
            "d_real": real_logits.detach().float().sigmoid().mean(),
            "d_fake": fake_logits.detach().float().sigmoid().mean(),
        }

    def validation_step(self, batch: Tensor, batch_index: int) -> None:
        """Both losses and the discriminator's accuracy on validation images, no network in training mode."""
        generator = torch.Generator().manual_seed(batch_index)
        z = torch.randn(len(batch), self.latent_size, generator=generator).to(self.device)
        real_logits = self.discriminator(_to_signed(batch)).float()
        fake_logits = self.discriminator(self.generator(z)).float()
        values = {
            "discriminator_loss": discriminator_loss(real_logits, fake_logits, self.label_smoothing),
            "generator_loss": generator_loss(fake_logits),
            "d_real": real_logits.sigmoid().mean(),
            "d_fake": fake_logits.sigmoid().mean(),
            "discriminator_accuracy": torch.cat([real_logits > 0, fake_logits < 0]).float().mean(),
        }
        for name, value in values.items():
            self.log(f"validation/{name}", value, batch_size=len(batch), on_epoch=True, logger=False)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Two Adams: the generator's and the discriminator's."""
        return [
            torch.optim.Adam(
                network.parameters(), learning_rate, self.betas, fused=True, capturable=self.device.type == "cuda"
            )
            for network, learning_rate in (
                (self.generator, self.generator_learning_rate),
                (self.discriminator, self.discriminator_learning_rate),
            )
        ]


def _to_signed(batch: Tensor) -> Tensor:
    return batch.float().div(127.5).sub(1.0)


def _initialise(module: nn.Module) -> None:
    # Convolutions from N(0, 0.02) (Radford et al. 2016); linear layers Glorot-uniform; no bias at the start.
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
    else:
        return
    assert module.bias is not None
    nn.init.zeros_(module.bias)
