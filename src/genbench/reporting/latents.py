"""What a latent space holds, decoded: for the page's explorers."""

import math

import torch
from torch import Tensor

from genbench.data.images import Split
from genbench.models.model import LatentPlane, Model
from genbench.models.sampling import BLOCK as DRAWN_AT_ONCE
from genbench.models.sampling import decode, posterior_means
from genbench.reporting.drawing import SIDE, sprite
from genbench.reporting.gallery import Explorer

REACH = 3.0  # the plane runs from -3 to 3 in both dimensions
FRAMES = 25  # of a walk between two samples
PIXELS = 640  # a sprite's greatest height and width


def has_plane(model: Model) -> bool:
    """Whether its latent space is a plane: it can be shown whole."""
    return isinstance(model, LatentPlane) and model.noise_shape == (2,)


def explorer(model: Model, shown: Split | None, told: str = "") -> Explorer:
    """The plane with the test images shown in it, if there are any, or else a walk between two samples.

    Args:
        model: with classes, it draws its first.
        shown: test images.
        told: what the first class is called; empty for a model without classes.
    """
    if isinstance(model, LatentPlane) and has_plane(model):
        side = max(5, min(21, PIXELS // min(SIDE, max(model.shape.height, model.shape.width))))
        places = torch.linspace(-REACH, REACH, side)
        z = torch.stack([places.repeat(side), places.flip(0).repeat_interleave(side)], 1)
        points: list[tuple[float, float]] = []
        if shown is not None:
            means = posterior_means(model, shown.images, shown.labels).tolist()
            points = [(round(x, 2), round(y, 2)) for x, y in means]
        return Explorer("plane", sprite(in_small_blocks(model, z), side, exact=False), REACH, tuple(points), told)
    start, end = torch.randn(2, *model.noise_shape, generator=torch.Generator().manual_seed(0))
    images = in_small_blocks(model, walk(start, end, FRAMES))
    return Explorer("walk", sprite(images, math.isqrt(FRAMES), exact=False), 0.0, told=told)


def samples_of(model: Model, n: int, labels: Tensor | None = None) -> Tensor:
    """The n images (n, C, H, W) uint8 that `sample seed=0` draws, up to the rounding of a smaller block.

    Args:
        model: any.
        n: how many.
        labels: (n,), of a conditional model; None: all classes in turn.
    """
    generator = torch.Generator().manual_seed(0)
    blocks = [torch.randn(DRAWN_AT_ONCE, *model.noise_shape, generator=generator) for _ in range(0, n, DRAWN_AT_ONCE)]
    return in_small_blocks(model, torch.cat(blocks)[:n], model.labels_in_turn(n) if labels is None else labels)


def in_small_blocks(model: Model, noise: Tensor, labels: Tensor | None = None) -> Tensor:
    """The images of noise, a few at a time: 250 at once take 200 MB.

    Without labels a conditional model draws its first class, so that only the noise differs.
    """
    if labels is None and model.classes:
        labels = torch.zeros(len(noise), dtype=torch.int64)
    blocks = torch.split(torch.arange(len(noise)), 32)
    return torch.cat([decode(model, noise[i], labels=None if labels is None else labels[i]) for i in blocks])


def walk(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """Noise (steps, *shape) from one (*shape) to another on the arc between: a straight line would pass too near 0."""
    one, other = start.flatten(), end.flatten()
    cosine = torch.dot(one, other) / (one.norm() * other.norm()).clamp(min=1e-9)
    angle = torch.acos(cosine.clamp(-1.0, 1.0))
    t = torch.linspace(0.0, 1.0, steps).unsqueeze(1)
    if angle.sin() < 1e-4:
        points = one + t * (other - one)
    else:
        points = (((1 - t) * angle).sin() * one + (t * angle).sin() * other) / angle.sin()
    return points.reshape(steps, *start.shape)
