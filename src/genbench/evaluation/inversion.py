"""Reconstruction by a model without an encoder: search its latent space for the given images."""

from collections.abc import Callable

import torch
from torch import Tensor

Generate = Callable[[Tensor], Tensor]  # latents (B, d) -> images (B, C, H, W) in [0, 1]

SCOUTING_RATE, RATE = 0.2, 0.1  # of Adam, from the first steps to the last


def invert(
    generate: Generate, images: Tensor, latent_size: int, *, starts: int, scouting: int, steps: int, seed: int
) -> Tensor:
    """Latents (N, d) that minimise |generate(z) - x|^2 per pixel for images x (N, C, H, W) in [0, 1].

    Adam, its rate falling to 0 along a cosine (Creswell & Bharath 2018; Lipton & Tripathi 2017): `scouting` steps from
    each of `starts` standard normal latents, then `steps` more from the best of them. Most of the error that is left
    after a hundred steps is that of too few steps, not of the start.
    The generator must be in eval mode, where one latent's image depends on no other's; its parameters and their
    gradients are left alone. N * starts latents are held at once: hand in as many images as fit.
    """
    generator = torch.Generator().manual_seed(seed)
    initial = [torch.randn(starts, latent_size, generator=generator) for _ in images]  # the same for any N
    scouts = torch.cat(initial).to(images.device)  # (N * starts, d)
    scouts, errors = _descend(generate, scouts, images.repeat_interleave(starts, dim=0), scouting, SCOUTING_RATE)
    best = errors.view(-1, starts).argmin(1) + torch.arange(len(images), device=images.device) * starts
    return _descend(generate, scouts[best], images, steps, RATE)[0]


def _descend(generate: Generate, latents: Tensor, targets: Tensor, steps: int, rate: float) -> tuple[Tensor, Tensor]:
    """Where the latents (N, d) come to, and their errors (N,) there."""
    latents = latents.clone().requires_grad_()
    optimizer = torch.optim.Adam([latents], rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    with torch.enable_grad():
        for _ in range(steps):
            # A sum over latents: none feels the others. Adam does not mind the scale.
            (latents.grad,) = torch.autograd.grad(squared_errors(generate(latents), targets).sum(), [latents])
            optimizer.step()
            schedule.step()
            torch.clear_autocast_cache()  # it holds the latents of before the step
    with torch.no_grad():
        return latents.detach(), squared_errors(generate(latents), targets)


def squared_errors(images: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error per pixel (N,) between images (N, C, H, W)."""
    return (images - targets).square().flatten(1).mean(1)
