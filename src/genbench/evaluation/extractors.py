"""The three feature spaces in which generated images are compared with real ones.

classifier: the penultimate layer of a small classifier trained on the same data set.
random: the same network as initialised with a fixed seed, never trained.
pixels: the first 50 principal components of the pixels.
"""

import hashlib
import json
import logging
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import scipy.linalg
import torch
import torch.nn.functional as F
from filelock import FileLock
from torch import Tensor, nn

from genbench.data.images import ImageData, ImageShape
from genbench.errors import UserError
from genbench.evaluation.classifier import (
    RECIPE,
    FeatureNet,
    Recipe,
    check_gate,
    in_blocks,
    initialised_network,
    train_classifier,
)
from genbench.evaluation.stored import read_tensors, write_tensors
from genbench.models.weights import checksum

log = logging.getLogger(__name__)

COMPONENTS = 50
RANDOM_SEED = 0
SHIPPED = Path(__file__).parent / "shipped" / "extractors"  # of the known data sets, below as in a cache

_CPU = torch.device("cpu")
_PIXELS_SIDE = 32  # larger images are averaged down to it: their covariance would not fit into memory


class Embedding(NamedTuple):
    """What one space makes of N images, on the space's device."""

    features: Tensor  # (N, d) float32
    probabilities: Tensor | None  # (N, classes) float32, rows sum to 1; only from the classifier


@dataclass(frozen=True, eq=False)
class FeatureSpace:
    """A frozen function from images to features; scores are comparable only where the hashes are equal."""

    name: str  # classifier, random or pixels
    hash: str  # 16 hex digits
    facts: dict[str, str]  # for the record: for the classifier accuracies, seconds, precision
    network: nn.Module  # uint8 (B, C, H, W) to raw features (B, d) and logits (B, classes or 0); eval mode
    mean: Tensor  # (d,), of the training images' raw features
    std: Tensor  # (d,)
    shape: ImageShape

    def embed(self, images: Tensor) -> Embedding:
        """Standardised features, and class probabilities if this is the classifier, of uint8 (N, C, H, W)."""
        if images.dtype != torch.uint8 or tuple(images.shape[1:]) != tuple(self.shape):
            raise ValueError(f"images must be uint8 (N, {self.shape}), got {images.dtype} {tuple(images.shape)}")
        raw, logits = in_blocks(self.network, images, self.mean.device)
        return Embedding((raw - self.mean) / self.std, logits.softmax(1) if logits.shape[1] else None)

    def features(self, images: Tensor) -> Tensor:
        """Standardised features (N, d) of uint8 images (N, C, H, W)."""
        return self.embed(images).features


@dataclass(frozen=True, eq=False)
class FeatureSpaces:
    """The spaces that a data set has; without the classifier, random and pixels stand in."""

    classifier: FeatureSpace | None
    random: FeatureSpace
    pixels: FeatureSpace
    no_classifier: str  # why there is none; empty if there is one

    def available(self) -> tuple[FeatureSpace, ...]:
        """The spaces there are, the classifier first."""
        spaces = (self.classifier, self.random, self.pixels)
        return tuple(space for space in spaces if space is not None)


