"""Reconstruction by a model without an encoder: search its latent space for the given images."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Inversion:
    """The best latent found for each image, and what the generator makes of it."""

    latents: Tensor  # (N, d)
    images: Tensor  # (N, C, H, W)
    errors: Tensor  # (N,) mean squared error per pixel


def invert(
    generate: Callable[[Tensor], Tensor],
    images: Tensor,
    latent_size: int,
    *,
    starts: int,
    steps: int,
    seed: int,
    learning_rate: float = 0.1,
) -> Inversion:
    """Latents that minimise |generate(z) - x|^2 per pixel for images x (N, C, H, W) in [0, 1].

    Adam from `starts` standard normal latents per image, all at once, its step size falling to 0 along a
    cosine; the best start is kept for each image (Creswell & Bharath 2018; Lipton & Tripathi 2017).
    The generator must be in eval mode, where one latent's image depends on no other's; its parameters and
    their gradients are left alone. N * starts latents are held at once: hand in as many images as fit.
    """
    generator = torch.Generator().manual_seed(seed)
    initial = [torch.randn(starts, latent_size, generator=generator) for _ in images]  # the same for any N
    latents = torch.cat(initial).to(images.device).requires_grad_()  # (N * starts, d)
    targets = images.repeat_interleave(starts, dim=0)
    optimizer = torch.optim.Adam([latents], lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    with torch.enable_grad():
        for _ in range(steps):
            # A sum over latents: none feels the others. Adam does not mind the scale.
            loss = _errors(generate(latents), targets).sum()
            (latents.grad,) = torch.autograd.grad(loss, [latents])
            optimizer.step()
            schedule.step()

    with torch.no_grad():
        made = generate(latents)
        errors = _errors(made, targets)
        best = errors.view(-1, starts).argmin(1) + torch.arange(len(images), device=images.device) * starts
        return Inversion(latents[best].detach(), made[best], errors[best])


def _errors(images: Tensor, targets: Tensor) -> Tensor:
    return (images - targets).square().flatten(1).mean(1)
