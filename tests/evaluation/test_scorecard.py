"""The protocol on a data set without labels, which needs no classifier: same shape of scores, and honest gaps."""

import dataclasses
from pathlib import Path

import pytest
import torch

from genbench.data.images import ImageData, Split
from genbench.data.optdigits import load
from genbench.errors import UserError
from genbench.evaluation.scorecard import Judge, check_images, first, make_judge, summarised

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data() -> ImageData:
    labelled = load(None)
    train, validation, test = (Split(s.images, None) for s in (labelled.train, labelled.validation, labelled.test))
    return dataclasses.replace(labelled, classes=(), train=train, validation=validation, test=test)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def judge(data: ImageData, cache: Path) -> Judge:
    return make_judge(data, cache, CPU)


def test_scores_have_mean_sd_and_number(judge: Judge, data: ImageData) -> None:
    n = len(data.test)
    scores = judge.score([data.train.images[:n], data.train.images[n : 2 * n]])
    assert set(scores["spaces"]) == {"classifier", "random", "pixels"}
    assert scores["spaces"]["classifier"].startswith("no labels")  # why, never a blank
    assert scores["class"].startswith("no labels")
    assert set(scores["extractors"]) == {"random", "pixels"}
    for space in ("random", "pixels"):
        names = {"fcd", "kcd", "precision", "recall", "density", "coverage", "auth_pct", "near_duplicates"}
        assert set(scores["spaces"][space]) == names | {"fcd_train_gap", "c2st_linear", "c2st_1nn"}
        assert scores["spaces"][space]["fcd"]["n"] == n
        assert scores["spaces"][space]["fcd"]["draws"] == 2
        assert scores["spaces"][space]["fcd"]["sd"] > 0


def test_copies_fail_memorisation_alone_and_repetition_coverage_alone(judge: Judge, data: ImageData) -> None:
    copies = judge.measure(data.train.images[: judge.n])
    repeated = judge.measure(data.train.images[:10].repeat(26, 1, 1, 1)[: judge.n])
    for space in ("random", "pixels"):
        assert copies[f"{space}.auth_pct"] == 0.0
        assert copies[f"{space}.near_duplicates"] == 1.0
        assert copies[f"{space}.coverage"] > 0.85
        assert repeated[f"{space}.precision"] > 0.8
        assert repeated[f"{space}.coverage"] < 0.3


def test_what_was_worked_out_once_is_read_from_the_cache(judge: Judge, data: ImageData, cache: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.safetensors")}
    assert len(before) == 4  # two spaces, two references
    again = make_judge(data, cache, CPU)
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.safetensors")} == before
    images = data.train.images[: judge.n]
    assert again.measure(images) == judge.measure(images)


def test_a_damaged_reference_is_made_anew(judge: Judge, data: ImageData, cache: Path) -> None:
    path = next((cache / "references").glob("pixels-*.safetensors"))
    path.write_bytes(path.read_bytes()[:1000])
    images = data.train.images[: judge.n]
    assert make_judge(data, cache, CPU).measure(images) == judge.measure(images)


def test_fewer_images_are_compared_with_as_many_real_ones(data: ImageData, cache: Path) -> None:
    judge = make_judge(data, cache, CPU, n=100)
    assert judge.n == 100
    assert judge.score([data.train.images[:100]])["spaces"]["pixels"]["fcd"]["n"] == 100
    assert judge.score([data.train.images[:100]])["spaces"]["pixels"]["fcd"]["sd"] is None


def test_first_spreads_over_the_split_and_keeps_labels_beside_images() -> None:
    split = Split(torch.arange(10, dtype=torch.uint8).view(10, 1, 1, 1), torch.arange(10))
    few = first(split, 4)
    assert few.images.flatten().tolist() == [0, 2, 5, 7]
    assert few.labels is not None
    assert few.labels.tolist() == [0, 2, 5, 7]
    assert first(split, 99) is split


def test_summarised() -> None:
    scores = summarised([{"a": 1.0}, {"a": 3.0}], n=7)
    assert scores == {"a": {"mean": 2.0, "sd": pytest.approx(2**0.5), "n": 7, "draws": 2}}


@pytest.mark.parametrize(
    ("shape", "message"),
    [((3, 1, 28, 28), "3 images are too few"), ((100, 3, 28, 28), "3x28x28"), ((100, 1, 32, 32), "1x32x32")],
)
def test_images_that_cannot_be_compared_are_refused(shape: tuple[int, ...], message: str, data: ImageData) -> None:
    with pytest.raises(UserError, match=message):
        check_images(torch.zeros(shape, dtype=torch.uint8), data, "mine.npz")
