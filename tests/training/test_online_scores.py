"""Scores on the way: real images score well, noise badly, and the numbers are the scorecard's own functions."""

from pathlib import Path
from typing import Any

import pytest
import torch

from genbench.data.images import evenly_spaced
from genbench.evaluation.extractors import FeatureSpaces, load_spaces
from genbench.evaluation.likeness import fcd
from genbench.evaluation.manifold import coverage
from genbench.evaluation.pair import Pair, Reference
from genbench.training.callbacks.online_scores import OnlineScores
from tests.digits import optdigits


@pytest.fixture(scope="module")
def spaces(tmp_path_factory: pytest.TempPathFactory) -> FeatureSpaces:
    return load_spaces(optdigits(), tmp_path_factory.mktemp("cache"))


class _Alarms:
    samples = torch.empty(0)


class _Module:
    def __init__(self) -> None:
        self.logged: dict[str, float] = {}

    def log(self, name: str, value: float, **_: Any) -> None:
        self.logged[name] = value


def scores(spaces: FeatureSpaces, samples: torch.Tensor) -> dict[str, float]:
    alarms, module = _Alarms(), _Module()
    callback = OnlineScores(optdigits(), spaces, alarms)  # type: ignore[arg-type]
    alarms.samples = samples
    callback.on_validation_epoch_end(None, module)  # type: ignore[arg-type]
    return module.logged


@pytest.mark.slow
def test_real_images_are_near_and_noise_is_far(spaces: FeatureSpaces, tmp_path: Path) -> None:
    data = optdigits()
    real = scores(spaces, evenly_spaced(data.train, 1000).images)
    noise = scores(spaces, torch.randint(0, 256, (1000, 1, 28, 28), dtype=torch.uint8))
    assert set(real) == {"fast/fcd", "fast/coverage"}
    assert real["fast/fcd"] < noise["fast/fcd"] / 5
    assert real["fast/coverage"] > 0.9 > 0.1 > noise["fast/coverage"]


@pytest.mark.slow
def test_they_are_the_scorecards_functions(spaces: FeatureSpaces) -> None:
    data = optdigits()
    samples = data.test.images
    space = spaces.classifier or spaces.random
    real, generated = space.features(data.validation.images), space.features(samples)
    pair = Pair(Reference.of(real, real), generated)
    assert scores(spaces, samples) == {"fast/fcd": fcd(pair), "fast/coverage": coverage(pair)}
