"""Records keep every number, and those of before become today's."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genbench.errors import UserError
from genbench.runs.directory import Run
from genbench.runs.records import Absent, Estimate, Key, Metrics, Row, Score
from tests.runs.example import SCORECARD, SUMMARY

names = st.text(st.characters(exclude_categories=["C"]), min_size=1)
in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
SCORE: dict[str, Any] = {"mean": 1.5, "sd": 0.25, "n": 257, "draws": 5}
OF_BEFORE: dict[str, Any] = {
    "level": "full",
    "protocol": 1,
    "data": "optdigits",
    "extractors": {"classifier": "1" * 16, "random": "2" * 16},
    "spaces": {"classifier": {"fcd": SCORE}, "random": {"fcd": SCORE | {"mean": 2.5}}},
    "class": {"class_kl": SCORE | {"mean": 3.5}},
    "precision": "float32",
    "likelihood": {
        **{"loss": 168.5, "reconstruction": 160.0, "kl": 8.5, "kl_per_dimension": [4.0, 4.5]},
        "nll": {"mean": 198.5, "standard_error": 1.25, "importance_samples": 500, "n": 200},
        "active_units": 2,
    },
    "reconstruction": {"mse": 0.03, "standard_error": 0.001, "n": 64, "method": "encoder"},
    "cost": {
        **{"parameters": {"encoder": 3}, "train_seconds": 4.0, "images_seen": 640, "images_per_second": 160.0},
        **{"training_flops_per_image": 4e7, "peak_memory_bytes": 5, "seconds_for_10000_samples": 6.0},
    },
    "evaluation_seconds": 35.0,
}


def scores_of_before(folder: Path, **changes: Any) -> Run:
    (folder / "scores.json").write_text(json.dumps(OF_BEFORE | changes), encoding="utf-8")
    return Run(folder)


def test_scores_of_before_are_todays(tmp_path: Path) -> None:
    scorecard = scores_of_before(tmp_path).scorecard()
    assert {key: score.mean for key, score in scorecard.values().items()} == {
        Key("classifier", "fcd"): 1.5,
        Key("classifier", "class_kl"): 3.5,
        Key("random", "fcd"): 2.5,
    }
    assert scorecard.model == {
        "nll": Estimate(mean=198.5, standard_error=1.25, n=200, method="importance sampling, 500 samples an image"),
        "active_units": Estimate(mean=2, n=257),
        "mse": Estimate(mean=0.03, standard_error=0.001, n=64, method="encoder"),
    }
    assert not isinstance(scorecard.cost, Absent) and scorecard.cost.seconds_for_10000_samples == 6.0
    assert (scorecard.level, scorecard.fingerprint, scorecard.evaluation_seconds) == ("full", "", 35.0)
    Run(tmp_path).write_scorecard(scorecard)
    assert Run(tmp_path).scorecard() == scorecard


def test_reasons_of_before_are_kept(tmp_path: Path) -> None:
    unknown, no_labels = Absent(absent="samples alone"), Absent(absent="no labels")
    scorecard = scores_of_before(
        tmp_path,
        spaces={"classifier": "no labels", "random": {"fcd": SCORE}},
        **{"class": "no labels", "likelihood": "samples alone", "reconstruction": "samples alone"},
        cost="samples alone",
        samples="pictures.npz",
    ).scorecard()
    assert scorecard.score(Key("classifier", "fcd")) == no_labels
    assert scorecard.score(Key("random", "fcd")) == Score(**SCORE)
    assert scorecard.model == dict.fromkeys(("nll", "active_units", "mse"), unknown)
    assert scorecard.cost == unknown


def test_a_fast_scorecard_of_before_has_no_numbers_that_need_the_model(tmp_path: Path) -> None:
    content = {name: value for name, value in OF_BEFORE.items() if name not in ("likelihood", "reconstruction")}
    (tmp_path / "scores.json").write_text(json.dumps(content | {"level": "fast"}), encoding="utf-8")
    assert Run(tmp_path).scorecard().model == {}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"spaces": {"random": {"fcd": SCORE}}}, "class: these scores need a classifier, and there is none"),
        ({"spaces": {"classifier": {"fcd": {"mean": 1.0}}}}, "spaces.classifier"),
        ({"reconstruction": {"error": 1}}, "model.mse"),
        ({"likelihood": {}}, "model.nll"),
        ({"cost": {}}, "cost"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"version": 3}, "version: Input should be 2"),
    ],
)
def test_scores_that_are_not_understood_are_refused_by_name(changes: Any, reason: str, tmp_path: Path) -> None:
    run = scores_of_before(tmp_path, **changes)
    with pytest.raises(UserError) as caught:
        run.scorecard()
    assert f"scores.json cannot be read ({reason}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_summary_of_before_that_counted_validations_counts_the_training_alone(tmp_path: Path) -> None:
    times = {"train_seconds": 10.0, "validation_seconds": 6.0, "images_seen": 800, "images_per_second": 80.0}
    content = SUMMARY.model_dump() | {"version": 2, **times}
    (tmp_path / "summary.json").write_text(json.dumps(content), encoding="utf-8")
    found = Run(tmp_path).summary()
    assert (found.train_seconds, found.validation_seconds, found.images_per_second) == (4.0, 6.0, 200.0)


@pytest.mark.parametrize("name", ["train_seconds", "validation_seconds", "images_seen"])
def test_a_whole_number_that_no_float_holds_is_refused_by_name(name: str, tmp_path: Path) -> None:
    content = SUMMARY.model_dump() | {"version": 2, name: 10**400}
    (tmp_path / "summary.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError, match=name):
        Run(tmp_path).summary()


def test_a_summary_of_before_names_each_latent_dimension(tmp_path: Path) -> None:
    content = SUMMARY.model_dump(exclude={"version", "validation_seconds"})
    content["test"] = {"loss": 168.5, "kl_per_dimension": [1.75, 1.875]}
    (tmp_path / "summary.json").write_text(json.dumps(content), encoding="utf-8")
    assert Run(tmp_path).summary() == SUMMARY


@in_one_folder
@given(values=st.dictionaries(names, st.floats()), seconds=st.floats(0, 1e18))
def test_every_number_survives(values: dict[str, float], seconds: float, tmp_path: Path) -> None:
    run = Run(tmp_path)
    summary = SUMMARY.model_copy(update={"test": values, "train_seconds": seconds})
    run.write_summary(summary)
    assert repr(run.summary()) == repr(summary)  # nan is not equal to itself


@pytest.mark.parametrize("amount", [math.inf, math.nan, -1.0, 1e308])
@pytest.mark.parametrize(
    "name", ["train_seconds", "validation_seconds", "images_per_second", "training_flops_per_image"]
)
def test_an_amount_that_none_can_be_is_refused_by_name(name: str, amount: float, tmp_path: Path) -> None:
    """No sum and no time of day on a page can be made of it."""
    run = Run(tmp_path)
    run.write_summary(SUMMARY.model_copy(update={name: amount}))
    with pytest.raises(UserError, match=name):
        run.summary()


@in_one_folder
@given(values=st.dictionaries(names, st.floats(), min_size=1), images=st.integers(0, 10**12))
def test_every_metric_survives(values: dict[str, float], images: int, tmp_path: Path) -> None:
    rows = (Row(images, {f"train/{name}": value for name, value in values.items()}), Row(images + 1, {"other": 1.0}))
    Run(tmp_path).write_metrics(rows)
    assert repr(Run(tmp_path).metrics()) == repr(Metrics(rows=rows))


def test_a_divergence_without_end_survives(tmp_path: Path) -> None:
    endless = Score(mean=math.inf, sd=math.nan, n=257, draws=5)
    spaces = {"classifier": {"class_kl": endless}}
    Run(tmp_path).write_scorecard(SCORECARD.model_copy(update={"spaces": spaces}))
    found = Run(tmp_path).scorecard().score(Key("classifier", "class_kl"))
    assert repr(found) == repr(endless)


def test_why_there_is_no_score_is_said() -> None:
    assert SCORECARD.score(Key("classifier", "fcd")) == Score(mean=8.0, sd=0.1, n=257, draws=5)
    assert SCORECARD.score(Key("random", "fcd")) == Absent(absent="not wanted")
    for key in (Key("classifier", "coverage"), Key("pixels", "fcd")):
        assert SCORECARD.score(key) == Absent(absent="not measured")
    assert set(SCORECARD.values()) == {Key("classifier", "fcd"), Key("classifier", "class_kl")}


def test_a_curve_has_the_rows_that_know_it() -> None:
    metrics = Metrics(rows=(Row(1, {"a": 5.0}), Row(2, {"b": 6.0}), Row(3, {"a": 7.0, "b": 8.0})))
    assert metrics.curve("a") == [(1, 5.0), (3, 7.0)]
    assert metrics.curve("c") == []
    assert metrics.names == ["a", "b"]


@pytest.mark.parametrize(
    ("level", "wanted", "are_these"),
    [
        ("full", {}, True),
        ("fast", {"steps": 12}, True),
        ("full", {"steps": 8}, False),
        ("full", {"steps": 12, "guidance": 2.0}, False),
        ("full", {"no such option then": 1}, True),  # in a file of before there was that option
        ("full", {"nll_samples": 500, "nll_images": 257}, True),
        ("full", {"nll_samples": 5000}, False),
    ],
)
def test_scores_are_those_that_are_wanted(level: str, wanted: dict[str, Any], are_these: bool) -> None:
    told = SCORECARD.model_copy(update={"nll_samples": 500, "nll_images": 257})
    assert told.is_of(level, told.protocol, wanted) == are_these
    assert not told.is_of(level, told.protocol + 1, wanted)
    assert not told.model_copy(update={"level": "fast"}).is_of("full", told.protocol, wanted)
    old = SCORECARD.is_of(level, told.protocol, wanted)
    without = told.model_copy(update={"model": {"nll": Absent(absent="implicit")}}).is_of(level, told.protocol, wanted)
    assert old == without == (are_these or "nll_samples" in wanted)
