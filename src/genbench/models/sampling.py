"""Drawing images from a model."""

import torch
from torch import Tensor

from genbench.models.interface import Model

# Every forward pass has this many rows, the last one filled up: image i depends on the seed and i alone, not on how
# many were asked for (libraries choose their algorithms, and so their rounding, by the number of rows).
BLOCK = 250


def draw(model: Model, n: int, seed: int, precision: torch.dtype = torch.float32) -> Tensor:
    """Images from z ~ N(0, I), in evaluation mode.

    Args:
        model: on any device; its mode is restored.
        n: how many.
        seed: of the noise, which is drawn on the CPU: the same on every device.
        precision: of the products; bfloat16 moves some pixels by one level of grey.

    Returns:
        (n, C, H, W) uint8 on the CPU.
    """
    generator = torch.Generator().manual_seed(seed)
    blocks = [torch.randn(BLOCK, model.latent_size, generator=generator) for _ in range(0, n, BLOCK)]
    return torch.cat([decode(model, z, precision) for z in blocks])[:n]


@torch.no_grad()
def decode(model: Model, z: Tensor, precision: torch.dtype = torch.float32) -> Tensor:
    """The images of latent vectors (N, latent_size), as (N, C, H, W) uint8 on the CPU, in evaluation mode."""
    training = model.training
    model.eval()
    with torch.autocast(model.device.type, torch.bfloat16, enabled=precision == torch.bfloat16):
        images = model.generate(z.to(model.device))
    model.train(training)
    return images.clamp(0.0, 1.0).mul(255.0).round().to(torch.uint8).cpu()
