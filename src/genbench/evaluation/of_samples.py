"""The scorecard of images that any tool made."""

import time
from typing import Any

from hydra.utils import get_method

from genbench.config import DataConfig
from genbench.data.folder import read_images
from genbench.data.images import ImageData
from genbench.device import best_device
from genbench.evaluation.scorecard import DRAWS, IMAGES, check_images, feature_cache, make_judge


def scores_of_samples(source: str, about: DataConfig) -> dict[str, Any]:
    """Scores of the images in an array file or a folder, as they lie there: as many whole draws as they make, up to 5.

    Raises:
        UserError: they cannot be read, or compared with the data set's.
    """
    started = time.monotonic()
    data: ImageData = get_method(about.load)(about.root)
    images = read_images(source, data.shape.channels)
    check_images(images, data, source)
    n = min(len(images), len(data.test), IMAGES)
    judge = make_judge(data, feature_cache(), best_device(), n)
    draws = [images[i * n : (i + 1) * n] for i in range(min(DRAWS, len(images) // n))]
    scores = {"level": "full", "samples": source, **judge.score(draws)}
    scores["likelihood"] = scores["reconstruction"] = scores["cost"] = "not known: samples alone were given"
    scores["evaluation_seconds"] = time.monotonic() - started
    return scores
