"""The convolutional variational autoencoder of the paper (Kingma & Welling 2014, arXiv:1312.6114)."""

import math
from collections.abc import Iterator
from typing import Annotated

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Optimizer

from genbench.data.batches import Batch
from genbench.data.images import ImageShape
from genbench.models.layers import Conv2d, ConvTranspose2d
from genbench.models.model import Integrable, LatentPlane, Reconstruction, Update


class Encoder(nn.Module):
    """Images in [0, 1] to the mean and log-variance of q(z|x).

    The posterior collapses when most of the 16 hidden units die: with ReLU 3 to 6 of them outlived the first 16,000
    digits, and four of ten seeds lost a latent dimension. A leak lets the units recover: none of ten did.
    """

    def __init__(self, shape: ImageShape, latent_size: int, leak: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            Conv2d(shape.channels, 32, 3, stride=2, padding=1),  # (B, 32, H/2, W/2)
            nn.ReLU(),
            Conv2d(32, 64, 3, stride=2, padding=1),  # (B, 64, H/4, W/4)
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64 * (shape.height // 4) * (shape.width // 4), 16),
            nn.LeakyReLU(leak),
        )
        self.mean = nn.Linear(16, latent_size)
        self.log_variance = nn.Linear(16, latent_size)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance (B, latent_size) of images (B, C, H, W)."""
        hidden = self.body(images)  # (B, 16)
        return self.mean(hidden), self.log_variance(hidden)


class Decoder(nn.Module):
    """Latent vectors to the logits of each pixel."""

    def __init__(self, shape: ImageShape, latent_size: int) -> None:
        super().__init__()
        height, width = shape.height // 4, shape.width // 4
        self.body = nn.Sequential(
            nn.Linear(latent_size, 64 * height * width),
            nn.ReLU(),
            nn.Unflatten(1, (64, height, width)),
            ConvTranspose2d(64, 64, 3, stride=2, padding=1, output_padding=1),  # (B, 64, H/2, W/2)
            nn.ReLU(),
            ConvTranspose2d(64, 32, 3, stride=2, padding=1, output_padding=1),  # (B, 32, H, W)
            nn.ReLU(),
            ConvTranspose2d(32, shape.channels, 3, padding=1),  # (B, C, H, W)
        )

    def forward(self, z: Tensor) -> Tensor:
        """Logits (B, C, H, W) of latent vectors (B, latent_size)."""
        logits: Tensor = self.body(z)
        return logits


def reconstruction_loss(logits: Tensor, images: Tensor) -> Tensor:
    """-log p(x|z) with Bernoulli pixels, in nats per image: cross-entropy summed over the pixels.

    Args:
        logits: (B, C, H, W), of the pixels' probabilities.
        images: (B, C, H, W) in [0, 1].

    Returns:
        (B,) float32.
    """
    return F.binary_cross_entropy_with_logits(logits.float(), images, reduction="none").flatten(1).sum(1)


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(q(z|x) || N(0, I)) of each latent dimension in nats (Kingma & Welling 2014, appendix B).

    Args:
        mean: (B, latent_size).
        log_variance: (B, latent_size).

    Returns:
        (B, latent_size) float32.
    """
    mean, log_variance = mean.float(), log_variance.float()
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance)


