"""PyTorch's layers, faster: convolutions with the bias added in a step of its own where a gradient is wanted.

Of a convolution with a bias oneDNN (PyTorch on a CPU) works out the bias's gradient so slowly that the VAE's whole
training step takes about a fifth longer on one thread. cuDNN adds it in a step of its own anyway. Where images are
drawn in bfloat16 oneDNN adds it before it rounds, and the images are not gone through once more. In float32 it stays
as it is, for the bytes of samples. It is added in place, as the networks' activations are taken: neither a convolution
nor BatchNorm reads its output again.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Conv2d(nn.Conv2d):
    """nn.Conv2d padded with zeros, its parameters and their names the same."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, out_channels, H', W') of (B, in_channels, H, W)."""
        within, after = _biases(self, input)
        images = F.conv2d(input, self.weight, within, self.stride, self.padding, self.dilation, self.groups)
        return _plus(images, after)


class ConvTranspose2d(nn.ConvTranspose2d):
    """nn.ConvTranspose2d, its parameters and their names the same."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(B, out_channels, H', W') of (B, in_channels, H, W); the output's size is the layer's own."""
        if output_size is not None or not isinstance(self.padding, tuple):
            raise ValueError("the output's size is the layer's own, and its padding a number of zeros")
        within, after = _biases(self, input)
        images = F.conv_transpose2d(
            input, self.weight, within, self.stride, self.padding, self.output_padding, self.groups, self.dilation
        )
        return _plus(images, after)


class Flatten(nn.Flatten):
    """nn.Flatten of images (B, C, H, W), its gradient in the order of memory in which a CPU has the images.

    It would come channel by channel where they stand pixel by pixel: an activation's gradient is worked out ten times
    as fast where it does not.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(B, C * H * W) of (B, C, H, W)."""
        if (
            input.requires_grad
            and input.device.type == "cpu"
            and input.is_contiguous(memory_format=torch.channels_last)
        ):
            input.register_hook(_pixel_by_pixel)  # type: ignore[no-untyped-call]
        return super().forward(input)


class Dropout(nn.Dropout):
    """nn.Dropout; in bfloat16 on a CPU with its random numbers drawn four at a time, of 16 bits each.

    PyTorch draws a number of its own for each value, which takes four times as long. In float32 it stays as it is, for
    the bytes of trainings. The share that is dropped is p to within 1/131072.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Values (B, ...), each 0 with probability p, else over 1 - p, where the layer is in training mode."""
        if not (self.training and self.p and input.dtype == torch.bfloat16 and input.device.type == "cpu"):
            return super().forward(input)
        words = torch.empty(-(-input.numel() // 4), dtype=torch.int64).random_(torch.iinfo(torch.int64).min, None)
        numbers = words.view(torch.int16)[: input.numel()].view(input.shape)  # from -32768 on, all as likely
        kept = numbers >= round(self.p * 2**16) - 2**15
        return input * kept.to(input.dtype).div_(1 - self.p)


class ReLU(nn.ReLU):
    """nn.ReLU in place; where nothing is learnt, in bfloat16 on a CPU, by the numbers' bits: the same numbers.

    PyTorch makes every number one of float32 and then one of bfloat16 again, which takes two to four times as long.
    """

    def __init__(self) -> None:
        super().__init__(inplace=True)

    def forward(self, input: Tensor) -> Tensor:
        """Values (B, ...), 0 in the place of those below."""
        learnt = input.requires_grad and torch.is_grad_enabled()
        if learnt or input.dtype != torch.bfloat16 or input.device.type != "cpu":
            return super().forward(input)
        torch.threshold_(input.view(torch.int16), -128, 0)  # read as whole numbers, those below 0 are less, but for NaN
        return input


def _pixel_by_pixel(gradient: Tensor) -> Tensor:
    return gradient.contiguous(memory_format=torch.channels_last)


def _biases(layer: Conv2d | ConvTranspose2d, input: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """The bias that the convolution adds, and the one that is added after it."""
    kind = input.device.type
    drawing = not torch.is_grad_enabled() and kind == "cpu" and torch.is_autocast_enabled(kind)
    return (layer.bias, None) if drawing else (None, layer.bias)


def _plus(images: Tensor, bias: Tensor | None) -> Tensor:
    return images if bias is None else images.add_(bias.to(images.dtype).view(-1, 1, 1))
