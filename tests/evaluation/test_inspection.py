"""Single images looked at: copies are found out, and the scores of many images are the sum of what is said of each."""

from pathlib import Path

import pytest
import torch

from genbench.data.images import ImageData
from genbench.data.sources import load_data
from genbench.evaluation.classes import ambiguous_share
from genbench.evaluation.evaluator import Evaluator, make_evaluator
from genbench.evaluation.extractors import Embedding, FeatureSpace
from genbench.evaluation.inspection import Inspector, nearest_in_pixels
from genbench.evaluation.memorisation import near_duplicates
from genbench.evaluation.pair import Pair
from tests.reporting.synthetic import config_of

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data(config_of("vae", 0).data)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def evaluator(data: ImageData, cache: Path) -> Evaluator:
    return make_evaluator(data, cache, CPU)


@pytest.fixture(scope="module")
def images(data: ImageData) -> torch.Tensor:
    """Copies of training images, blends of two, and noise."""
    train = data.train.images
    blends = (train[100:160].float() * 0.6 + train[300:360].float() * 0.4).to(torch.uint8)
    noise = torch.randint(0, 256, (20, *data.shape), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return torch.cat([train[:20], blends, noise])


@pytest.mark.slow
@pytest.mark.parametrize("kept", [True, False])
def test_what_is_said_of_each_is_what_the_scores_count(
    data: ImageData,
    cache: Path,
    evaluator: Evaluator,
    images: torch.Tensor,
    kept: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("genbench.evaluation.inspection._CHUNK", 411)  # of 1412 training images
    space = evaluator.spaces.classifier
    assert space is not None
    looks = Inspector(data, space, cache if kept else None).look(images)
    embedding = space.embed(images)
    real = evaluator.references["classifier"]
    probabilities = evaluator.real_probabilities["classifier"]
    pair = Pair(real, embedding.features, embedding.probabilities, probabilities)
    assert looks.near_duplicates is not None and looks.ambiguous is not None and looks.ratios is not None
    assert looks.near_duplicates.double().mean().item() == near_duplicates(pair) >= 0.2
    assert looks.ambiguous.double().mean().item() == ambiguous_share(pair) > 0.1
    assert (looks.nearest[:20] == torch.arange(20)).all()
    assert (looks.ratios[:20] == 0).all()
    assert looks.ratios[80:].min() > 1
    assert data.train.labels is not None and looks.classes is not None
    assert (looks.classes[:20] == data.train.labels[:20]).double().mean() >= 0.9


@pytest.mark.slow
def test_what_a_scoring_has_kept_is_used(
    data: ImageData, cache: Path, evaluator: Evaluator, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = evaluator.spaces.classifier
    assert space is not None
    embedded: list[int] = []
    embed = type(space).embed

    def counted(self: FeatureSpace, x: torch.Tensor) -> Embedding:
        embedded.append(len(x))
        return embed(self, x)

    monkeypatch.setattr(FeatureSpace, "embed", counted)
    Inspector(data, space, cache).look(images)
    assert embedded == [len(images)]


def test_without_a_space_the_nearest_is_that_in_pixels(data: ImageData, images: torch.Tensor) -> None:
    looks = Inspector(data, None, None).look(images)
    flat, train = images.flatten(1).double(), data.train.images.flatten(1).double()
    assert (looks.nearest == torch.cdist(flat, train).argmin(1)).all()
    assert (looks.ratios, looks.classes, looks.ambiguous, looks.near_duplicates) == (None, None, None, None)


def test_pixels_are_compared_in_blocks_without_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    train = torch.randint(0, 256, (97, 1, 8, 8), generator=generator, dtype=torch.uint8)
    images = train.roll(1, 3)
    whole = nearest_in_pixels(images, train)
    monkeypatch.setattr("genbench.evaluation.inspection._BLOCK", 10)
    assert (nearest_in_pixels(images, train) == whole).all()
