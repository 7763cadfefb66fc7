"""The VAE-GAN: an autoencoder that compares images as a discriminator sees them (Larsen et al. 2016, arXiv:1512.09300).

With q(z|x) the encoder's, f the features of the discriminator D, x~ the decoded z and x_p a decoded draw of the prior:

    feature loss   E_q[-log N(f(x); f(x~), I)]                    nats an image, less a constant (eq. 7)
    GAN loss       -log D(x) - log(1 - D(x~)) - log(1 - D(x_p))   (eq. 8 with its sign turned, and section 3.2)

    encoder        goes down KL(q(z|x) || N(0, I)) + feature loss
    decoder        goes down gamma * feature loss - GAN loss
    discriminator  goes down the GAN loss

With eq. 8's sign, as printed, algorithm 1 would have the discriminator go down what it should go up. Nor does it go
down the feature loss, which it could make 0 by seeing nothing. For "- GAN loss" the decoder takes the non-saturating
-log D, as the GAN's generator does: its gradient has the same sign.
"""

from collections.abc import Iterator
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Optimizer

from genbench.data.batches import Batch
from genbench.data.images import ImageShape
from genbench.models.convolutional import Discriminator, Generator, initialise
from genbench.models.layers import Conv2d
from genbench.models.model import Conditional, Posterior, Reconstruction, Update
from genbench.models.vae import kl_divergence


