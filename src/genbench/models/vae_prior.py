"""A variational autoencoder whose prior is fitted to its latents when they are learnt.

The bound's KL to N(0, I) does not make the latents of all images together normal: between them there are holes, of
which the decoder knows nothing, and samples from N(0, I) fall into them. Dai & Wipf (2019, "Diagnosing and enhancing
VAE models") learn in a second stage how the latents are distributed; here that is a density that can be worked out.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.optim import Optimizer

from genbench.data.batches import Batch
from genbench.data.images import ImageShape
from genbench.models.model import Posterior, Update
from genbench.models.priors import Mixture, Normal, RealNVP, tempered
from genbench.models.vae import Variational

LATENTS = 50_000  # that a prior is fitted to at least: of fewer images several each

# The shares of the budget. A mixture is fitted at once, when the rest is done.
_STAGES: dict[str, Mapping[str, float]] = {
    "normal": {"autoencoder": 1.0},
    "mixture": {"autoencoder": 1.0, "prior": 0.0},
    "flow": {"autoencoder": 0.8, "prior": 0.2},
}


def fit_prior(model: Posterior, prior: Normal | Mixture | RealNVP, batches: Iterable[Batch]) -> None:
    """Fit a prior to samples of a model's q(z|x) of images, 50,000 at least."""
    encoded, told = [], []
    for batch in batches:
        labels = batch.labels if model.classes else None
        encoded.append(torch.stack(model.encode(batch.images.float().div(255.0), labels)))
        told += [] if labels is None else [labels]
    mean, log_variance = torch.cat(encoded, 1).float().cpu()
    times = math.ceil(LATENTS / len(mean))
    noise = torch.randn(times, *mean.shape, generator=torch.Generator().manual_seed(0))
    z = (mean + (0.5 * log_variance).exp() * noise).flatten(0, 1)
    prior.fit(z.to(model.device), torch.cat(told).repeat(times) if told else None)


class VAEWithPrior(Variational):
    """A VAE in two stages: encoder and decoder with N(0, I), then p(z) on samples of q(z|x) of the training images."""

    stages = _STAGES["flow"]

    def __init__(
        self,
        shape: ImageShape | tuple[int, int, int],
        classes: int = 0,
        *,
        latent_size: Annotated[int, Field(ge=1, le=256, description="dimensions of z")] = 16,
        prior: Annotated[
            Literal["normal", "mixture", "flow"],
            Field(description="p(z): N(0, I); a mixture of Gaussians; or a RealNVP, in the last fifth of the training"),
        ] = "mixture",
        components: Annotated[
            int, Field(ge=1, le=10_000, description="of the mixture; of a conditional model in all classes together")
        ] = 100,
        width: Annotated[
            int, Field(ge=1, le=4096, description="channels of the largest maps; the others have twice as many")
        ] = 64,
        hidden: Annotated[int, Field(ge=1, le=65536, description="units of the encoder's last hidden layer")] = 256,
        prior_learning_rate: Annotated[float, Field(gt=0, le=1000, description="of the RealNVP's Adam")] = 1e-3,
        **variational: Any,
    ) -> None:
        super().__init__(shape, classes, latent_size=latent_size, width=width, hidden=hidden, **variational)
        self.stages = _STAGES[prior]  # type: ignore[misc]  # the class's own are those of the longest
        self.prior_learning_rate = prior_learning_rate
        of_one = {"components": "mixture", "prior_learning_rate": "flow"}
        self.idle = {name: f"model.prior={kind}" for name, kind in of_one.items() if kind != prior}
        self.prior: Normal | Mixture | RealNVP
        if prior == "mixture":
            self.prior = Mixture(latent_size, components, self.classes)
        else:
            self.prior = RealNVP(latent_size, self.classes) if prior == "flow" else Normal(latent_size)
        self.noise_shape = (self.prior.noise_size,)

    def make_optimizers(self) -> dict[str, Optimizer]:
        """One Adam for encoder and decoder, and one for a prior that is trained."""
        networks = (self.encoder, self.decoder, self.pixels)
        own = [parameter for network in networks for parameter in network.parameters()]
        made: dict[str, Optimizer] = {"both": self.adam(own, self.learning_rate, self.betas)}
        if isinstance(self.prior, RealNVP):
            made["prior"] = self.adam(self.prior.parameters(), self.prior_learning_rate)
        return made

    def begin_stage(self, batches: Iterable[Batch]) -> None:
        """Fit the prior to samples of q(z|x) of all training images, 50,000 at least."""
        fit_prior(self, self.prior, batches)

    def updates(self, batch: Batch, noise: Tensor) -> Iterator[Update]:
        """The VAE's, or -log p(z) of latents that no longer change."""
        noise = noise[:, : self.latent_size]
        if self.stage == "autoencoder":
            yield from super().updates(batch, noise)
            return
        with torch.no_grad():
            z = self._latents(batch, noise)[0]
        loss = -self.prior.log_density(z, self._labels(batch)).mean()
        yield Update({"prior": loss}, {"prior_loss": loss})

    def losses(self, batch: Batch, noise: Tensor) -> dict[str, Tensor]:
        """The VAE's; once there is a prior, the bound with that, by one latent an image, and -log p(z)."""
        noise = noise[:, : self.latent_size]
        if self.stage == "autoencoder":
            return super().losses(batch, noise)
        z, log_posterior = self._latents(batch, noise)
        labels = self._labels(batch)
        logits, images = self.decode(z, labels), batch.images.float().div(255.0)
        reconstruction = self.pixels.losses(logits, images).flatten(1).sum(1).mean()
        log_prior = self.prior.log_density(z, labels).mean()
        kl = log_posterior.mean() - log_prior
        return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl, "prior_loss": -log_prior}

    def sample(
        self,
        noise: Tensor,
        labels: Tensor | None = None,
        *,
        temperature: Annotated[
            float, Field(ge=0, le=10, description="of the noise in the prior; less: more typical images, less varied")
        ] = 1.0,
    ) -> Tensor:
        """Images (B, C, H, W) in [0, 1]: the pixels' means of latents from the model's own prior."""
        noise = tempered(noise, self.latent_size, temperature)
        return self.pixels.mean(self.decode(self.prior.draw(noise, labels), labels))

    def kl(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        """KL(q(z|x) || N(0, I)) of each latent dimension, (B, latent_size): to the prior that they were learnt with."""
        return super().kl(mean, log_variance)

    def log_prior(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """log p(z) in nats under the model's own prior, (B,) float64."""
        return self.prior.log_density(z.double(), labels).double()

    def _latents(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor]:
        """z ~ q(z|x), (B, latent_size), and log q(z|x), (B,)."""
        encoded = self.encode(batch.images.float().div(255.0), self._labels(batch))
        mean, log_variance = (value.float() for value in encoded)
        log_posterior = -0.5 * (noise.square() + log_variance + math.log(2.0 * math.pi)).sum(1)
        return mean + (0.5 * log_variance).exp() * noise, log_posterior
