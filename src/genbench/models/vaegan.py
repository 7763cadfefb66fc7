"""A VAE whose decoder is sharpened by a discriminator, after the VAE-GAN (Larsen et al. 2016, arXiv:1512.09300).

First encoder and decoder learn by the evidence lower bound. Then a mixture is fitted to the latents of the training
images (as in vae_prior.py), the encoder stays as it is, and the decoder goes on against a discriminator D. With f the
features of D, x~ an image decoded from q(z|x) and x_p one decoded from the mixture:

    feature loss   E_q[-log N(f(x); f(x~), I)]                    nats an image, less a constant (eq. 7)
    GAN loss       -log D(x) - log(1 - D(x~)) - log(1 - D(x_p))   (eq. 8 with its sign turned, and section 3.2)

    decoder        goes down gamma * feature loss - log D(x~) - log D(x_p)
    discriminator  goes down the GAN loss

With eq. 8's sign, as printed, algorithm 1 would have the discriminator go down what it should go up. Nor does it go
down the feature loss, which it could make 0 by seeing nothing. In the paper all three networks learn at once from the
first step, the encoder by the feature loss, and x_p is decoded from N(0, I): docs/models/vaegan.md compares.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor
from torch.optim import Optimizer

from genbench.data.batches import Batch
from genbench.data.images import ImageShape
from genbench.models.convolutional import Discriminator
from genbench.models.model import Conditional, Posterior, Reconstruction, Update
from genbench.models.priors import Mixture, tempered
from genbench.models.vae import Decoder, Encoder, glorot, kl_divergence
from genbench.models.vae_prior import fit_prior

_STAGES: Mapping[str, float] = {"autoencoder": 0.5, "adversarial": 0.5}  # shares of the budget
LEAK = 0.2  # slope below 0 of the encoder's hidden units


def feature_loss(features: Tensor, restored: Tensor) -> Tensor:
    """-log N(f(x); f(x~), I) of each image in nats, less its constant, (B,); features (B, D) each."""
    return 0.5 * (features.float() - restored.float()).square().sum(1)


def gan_loss(real_logits: Tensor, restored_logits: Tensor, drawn_logits: Tensor) -> Tensor:
    """Binary cross-entropy on real, reconstructed and drawn images, in nats; logits (B,) each."""
    real, *fakes = (logits.float() for logits in (real_logits, restored_logits, drawn_logits))
    return F.softplus(-real).mean() + sum((F.softplus(fake).mean() for fake in fakes), torch.zeros_like(real[0]))


class VAEGAN(Conditional, Posterior, Reconstruction):
    """Encoder and decoder in a first stage, decoder and discriminator in a second; between them the prior is fitted."""

    stages = _STAGES

    def __init__(
        self,
        shape: ImageShape | tuple[int, int, int],
        classes: int = 0,
        *,
        latent_size: Annotated[int, Field(ge=1, le=256, description="dimensions of z")] = 32,
        components: Annotated[
            int, Field(ge=1, le=10_000, description="of the mixture; of a conditional model in all classes together")
        ] = 100,
        width: Annotated[
            int, Field(ge=1, le=4096, description="channels of the largest maps; the others have twice as many")
        ] = 64,
        hidden: Annotated[int, Field(ge=1, le=65536, description="units of the encoder's last hidden layer")] = 256,
        learning_rate: Annotated[float, Field(gt=0, le=1000, description="of Adam in the first stage")] = 2e-3,
        adversarial_learning_rate: Annotated[
            float, Field(gt=0, le=1000, description="of the decoder's and the discriminator's Adam in the second")
        ] = 5e-4,
        betas: Annotated[
            tuple[Annotated[float, Field(ge=0, le=0.999999)], Annotated[float, Field(ge=0, le=0.999999)]],
            Field(description="of Adam in the second stage: decay of the first and the second moment"),
        ] = (0.5, 0.999),
        gamma: Annotated[
            float, Field(ge=0, le=1e6, description="weight of the feature loss to the GAN loss, for the decoder")
        ] = 0.01,
        conditional: Annotated[bool, Field(description="the networks are told the class")] = False,
    ) -> None:
        super().__init__(shape, noise_shape=(latent_size + 1,), classes=classes if conditional else 0)
        if conditional and not classes:
            raise ValueError("conditional=true needs images with classes")
        self.latent_size = latent_size
        self.learning_rate = learning_rate
        self.adversarial_learning_rate = adversarial_learning_rate
        self.betas = betas
        self.gamma = gamma
        self.encoder = Encoder(self.shape, latent_size, LEAK, self.classes, width, hidden)
        self.decoder = Decoder(self.shape, latent_size + self.classes, width)
        self.apply(glorot)
        self.discriminator = Discriminator(self.shape, 0.0, self.classes)
        self.discriminator.initialise()
        self.prior = Mixture(latent_size, components, self.classes)
        self.noise_shape = (self.prior.noise_size,)

    def make_optimizers(self) -> dict[str, Optimizer]:
        """An Adam for the first stage, and one for each network that learns in the second."""
        both = [*self.encoder.parameters(), *self.decoder.parameters()]
        made: dict[str, Optimizer] = {"both": self.adam(both, self.learning_rate)}
        for name, network in (("decoder", self.decoder), ("discriminator", self.discriminator)):
            made[name] = self.adam(network.parameters(), self.adversarial_learning_rate, self.betas)
        return made

    def begin_stage(self, batches: Iterable[Batch]) -> None:
        """Fit the mixture to samples of q(z|x), which will not change any more."""
        fit_prior(self, self.prior, batches)

    def updates(self, batch: Batch, noise: Tensor) -> Iterator[Update]:
        """The evidence lower bound; then both sides of the GAN loss, of one forward pass."""
        own = noise[:, : self.latent_size]
        if self.stage == "autoencoder":
            found = self._bound(batch, own)
            yield Update({"both": found["loss"]}, found)
            return
        of_latents = self.own_part(lambda n: torch.randn(n, *own.shape[1:], device=own.device), len(own))
        found = self._terms(batch, of_latents, noise)
        taught = {
            "decoder": self.gamma * found["feature_loss"] + found["generator_loss"],
            "discriminator": found["discriminator_loss"],
        }
        yield Update(taught, found)

    def losses(self, batch: Batch, noise: Tensor) -> dict[str, Tensor]:
        """Those of the stage; the noise of q(z|x) is that of the prior."""
        own = noise[:, : self.latent_size]
        return self._bound(batch, own) if self.stage == "autoencoder" else self._terms(batch, own, noise)

    def sample(
        self,
        noise: Tensor,
        labels: Tensor | None = None,
        *,
        temperature: Annotated[
            float, Field(ge=0, le=10, description="of the noise in the prior; less: more typical images, less varied")
        ] = 0.85,
    ) -> Tensor:
        """Images (B, C, H, W) in [0, 1] of latents from the mixture, by noise (B, latent_size + 1)."""
        noise = tempered(noise, self.latent_size, temperature)
        return self.decode(self.prior.draw(noise, labels), labels)

    def encode(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance (B, latent_size) of q(z|x) for images (B, C, H, W) in [0, 1]."""
        mean, log_variance = self.encoder(images, self._one_hot(labels))
        return mean, log_variance

    def decode(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (B, C, H, W) in [0, 1] of latent vectors (B, latent_size)."""
        return self._logits(z, labels).sigmoid()

    def reconstruct(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """The decoded posterior means of images (B, C, H, W) in [0, 1]."""
        return self.decode(self.encode(images, labels)[0], labels)

    def kl(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        """See `kl_divergence`."""
        return kl_divergence(mean, log_variance)

    def _one_hot(self, labels: Tensor | None) -> Tensor | None:
        return F.one_hot(labels, self.classes) if labels is not None and self.classes else None

    def _logits(self, z: Tensor, labels: Tensor | None) -> Tensor:
        told = self._one_hot(labels)
        logits: Tensor = self.decoder(z if told is None else torch.cat([z, told.to(z.dtype)], 1))
        return logits.float()

    def _bound(self, batch: Batch, noise: Tensor) -> dict[str, Tensor]:
        """The negative evidence lower bound with Bernoulli pixels, and its parts."""
        images, labels = batch.images.float().div(255.0), batch.labels if self.classes else None
        mean, log_variance = (value.float() for value in self.encode(images, labels))
        logits = self._logits(mean + (0.5 * log_variance).exp() * noise, labels)
        reconstruction = F.binary_cross_entropy_with_logits(logits, images, reduction="none").flatten(1).sum(1).mean()
        kl = kl_divergence(mean, log_variance).sum(1).mean()
        return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}

    def _terms(self, batch: Batch, noise: Tensor, prior: Tensor) -> dict[str, Tensor]:
        """What the second stage's losses are made of, by noise of q(z|x) and of the prior."""
        images, labels = batch.images.float().div(255.0), batch.labels if self.classes else None
        with torch.no_grad():
            mean, log_variance = (value.float() for value in self.encode(images, labels))
            z = torch.cat([mean + (0.5 * log_variance).exp() * noise, self.prior.draw(prior, labels)])
        made = self.decode(z, None if labels is None else labels.repeat(2))
        # Together, so that BatchNorm does not hide from the features in what real and restored images differ.
        parts = self.discriminator.features(torch.cat([images, made]) * 2.0 - 1.0).chunk(3)
        logits = [self.discriminator.judge(part, labels) for part in parts]
        return {
            "feature_loss": feature_loss(parts[0], parts[1]).mean(),
            "generator_loss": sum((F.softplus(-fake.float()).mean() for fake in logits[1:]), noise.new_zeros(())),
            "discriminator_loss": gan_loss(logits[0], logits[1], logits[2]),
            "d_real": logits[0].detach().float().sigmoid().mean(),
            "d_fake": logits[2].detach().float().sigmoid().mean(),
        }
