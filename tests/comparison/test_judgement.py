"""Contenders in pairs: who is judged, who stands where, what is missing."""

from dataclasses import replace
from pathlib import Path

import pytest

from genbench.comparison.judgement import MOST, Judgement, Standing, copying, judge
from genbench.comparison.ranking import rankings
from genbench.comparison.verdicts import Question, Reason, Verdict, fewest_seeds, verdicts
from genbench.evaluation.catalogue import catalogue
from genbench.runs.folder import read_folder
from genbench.runs.records import Key, Score
from tests.reporting.synthetic import VOTES, calibrate_in, synthetic_run, three_models

COPYING = {"auth_pct", "near_duplicates"}


def judged(folder: Path) -> Judgement:
    (ranking,) = rankings(read_folder(folder))
    return judge(ranking)


def verdict_on(pair: str, better: str | None, score: str = "fcd") -> Verdict:
    one, other = tuple(pair)
    values = {space: {one: [1.0, 2.0], other: [2.0, 1.0]} for space in ("classifier", "random")}
    (found,) = verdicts([Question(catalogue()[score], values)])
    return replace(found, better=better)


def standing(contenders: str, *found: tuple[str, str | None] | tuple[str, str | None, str]) -> Standing:
    return Standing(tuple(contenders), tuple(verdict_on(*one) for one in found))


def test_those_are_best_whom_nobody_beats() -> None:
    found = standing("ABC", ("AB", None), ("AC", "A"), ("BC", "B"))
    assert found.tiers == (("A", "B"), ("C",))
    assert (found.unplaced, found.decided, found.pairs) == ((), 2, 3)


def test_a_row_of_tiers() -> None:
    assert standing("ABC", ("AB", "B"), ("AC", "C"), ("BC", "C")).tiers == (("C",), ("B",), ("A",))


def test_of_whom_nothing_is_decided_is_not_called_best() -> None:
    found = standing("ABC", ("AB", "A"), ("AC", None), ("BC", None))
    assert found.tiers == (("A",), ("B",))
    assert found.unplaced == ("C",)


def test_where_nothing_is_decided_all_are_alike() -> None:
    found = standing("AB", ("AB", None))
    assert (found.tiers, found.unplaced, found.decided) == ((("A", "B"),), (), 0)


def test_scores_that_disagree_beat_nobody() -> None:
    found = standing("AB", ("AB", "A", "fcd"), ("AB", "B", "kcd"), ("AB", "A", "c2st_1nn"))
    assert (found.decided, found.split, found.tiers) == (0, (("A", "B"),), (("A", "B"),))


def test_of_a_pair_that_is_decided_or_split_nothing_is_open() -> None:
    found = standing("ABC", ("AB", "A"), ("AB", None), ("BC", "B"), ("BC", "C", "kcd"), ("BC", None, "c2st_1nn"))
    assert found.open == ()
    found = standing("ABC", ("AB", "A"), ("AB", None), ("BC", None), ("BC", None, "kcd"))
    assert [verdict.pair for verdict in found.open] == [("B", "C")] * 2


def test_a_circle_is_one_tier() -> None:
    found = standing("ABCD", ("AB", "A"), ("BC", "B"), ("AC", "C"), ("AD", "A"), ("BD", "B"), ("CD", "C"))
    assert found.tiers == (("A", "B", "C"), ("D",))


@pytest.mark.slow
def test_three_models_with_several_settings_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calibrate_in(tmp_path, monkeypatch)
    three_models(tmp_path / "runs", weights=False)
    found = judged(tmp_path / "runs")
    assert found.labels == (
        *("Flow matching, width 32", "Flow matching, width 64", "GAN, latent size 50", "GAN, latent size 100"),
        *("VAE, latent size 2, learning rate 0.001", "VAE, latent size 2, learning rate 0.002"),
        "VAE, latent size 8, learning rate 0.002",
    )
    assert len(found.pairs) == 21
    # Nobody copies, and a score that nobody can win has no vote.
    assert {key.score for key in found.votes} == set(VOTES) - COPYING
    assert len(found.verdicts) == 21 * len(found.votes)
    assert found.fewest == fewest_seeds(7)
    assert found.on("diversity").tiers[0] == ("Flow matching, width 64",)
    assert set(found.on("diversity").tiers[-1]) == {label for label in found.labels if label.startswith("VAE")}
    assert found.best(Key("classifier", "coverage")) == {"Flow matching, width 64"}
    assert set(found.topics()) == {"realism", "diversity", "classes"}  # that scores vote on, and that can be won