class VAE(Integrable, Reconstruction, LatentPlane):
    """Encoder and decoder, trained on the evidence lower bound by one Adam; prior N(0, I), Bernoulli pixels."""

    def __init__(
        self,
        shape: ImageShape | tuple[int, int, int],
        *,
        latent_size: Annotated[
            int, Field(ge=1, le=65536, description="dimensions of z; 2 gives the pictures of the latent plane")
        ] = 2,
        learning_rate: Annotated[float, Field(gt=0, le=1000, description="of Adam")] = 2e-3,
        betas: Annotated[
            tuple[Annotated[float, Field(ge=0, le=0.999999)], Annotated[float, Field(ge=0, le=0.999999)]],
            Field(description="of Adam: decay of the first and the second moment"),
        ] = (0.9, 0.999),
        kl_weight: Annotated[
            float, Field(ge=0, le=1e6, description="beta of a beta-VAE; 1 is the evidence lower bound")
        ] = 1.0,
        leak: Annotated[
            float,
            Field(ge=0, le=0.99, description="slope below 0 of the encoder's 16 hidden units; 0: ReLU, which can die"),
        ] = 0.2,
    ) -> None:
        super().__init__(shape, noise_shape=(latent_size,))
        self.learning_rate = learning_rate
        self.betas = betas
        self.kl_weight = kl_weight
        self.encoder = Encoder(self.shape, latent_size, leak)
        self.decoder = Decoder(self.shape, latent_size)
        self.apply(_initialise)

    def make_optimizers(self) -> dict[str, Optimizer]:
        """One Adam for both networks."""
        return {"both": self.adam(self.parameters(), self.learning_rate, self.betas)}

    def updates(self, batch: Batch, noise: Tensor) -> Iterator[Update]:
        """The negative evidence lower bound; its parts are watched."""
        reconstruction_of_each, kl_of_each = self._bound(batch, noise)
        reconstruction, kl = reconstruction_of_each.mean(), kl_of_each.sum(1).mean()
        loss = reconstruction + self.kl_weight * kl
        yield Update({"both": loss}, {"loss": loss, "reconstruction": reconstruction, "kl": kl})

    def losses(self, batch: Batch, noise: Tensor) -> dict[str, Tensor]:
        """The negative evidence lower bound, its parts, and the KL of each latent dimension."""
        reconstruction, kl = self._bound(batch, noise)
        return {
            "loss": (reconstruction + self.kl_weight * kl.sum(1)).mean(),
            "reconstruction": reconstruction.mean(),
            "kl": kl.sum(1).mean(),
            **{f"kl_{i}": dimension.mean() for i, dimension in enumerate(kl.unbind(1))},
        }

    def sample(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (B, C, H, W) in [0, 1]: the pixels' probabilities p(x|z) of z (B, latent_size)."""
        return self.decode(noise).float().sigmoid()

    def encode(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance (B, latent_size) of q(z|x) for images (B, C, H, W) in [0, 1]."""
        mean, log_variance = self.encoder(images)
        return mean, log_variance

    def decode(self, z: Tensor) -> Tensor:
        """Logits (B, C, H, W) of p(x|z) for latent vectors (B, latent_size)."""
        logits: Tensor = self.decoder(z)
        return logits

    def reconstruct(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """The decoded posterior means of images (B, C, H, W) in [0, 1]."""
        return self.sample(self.encode(images)[0])

    def kl(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        """See `kl_divergence`."""
        return kl_divergence(mean, log_variance)

    def log_likelihood(self, images: Tensor, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """log p(x|z) of Bernoulli pixels in nats, (B,) float64."""
        pixels = F.binary_cross_entropy_with_logits(self.decode(z), images, reduction="none")
        return -pixels.flatten(1).double().sum(1)

    def log_likelihoods(self, images: Tensor, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """log p(x|z) of Bernoulli pixels in nats, (N, K) float64, of every image (N, ...) under every latent (K, d)."""
        logits = self.decode(z).flatten(1).double()  # x log p + (1 - x) log(1 - p) = x logit(p) + log(1 - p)
        return images.flatten(1).double() @ logits.T - F.softplus(logits).sum(1)

    def log_prior(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """log N(z; 0, I) in nats, (B,) float64."""
        return -0.5 * (z.double().square() + math.log(2.0 * math.pi)).sum(1)

    def _bound(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstruction loss (B,) and KL of each latent dimension (B, latent_size)."""
        images = batch.images.float().div(255.0)  # (B, C, H, W) in [0, 1]
        mean, log_variance = self.encode(images)
        mean, log_variance = mean.float(), log_variance.float()
        z = mean + (0.5 * log_variance).exp() * noise  # reparameterised, (B, latent_size)
        return reconstruction_loss(self.decode(z), images), kl_divergence(mean, log_variance)


def _initialise(module: nn.Module) -> None:
    # Glorot-uniform weights and zero biases, as in the framework that the paper used: with PyTorch's own defaults
    # the posterior of this small encoder collapses for some seeds.
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
