"""DiffAugment (Zhao et al. 2020, arXiv:2006.10738): the discriminator sees changed images, the generator through them.

It is told real and generated images changed alike, so that it cannot learn a small data set by heart, and the generator
is not taught the changes.
"""

import torch
from torch import Tensor


def augmented(images: Tensor, strength: float) -> Tensor:
    """Colour, translation and cutout, drawn for each image; differentiable in the images.

    Args:
        images: (B, C, H, W) in [-1, 1].
        strength: of all of them; 1 is as published, at 0 the images are what they were.
    """
    return _cut_out(_translated(_coloured(images, strength), strength), strength)


def _coloured(images: Tensor, strength: float) -> Tensor:
    """Brightness moved by up to 0.5, saturation times 0 to 2, contrast times 0.5 to 1.5."""
    brightness, saturation, contrast = strength * (torch.rand(3, len(images), 1, 1, 1, device=images.device) - 0.5)
    images = images + brightness
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * (1.0 + 2.0 * saturation)
    mean = images.mean((1, 2, 3), keepdim=True)
    changed: Tensor = mean + (images - mean) * (1.0 + contrast)
    return changed


def _translated(images: Tensor, strength: float) -> Tensor:
    """Moved by up to an eighth of height and width; what comes in is 0."""
    rows, columns = (_shifts(images, size, strength) for size in images.shape[2:])
    # As products with shifted unit matrices: the gradient is one as well, where indices would be scattered.
    return rows @ images @ columns.mT


def _shifts(images: Tensor, size: int, strength: float) -> Tensor:
    """(B, 1, size, size): of each image the matrix that moves its rows."""
    most = round(strength * size / 8)
    shift = torch.randint(-most, most + 1, (len(images), 1, 1, 1), device=images.device)
    place = torch.arange(size, device=images.device)
    return (place == place[:, None] - shift).to(images.dtype)


def _cut_out(images: Tensor, strength: float) -> Tensor:
    """A rectangle of half the height and width becomes 0; its middle is anywhere."""
    rows, columns = (_within(images, size, strength) for size in images.shape[2:])
    return images * ~(rows[..., :, None] & columns[..., None, :])


def _within(images: Tensor, size: int, strength: float) -> Tensor:
    """(B, 1, size): whether a row of each image lies in its rectangle."""
    cut = round(strength * size / 2)
    first = torch.randint(-(cut // 2), size - cut // 2 + 1, (len(images), 1, 1), device=images.device)
    place = torch.arange(size, device=images.device)
    return (place >= first) & (place < first + cut)
