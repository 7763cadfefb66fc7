"""The small classifier whose penultimate layer is a feature space: its network, its training and its gate.

One recipe serves every data set; channels, sides and the number of classes are read off the data.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genbench.data.images import ImageData, ImageShape, Split
from genbench.device import fast_bfloat16
from genbench.errors import UserError
from genbench.models.layers import Flatten
from genbench.progress import advance, task

FEATURES = 64  # few, because the finite-N floor of the Fréchet distance grows with their square
BLOCK = 250  # images that go through a network at once, always: features must not depend on a batch size

_LARGEST_SIDE = 32  # of the shorter side: larger images are halved more often before the body sees them


@dataclass(frozen=True)
class Recipe:
    """How the classifier is trained; all of it is part of the cache's key.

    No label smoothing, mixing or rotation: smoothed labels make every image look ambiguous, mixed and
    resampled images would teach the network to overlook blends and blur, which generated images have.
    """

    version: int = 1  # raised with any change of this file that changes the weights
    epochs: int = 14
    min_steps: int = 1000  # small data sets are seen more often
    batch_size: int = 250
    learning_rate: float = 0.1  # the peak of one cycle (Smith 2018)
    weight_decay: float = 5e-4
    shift: float = 1 / 28  # largest, in each direction; share of the shorter side
    cutout: float = 8 / 28  # side of the erased square (DeVries and Taylor 2017); share of the shorter side
    seed: int = 0


RECIPE = Recipe()


class FeatureNet(nn.Module):
    """Three convolutions, one hidden layer of FEATURES units, one linear layer to the logits.

    Args:
        shape: of one image; the shorter side is halved until it is at most 16, then once more.
        classes: how many logits; none for a network that will never be trained.
    """

    pixel_mean: Tensor  # (C, 1, 1), of the training images in [0, 1]
    pixel_std: Tensor  # (C, 1, 1)

    @torch.random.fork_rng(devices=[])  # the layers draw first values of their own, which are never used
    def __init__(self, shape: ImageShape, classes: int) -> None:
        super().__init__()
        self.register_buffer("pixel_mean", torch.zeros(shape.channels, 1, 1))
        self.register_buffer("pixel_std", torch.ones(shape.channels, 1, 1))
        halvings = 1 + max(0, math.ceil(math.log2(min(shape[1:]) / _LARGEST_SIDE)))
        height, width = shape.height >> halvings + 1, shape.width >> halvings + 1
        layers: list[nn.Module] = []
        for channels in (shape.channels, *[32] * (halvings - 1)):
            layers += [nn.Conv2d(channels, 32, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()]
        self.body = nn.Sequential(
            *layers,
            nn.Conv2d(32, 64, 3, padding=1, bias=False),
            nn.MaxPool2d(2),  # before the normalisation, which then costs a quarter
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.Conv2d(64, 96, 3, padding=1, bias=False),
            nn.BatchNorm2d(96),
            nn.ReLU(),
            Flatten(),  # not averaged over the image: where a stroke lies is part of what it is
            nn.Linear(96 * height * width, FEATURES, bias=False),
            nn.BatchNorm1d(FEATURES),
        )
        self.head = nn.Linear(FEATURES, classes) if classes else None
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, FEATURES) and logits (B, classes) of uint8 images (B, C, H, W).

        Without classes the features are not rectified: among random units some fire on a few images in
        100,000 and, once standardised, would dwarf all others.
        """
        pixels = (images.float() / 255 - self.pixel_mean) / self.pixel_std
        hidden: Tensor = self.body(pixels.contiguous(memory_format=torch.channels_last))
        if self.head is None:
            return hidden, hidden[:, :0]
        features = hidden.relu()
        return features, self.head(features)


def initialised_network(shape: ImageShape, classes: int, images: Tensor, seed: int) -> FeatureNet:
    """A network with He-uniform weights (He 2015), zero biases, and the pixel statistics of images (N, C, H, W).

    The same bits on every machine: the weights are drawn as float64 from the generator's integers (normal
    numbers would pass through the processor's logarithm), the statistics are sums of integers.
    """
    network = FeatureNet(shape, classes)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                uniform = torch.rand(module.weight.shape, dtype=torch.float64, generator=generator)
                module.weight.copy_((2 * uniform - 1) * math.sqrt(6 / module.weight[0].numel()))
                if module.bias is not None:
                    module.bias.zero_()
        levels = torch.arange(256)
        for channel in range(shape.channels):
            counts = torch.bincount(images[:, channel].flatten(), minlength=256)
            mean = (counts * levels).sum().double() / counts.sum()
            variance = (counts * levels.square()).sum().double() / counts.sum() - mean.square()
            network.pixel_mean[channel] = mean / 255
            network.pixel_std[channel] = variance.clamp(min=1).sqrt() / 255  # a constant channel has none
    return network


