"""The protocol: draws of generated images against the test images, in every feature space, with mean and sd."""

import hashlib
import logging
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from genbench.data.idx import cache_folder
from genbench.data.images import ImageData, Split
from genbench.errors import UserError
from genbench.evaluation.classes import class_scores
from genbench.evaluation.extractors import FeatureSpace, FeatureSpaces, load_spaces
from genbench.evaluation.scores import Reference, compare

log = logging.getLogger(__name__)

PROTOCOL = 1  # scores of different protocols are never compared
DRAWS = 5
IMAGES = 10_000  # in a draw, and of the test images
FEWEST = 50  # images that can be scored at all


@dataclass(frozen=True, eq=False)
class Judge:
    """What images of one data set are judged by: real images and feature spaces."""

    data: ImageData
    real: Split  # the images to compare with
    spaces: FeatureSpaces
    references: dict[str, Reference]  # by space
    real_probabilities: Tensor | None  # (N, classes), of the real images

    @property
    def n(self) -> int:
        """How many images a draw has: as many as there are real ones."""
        return len(self.real)

    def measure(self, images: Tensor) -> dict[str, float]:
        """All scores of one draw of images (n, C, H, W) uint8, as "<space>.<score>" and "class.<score>"."""
        scores: dict[str, float] = {}
        for space in self.spaces.available():
            embedding = space.embed(images)
            in_space = asdict(compare(self.references[space.name], embedding.features))
            scores |= {f"{space.name}.{name}": value for name, value in in_space.items()}
            if embedding.probabilities is not None and self.real_probabilities is not None:
                of_classes = asdict(class_scores(embedding.probabilities, self.real_probabilities))
                scores |= {f"class.{name}": value for name, value in of_classes.items()}
        return scores

    def score(self, draws: Iterable[Tensor]) -> dict[str, Any]:
        """Scores of draws of images, each (n, C, H, W) uint8, as scores.json holds them.

        Returns:
            spaces.<space>.<score> and class.<score>, each with mean, sd over the draws (None for a single one), the
            number n of images in a draw and of draws; and what the numbers depend on: protocol and extractors.
        """
        groups: dict[str, Any] = {}
        for key, score in summarised([self.measure(images) for images in draws], self.n).items():
            group, _, name = key.partition(".")
            groups.setdefault(group, {})[name] = score
        reason = self.spaces.no_classifier
        classes = groups.pop("class", reason)
        return {
            "protocol": PROTOCOL,
            "data": self.data.name,
            "extractors": {space.name: space.hash for space in self.spaces.available()},
            "spaces": groups if not reason else {"classifier": reason, **groups},
            "class": classes,
        }


def make_judge(data: ImageData, cache: Path, device: torch.device, n: int | None = None) -> Judge:
    """A judge that compares with n of the test images (all, up to 10,000, if n is None).

    What depends on real images alone comes from the cache or is put there.

    Raises:
        UserError: the classifier is below its gate, or the cache cannot be written.
    """
    real = first(data.test, min(len(data.test), IMAGES if n is None else n))
    return judge_against(data, real, cache, device)


def judge_against(data: ImageData, real: Split, cache: Path, device: torch.device) -> Judge:
    """A judge that compares with any real images, of the validation split, say; raises as `make_judge`."""
    spaces = load_spaces(data, cache, device)
    references, probabilities = {}, None
    for space in spaces.available():
        references[space.name] = _reference(space, real.images, data.train.images, cache)
        if space is spaces.classifier:
            probabilities = space.embed(real.images).probabilities
    return Judge(data, real, spaces, references, probabilities)


def feature_cache() -> Path:
    """Where feature spaces and references are kept.

    Raises:
        UserError: there is neither $XDG_CACHE_HOME nor a home.
    """
    cache = cache_folder()
    if cache is None:
        raise UserError("there is no folder for the feature spaces: set XDG_CACHE_HOME to one that can be written")
    return cache


def first(split: Split, n: int) -> Split:
    """n images spread evenly over a split, in its order; all for n >= its length."""
    if n >= len(split):
        return split
    chosen = torch.arange(n) * len(split) // n
    return Split(split.images[chosen], None if split.labels is None else split.labels[chosen])


def summarised(scores: Sequence[dict[str, float]], n: int) -> dict[str, dict[str, float | int | None]]:
    """Mean and sd over the draws of every score."""
    return {
        name: {
            "mean": statistics.fmean(draw[name] for draw in scores),
            "sd": statistics.stdev(draw[name] for draw in scores) if len(scores) > 1 else None,
            "n": n,
            "draws": len(scores),
        }
        for name in scores[0]
    }


def check_images(images: Tensor, data: ImageData, source: str) -> None:
    """Refuse images that cannot be compared with a data set's.

    Raises:
        UserError: they are too few or of another shape.
    """
    if tuple(images.shape[1:]) != tuple(data.shape):
        there, here = "x".join(map(str, images.shape[1:])), "x".join(map(str, data.shape))
        raise UserError(
            f"{source}: its images are {there} (channels x height x width), those of {data.name} are {here}"
        )
    if len(images) < FEWEST:
        raise UserError(f"{source}: {len(images)} images are too few to score; give at least {FEWEST}, better {IMAGES}")


def fingerprint(images: Tensor) -> str:
    """12 hex digits that tell these bytes (N, C, H, W) from others."""
    digest = hashlib.sha256(f"{tuple(images.shape)}".encode())
    digest.update(images.contiguous().cpu().numpy().data)
    return digest.hexdigest()[:12]


def _reference(space: FeatureSpace, real: Tensor, train: Tensor, cache: Path) -> Reference:
    """The space's features of the real images and all that follows from them, kept on disk: it takes a while."""
    key = f"{space.name}-{space.hash}-{fingerprint(real)}-{fingerprint(train)}"
    path = cache / "references" / f"{key}.safetensors"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if path.is_file():
                try:
                    return Reference.from_tensors(load_file(path, device=str(space.mean.device)))
                except (SafetensorError, TypeError):
                    log.warning("%s is damaged and is made anew", path)
            reference = Reference.of(space.features(real), space.features(train))
            partial = path.with_suffix(".partial")
            save_file({name: t.cpu().contiguous() for name, t in reference.to_tensors().items()}, partial)
            partial.replace(path)
            return reference
    except OSError as error:
        raise UserError(
            f"{path.parent} cannot be written to ({error}): set XDG_CACHE_HOME to a folder that can be"
        ) from error
