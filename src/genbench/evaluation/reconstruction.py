"""How well a model can render given images: by itself, or by a search for the noise that gives them."""

from collections.abc import Callable

import torch
from torch import Tensor

from genbench.config.train import EvaluationConfig
from genbench.data.images import ImageData, evenly_spaced
from genbench.device import fast_bfloat16
from genbench.evaluation.conditions import labels_of
from genbench.models.model import Model, Reconstruction
from genbench.progress import advance, task
from genbench.runs.records import Estimate

Sample = Callable[[Tensor], Tensor]  # noise (B, ...) -> images (B, C, H, W) in [0, 1]

IMAGES, STARTS, SCOUTING, STEPS = 64, 4, 10, 120
SCOUTING_RATE, RATE = 0.2, 0.1  # of Adam, from the first steps to the last


def mse(model: Model, data: ImageData, level: EvaluationConfig) -> Estimate:
    """Mean squared error per pixel, images in [0, 1], of test images as the model can best render them."""
    chosen = evenly_spaced(data.test, IMAGES)
    images = chosen.images.to(model.device).float().div(255.0)
    labels = labels_of(model, chosen)
    if isinstance(model, Reconstruction):
        method = "encoder"
        with torch.no_grad():
            rendered = model.reconstruct(images, labels)
    else:
        method = f"latent optimisation: Adam, {SCOUTING} steps from {STARTS} starts, {STEPS} from the best"
        rendered = _searched(model, images, labels)
    errors = squared_errors(rendered, images)
    standard_error = float(errors.std() / len(errors) ** 0.5)
    return Estimate(mean=float(errors.mean()), standard_error=standard_error, n=len(errors), method=method)


def _searched(model: Model, images: Tensor, labels: Tensor | None) -> Tensor:
    def sample(noise: Tensor) -> Tensor:
        repeats = len(noise) // len(images)
        found: Tensor = model(noise, None if labels is None else labels.repeat_interleave(repeats))
        return found

    with torch.autocast(model.device.type, torch.bfloat16, enabled=fast_bfloat16(model.device)):
        noise = invert(sample, images, model.noise_shape, starts=STARTS, scouting=SCOUTING, steps=STEPS, seed=0)
    with torch.no_grad():
        return sample(noise)


def invert(
    sample: Sample, images: Tensor, noise_shape: tuple[int, ...], *, starts: int, scouting: int, steps: int, seed: int
) -> Tensor:
    """Noise (N, *noise_shape) that minimises |sample(z) - x|^2 per pixel for images x (N, C, H, W) in [0, 1].

    Adam, its rate falling to 0 along a cosine (Creswell & Bharath 2018; Lipton & Tripathi 2017): `scouting` steps from
    each of `starts` standard normal draws, then `steps` more from the best of them. Most of the error that is left
    after a hundred steps is that of too few steps, not of the start.
    The model must be in eval mode, where one image depends on no other's noise; its parameters and their gradients
    are left alone. N * starts draws are held at once, those of one image side by side: hand in as many as fit.
    """
    generator = torch.Generator().manual_seed(seed)
    initial = [torch.randn(starts, *noise_shape, generator=generator) for _ in images]  # the same for any N
    scouts = torch.cat(initial).to(images.device)  # (N * starts, *noise_shape)
    with task("searching the latent space for test images", scouting + steps):
        scouts, errors = _descend(sample, scouts, images.repeat_interleave(starts, dim=0), scouting, SCOUTING_RATE)
        best = errors.view(-1, starts).argmin(1) + torch.arange(len(images), device=images.device) * starts
        return _descend(sample, scouts[best], images, steps, RATE)[0]


def _descend(sample: Sample, noise: Tensor, targets: Tensor, steps: int, rate: float) -> tuple[Tensor, Tensor]:
    """Where the noise (N, *noise_shape) comes to, and its errors (N,) there."""
    noise = noise.clone().requires_grad_()
    optimizer = torch.optim.Adam([noise], rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    with torch.enable_grad():
        for _ in range(steps):
            # A sum over images: none feels the others. Adam does not mind the scale.
            (noise.grad,) = torch.autograd.grad(squared_errors(sample(noise), targets).sum(), [noise])
            optimizer.step()
            schedule.step()
            torch.clear_autocast_cache()  # it holds the noise of before the step
            advance()
    with torch.no_grad():
        return noise.detach(), squared_errors(sample(noise), targets)


def squared_errors(images: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error per pixel (N,) between images (N, C, H, W)."""
    return (images - targets).square().flatten(1).mean(1)
