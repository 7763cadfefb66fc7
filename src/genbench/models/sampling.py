"""Drawing images from a model, and encoding them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from genbench.models.model import Model, Posterior, Reconstruction

# Noise is drawn, and goes through the networks, in so many rows, the last ones filled up: image i depends on the seed
# and i alone, not on how many were asked for (libraries choose their algorithms, and so their rounding, by the number).
BLOCK = 250
LARGE = 64 * 64  # pixels; of larger images a pass has as many fewer, so that it takes no more memory and time
ENCODED = 500  # images that are encoded at once


def draw(
    model: Model,
    n: int,
    seed: int,
    precision: torch.dtype = torch.float32,
    labels: Tensor | None = None,
    **options: Any,
) -> Tensor:
    """Images from standard normal noise, in evaluation mode.

    Args:
        model: on any device; its mode is restored.
        n: how many.
        seed: of the noise, which is drawn on the CPU: the same on every device.
        precision: of the products; bfloat16 moves some pixels by one level of grey.
        labels: (n,) int64, the classes wanted of a conditional model; None: all classes in turn.
        options: of the model's `sample`.

    Returns:
        (n, C, H, W) uint8 on the CPU.
    """
    generator = torch.Generator().manual_seed(seed)
    labels = model.labels_in_turn(n) if labels is None else labels
    labels = None if labels is None else labels.cpu()
    images = []
    for start in range(0, n, BLOCK):
        noise = torch.randn(BLOCK, *model.noise_shape, generator=generator)
        wanted = None if labels is None else _filled(labels[start : start + BLOCK])
        rows = _rows(model)
        for first in range(0, min(BLOCK, n - start), rows):
            part = slice(first, first + rows)
            images.append(decode(model, noise[part], precision, None if wanted is None else wanted[part], **options))
    return torch.cat(images)[:n]


def _rows(model: Model) -> int:
    return max(1, BLOCK * LARGE // max(LARGE, model.shape.height * model.shape.width))


def _filled(labels: Tensor) -> Tensor:
    return torch.cat([labels, labels.new_zeros(BLOCK - len(labels))])


@torch.no_grad()
def decode(
    model: Model,
    noise: Tensor,
    precision: torch.dtype = torch.float32,
    labels: Tensor | None = None,
    **options: Any,
) -> Tensor:
    """The images of noise (N, *noise_shape), as (N, C, H, W) uint8 on the CPU, in evaluation mode."""
    with evaluating(model), torch.autocast(model.device.type, torch.bfloat16, enabled=precision == torch.bfloat16):
        on_device = None if labels is None else labels.to(model.device)
        images = model.forward(noise.to(model.device), on_device, **options)
    return images.clamp(0.0, 1.0).mul(255.0).round().to(torch.uint8).cpu()


def check_options(model: Model) -> None:
    """Draw an image with the options that the model's YAML gives, if it gives some: what does not go together is said.

    Raises:
        UserError: as the model's `sample`.
    """
    if model.sample_options:
        with torch.random.fork_rng(devices=[]):
            decode(model, torch.zeros(1, *model.noise_shape))


def posterior_means(model: Posterior, images: Tensor, labels: Tensor | None = None) -> Tensor:
    """Means (N, d) of q(z|x) for images (N, C, H, W) uint8, on the CPU; evaluation mode, float32."""
    return posteriors(model, images, labels)[0]


@torch.no_grad()
def posteriors(model: Posterior, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Means and log-variances (N, d) of q(z|x) for images (N, C, H, W) uint8, on the CPU; evaluation mode, float32."""
    with evaluating(model), torch.autocast(model.device.type, enabled=False):
        blocks = [model.encode(*block) for block in _blocks(model, images, labels)]
    means, log_variances = zip(*blocks, strict=True)
    return torch.cat(means).float().cpu(), torch.cat(log_variances).float().cpu()


@torch.no_grad()
def reconstructed(model: Reconstruction, images: Tensor, labels: Tensor | None = None) -> Tensor:
    """What a model makes of images (N, C, H, W) uint8: uint8 on the CPU; evaluation mode, float32."""
    with evaluating(model), torch.autocast(model.device.type, enabled=False):
        blocks = [model.reconstruct(*block) for block in _blocks(model, images, labels)]
    return torch.cat([block.clamp(0.0, 1.0).mul(255.0).round().to(torch.uint8).cpu() for block in blocks])


def _blocks(model: Model, images: Tensor, labels: Tensor | None) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Images in [0, 1] and their labels on the model's device, some at a time; labels only for a model with classes."""
    for start in range(0, len(images), ENCODED):
        of_block = None if labels is None or not model.classes else labels[start : start + ENCODED].to(model.device)
        yield images[start : start + ENCODED].to(model.device).float().div(255.0), of_block


def network_evaluations(model: Model, **options: Any) -> float:
    """How often the model's networks are called for one image, by counting: 1 for a generator, more for a solver."""
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    hooks = [network.register_forward_hook(count) for network in model.children()]
    try:
        decode(model, torch.zeros(1, *model.noise_shape), **options)
    finally:
        for hook in hooks:
            hook.remove()
    return float(calls)


@contextmanager
def evaluating(model: Model) -> Iterator[None]:
    """Evaluation mode, and the mode of before."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
