"""Scores of models with a posterior q(z|x): the likelihood of test images and the latent dimensions in use."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from genbench.config.train import EvaluationConfig
from genbench.data.images import ImageData, evenly_spaced
from genbench.device import fast_bfloat16
from genbench.evaluation.conditions import labels_of
from genbench.models.model import Integrable, Likelihood, Posterior
from genbench.models.sampling import posterior_means
from genbench.progress import advance, task
from genbench.runs.records import Absent, Estimate

ACTIVE_ABOVE = 0.01
GRIDDED = 2  # latent dimensions up to which p(x) is integrated
_REACH = 6.0  # posterior sds that the grid reaches beyond every posterior mean
_LARGEST_STEP = 0.05  # between grid points; half the sd of the narrowest posteriors of a trained model or less
_ROWS = 128  # latents decoded at once on a CPU: more are slower where networks are wide
_CUDA_ROWS = 1024  # on a GPU fewer leave it waiting for the next launch, and thousands take gigabytes


def nll(model: Likelihood, data: ImageData, level: EvaluationConfig) -> Estimate | Absent:
    """-log p(x) of test images binarised once, in nats per image.

    With one or two latent dimensions the integral over z is worked out on a grid, where the model allows for it and it
    takes no more decoding; else by importance sampling, which estimates from above, by much where q(z|x) is far off.
    Absent for a model of grey pixels: its density at black and white ones is no probability.
    """
    if not model.binary:
        return Absent(
            absent="the model's likelihood is a density of grey pixels, no probability of black and white ones"
        )
    chosen = evenly_spaced(data.test, level.nll_images)
    images = binarise(chosen.images, seed=0).to(model.device)
    labels = labels_of(model, chosen)
    axes = _axes(model, images, labels) if isinstance(model, Integrable) else []
    points = math.prod(len(axis) for axis in axes)
    if isinstance(model, Integrable) and 0 < len(axes) <= GRIDDED and points <= level.nll_samples * len(images):
        values = integrated_nll(model, images, axes, labels)
        method = f"integrated over {points:,} points"
    else:
        values = importance_sampled_nll(model, images, level.nll_samples, seed=0, labels=labels)
        method = f"importance sampling, {level.nll_samples:,} samples an image"
    error = float(values.std() / len(values) ** 0.5)
    return Estimate(mean=float(values.mean()), standard_error=error, n=len(values), method=method)


def active_units(model: Posterior, data: ImageData, level: EvaluationConfig) -> Estimate:
    """Latent dimensions whose posterior mean varies by more than 0.01 over the test images (Burda 2015, 5.2)."""
    means = posterior_means(model, data.test.images, data.test.labels)
    return Estimate(mean=float(count_active(means)), n=len(means))


def binarise(images: Tensor, seed: int) -> Tensor:
    """Pixels drawn once, 1 with probability value / 255 (Salakhutdinov & Murray 2008).

    Images (N, C, H, W) uint8 become float32 zeros and ones on the same device; a byte of 0 or 255 is kept.
    """
    uniform = torch.rand(images.shape, generator=torch.Generator().manual_seed(seed))
    return (uniform * 255 < images.cpu()).float().to(images.device)


def count_active(means: Tensor) -> int:
    """How many dimensions of posterior means (N, d) have a variance above 0.01."""
    return int((means.double().var(0) > ACTIVE_ABOVE).sum())


def _fast(device: torch.device) -> torch.autocast:
    """Decoding in bfloat16 where that is faster; where the latents lie, and how likely that is, is not rounded."""
    return torch.autocast(device.type, torch.bfloat16, enabled=fast_bfloat16(device))


@torch.no_grad()
def integrated_nll(model: Integrable, images: Tensor, axes: Sequence[Tensor], labels: Tensor | None = None) -> Tensor:
    """-log p(x) of each image (N, C, H, W) in nats: (N,) float64.

    By the trapezoidal rule on the grid of equidistant axes: for smooth densities that vanish at its edges the error
    falls faster than any power of the step.
    """
    points = torch.cartesian_prod(*axes).view(-1, len(axes))  # (K, d)
    log_cell = sum(math.log(float(axis[1] - axis[0])) for axis in axes)
    total = torch.full((len(images),), -math.inf, dtype=torch.float64)
    parts = torch.split(points.to(images), _ROWS)
    with task("integrating the likelihood", len(parts)):
        for z in parts:
            total = torch.logaddexp(total, _log_joints(model, images, z, labels).logsumexp(1))
            advance()
    return -(total + log_cell)


@torch.no_grad()
def _axes(model: Integrable, images: Tensor, labels: Tensor | None) -> list[Tensor]:
    """A grid's axes, a latent dimension each, over all posteriors and the bulk of N(0, I)."""
    mean, log_variance = model.encode(images, labels)
    mean, reach = mean.double().cpu(), _REACH * (log_variance.double().cpu() / 2).exp()
    low, high = (mean - reach).amin(0).clamp(max=-_REACH), (mean + reach).amax(0).clamp(min=_REACH)
    ends = zip(low.tolist(), high.tolist(), strict=True)
    return [torch.linspace(a, b, math.ceil((b - a) / _LARGEST_STEP) + 1, dtype=torch.float64) for a, b in ends]


