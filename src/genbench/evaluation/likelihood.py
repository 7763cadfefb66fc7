"""Likelihood of an autoencoder with a Gaussian posterior and a standard normal prior."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Encode = Callable[[Tensor], tuple[Tensor, Tensor]]  # images (B, ...) -> mean, log variance, both (B, d)
LogLikelihood = Callable[[Tensor, Tensor], Tensor]  # images (B, ...), latents (B, d) -> log p(x|z) (B,), nats

ACTIVE_ABOVE = 0.01
_ROWS = 256  # latents decoded at once: more are slower on a CPU, and thousands take gigabytes


def binarise(images: Tensor, seed: int) -> Tensor:
    """Pixels drawn once, 1 with probability value / 255 (Salakhutdinov & Murray 2008).

    Images (N, C, H, W) uint8 become float32 zeros and ones on the same device; a byte of 0 or 255 is kept.
    """
    uniform = torch.rand(images.shape, generator=torch.Generator().manual_seed(seed))
    return (uniform * 255 < images.cpu()).float().to(images.device)


def bernoulli_log_likelihood(decode: Callable[[Tensor], Tensor]) -> LogLikelihood:
    """log p(x|z) of binary images under independent pixels with logits decode(z), summed over pixels, nats."""

    def log_likelihood(images: Tensor, latents: Tensor) -> Tensor:
        logits = decode(latents)
        pixels = F.binary_cross_entropy_with_logits(logits, images, reduction="none")
        return -pixels.flatten(1).double().sum(1)

    return log_likelihood


@torch.no_grad()
def importance_sampled_nll(
    images: Tensor, encode: Encode, log_likelihood: LogLikelihood, samples: int, seed: int
) -> Tensor:
    """-log p(x) of each image (N, ...) in nats, estimated from above: (N,) float64 (Burda 2015, eq. 8).

    -log 1/K sum_k p(x|z_k) p(z_k) / q(z_k|x) with z_k ~ q(z|x) and p(z) standard normal, K = samples.
    The noise is drawn image after image from the seed's own stream on the CPU: it depends neither on
    the device nor on how many images or samples are worked on at once.
    """
    generator = torch.Generator().manual_seed(seed)
    together = max(1, _ROWS // samples)
    return torch.cat(
        [-_log_marginal(batch, encode, log_likelihood, samples, generator) for batch in torch.split(images, together)]
    )


def _log_marginal(
    images: Tensor, encode: Encode, log_likelihood: LogLikelihood, samples: int, generator: torch.Generator
) -> Tensor:
    mean, log_variance = encode(images)  # (B, d)
    noise = torch.stack([torch.randn(samples, mean.shape[1], generator=generator) for _ in images])
    log_weights = []  # (B, chunk) each
    for chunk in torch.split(noise.to(mean), max(1, _ROWS // len(images)), dim=1):
        latents = mean.unsqueeze(1) + (log_variance / 2).exp().unsqueeze(1) * chunk  # (B, chunk, d)
        repeated = images.repeat_interleave(chunk.shape[1], dim=0)
        likelihood = log_likelihood(repeated, latents.flatten(0, 1)).double().view(chunk.shape[:2])
        # log p(z) - log q(z|x); the constants of the two Gaussians cancel.
        ratio = (chunk.double().square() + log_variance.double().unsqueeze(1) - latents.double().square()) / 2
        log_weights.append(likelihood + ratio.sum(2))
    return torch.cat(log_weights, 1).logsumexp(1) - math.log(samples)


def active_units(mean: Tensor) -> int:
    """Latent dimensions whose posterior mean (N, d) varies by more than 0.01 over images (Burda 2015, 5.2)."""
    return int((mean.double().var(0) > ACTIVE_ABOVE).sum())
