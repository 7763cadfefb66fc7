"""The convolutional variational autoencoder of the paper (Kingma & Welling 2014, arXiv:1312.6114)."""

import math
from collections.abc import Iterator
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Optimizer

from genbench.data.batches import Batch
from genbench.data.images import ImageShape
from genbench.models.layers import Conv2d, ConvTranspose2d, ReLU
from genbench.models.model import Conditional, Integrable, LatentPlane, Reconstruction, Update
from genbench.models.pixels import KINDS, Pixels


class Encoder(nn.Module):
    """Images in [0, 1] to the mean and log-variance of q(z|x).

    The posterior collapses when most of the paper's 16 hidden units die: with ReLU 3 to 6 of them outlived the first
    16,000 digits, and four of ten seeds lost a latent dimension. A leak lets the units recover: none of ten did.
    """

    def __init__(
        self, shape: ImageShape, latent_size: int, leak: float, classes: int = 0, width: int = 32, hidden: int = 16
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            Conv2d(shape.channels, width, 3, stride=2, padding=1),  # (B, width, H/2, W/2)
            ReLU(),
            Conv2d(width, 2 * width, 3, stride=2, padding=1),  # (B, 2 width, H/4, W/4)
            ReLU(),
            nn.Flatten(),
            nn.Linear(2 * width * (shape.height // 4) * (shape.width // 4), hidden),
            nn.LeakyReLU(leak, inplace=True),
        )
        self.mean = nn.Linear(hidden + classes, latent_size)
        self.log_variance = nn.Linear(hidden + classes, latent_size)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance (B, latent_size) of images (B, C, H, W); labels (B, classes) are one-hot."""
        hidden = self.body(images)  # (B, hidden)
        if labels is not None:
            hidden = torch.cat([hidden, labels.to(hidden.dtype)], 1)
        return self.mean(hidden), self.log_variance(hidden)


class Decoder(nn.Module):
    """Latent vectors to the logits of each pixel."""

    def __init__(self, shape: ImageShape, latent_size: int, width: int = 32) -> None:
        super().__init__()
        wide, h, w = 2 * width, shape.height // 4, shape.width // 4
        self.body = nn.Sequential(
            nn.Linear(latent_size, wide * h * w),
            ReLU(),
            nn.Unflatten(1, (wide, h, w)),
            ConvTranspose2d(wide, wide, 3, stride=2, padding=1, output_padding=1),  # (B, 2 width, H/2, W/2)
            ReLU(),
            ConvTranspose2d(wide, width, 3, stride=2, padding=1, output_padding=1),  # (B, width, H, W)
            ReLU(),
            ConvTranspose2d(width, shape.channels, 3, padding=1),  # (B, C, H, W)
        )

    def forward(self, z: Tensor) -> Tensor:
        """Logits (B, C, H, W) of latent vectors (B, latent_size)."""
        logits: Tensor = self.body(z)
        return logits


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


def importance_weighted_bound(reconstruction: Tensor, divergence: Tensor) -> Tensor:
    """-log 1/K sum_k p(x|z_k) p(z_k) / q(z_k|x) in nats per image (Burda et al. 2015, eq. 8); K = 1 is the usual bound.

    Args:
        reconstruction: -log p(x|z_k), (K, B).
        divergence: log q(z_k|x) - log p(z_k), (K, B).

    Returns:
        (B,).
    """
    return math.log(len(reconstruction)) - (-reconstruction - divergence).logsumexp(0)


class Variational(Conditional, Integrable, Reconstruction):
    """Encoder and decoder, trained on the evidence lower bound with the prior N(0, I) by one Adam.

    Attributes:
        latent_size: dimensions of z.
        pixels: how they are distributed about what the decoder says.
        binary: whether p(x|z) is a probability of black and white pixels, rather than a density of grey ones.
    """

    def __init__(
        self,
        shape: ImageShape | tuple[int, int, int],
        classes: int = 0,
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
            Field(ge=0, le=0.99, description="slope below 0 of the encoder's hidden units; 0: ReLU, which can die"),
        ] = 0.2,
        width: Annotated[
            int, Field(ge=1, le=4096, description="channels of the largest maps; the others have twice as many")
        ] = 32,
        hidden: Annotated[int, Field(ge=1, le=65536, description="units of the encoder's last hidden layer")] = 16,
        likelihood: Annotated[
            Literal["bernoulli", "continuous_bernoulli", "gaussian"],
            Field(description="how pixels are distributed about what the decoder says"),
        ] = "bernoulli",
        importance_samples: Annotated[
            int, Field(ge=1, le=1000, description="latents an image, for the bound of an IWAE; 1: the usual bound")
        ] = 1,
        conditional: Annotated[bool, Field(description="whether the model is told the images' classes")] = False,
    ) -> None:
        if conditional and not classes:
            raise ValueError("conditional=true needs images with classes")
        super().__init__(shape, noise_shape=(latent_size,), classes=classes if conditional else 0)
        self.latent_size = latent_size
        self.learning_rate = learning_rate
        self.betas = betas
        self.kl_weight = kl_weight
        self.importance_samples = importance_samples
        self.encoder = Encoder(self.shape, latent_size, leak, self.classes, width, hidden)
        self.decoder = Decoder(self.shape, latent_size + self.classes, width)
        self.pixels: Pixels = KINDS[likelihood]()
        self.binary = self.pixels.binary
        self.apply(glorot)

    def make_optimizers(self) -> dict[str, Optimizer]:
        """One Adam for both networks."""
        return {"both": self.adam(self.parameters(), self.learning_rate, self.betas)}

    def updates(self, batch: Batch, noise: Tensor) -> Iterator[Update]:
        """The negative evidence lower bound; its parts are watched."""
        if self.importance_samples > 1:
            own, size = self.importance_samples - 1, noise.shape[1:]
            more = self.own_part(lambda n: torch.randn(own, n, *size, device=noise.device), len(noise), dim=1)
            scalars = self._importance_weighted(batch, torch.cat([noise.unsqueeze(0), more]))
            yield Update({"both": scalars["loss"]}, scalars)
            return
        reconstruction_of_each, kl_of_each = self._bound(batch, noise)
        reconstruction, kl = reconstruction_of_each.mean(), kl_of_each.sum(1).mean()
        loss = reconstruction + self.kl_weight * kl
        yield Update({"both": loss}, {"loss": loss, "reconstruction": reconstruction, "kl": kl})

    def losses(self, batch: Batch, noise: Tensor) -> dict[str, Tensor]:
        """The negative evidence lower bound, its parts, and the KL of each latent dimension."""
        if self.importance_samples > 1:  # noise of its own, the same every time, and of no batch's seed
            generator = torch.Generator().manual_seed(2**62)
            more = torch.randn(self.importance_samples - 1, *noise.shape, generator=generator).to(noise)
            return self._importance_weighted(batch, torch.cat([noise.unsqueeze(0), more]))
        reconstruction, kl = self._bound(batch, noise)
        return {
            "loss": (reconstruction + self.kl_weight * kl.sum(1)).mean(),
            "reconstruction": reconstruction.mean(),
            "kl": kl.sum(1).mean(),
            **{f"kl_{i}": dimension.mean() for i, dimension in enumerate(kl.unbind(1))},
        }

    def sample(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (B, C, H, W) in [0, 1]: the pixels' means E[x|z] of z (B, latent_size)."""
        return self.pixels.mean(self.decode(noise, labels))

    def encode(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance (B, latent_size) of q(z|x) for images (B, C, H, W) in [0, 1]."""
        mean, log_variance = self.encoder(images, self._one_hot(labels))
        return mean, log_variance

    def decode(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits (B, C, H, W) of p(x|z) for latent vectors (B, latent_size)."""
        told = self._one_hot(labels)
        logits: Tensor = self.decoder(z if told is None else torch.cat([z, told.to(z.dtype)], 1))
        return logits

    def reconstruct(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """The decoded posterior means of images (B, C, H, W) in [0, 1]."""
        return self.pixels.mean(self.decode(self.encode(images, labels)[0], labels))

    def kl(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        """See `kl_divergence`."""
        return kl_divergence(mean, log_variance)

    def log_likelihood(self, images: Tensor, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """log p(x|z) in nats, (B,) float64."""
        return -self.pixels.losses(self.decode(z, labels), images).flatten(1).double().sum(1)

    def log_likelihoods(self, images: Tensor, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """log p(x|z) in nats, (N, K) float64, of every image (N, C, H, W) under every latent (K, latent_size)."""
        flat = images.flatten(1).double()
        if labels is None:
            return self.pixels.log_likelihoods(self.decode(z).flatten(1).double(), flat)
        seen, which = torch.unique(labels, return_inverse=True)  # every latent is decoded once a class
        found = torch.empty(len(images), len(z), dtype=torch.float64, device=flat.device)
        for i, label in enumerate(seen):
            logits = self.decode(z, label.expand(len(z))).flatten(1).double()
            found[which == i] = self.pixels.log_likelihoods(logits, flat[which == i])
        return found

    def log_prior(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """log N(z; 0, I) in nats, (B,) float64."""
        return -0.5 * (z.double().square() + math.log(2.0 * math.pi)).sum(1)

    def _one_hot(self, labels: Tensor | None) -> Tensor | None:
        return F.one_hot(labels, self.classes) if labels is not None and self.classes else None

    def _labels(self, batch: Batch) -> Tensor | None:
        """The batch's labels, if the model is told them."""
        return batch.labels if self.classes else None

    def _bound(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstruction loss (B,) and KL of each latent dimension (B, latent_size)."""
        images, labels = batch.images.float().div(255.0), self._labels(batch)  # (B, C, H, W) in [0, 1]
        mean, log_variance = self.encode(images, labels)
        mean, log_variance = mean.float(), log_variance.float()
        z = mean + (0.5 * log_variance).exp() * noise  # reparameterised, (B, latent_size)
        reconstruction = self.pixels.losses(self.decode(z, labels), images).flatten(1).sum(1)
        return reconstruction, kl_divergence(mean, log_variance)

    def _importance_weighted(self, batch: Batch, noise: Tensor) -> dict[str, Tensor]:
        """The bound by K latents an image, of noise (K, B, latent_size), and its parts."""
        images, labels, k = batch.images.float().div(255.0), self._labels(batch), len(noise)
        mean, log_variance = (value.float() for value in self.encode(images, labels))  # (B, latent_size)
        z = mean + (0.5 * log_variance).exp() * noise  # (K, B, latent_size)
        logits = self.decode(z.flatten(0, 1), None if labels is None else labels.repeat(k))
        losses = self.pixels.losses(logits, images.repeat(k, 1, 1, 1)).flatten(1).sum(1)
        reconstruction = losses.view(k, -1)
        divergence = 0.5 * (z.square() - noise.square() - log_variance).sum(2)  # log q(z|x) - log N(z; 0, I)
        return {
            "loss": importance_weighted_bound(reconstruction, self.kl_weight * divergence).mean(),
            "reconstruction": reconstruction.mean(),
            "kl": kl_divergence(mean, log_variance).sum(1).mean(),
        }


class VAE(Variational, LatentPlane):
    """The paper's: its prior stays N(0, I), and its first two latent dimensions are worth a picture."""


def glorot(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases, as in the framework that the paper used.

    With PyTorch's own defaults the posterior of this small encoder collapses for some seeds.
    """
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