class PixelComponents(nn.Module):
    """Projection of the pixels, in [0, 1] and centred, onto orthonormal directions."""

    pixel_mean: Tensor  # (D,)
    components: Tensor  # (D, d)

    def __init__(self, shape: ImageShape) -> None:
        super().__init__()
        dimensions = shape.channels * min(shape.height, _PIXELS_SIDE) * min(shape.width, _PIXELS_SIDE)
        self.register_buffer("pixel_mean", torch.zeros(dimensions))
        self.register_buffer("components", torch.zeros(dimensions, min(COMPONENTS, dimensions)))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Components (B, d), and no logits (B, 0), of uint8 images (B, C, H, W)."""
        pixels = _flat(images).float() / 255 - self.pixel_mean
        return pixels @ self.components, pixels.new_empty(len(images), 0)


def load_spaces(data: ImageData, cache: Path, device: torch.device = _CPU, recipe: Recipe = RECIPE) -> FeatureSpaces:
    """The feature spaces of a data set, from the cache or made and put there.

    The known data sets' classifiers come with genbench, so that their scores are comparable between machines.

    Args:
        data: the data set; all three splits are part of the cache's key.
        cache: a folder; the files are in extractors/<name>-<hash of recipe and data>/ below it. Of several
            processes that need the same file one makes it, the others wait.
        device: where features are worked out and stay.
        recipe: how to train the classifier.

    Raises:
        UserError: the classifier is below its gate, or the cache cannot be written to.
    """
    data = data.whole or data
    folder = cache / "extractors" / f"{re.sub(r'[^A-Za-z0-9._-]', '_', data.name)}-{key_of(recipe, data.fingerprint)}"
    reason = _why_no_classifier(data)
    classifier = None
    if not reason:
        stored = _cached(folder / "classifier.safetensors", lambda: _make_classifier(data, recipe, device))
        check_gate(data, float(stored.facts["test_accuracy"]))
        classifier = _space("classifier", stored, FeatureNet(data.shape, len(data.classes)), data.shape, device)
    stored = _cached(folder / "random.safetensors", lambda: _make_random(data, device))
    random = _space("random", stored, FeatureNet(data.shape, 0), data.shape, device)
    stored = _cached(folder / "pixels.safetensors", lambda: _make_pixels(data))
    pixels = _space("pixels", stored, PixelComponents(data.shape), data.shape, device)
    return FeatureSpaces(classifier, random, pixels, reason)


def key_of(recipe: Recipe, fingerprint: str) -> str:
    """What a classifier is known by before it is trained: 16 hex digits of its recipe and its data's fingerprint."""
    return hashlib.sha256(f"{recipe} {fingerprint}".encode()).hexdigest()[:16]


def pixels_hash(fingerprint: str) -> str:
    """The pixel space's hash: that of the data, of which it is a function."""
    return hashlib.sha256(f"pixels {COMPONENTS} {fingerprint}".encode()).hexdigest()[:16]


def fit_pixel_components(images: Tensor) -> tuple[PixelComponents, Tensor]:
    """Principal components of images (N, C, H, W) and the variance (d,) float64 along each, largest first.

    Exact up to the eigenvectors: sums and products of bytes are integers that float64 holds without rounding.
    Of each component the entry of largest size is positive.
    """
    network = PixelComponents(ImageShape(*images.shape[1:]))
    dimensions, count = network.components.shape
    total = torch.zeros(dimensions, dtype=torch.float64)
    products = torch.zeros(dimensions, dimensions, dtype=torch.float64)
    for block in torch.split(images, 5000):
        pixels = _flat(block).double()
        total += pixels.sum(0)
        products += pixels.T @ pixels
    mean = total / len(images)
    covariance = (products - len(images) * mean.outer(mean)) / (len(images) - 1) / 255**2
    values, vectors = scipy.linalg.eigh(covariance.numpy(), subset_by_index=(dimensions - count, dimensions - 1))
    components = torch.from_numpy(vectors).flip(1)
    components *= components.gather(0, components.abs().argmax(0, keepdim=True)).sign()
    network.pixel_mean.copy_(mean / 255)
    network.components.copy_(components)
    return network, torch.from_numpy(values).flip(0).clamp(min=0)


def _flat(images: Tensor) -> Tensor:
    """Pixels (B, D), 0 to 255, of images (B, C, H, W) at most _PIXELS_SIDE high and wide."""
    size = (min(images.shape[2], _PIXELS_SIDE), min(images.shape[3], _PIXELS_SIDE))
    return (images if images.shape[2:] == size else F.adaptive_avg_pool2d(images.float(), size)).flatten(1)


def _why_no_classifier(data: ImageData) -> str:
    if any(split.labels is None for split in (data.train, data.validation, data.test)):
        return "no labels: there are no classes to train a classifier on"
    if len(data.classes) < 2:
        return "one class only: there is nothing to train a classifier on"
    return ""


