"""Single images looked at: the training image nearest to each, and what the classifier takes each for."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from genbench.data.images import ImageData, evenly_spaced
from genbench.evaluation.classes import AMBIGUOUS_BELOW
from genbench.evaluation.evaluator import stored_reference
from genbench.evaluation.extractors import FeatureSpace
from genbench.evaluation.memorisation import are_near_duplicates
from genbench.evaluation.neighbours import nearest
from genbench.evaluation.protocol import IMAGES

_BLOCK = 2500  # training images whose pixels are compared at once
_CHUNK = 10000  # training images whose features are worked out or compared at once: all would take 100 MB more


@dataclass(frozen=True, eq=False)
class Looks:
    """What is to be said of some images, an entry an image."""

    nearest: Tensor  # (N,) int64, its nearest training image
    ratios: Tensor | None  # (N,) how far that lies, over how far that image's own nearest other lies; None by pixels
    near_duplicates: Tensor | None  # (N,) bool, as the score of that name counts them; None by pixels
    classes: Tensor | None  # (N,) int64, what the classifier takes it for
    certainties: Tensor | None  # (N,) the probability that it gives to that

    @property
    def ambiguous(self) -> Tensor | None:
        """(N,) bool, as the score of that name counts them."""
        return None if self.certainties is None else self.certainties < AMBIGUOUS_BELOW


class Inspector:
    """Looks at single images in the feature space in which they were scored, or else at their pixels."""

    def __init__(self, data: ImageData, space: FeatureSpace | None, cache: Path | None) -> None:
        """Have the training images' features at hand.

        Args:
            data: what the images are to be like.
            space: in which distances are taken; None: no space is at hand, and the pixels stand in.
            cache: where a scoring has left the training images' features, if it was on this machine.
        """
        self.train = data.train.images
        self.space = space
        self._features: Tensor | None = None
        if space is not None:
            real = evenly_spaced(data.test, IMAGES).images
            kept = None if cache is None else stored_reference(space, real, self.train, cache)
            self._features = _features(space, self.train) if kept is None else kept.train

    def look(self, images: Tensor) -> Looks:
        """What is to be said of images (N, C, H, W) uint8."""
        if self.space is None or self._features is None:
            return Looks(nearest_in_pixels(images, self.train), None, None, None, None)
        embedding = self.space.embed(images)
        indices, distances = (of[:, 0] for of in _nearest(embedding.features, self._features, 1))
        scales = _nearest(self._features[indices], self._features, 2)[1][:, 1]  # the first is itself
        ratios = torch.where(distances == 0, 0.0, (distances / scales).sqrt())
        classes = certainties = None
        if embedding.probabilities is not None:
            certainties, classes = embedding.probabilities.max(1)
        return Looks(indices, ratios, are_near_duplicates(distances, scales), classes, certainties)


def _features(space: FeatureSpace, images: Tensor) -> Tensor:
    return torch.cat([space.features(chunk) for chunk in torch.split(images, _CHUNK)])


def _nearest(points: Tensor, centres: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Indices and squared distances, each (N, k), of the k rows of centres (M, d) nearest to each of points (N, d)."""
    indices, distances = [], []
    for start in range(0, len(centres), _CHUNK):
        chunk = centres[start : start + _CHUNK]
        found = nearest(points, chunk, min(k, len(chunk)))
        indices.append(found.indices + start)
        distances.append(found.squared_distances)
    joined = torch.cat(distances, 1)
    order = joined.argsort(dim=1, stable=True)[:, :k]
    return torch.cat(indices, 1).gather(1, order), joined.gather(1, order)


def nearest_in_pixels(images: Tensor, train: Tensor) -> Tensor:
    """For each of images (N, C, H, W) uint8 the training image (T, C, H, W) with the least squared difference: (N,)."""
    flat = images.flatten(1).float()
    best, chosen = torch.full((len(images),), math.inf), torch.zeros(len(images), dtype=torch.int64)
    for start in range(0, len(train), _BLOCK):
        block = train[start : start + _BLOCK].flatten(1).float()
        distances = block.square().sum(1) - 2 * flat @ block.T  # (N, B), up to a constant of the image
        least, index = distances.min(1)
        closer = least < best
        best[closer], chosen[closer] = least[closer], index[closer] + start
    return chosen
