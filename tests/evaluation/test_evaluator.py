"""The protocol on a data set without labels, which needs no classifier: same shape of scores, and honest gaps."""

import dataclasses
from pathlib import Path

import pytest
import torch

from genbench.data.images import ImageData, Split
from genbench.errors import UserError
from genbench.evaluation.catalogue import catalogue
from genbench.evaluation.evaluator import Evaluator, check_images, make_evaluator, summarised
from genbench.runs.records import Absent, Key, Score
from tests.digits import optdigits

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data() -> ImageData:
    labelled = optdigits()
    train, validation, test = (Split(s.images, None) for s in (labelled.train, labelled.validation, labelled.test))
    return dataclasses.replace(labelled, classes=(), train=train, validation=validation, test=test)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def evaluator(data: ImageData, cache: Path) -> Evaluator:
    return make_evaluator(data, cache, CPU)


@pytest.mark.slow
def test_scores_have_mean_sd_and_number(evaluator: Evaluator, data: ImageData) -> None:
    n = len(data.test)
    spaces = evaluator.score([data.train.images[:n], data.train.images[n : 2 * n]], 2)
    assert list(spaces) == ["classifier", "random", "pixels"]
    assert isinstance(spaces["classifier"], Absent)
    assert spaces["classifier"].absent.startswith("no labels")  # why, never a blank
    assert set(evaluator.extractors) == {"random", "pixels"}
    for space in ("random", "pixels"):
        scores = spaces[space]
        assert isinstance(scores, dict)
        assert list(scores) == [name for name, entry in catalogue().items() if entry.needs == "features"]
        assert (scores["fcd"].n, scores["fcd"].draws) == (n, 2)
        assert scores["fcd"].sd is not None
        assert scores["fcd"].sd > 0


@pytest.mark.slow
def test_copies_fail_memorisation_alone_and_repetition_coverage_alone(evaluator: Evaluator, data: ImageData) -> None:
    copies = evaluator.measure(data.train.images[: evaluator.n])
    repeated = evaluator.measure(data.train.images[:10].repeat(26, 1, 1, 1)[: evaluator.n])
    for space in ("random", "pixels"):
        assert copies[Key(space, "auth_pct")] == 0.0
        assert copies[Key(space, "near_duplicates")] == 1.0
        assert copies[Key(space, "coverage")] > 0.85
        assert repeated[Key(space, "precision")] > 0.8
        assert repeated[Key(space, "coverage")] < 0.3


@pytest.mark.slow
def test_what_was_worked_out_once_is_read_from_the_cache(evaluator: Evaluator, data: ImageData, cache: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.safetensors")}
    assert len(before) == 4  # two spaces, two references
    again = make_evaluator(data, cache, CPU)
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.safetensors")} == before
    images = data.train.images[: evaluator.n]
    assert again.measure(images) == evaluator.measure(images)


@pytest.mark.slow
def test_a_damaged_reference_is_made_anew(evaluator: Evaluator, data: ImageData, cache: Path) -> None:
    path = next((cache / "references").glob("pixels-*.safetensors"))
    path.write_bytes(path.read_bytes()[:1000])
    images = data.train.images[: evaluator.n]
    assert make_evaluator(data, cache, CPU).measure(images) == evaluator.measure(images)


@pytest.mark.slow
def test_fewer_images_are_compared_with_as_many_real_ones(data: ImageData, cache: Path) -> None:
    evaluator = make_evaluator(data, cache, CPU, n=100)
    assert evaluator.n == 100
    scores = evaluator.score([data.train.images[:100]], 1)["pixels"]
    assert isinstance(scores, dict)
    assert scores["fcd"].n == 100
    assert scores["fcd"].sd is None
    with pytest.raises(ValueError, match="must match the 100 real images"):
        evaluator.measure(data.train.images[:99])


@pytest.mark.slow
def test_samples_can_be_compared_with_validation_images(data: ImageData, cache: Path) -> None:
    evaluator = make_evaluator(data, cache, CPU, against="validation")
    assert torch.equal(evaluator.real.images, data.validation.images)


def test_summarised() -> None:
    key = Key("pixels", "fcd")
    assert summarised([{key: 1.0}, {key: 3.0}], n=7) == {key: Score(mean=2.0, sd=2**0.5, n=7, draws=2)}
    score = summarised([{key: float("inf")}, {key: 3.0}], n=7)[key]  # of a class that has one image, say
    assert score.mean == float("inf")
    assert score.sd is not None
    assert score.sd != score.sd


@pytest.mark.parametrize(
    ("shape", "message"),
    [((3, 1, 28, 28), "3 images are too few"), ((100, 3, 28, 28), "3x28x28"), ((100, 1, 32, 32), "1x32x32")],
)
def test_images_that_cannot_be_compared_are_refused(shape: tuple[int, ...], message: str, data: ImageData) -> None:
    with pytest.raises(UserError, match=message):
        check_images(torch.zeros(shape, dtype=torch.uint8), data, "mine.npz")