class _Stored(NamedTuple):
    """A space as its file holds it."""

    network: dict[str, Tensor]
    mean: Tensor
    std: Tensor
    hash: str
    facts: dict[str, str]


def _make_classifier(data: ImageData, recipe: Recipe, device: torch.device) -> _Stored:
    trained = train_classifier(data, recipe, device)
    facts = {
        "data": data.name,
        "recipe": json.dumps(asdict(recipe)),
        "validation_accuracy": f"{trained.validation_accuracy:.6f}",
        "test_accuracy": f"{trained.test_accuracy:.6f}",
        "seconds": f"{trained.seconds:.1f}",
        "precision": trained.precision,
        "torch": torch.__version__,
        "classes": json.dumps(data.classes),
        "shape": json.dumps(data.shape),
    }
    return _standardised(trained.network, data.train.images, device, facts)


def _make_random(data: ImageData, device: torch.device) -> _Stored:
    network = initialised_network(data.shape, 0, data.train.images, RANDOM_SEED).to(device).eval()
    return _standardised(network, data.train.images, device, {"seed": str(RANDOM_SEED)})


def _standardised(network: nn.Module, images: Tensor, device: torch.device, facts: dict[str, str]) -> _Stored:
    """With mean and standard deviation of each feature of the training images; a constant one keeps its scale."""
    raw, _ = in_blocks(network, images, device)
    std, mean = torch.std_mean(raw.double(), dim=0)
    std[std == 0] = 1
    weights = network.state_dict()
    return _Stored(weights, mean.float(), std.float(), checksum(weights), facts)


def _make_pixels(data: ImageData) -> _Stored:
    """Components on one common scale, so that their mean variance is 1 and distances stay those of pixels.

    Unit variance for each would magnify the last components, mostly noise, to the size of the first. The
    hash is that of the data, of which they are a function: eigenvectors differ in the last bits by machine.
    """
    network, variances = fit_pixel_components(data.train.images)
    scale = variances.mean().sqrt().float() if variances.any() else torch.tensor(1.0)
    zeros = torch.zeros(len(variances))
    return _Stored(network.state_dict(), zeros, scale.expand_as(zeros).clone(), pixels_hash(data.fingerprint), {})


def _space(name: str, stored: _Stored, network: nn.Module, shape: ImageShape, device: torch.device) -> FeatureSpace:
    network.load_state_dict(stored.network)
    network.to(device).eval().requires_grad_(False)
    return FeatureSpace(name, stored.hash, stored.facts, network, stored.mean.to(device), stored.std.to(device), shape)


def _cached(path: Path, make: Callable[[], _Stored]) -> _Stored:
    # The key is enough to know it by: it is that of the data's bytes, whatever their folder is called.
    key = path.parent.name.rpartition("-")[2]
    for place in (*SHIPPED.glob(f"*-{key}/{path.name}"), path):
        stored = _read(place)
        if stored is not None:
            return stored
        if place.is_file() and place != path:
            raise UserError(f"{place} is damaged: install genbench again")
        if place.is_file():
            log.warning("%s is damaged and is made anew", place)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            stored = _read(path)  # another process may have made it meanwhile
            if stored is None:
                stored = make()
                _write(path, stored)
    except OSError as error:
        raise UserError(
            f"{path.parent} cannot be written to ({error}): set XDG_CACHE_HOME to a folder that can be"
        ) from error
    return stored


def _write(path: Path, stored: _Stored) -> None:
    tensors = {f"network.{name}": tensor for name, tensor in stored.network.items()}
    write_tensors(path, tensors | {"mean": stored.mean, "std": stored.std}, stored.facts | {"hash": stored.hash})


def _read(path: Path) -> _Stored | None:
    """The space in a file; None if there is no file or it is not as it was written."""
    if not path.is_file():
        return None
    try:
        tensors, facts = read_tensors(path, _CPU)
        mean, std, identity = tensors.pop("mean"), tensors.pop("std"), facts.pop("hash")
    except (ValueError, KeyError):
        return None
    network = {name.removeprefix("network."): tensor for name, tensor in tensors.items()}
    return _Stored(network, mean, std, identity, facts)
