"""The scorecard of images that any tool made."""

import hashlib
import time
from collections import Counter
from typing import Literal

import torch
from torch import Tensor

from genbench.cache import feature_cache
from genbench.config.data import DataConfig
from genbench.data.folder import read_images
from genbench.data.images import ImageData, evenly_spaced
from genbench.data.sources import load_data
from genbench.device import best_device
from genbench.evaluation.catalogue import catalogue
from genbench.evaluation.evaluator import check_images, make_evaluator
from genbench.evaluation.protocol import DRAWS, IMAGES, PROTOCOL
from genbench.runs.records import Absent, Scorecard

_LOOKED_AT = 2_000  # training images
_DIM = 16  # no image of bytes is as dark as that all over
_OFF = 40.0  # levels between means
UNKNOWN = Absent(absent="not known: samples alone were given")


def score_samples(source: str, data: DataConfig, level: Literal["fast", "full"] = "full") -> Scorecard:
    """Scores of the images in an array file or a folder.

    Raises:
        UserError: they cannot be read, or compared with the data set's.
    """
    loaded = load_data(data)
    images, notes = read_images(source, loaded.shape.channels)
    scorecard = score_images(images, loaded, source, level)
    return scorecard.model_copy(update={"notes": (*notes, *scorecard.notes)})


def score_images(
    images: Tensor, data: ImageData, source: str = "images", level: Literal["fast", "full"] = "full"
) -> Scorecard:
    """Scores of images (N, C, H, W) uint8, whatever their order: as many whole draws as they make, up to 5.

    Args:
        images: at least 50, of the data's shape.
        data: what they imitate.
        source: where they came from, for the record and for messages.
        level: "full": against the test images. "fast": one draw against the validation images, to choose by.

    Raises:
        UserError: they cannot be compared with the data set's, or the classifier is below its gate.
    """
    started = time.monotonic()
    check_images(images, data, source)
    full = level == "full"
    n = min(len(images), len(data.test if full else data.validation), IMAGES)
    evaluator = make_evaluator(data, feature_cache(), best_device(), n, "test" if full else "validation")
    draws = min(DRAWS if full else 1, len(images) // n)
    mixed = images[canonical_order(images)]
    spaces = evaluator.score((mixed[i * n : (i + 1) * n] for i in range(draws)), draws)
    left = len(images) - draws * n
    unused = [f"{left:,} of {len(images):,} images are left over: {draws} x {n:,} are scored"] if left else []
    return Scorecard(
        protocol=PROTOCOL,
        level=level,
        data=data.name,
        fingerprint=data.fingerprint,
        extractors=evaluator.extractors,
        spaces=spaces,
        model={entry.name: UNKNOWN for entry in catalogue().values() if not entry.of_images},
        cost=UNKNOWN,
        samples=source,
        notes=(*doubts(images, data), *unused),
        evaluation_seconds=time.monotonic() - started,
    )


def canonical_order(images: Tensor) -> Tensor:
    """An order (N,) of images that does not depend on the one in which they came, and mixes their kinds: by hash.

    Files come sorted by class, and a draw of the first classes alone would be scored as a model that has no others.
    Copies are apart as well: of a model that has collapsed every draw must show all that it draws.
    """
    hashes = []
    copies: Counter[bytes] = Counter()
    for image in images.cpu().contiguous():
        digest = hashlib.sha256(image.numpy().tobytes()).digest()
        copy = copies[digest]
        copies[digest] += 1
        hashes.append(hashlib.sha256(digest + copy.to_bytes(8)).digest() if copy else digest)
    return torch.tensor(sorted(range(len(hashes)), key=hashes.__getitem__))


def doubts(images: Tensor, data: ImageData) -> list[str]:
    """What makes images (N, C, H, W) uint8 look as if they had come in wrong, a line each."""
    found = []
    ours, theirs = (each.float().mean(0) for each in (evenly_spaced(data.train, _LOOKED_AT).images, images))
    largest = int(images.max())
    if largest <= _DIM:
        found.append(f"the largest value is {largest} of 255: are these values 0 to {largest}, to be scaled to 255?")
    elif (255 - theirs - ours).abs().mean() < (theirs - ours).abs().mean() / 2:
        found.append("the images look like negatives of the data's: white and black exchanged?")
    elif abs(float(theirs.mean() - ours.mean())) > _OFF:
        found.append(f"the mean grey is {theirs.mean():.0f} of 255, that of the data {ours.mean():.0f}")
    if ours.shape[-1] == ours.shape[-2] and largest > _DIM:
        turned = (theirs.transpose(-1, -2) - ours).abs().mean()
        if turned < (theirs - ours).abs().mean() / 2:
            found.append("the images look like the data's with rows and columns exchanged")
    return found
