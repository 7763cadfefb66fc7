"""How pixels are distributed about what a decoder says: the p(x|z) of a variational autoencoder.

Each states the same of logits and images in [0, 1]: `losses`, -log p(x|z) of each pixel in nats; `mean`, E[x|z]; and
`log_likelihoods`, log p(x|z) in nats, (N, K), of every image (N, P) under every latent's logits (K, P).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LARGEST_SERIES = 0.3  # |logit| below which a series stands in for quotients of two small numbers
NARROWEST = math.log(1 / 512)  # of the Gaussian: half a level of grey


class Bernoulli(nn.Module):
    """p(x|z) = s(l)^x (1 - s(l))^(1 - x): the paper's cross-entropy, a probability of black and white pixels."""

    binary = True

    def losses(self, logits: Tensor, images: Tensor) -> Tensor:
        """-log p(x|z) of each pixel, of the images' shape and type."""
        return F.binary_cross_entropy_with_logits(logits.to(images.dtype), images, reduction="none")

    def mean(self, logits: Tensor) -> Tensor:
        """E[x|z] in [0, 1]: the probability of 1."""
        return logits.float().sigmoid()

    def log_likelihoods(self, logits: Tensor, images: Tensor) -> Tensor:
        """See the module."""  # x log p + (1 - x) log(1 - p) = x logit(p) + log(1 - p)
        return images @ logits.T - F.softplus(logits).sum(1)


class ContinuousBernoulli(nn.Module):
    """p(x|z) = C(l) s(l)^x (1 - s(l))^(1 - x), a density on [0, 1] (Loaiza-Ganem & Cunningham 2019, eq. 4)."""

    binary = False

    def losses(self, logits: Tensor, images: Tensor) -> Tensor:
        """-log p(x|z) of each pixel, of the images' shape and type."""
        logits = logits.to(images.dtype)
        return F.binary_cross_entropy_with_logits(logits, images, reduction="none") - log_normaliser(logits)

    def mean(self, logits: Tensor) -> Tensor:
        """E[x|z] in [0, 1], which is not s(l) (their eq. 8): 1/2 + 1 / (2 tanh(l/2)) - 1/l."""
        logits = logits.float()
        small = logits.abs() < LARGEST_SERIES
        safe = torch.where(small, 1.0, logits)
        exact = 0.5 + 0.5 / torch.tanh(safe / 2) - 1 / safe
        return torch.where(small, 0.5 + logits / 12 - logits**3 / 720 + logits**5 / 30240, exact)

    def log_likelihoods(self, logits: Tensor, images: Tensor) -> Tensor:
        """See the module."""
        return images @ logits.T - (F.softplus(logits) - log_normaliser(logits)).sum(1)


class Gaussian(nn.Module):
    """p(x|z) = N(x; s(l), sd^2) with one sd for all pixels, which is learnt (Rybkin et al. 2021, sigma-VAE)."""

    binary = False

    def __init__(self) -> None:
        super().__init__()
        self.log_sd = nn.Parameter(torch.full((), math.log(0.2)))

    def losses(self, logits: Tensor, images: Tensor) -> Tensor:
        """-log p(x|z) of each pixel, of the images' shape and type."""
        log_sd = self._log_sd.to(images.dtype)
        standard = (images - logits.to(images.dtype).sigmoid()) / log_sd.exp()
        return standard.square() / 2 + log_sd + math.log(2 * math.pi) / 2

    def mean(self, logits: Tensor) -> Tensor:
        """E[x|z] in [0, 1]."""
        return logits.float().sigmoid()

    def log_likelihoods(self, logits: Tensor, images: Tensor) -> Tensor:
        """See the module."""
        log_sd, means = self._log_sd.to(images.dtype), logits.sigmoid()
        squares = images.square().sum(1, keepdim=True) - 2 * images @ means.T + means.square().sum(1)
        return -squares / 2 / (2 * log_sd).exp() - images.shape[1] * (log_sd + math.log(2 * math.pi) / 2)

    @property
    def _log_sd(self) -> Tensor:
        return self.log_sd.clamp(min=NARROWEST)


Pixels = Bernoulli | ContinuousBernoulli | Gaussian
KINDS: dict[str, type[Pixels]] = {
    "bernoulli": Bernoulli,
    "continuous_bernoulli": ContinuousBernoulli,
    "gaussian": Gaussian,
}


def log_normaliser(logits: Tensor) -> Tensor:
    """log C(l) of the continuous Bernoulli, C = 2 artanh(1 - 2s) / (1 - 2s) = l / tanh(l/2); log 2 at l = 0.

    Near 0, where it is a quotient of two small numbers, by its series.
    """
    small = logits.abs() < LARGEST_SERIES
    safe = torch.where(small, 1.0, logits)  # so that no gradient of what is not taken is infinite
    exact = torch.log(safe / torch.tanh(safe / 2))
    series = math.log(2) + logits.square() / 12 - 7 * logits**4 / 1440 + 31 * logits**6 / 90720
    return torch.where(small, series, exact)