@dataclass(frozen=True, eq=False)
class Classifier:
    """A trained network and what its training came to."""

    network: FeatureNet  # in eval mode
    validation_accuracy: float  # 0 to 1
    test_accuracy: float  # 0 to 1, measured once
    seconds: float
    precision: str  # of the products in training: bfloat16 or float32


def train_classifier(data: ImageData, recipe: Recipe, device: torch.device) -> Classifier:
    """Train on `data.train`; the weights repeat bit by bit on one machine with one number of threads."""
    start = time.perf_counter()
    labels, shape = data.train.labels, data.shape
    if labels is None:
        raise ValueError(f"{data.name} has no labels")
    network = initialised_network(shape, len(data.classes), data.train.images, recipe.seed).to(device).train()
    generator = torch.Generator().manual_seed(recipe.seed)
    batch_size = min(recipe.batch_size, len(data.train))
    epochs = max(recipe.epochs, math.ceil(recipe.min_steps * batch_size / len(data.train)))
    steps = len(data.train) // batch_size  # an epoch's; the images left over differ from epoch to epoch
    optimizer = torch.optim.SGD(
        network.parameters(), recipe.learning_rate, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=epochs * steps, pct_start=0.2
    )
    fast = device.type == "cpu" and fast_bfloat16(device)  # a GPU is fast enough in float32
    with task(f"training a classifier of {data.name}", epochs * steps), full_precision():
        for _ in range(epochs):
            order = torch.randperm(len(data.train), generator=generator)
            for indices in torch.split(order, batch_size)[:steps]:
                images = augment(data.train.images[indices], recipe, generator).to(device)
                with torch.autocast(device.type, torch.bfloat16, enabled=fast):
                    _, logits = network(images)
                loss = F.cross_entropy(logits.float(), labels[indices].to(device))
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                schedule.step()
                advance()
    network.eval()
    return Classifier(
        network=network,
        validation_accuracy=accuracy(network, data.validation, device),
        test_accuracy=accuracy(network, data.test, device),
        seconds=time.perf_counter() - start,
        precision="bfloat16" if fast else "float32",
    )


def augment(images: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Shift each of images (B, C, H, W) by whole pixels over black, then blacken a square at a random place."""
    count, _, height, width = images.shape
    side = min(height, width)
    shift, half = round(recipe.shift * side), recipe.cutout * side / 2
    rows, columns = torch.arange(height), torch.arange(width)
    down, right = torch.randint(2 * shift + 1, (2, count, 1), generator=generator)
    batch = torch.arange(count)[:, None, None]
    padded = F.pad(images, (shift, shift, shift, shift))
    shifted = padded[batch, :, (rows + down)[:, :, None], (columns + right)[:, None, :]].permute(0, 3, 1, 2)
    top, left = torch.rand((2, count, 1), generator=generator)
    erased_rows = (rows - top * height).abs() < half  # (B, H)
    erased_columns = (columns - left * width).abs() < half  # (B, W)
    return shifted.masked_fill((erased_rows[:, :, None] & erased_columns[:, None, :])[:, None], 0)


def in_blocks(network: nn.Module, images: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Both outputs of a network in eval mode for uint8 images (N, C, H, W), in float32 and blocks of BLOCK.

    The last block is filled up with black images, so that how many images are asked for at once, and which
    stand beside an image, changes nothing.
    """
    outputs = []
    with torch.no_grad(), full_precision(), torch.autocast(device.type, enabled=False):
        for block in torch.split(images, BLOCK):
            full = F.pad(block.to(device), (0, 0, 0, 0, 0, 0, 0, BLOCK - len(block)))
            outputs.append([output[: len(block)] for output in network(full)])
    first, second = zip(*outputs, strict=True)
    return torch.cat(first), torch.cat(second)


def accuracy(network: FeatureNet, split: Split, device: torch.device) -> float:
    """Share of a labelled split whose most probable class is its label."""
    if split.labels is None:
        raise ValueError("a split without labels has no accuracy")
    _, logits = in_blocks(network, split.images, device)
    return (logits.argmax(1).cpu() == split.labels).double().mean().item()


def gate(data: ImageData) -> float:
    """The test accuracy below which a classifier's features are refused.

    For a data set that states none: halfway between 1 and always naming the commonest class, so that half of
    the errors of a blind guess must be gone.
    """
    if data.gate is not None:
        return data.gate
    if data.test.labels is None:
        raise ValueError(f"{data.name} has no test labels")
    return (1 + data.test.labels.bincount().max().item() / len(data.test)) / 2


def check_gate(data: ImageData, test_accuracy: float) -> None:
    """Raise UserError if the classifier of a data set is below its gate."""
    required = gate(data)
    if test_accuracy < required:
        raise UserError(
            f"the classifier of {data.name} is right on {test_accuracy:.2%} of the test images, below its gate of "
            f"{required:.2%}: nothing is scored in its features; check the labels or add images, or give the "
            "images without labels, to be scored in random and pixel features only"
        )


@contextmanager
def full_precision() -> Iterator[None]:
    """On CUDA, convolutions in float32 rather than TensorFloat32, which is the default, and repeatable."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield
