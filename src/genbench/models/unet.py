"""A U-Net without attention (Ronneberger et al. 2015), told a time and perhaps a class: the velocity of a flow."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genbench.data.images import ImageShape
from genbench.models.layers import Conv2d

FREQUENCIES = 32  # of a time's sines and cosines
SMALLEST = 8  # pixels: maps no longer than this are not halved


class UNet(nn.Module):
    """Images x (B, C, H, W), times (B,) in [0, 1] and classes (B,) to one value for each of x's.

    2x2 pixels become four channels first: a quarter of the positions costs a quarter of the operations. The maps are
    halved as long as that goes and they are longer than 8, so that the images' shape decides how deep it is. Between
    the smallest maps every position hears of every other.
    """

    def __init__(self, shape: ImageShape, width: int, classes: int = 0) -> None:
        """One for images of a shape.

        Args:
            shape: of an image; its height and width are even.
            width: channels of the largest maps; the others have twice as many.
            classes: 0: it is told none. Else label `classes` stands for none.
        """
        super().__init__()
        sides = (shape.height // 2, shape.width // 2)
        halvings = 0
        while max(sides) > SMALLEST and not (sides[0] % 2 or sides[1] % 2):
            sides, halvings = (sides[0] // 2, sides[1] // 2), halvings + 1
        channels = [width, *[2 * width] * halvings]
        told = 2 * width
        self.time = nn.Sequential(nn.Linear(2 * FREQUENCIES, told), nn.SiLU(), nn.Linear(told, told))
        self.label = nn.Embedding(classes + 1, told) if classes else None
        self.first = Conv2d(4 * shape.channels, width, 3, padding=1)
        self.down = nn.ModuleList(Block(a, b, told) for a, b in pairwise([width, *channels]))
        self.mixings = nn.ModuleList(Mixing(channels[-1], sides[0] * sides[1]) for _ in range(2))
        self.middle = nn.ModuleList(Block(channels[-1], channels[-1], told) for _ in range(2))
        self.up = nn.ModuleList(Block(a + b, b, told) for b, a in pairwise(channels))
        self.last = nn.Sequential(ChannelNorm(width), nn.SiLU(), Conv2d(width, 4 * shape.channels, 3, padding=1))
        _zero(self.last[2])

    def forward(self, x: Tensor, time: Tensor, labels: Tensor | None = None) -> Tensor:
        """(B, C, H, W)."""
        told = self.time(_waves(time))
        if self.label is not None and labels is not None:
            told = told + self.label(labels)
        told = F.silu(told)
        h = self.first(F.pixel_unshuffle(x, 2))  # (B, width, H/2, W/2)
        kept = []
        for i, block in enumerate(self.down):
            h = block(F.avg_pool2d(h, 2) if i else h, told)
            kept.append(h)
        for mixing, block in zip(self.mixings, self.middle, strict=True):
            h = block(mixing(h), told)
        for i in reversed(range(len(self.up))):
            h = F.interpolate(h, scale_factor=2.0, mode="nearest")
            h = self.up[i](torch.cat([h, kept[i]], 1), told)
        return F.pixel_shuffle(self.last(h), 2)


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of each position (Ba et al. 2016; Liu et al. 2022).

    On a CPU in bfloat16 GroupNorm took a third of a training step; this takes little.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Of x (B, C, h, w); where the channels lie last in memory nothing is moved."""
        with torch.autocast(x.device.type, enabled=False):
            weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
            last = F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, weight, bias, self.eps)
        return last.permute(0, 3, 1, 2)


class Mixing(nn.Module):
    """A small network from all positions of a channel to all, the same for every channel (Tolstikhin et al. 2021).

    Convolutions of 3x3 carry what a sleeve is to the other sleeve in many steps; this does it in one, for 3 % of
    the operations at 28x28 pixels.
    """

    def __init__(self, channels: int, positions: int) -> None:
        super().__init__()
        hidden = min(2 * positions, 128)
        self.norm = ChannelNorm(channels)
        self.network = nn.Sequential(nn.Linear(positions, hidden), nn.SiLU(), nn.Linear(hidden, positions))
        _zero(self.network[2])

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w), of as many."""
        mixed: Tensor = self.network(self.norm(x).flatten(2))  # (B, channels, positions)
        return x + mixed.view(x.shape)


class Block(nn.Module):
    """Two convolutions beside a shortcut; what is told scales and moves the map between them (Perez et al. 2018)."""

    def __init__(self, before: int, after: int, told: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = ChannelNorm(before), Conv2d(before, after, 3, padding=1)
        self.told = nn.Linear(told, 2 * after)
        self.norm2, self.conv2 = ChannelNorm(after), Conv2d(after, after, 3, padding=1)
        self.shortcut = nn.Identity() if before == after else Conv2d(before, after, 1)
        _zero(self.conv2)  # at first only the shortcut speaks

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """(B, after, h, w) of x (B, before, h, w) and told (B, told)."""
        scale, shift = self.told(told).unsqueeze(2).unsqueeze(3).chunk(2, 1)
        drawing = not torch.is_grad_enabled()  # nobody reads again what is written over: an eighth more images a second
        h = self.conv1(F.silu(self.norm1(x), inplace=drawing))
        h = self.norm2(h)
        h = h.mul_(1.0 + scale).add_(shift) if drawing else h * (1.0 + scale) + shift
        h = self.conv2(F.silu(h, inplace=drawing))
        moved: Tensor = h.add_(self.shortcut(x)) if drawing else self.shortcut(x) + h
        return moved


def _zero(layer: nn.Module) -> None:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


def _waves(time: Tensor) -> Tensor:
    """Sines and cosines of times (B,) in [0, 1], (B, 2 FREQUENCIES): from 2 pi long down to a hundredth."""
    rates = torch.logspace(0.0, 2.0, FREQUENCIES, device=time.device)
    angles = time.float().unsqueeze(1) * rates
    return torch.cat([angles.sin(), angles.cos()], 1)
