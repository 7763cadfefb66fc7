"""The scorecard of images that any tool made."""

import time

from torch import Tensor

from genbench.cache import feature_cache
from genbench.config import DataConfig
from genbench.data.folder import read_images
from genbench.data.images import ImageData
from genbench.data.sources import load_data
from genbench.device import best_device
from genbench.evaluation.catalogue import DRAWS, IMAGES, PROTOCOL, catalogue
from genbench.evaluation.evaluator import check_images, make_evaluator
from genbench.runs.records import Absent, Scorecard

UNKNOWN = Absent(absent="not known: samples alone were given")


def score_samples(source: str, data: DataConfig) -> Scorecard:
    """Scores of the images in an array file or a folder.

    Raises:
        UserError: they cannot be read, or compared with the data set's.
    """
    loaded = load_data(data)
    return score_images(read_images(source, loaded.shape.channels), loaded, source)


def score_images(images: Tensor, data: ImageData, source: str = "images") -> Scorecard:
    """Scores of images (N, C, H, W) uint8 in the order given: as many whole draws as they make, up to 5.

    Args:
        images: at least 50, of the data's shape.
        data: what they imitate.
        source: where they came from, for the record and for messages.

    Raises:
        UserError: they cannot be compared with the data set's, or the classifier is below its gate.
    """
    started = time.monotonic()
    check_images(images, data, source)
    n = min(len(images), len(data.test), IMAGES)
    evaluator = make_evaluator(data, feature_cache(), best_device(), n)
    spaces = evaluator.score(images[i * n : (i + 1) * n] for i in range(min(DRAWS, len(images) // n)))
    return Scorecard(
        protocol=PROTOCOL,
        level="full",
        data=data.name,
        fingerprint=data.fingerprint,
        extractors=evaluator.extractors,
        spaces=spaces,
        model={entry.name: UNKNOWN for entry in catalogue().values() if not entry.of_images},
        cost=UNKNOWN,
        samples=source,
        evaluation_seconds=time.monotonic() - started,
    )