class Encoder(nn.Module):
    """Images in [-1, 1] to the mean and log-variance of q(z|x)."""

    def __init__(self, shape: ImageShape, latent_size: int, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            Conv2d(shape.channels, 64, 5, stride=2, padding=2),  # (B, 64, H/2, W/2)
            nn.BatchNorm2d(64),
            nn.LeakyReLU(0.2),
            Conv2d(64, 128, 5, stride=2, padding=2),  # (B, 128, H/4, W/4)
            nn.BatchNorm2d(128),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(128 * (shape.height // 4) * (shape.width // 4), 256),
            nn.LeakyReLU(0.2),
        )
        self.heads = nn.Linear(256 + classes, 2 * latent_size)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance (B, latent_size) of images (B, C, H, W); labels (B, classes) are one-hot."""
        hidden = self.body(images)  # (B, 256)
        if labels is not None:
            hidden = torch.cat([hidden, labels.to(hidden.dtype)], 1)
        mean, log_variance = self.heads(hidden).float().chunk(2, dim=1)
        return mean, log_variance


def feature_loss(features: Tensor, restored: Tensor) -> Tensor:
    """-log N(f(x); f(x~), I) of each image in nats, less its constant, (B,); features (B, D) each."""
    return 0.5 * (features.float() - restored.float()).square().sum(1)


def gan_loss(real_logits: Tensor, restored_logits: Tensor, drawn_logits: Tensor) -> Tensor:
    """Binary cross-entropy on real, reconstructed and drawn images, in nats; logits (B,) each."""
    real, *fakes = (logits.float() for logits in (real_logits, restored_logits, drawn_logits))
    return F.softplus(-real).mean() + sum((F.softplus(fake).mean() for fake in fakes), torch.zeros_like(real[0]))


class VAEGAN(Conditional, Posterior, Reconstruction):
    """Encoder, decoder and discriminator, each with its own Adam, one step each per batch; prior N(0, I)."""

    def __init__(
        self,
        shape: ImageShape | tuple[int, int, int],
        classes: int = 0,
        *,
        latent_size: Annotated[int, Field(ge=1, le=65536, description="dimensions of z")] = 16,
        learning_rate: Annotated[float, Field(gt=0, le=1000, description="of the three Adams")] = 5e-4,
        betas: Annotated[
            tuple[Annotated[float, Field(ge=0, le=0.999999)], Annotated[float, Field(ge=0, le=0.999999)]],
            Field(description="of the three Adams: decay of the first and the second moment"),
        ] = (0.5, 0.999),
        gamma: Annotated[
            float, Field(ge=0, le=1e6, description="weight of the feature loss to the GAN loss, for the decoder")
        ] = 0.01,
        kl_weight: Annotated[
            float, Field(ge=0, le=1e6, description="of the KL to the feature loss, for the encoder; 1 is the paper's")
        ] = 10.0,
        conditional: Annotated[bool, Field(description="the networks are told the class")] = False,
    ) -> None:
        super().__init__(shape, noise_shape=(latent_size,), classes=classes if conditional else 0)
        if conditional and not classes:
            raise ValueError("conditional=true needs images with classes")
        self.learning_rate = learning_rate
        self.betas = betas
        self.gamma = gamma
        self.kl_weight = kl_weight
        self.encoder = Encoder(self.shape, latent_size, self.classes)
        self.decoder = Generator(self.shape, latent_size, self.classes)
        self.discriminator = Discriminator(self.shape, 0.0, self.classes)
        self.encoder.apply(initialise)
        self.decoder.initialise()
        self.discriminator.initialise()

    def make_optimizers(self) -> dict[str, Optimizer]:
        """An Adam for each network."""
        networks = {"encoder": self.encoder, "decoder": self.decoder, "discriminator": self.discriminator}
        return {name: self.adam(part.parameters(), self.learning_rate, self.betas) for name, part in networks.items()}

    def updates(self, batch: Batch, noise: Tensor) -> Iterator[Update]:
        """All three losses of one forward pass."""
        found = self._terms(batch, noise, torch.randn_like(noise))
        taught = {
            "encoder": self.kl_weight * found["kl"] + found["feature_loss"],
            "decoder": self.gamma * found["feature_loss"] + found["generator_loss"],
            "discriminator": found["discriminator_loss"],
        }
        yield Update(taught, found)

    def losses(self, batch: Batch, noise: Tensor) -> dict[str, Tensor]:
        """The KL, the feature loss, and both sides of the GAN loss; the prior's draws are the encoder's noise."""
        return self._terms(batch, noise, noise)

    def sample(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (B, C, H, W) in [0, 1] of z (B, latent_size)."""
        images: Tensor = self.decoder(noise, labels)
        return images.float().add(1.0).div(2.0)

    def encode(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance (B, latent_size) of q(z|x) for images (B, C, H, W) in [0, 1]."""
        one_hot = F.one_hot(labels, self.classes) if labels is not None and self.classes else None
        mean, log_variance = self.encoder(images * 2.0 - 1.0, one_hot)
        return mean, log_variance

    def reconstruct(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """The decoded posterior means of images (B, C, H, W) in [0, 1]."""
        return self.sample(self.encode(images, labels)[0], labels)

    def kl(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        """See `kl_divergence`."""
        return kl_divergence(mean, log_variance)

    def _terms(self, batch: Batch, noise: Tensor, prior: Tensor) -> dict[str, Tensor]:
        """What the losses are made of, of the noise of q(z|x) and draws of the prior, each (B, latent_size)."""
        images, labels = batch.images.float().div(255.0), batch.labels if self.classes else None
        mean, log_variance = self.encode(images, labels)
        z = mean + (0.5 * log_variance).exp() * noise
        restored, drawn = self.decoder(z, labels), self.decoder(prior, labels)
        # Together, so that BatchNorm does not hide from the features in what real and restored images differ.
        seen = self.discriminator.features(torch.cat([images * 2.0 - 1.0, restored, drawn]))
        parts = seen.chunk(3)
        logits = [self.discriminator.judge(part, labels) for part in parts]
        return {
            "kl": kl_divergence(mean, log_variance).sum(1).mean(),
            "feature_loss": feature_loss(parts[0], parts[1]).mean(),
            "generator_loss": sum((F.softplus(-fake.float()).mean() for fake in logits[1:]), noise.new_zeros(())),
            "discriminator_loss": gan_loss(logits[0], logits[1], logits[2]),
            "d_real": logits[0].detach().float().sigmoid().mean(),
            "d_fake": logits[2].detach().float().sigmoid().mean(),
        }
