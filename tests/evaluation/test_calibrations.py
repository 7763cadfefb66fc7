"""Calibrations are found by what they belong to and survive their files; those that are shipped fit together."""

import math
import os
from pathlib import Path

import pytest
from safetensors import safe_open

from genbench.data import ImageDataModule
from genbench.evaluation import calibrations, extractors
from genbench.evaluation.calibrations import Calibration, find_calibration, shipped, store
from genbench.evaluation.catalogue import catalogue
from genbench.evaluation.classifier import RECIPE
from genbench.evaluation.extractors import key_of, pixels_hash
from genbench.evaluation.protocol import DRAWS, PROTOCOL
from genbench.models.weights import checksum
from genbench.runs.records import Key, Score

HASHES = {"random": "1" * 16, "pixels": "2" * 16}
KEY = Key("pixels", "fcd")


def calibration(mean: float = 0.5) -> Calibration:
    scores = {"pixels": {"fcd": Score(mean=mean, sd=0.1, n=60, draws=5)}}
    return Calibration(
        protocol=PROTOCOL,
        data="my photos/ö",
        fingerprint="f" * 64,
        extractors={space: {"hash": value} for space, value in HASHES.items()},
        n=60,
        draws=5,
        rows={"real train vs test": scores},
        doses={},
        votes={"pixels": {"fcd": {"floor": True, "votes": True}, "kcd": {"floor": False, "votes": False}}},
        device="a processor",
        seconds=1.0,
    )


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "genbench"


@pytest.mark.parametrize("mean", [0.1 + 0.2, math.inf])
def test_what_is_stored_is_found_by_protocol_and_extractors(mean: float, cache: Path) -> None:
    path = store(calibration(mean))
    assert path.parent == cache / "calibrations"
    assert find_calibration("photos", PROTOCOL, dict(reversed(HASHES.items()))) == calibration(mean)
    for protocol, hashes in ((PROTOCOL + 1, HASHES), (PROTOCOL, HASHES | {"pixels": "3" * 16})):
        assert find_calibration("photos", protocol, hashes) == (
            "there is no calibration of photos for these feature spaces"
        )


def test_it_says_how_real_images_score_and_what_may_vote() -> None:
    known = calibration()
    assert known.real(KEY) == Score(mean=0.5, sd=0.1, n=60, draws=5)
    assert known.may_vote(KEY)
    for key in (Key("pixels", "kcd"), Key("pixels", "unheard"), Key("classifier", "fcd")):
        assert not known.may_vote(key)
        assert known.real(key) is None
    assert known.row("uniform noise", KEY) is None
    assert not known.is_complete


def test_a_damaged_file_is_named() -> None:
    path = store(calibration())
    path.write_text(path.read_text(encoding="utf-8")[:-100], encoding="utf-8")
    found = find_calibration("photos", PROTOCOL, HASHES)
    assert isinstance(found, str)
    assert str(path) in found
    assert "\n" not in found


def test_a_pipe_is_not_read() -> None:
    path = store(calibration())
    path.unlink()
    os.mkfifo(path)
    found = find_calibration("photos", PROTOCOL, HASHES)
    assert isinstance(found, str) and "it is not a file" in found


def test_ones_own_comes_before_the_shipped_one() -> None:
    ours = shipped()[0]
    assert find_calibration(ours.data, PROTOCOL, ours.hashes) == ours
    again = ours.model_copy(update={"seconds": 1.0})
    store(again)
    assert find_calibration(ours.data, PROTOCOL, ours.hashes) == again


@pytest.mark.parametrize("ours", shipped(), ids=lambda each: each.data)
def test_what_is_shipped_belongs_together(ours: Calibration) -> None:
    assert (ours.protocol, ours.draws) == (PROTOCOL, DRAWS)
    assert ours.is_complete
    folder = extractors.SHIPPED / f"{ours.data}-{key_of(RECIPE, ours.fingerprint)}"
    with safe_open(folder / "classifier.safetensors", framework="pt") as file:
        metadata = file.metadata()
        weights = {name: file.get_tensor(name) for name in file.keys() if name.startswith("network.")}  # noqa: SIM118
    assert ours.hashes["classifier"] == metadata["hash"]
    assert checksum({name.removeprefix("network."): value for name, value in weights.items()}) == metadata["hash"]
    assert ours.hashes["pixels"] == pixels_hash(ours.fingerprint)
    for space in ours.votes:
        names = {name for name, entry in catalogue().items() if entry.of_images}
        if space != "classifier":
            names = {name for name in names if catalogue()[name].needs != "probabilities"}
        assert set(ours.votes[space]) == names
        assert all(set(scores[space]) == names for scores in ours.rows.values())


def test_no_extractor_is_shipped_without_its_calibration() -> None:
    expected = {f"{ours.data}-{key_of(RECIPE, ours.fingerprint)}" for ours in shipped()}
    assert {path.name for path in extractors.SHIPPED.iterdir()} == expected
    assert {path.name for path in calibrations.SHIPPED.iterdir()} == {
        f"{ours.data}-{calibrations._key(PROTOCOL, ours.hashes)}.json" for ours in shipped()
    }


def test_the_shipped_digits_are_those_of_the_package(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digits = ImageDataModule("optdigits").data
    (ours,) = (each for each in shipped() if each.data == "optdigits")
    assert ours.fingerprint == digits.fingerprint
    monkeypatch.setattr(extractors, "train_classifier", lambda *_: pytest.fail("trained"))
    spaces = extractors.load_spaces(digits, cache)
    assert {space.name: space.hash for space in spaces.available()} == ours.hashes
