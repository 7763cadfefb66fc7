"""The protocol: draws of generated images against real ones, in every feature space, with mean and sd."""

import hashlib
import logging
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, TypeVar

import torch
from filelock import FileLock
from torch import Tensor

from genbench.data.images import ImageData, Split, evenly_spaced
from genbench.errors import UserError
from genbench.evaluation.catalogue import catalogue
from genbench.evaluation.extractors import FeatureSpace, FeatureSpaces, load_spaces
from genbench.evaluation.pair import DENSITY_COVERAGE_K, Classes, Pair, Reference
from genbench.evaluation.protocol import IMAGES
from genbench.evaluation.stored import read_tensors, write_tensors
from genbench.progress import advance, task
from genbench.runs.records import Absent, Key, Score

log = logging.getLogger(__name__)

FEWEST = 50  # images that can be scored at all
FEWEST_REAL = DENSITY_COVERAGE_K + 1  # images to compare with: each needs as many neighbours

Value = TypeVar("Value")


@dataclass(frozen=True, eq=False)
class Evaluator:
    """What images of one data set are compared with: real images and feature spaces."""

    data: ImageData
    real: Split  # the images to compare with
    spaces: FeatureSpaces
    references: Mapping[str, Reference]  # by space
    real_probabilities: Mapping[str, Tensor | None]  # by space: (M, classes) of the real images, where it gives any
    classes: Mapping[str, Classes | None]  # by space, where the images have labels

    @property
    def n(self) -> int:
        """How many images a draw has: as many as there are real ones."""
        return len(self.real)

    @property
    def extractors(self) -> dict[str, str]:
        """Hash by space: scores are comparable only where they are equal."""
        return {space.name: space.hash for space in self.spaces.available()}

    def measure(self, images: Tensor) -> dict[Key, float]:
        """All scores of one draw of images (n, C, H, W) uint8; ValueError if there are more or fewer."""
        if len(images) != self.n:
            raise ValueError(f"a draw must match the {self.n} real images, got {len(images)}")
        scores: dict[Key, float] = {}
        for space in self.spaces.available():
            embedding = space.embed(images)
            real, probabilities = self.references[space.name], self.real_probabilities[space.name]
            classes = self.classes[space.name]
            pair = Pair(real, embedding.features, embedding.probabilities, probabilities, classes)
            for entry in catalogue().values():
                if entry.is_measured(labels=classes is not None, classifier=probabilities is not None):
                    scores[Key(space.name, entry.name)] = entry.measure(pair)
            advance()
        return scores

    def score(self, draws: Iterable[Tensor], number: int) -> dict[str, dict[str, Score] | Absent]:
        """Scores by space of so many draws of images, each (n, C, H, W) uint8, or why a space has none."""
        with task("scoring", number * len(self.spaces.available())):
            summary = summarised([self.measure(images) for images in draws], self.n)
        found: dict[str, dict[str, Score] | Absent] = {}
        if self.spaces.no_classifier:
            found["classifier"] = Absent(absent=self.spaces.no_classifier)
        return found | by_space(summary)


def make_evaluator(
    data: ImageData,
    cache: Path,
    device: torch.device,
    n: int | None = None,
    against: Literal["test", "validation"] = "test",
) -> Evaluator:
    """An evaluator that compares with n real images of a split (all, up to 10,000, if n is None).

    What depends on real images alone comes from the cache or is put there.

    Raises:
        UserError: there are too few real images, the classifier is below its gate, or the cache cannot be written.
    """
    check_real(data, against)
    split = data.test if against == "test" else data.validation
    real = evenly_spaced(split, IMAGES if n is None else n)
    spaces = load_spaces(data, cache, device)
    references: dict[str, Reference] = {}
    probabilities: dict[str, Tensor | None] = {}
    classes: dict[str, Classes | None] = {}
    for space in spaces.available():
        reference = _reference(space, real.images, data.train.images, cache)
        references[space.name] = reference
        found = space.embed(real.images).probabilities if space is spaces.classifier else None
        probabilities[space.name] = found
        classes[space.name] = None
        if data.train.labels is not None:
            labels = data.train.labels.to(reference.train.device)
            of_test = labels[reference.test_nearest] if found is None else found.argmax(1)
            classes[space.name] = Classes(len(data.classes), of_test, labels)
    return Evaluator(data, real, spaces, references, probabilities, classes)


def summarised(draws: Sequence[Mapping[Key, float]], n: int) -> dict[Key, Score]:
    """Mean and sd over the draws of every score; a single draw has no sd."""
    values = {key: [draw[key] for draw in draws] for key in draws[0]}
    return {
        key: Score(
            mean=statistics.fmean(of_draws),
            sd=_sd(of_draws) if len(of_draws) > 1 else None,
            n=n,
            draws=len(of_draws),
        )
        for key, of_draws in values.items()
    }


def _sd(values: Sequence[float]) -> float:
    return statistics.stdev(values) if all(map(math.isfinite, values)) else math.nan


def by_space(scores: Mapping[Key, Value]) -> dict[str, dict[str, Value]]:
    """The same, a mapping in a mapping."""
    found: dict[str, dict[str, Value]] = {}
    for key, value in scores.items():
        found.setdefault(key.space, {})[key.score] = value
    return found


def check_real(data: ImageData, against: Literal["test", "validation"]) -> None:
    """Refuse a data set with too few images to compare with.

    Raises:
        UserError: it has.
    """
    split = data.test if against == "test" else data.validation
    if len(split) < FEWEST_REAL:
        instead = (
            "evaluation=none trains without scores" if against == "test" else "evaluation=full takes the test images"
        )
        raise UserError(
            f"{data.name} has {len(split)} {against} images, and scores need at least {FEWEST_REAL}: add images"
            f" ({instead})"
        )


def check_images(images: Tensor, data: ImageData, source: str) -> None:
    """Refuse images that cannot be compared with a data set's.

    Raises:
        UserError: they are too few, of another shape or no bytes.
    """
    if images.dtype != torch.uint8 or images.ndim != 4:
        raise UserError(f"{source}: images must be (N, C, H, W) uint8, got {images.dtype} {tuple(images.shape)}")
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


def stored_reference(space: FeatureSpace, real: Tensor, train: Tensor, cache: Path) -> Reference | None:
    """What an evaluator of these real and training images has left in the cache; None if there is nothing whole."""
    path = _place(space, real, train, cache)
    try:
        return Reference.from_tensors(read_tensors(path, space.mean.device)[0])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        log.warning("%s is damaged and is made anew", path)
        return None


def _place(space: FeatureSpace, real: Tensor, train: Tensor, cache: Path) -> Path:
    kept = hashlib.sha256(" ".join(field.name for field in fields(Reference)).encode()).hexdigest()[:6]
    key = f"{space.name}-{space.hash}-{fingerprint(real)}-{fingerprint(train)}-{kept}"
    return cache / "references" / f"{key}.safetensors"


def _reference(space: FeatureSpace, real: Tensor, train: Tensor, cache: Path) -> Reference:
    """The space's features of the real images and all that follows from them, kept on disk: it takes a while."""
    path = _place(space, real, train, cache)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            stored = stored_reference(space, real, train, cache)
            if stored is not None:
                return stored
            with task(f"looking at the real images, once, in {space.name} features"):
                reference = Reference.of(space.features(real), space.features(train))
            write_tensors(path, reference.to_tensors(), {})
            return reference
    except OSError as error:
        raise UserError(
            f"{path.parent} cannot be written to ({error}): set XDG_CACHE_HOME to a folder that can be"
        ) from error
