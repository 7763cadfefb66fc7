"""The generator of StyleGAN2 (Karras et al. 2020, arXiv:1912.04958), for small images."""

import math
from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genbench.data.images import ImageShape
from genbench.models.model import Model

SMALLEST = 4  # pixels: the picture that everything begins with has sides of at least as many
WIDEST, NARROWEST = 256, 32  # channels


class StyleMixing(Model):
    """A model whose coarse features may be of one noise, and its fine ones of another."""

    mixes: bool  # whether this one's network can

    @abstractmethod
    def mix(self, coarse: Tensor, fine: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (N, C, H, W) in [0, 1] from two noises (N, *noise_shape)."""
        raise NotImplementedError


class ModulatedConv2d(nn.Module):
    """A 3x3 or 1x1 convolution whose weights are scaled for each image by its style, and normalised again.

    w'_oik = s_i w_oik, w''_oik = w'_oik / sqrt(sum_ik w'_oik^2) (eqs. 1 and 3). The input's channels are scaled in
    place of the weights, and the output's are divided: the same numbers by one convolution for all images.
    """

    def __init__(self, inputs: int, outputs: int, size: int, style: int, *, demodulate: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size) / math.sqrt(inputs * size * size))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.style = nn.Linear(style, inputs)
        self.demodulate = demodulate

    def forward(self, values: Tensor, w: Tensor) -> Tensor:
        """(B, outputs, H, W) of values (B, inputs, H, W) and intermediate latents w (B, style)."""
        return self.convolve(values, self.style(w)) + self.bias.view(-1, 1, 1)

    def convolve(self, values: Tensor, scales: Tensor) -> Tensor:
        """The convolution without bias, of scales (B, inputs)."""
        found = F.conv2d(values * scales[:, :, None, None], self.weight, padding="same")
        if not self.demodulate:
            return found
        squares = scales.float().square() @ self.weight.float().square().sum((2, 3)).T  # (B, outputs)
        return found * torch.rsqrt(squares + 1e-8)[:, :, None, None]


class StyledConv2d(nn.Module):
    """A modulated convolution, noise of one strength for all channels, and a leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, style: int) -> None:
        super().__init__()
        self.convolution = ModulatedConv2d(inputs, outputs, 3, style)
        self.strength = nn.Parameter(torch.zeros(()))

    def forward(self, values: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        """(B, outputs, H, W) of values (B, inputs, H, W), latents w (B, style) and noise (B, H, W)."""
        values = self.convolution(values, w) + self.strength * noise[:, None]
        return F.leaky_relu(values, 0.2) * math.sqrt(2.0)


class StyleGenerator(nn.Module):
    """Mapping network, a learnt first picture, and convolutions at every size, each of which adds to the image.

    Its noise inputs are a part of the noise that it is given: an image depends on that alone. There is no path length
    regularisation and no equalised learning rate, which are for large pictures. What it gives is not bounded: with a
    tanh at the end it came to all black and stayed there, as it has no BatchNorm that would lead it out.

    Attributes:
        noise_size: of the vector that one image is made of: the latent z, then each layer's noise.
    """

    def __init__(self, shape: ImageShape, latent_size: int, classes: int = 0) -> None:
        super().__init__()
        sizes = _sizes(shape)
        channels = [max(NARROWEST, WIDEST >> i) for i in range(len(sizes))]
        self.latent_size = latent_size
        self.classes = nn.Embedding(classes, latent_size) if classes else None
        given = latent_size * (2 if classes else 1)
        self.mapping = nn.Sequential(
            nn.Linear(given, WIDEST), nn.LeakyReLU(0.2), nn.Linear(WIDEST, WIDEST), nn.LeakyReLU(0.2)
        )
        self.start = nn.Parameter(torch.randn(channels[0], *sizes[0]))
        wide = [channels[0], *channels]
        self.first = nn.ModuleList(StyledConv2d(wide[i], wide[i + 1], WIDEST) for i in range(len(sizes)))
        self.second = nn.ModuleList(StyledConv2d(c, c, WIDEST) for c in channels[1:])
        self.to_image = nn.ModuleList(ModulatedConv2d(c, shape.channels, 1, WIDEST, demodulate=False) for c in channels)
        self.sizes = [sizes[0], *(size for size in sizes[1:] for _ in range(2))]  # of each layer's noise
        self.noise_size = latent_size + sum(height * width for height, width in self.sizes)

    def initialise(self) -> None:
        """Weights by which signals keep their size; a style of 1 for every channel, give or take."""
        self.apply(_initialise)

    def forward(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (B, C, H, W), about in [-1, 1], of noise (B, noise_size)."""
        w = self.map(noise[:, : self.latent_size], labels)
        return self.synthesise([w] * len(self.first), noise[:, self.latent_size :])

    def mix(self, coarse: Tensor, fine: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (B, C, H, W), about in [-1, 1], of the styles of two noises (B, noise_size).

        The first's are those of the least size, and its noise inputs are taken.
        """
        first, second = (self.map(noise[:, : self.latent_size], labels) for noise in (coarse, fine))
        return self.synthesise([first, *[second] * (len(self.first) - 1)], coarse[:, self.latent_size :])

    def map(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Intermediate latents w (B, 256) of z (B, latent_size), which is brought to length 1 in each dimension."""
        z = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        if self.classes is not None:
            told = self.classes(labels)
            z = torch.cat([z, told * torch.rsqrt(told.square().mean(1, keepdim=True) + 1e-8)], 1)
        w: Tensor = self.mapping(z)
        return w

    def synthesise(self, styles: list[Tensor], noise: Tensor) -> Tensor:
        """Images (B, C, H, W), about in [-1, 1], of w (B, 256) for each size, coarsest first, and all layers' noise."""
        parts = torch.split(noise, [height * width for height, width in self.sizes], dim=1)
        maps = [part.reshape(-1, *size) for part, size in zip(parts, self.sizes, strict=True)]  # (B, H, W) each
        values = self.first[0](self.start.expand(noise.shape[0], -1, -1, -1), styles[0], maps[0])
        images: Tensor = self.to_image[0](values, styles[0])
        for i, w in enumerate(styles[1:]):
            values, images = (F.interpolate(x, scale_factor=2, mode="bilinear") for x in (values, images))
            values = self.first[i + 1](values, w, maps[2 * i + 1])
            values = self.second[i](values, w, maps[2 * i + 2])
            images = images + self.to_image[i + 1](values, w)
        return images


def _sizes(shape: ImageShape) -> list[tuple[int, int]]:
    """Height and width at every level, coarsest first: 7x7, 14x14, 28x28; or 4x4 to 64x64."""
    sizes = [(shape.height, shape.width)]
    while all(side % 2 == 0 and side >= 2 * SMALLEST for side in sizes[0]):
        sizes.insert(0, (sizes[0][0] // 2, sizes[0][1] // 2))
    return sizes


def _initialise(layer: nn.Module) -> None:
    if isinstance(layer, nn.Linear):
        nn.init.kaiming_normal_(layer.weight, a=0.2)
        nn.init.zeros_(layer.bias)
    elif isinstance(layer, ModulatedConv2d):  # after its linear layer, which comes first
        nn.init.normal_(layer.style.weight, 0.0, 1.0 / math.sqrt(layer.style.in_features))
        nn.init.ones_(layer.style.bias)