def _log_joints(model: Integrable, images: Tensor, z: Tensor, labels: Tensor | None) -> Tensor:
    """log p(x|z) p(z), (N, K) float64 on the CPU, of every image under every latent (K, d)."""
    with _fast(images.device):
        log_likelihoods = model.log_likelihoods(images, z, labels).double()
    if labels is None:
        log_prior = model.log_prior(z.double()).double().expand_as(log_likelihoods)
    else:
        seen, which = torch.unique(labels, return_inverse=True)
        log_prior = torch.stack([model.log_prior(z.double(), label.expand(len(z))).double() for label in seen])[which]
    return (log_likelihoods + log_prior).cpu()


@torch.no_grad()
def importance_sampled_nll(
    model: Likelihood, images: Tensor, samples: int, seed: int, labels: Tensor | None = None
) -> Tensor:
    """-log p(x) of each image (N, C, H, W) in nats, estimated from above: (N,) float64 (Burda 2015, eq. 8).

    -log 1/K sum_k p(x|z_k) p(z_k) / q(z_k|x) with z_k ~ q(z|x), K = samples, and the model's own p(x|z) and p(z).
    The noise is drawn image after image from the seed's own stream on the CPU: it depends neither on the device nor
    on how many images or samples are worked on at once.
    """
    generator = torch.Generator().manual_seed(seed)
    rows = _CUDA_ROWS if images.is_cuda else _ROWS
    together = max(1, rows // samples)
    parts = []
    with task("estimating the likelihood", math.ceil(len(images) / together)):
        for start in range(0, len(images), together):
            own = slice(start, start + together)
            of_images = None if labels is None else labels[own]
            parts.append(-_log_marginal(model, images[own], of_images, samples, rows, generator))
            advance()
    return torch.cat(parts)


def _log_marginal(
    model: Likelihood, images: Tensor, labels: Tensor | None, samples: int, rows: int, generator: torch.Generator
) -> Tensor:
    mean, log_variance = model.encode(images, labels)  # (B, d)
    noise = torch.stack([torch.randn(samples, mean.shape[1], generator=generator) for _ in images])
    log_weights = []  # (B, chunk) each
    for chunk in torch.split(noise.to(mean), max(1, rows // len(images)), dim=1):
        latents = (mean.unsqueeze(1) + (log_variance / 2).exp().unsqueeze(1) * chunk).flatten(0, 1)  # (B * chunk, d)
        repeated = images.repeat_interleave(chunk.shape[1], dim=0)
        of_latents = None if labels is None else labels.repeat_interleave(chunk.shape[1])
        with _fast(images.device):
            log_likelihood = model.log_likelihood(repeated, latents, of_latents).double()
        log_joint = log_likelihood + model.log_prior(latents.double(), of_latents).double()
        log_posterior = -(chunk.double().square() + log_variance.double().unsqueeze(1) + math.log(2 * math.pi)) / 2
        log_weights.append(log_joint.view(chunk.shape[:2]) - log_posterior.sum(2))
    return torch.cat(log_weights, 1).logsumexp(1) - math.log(samples)