def test_every_verdict_is_corrected_for_all_pairs_and_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calibrate_in(tmp_path, monkeypatch)
    for seed in range(5):
        synthetic_run(tmp_path / "runs", "gan", seed, better=0.3)
        synthetic_run(tmp_path / "runs", "vae", seed)
    alone = {verdict.score.name: verdict for verdict in judged(tmp_path / "runs").verdicts}
    first = min(alone.values(), key=lambda verdict: verdict.p)
    assert first.p_holm == pytest.approx(first.p * len(alone))
    synthetic_run(tmp_path / "runs", "vae", 0, "model.latent_size=8")
    both = judged(tmp_path / "runs")
    among = {verdict.score.name: verdict for verdict in both.between("GAN", "VAE, latent size 2")}
    assert among[first.score.name].p == first.p
    assert among[first.score.name].p_holm == pytest.approx(first.p * len(both.verdicts))
    assert {verdict.better for verdict in both.between("GAN", "VAE, latent size 8")} == {None}


def test_nothing_is_decided_by_trainings_of_one_setting_that_saw_unequally_many_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calibrate_in(tmp_path, monkeypatch)
    for seed in range(5):
        run = synthetic_run(tmp_path / "runs", "gan", seed, better=0.7)
        synthetic_run(tmp_path / "runs", "vae", seed)
    assert any(verdict.better == "GAN" for verdict in judged(tmp_path / "runs").verdicts)
    for seen, decided in ((58_000, True), (56_000, False)):
        run.write_summary(run.summary().model_copy(update={"images_seen": seen}))
        found = judged(tmp_path / "runs")
        assert found.contenders[0].images_seen == (seen, 60_000)
        assert any(verdict.better is not None for verdict in found.verdicts) == decided
        assert all((Reason.UNEVEN in verdict.why) != decided for verdict in found.verdicts)


@pytest.mark.slow
def test_of_too_many_contenders_those_with_the_most_seeds_of_every_model_are_judged(tmp_path: Path) -> None:
    for latent in range(2, 12):
        for seed in range(2 if latent == 11 else 1):
            synthetic_run(tmp_path, "gan", seed, f"model.latent_size={latent}", quick=False)
        synthetic_run(tmp_path, "vae", 0, f"model.latent_size={latent}", quick=False)
    found = judged(tmp_path)
    assert len(found.contenders) == MOST
    assert [contender.model for contender in found.contenders].count("gan") == MOST // 2
    assert "GAN, latent size 11" in found.labels
    assert len(found.left_out) == 20 - MOST
    assert not {contender.label for contender in found.left_out} & set(found.labels)
    assert found.verdicts == ()  # nothing votes without a calibration


def test_seeds_that_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calibrate_in(tmp_path, monkeypatch)
    for seed in (0, 1, 7):
        synthetic_run(tmp_path / "runs", "gan", seed, better=0.5)
    synthetic_run(tmp_path / "runs", "vae", 0)
    found = judged(tmp_path / "runs")
    missing = {contender.label: seeds for contender, seeds in found.missing_seeds()}
    assert missing == {"GAN": range(8, 9), "VAE": range(1, 4)}
    assert found.seeds_to_go is None


@pytest.mark.slow
def test_a_score_that_is_no_number_for_a_seed_is_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calibrate_in(tmp_path, monkeypatch)
    for seed in range(4):
        synthetic_run(tmp_path / "runs", "gan", seed)
        run = synthetic_run(tmp_path / "runs", "vae", seed)
    scores = run.scorecard()
    space = scores.spaces["classifier"]
    assert isinstance(space, dict)
    infinite = Score(mean=float("inf"), sd=None, n=257, draws=1)
    without = {name: score for name, score in space.items() if name != "recall"} | {"class_kl": infinite}
    run.write_scorecard(scores.model_copy(update={"spaces": {**scores.spaces, "classifier": without}}))
    assert {verdict.score.name for verdict in judged(tmp_path / "runs").verdicts} == set(VOTES) - COPYING - {
        *("recall", "class_kl"),
    }


def test_who_copies_has_fewer_authentic_samples_than_real_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calibrate_in(tmp_path, monkeypatch)
    synthetic_run(tmp_path / "runs", "gan", 0)
    synthetic_run(tmp_path / "runs", "vae", 0, better=-4.0)  # 0.9 authentic samples become 0.5; real images have 0.65
    found = copying(judged(tmp_path / "runs"))
    assert found is not None
    assert found.copying == ("VAE",)
    assert "auth_pct" in {key.score for key in judged(tmp_path / "runs").votes}
    assert found.authentic["VAE"] == pytest.approx(0.5)
    assert found.real == 0.65


def test_a_score_that_misjudges_known_images_says_of_nobody_that_he_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had no vote on any other need, and cleared everybody of this one."""
    calibrate_in(tmp_path, monkeypatch)
    synthetic_run(tmp_path / "runs", "gan", 0)
    synthetic_run(tmp_path / "runs", "vae", 0, better=-4.0)
    found = judged(tmp_path / "runs")
    before = copying(found)
    assert before is not None and not before.misjudged
    assert found.ranking.calibration is not None
    found.ranking.calibration.votes["classifier"]["auth_pct"]["votes"] = False
    after = copying(found)
    assert after is not None
    assert (after.misjudged, after.copying, after.authentic) == (True, (), before.authentic)
