"""The five claims, on duels whose outcome is planted."""

from collections.abc import Callable
from pathlib import Path

import pytest

from genbench.comparison.claims import findings
from genbench.comparison.judgement import judge
from genbench.comparison.ranking import rankings
from genbench.reporting.claims import Claim, claims, loss_rows
from genbench.runs.directory import Run
from genbench.runs.folder import read_folder
from genbench.runs.records import Row
from tests.reporting.synthetic import calibrate_in, synthetic_run

SEEDS = 5
PAPER = "experiment=paper"
ClaimsOn = Callable[..., list[Claim]]


def claims_of(folder: Path) -> list[Claim]:
    return claims(findings([judge(ranking) for ranking in rankings(read_folder(folder))]))


@pytest.fixture
def claims_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClaimsOn:
    """Claims of data sets on which (GAN, VAE) are so much better than typical."""

    def make(better: dict[str, tuple[float, float]], seeds: int = SEEDS) -> list[Claim]:
        calibrate_in(tmp_path, monkeypatch, *better)
        for data, (gan, vae) in better.items():
            words = ["data.root=x"] if data == "folder" else []
            for seed in range(seeds):
                synthetic_run(tmp_path / "runs", "gan", seed, PAPER, *words, data=data, better=gan)
                synthetic_run(tmp_path / "runs", "vae", seed, PAPER, *words, data=data, better=vae)
        return claims_of(tmp_path / "runs")

    return make


def outcomes(found: list[Claim]) -> list[list[str]]:
    return [[finding.outcome for finding in claim.findings] for claim in found]


def test_a_better_gan(claims_on: ClaimsOn) -> None:
    found = claims_on({"optdigits": (0.5, 0.0)})
    assert outcomes(found) == [["confirmed"], ["confirmed"], ["confirmed"], ["refuted"], ["undecided"]]
    assert found[0].findings[0].numbers == "2,531,458 against 69,076 (36.6 times)"
    assert "15.0 times the operations" in found[1].findings[0].numbers
    assert found[4].findings[0].numbers == "it takes both models on two data sets"


def test_seconds_of_several_machines_decide_nothing(claims_on: ClaimsOn, tmp_path: Path) -> None:
    claims_on({"optdigits": (0.5, 0.0)})
    for path in (tmp_path / "runs").glob("*-vae-*"):
        run = Run(path)
        run.write_environment(run.environment().model_copy(update={"device": "another"}))
    (finding,) = claims_of(tmp_path / "runs")[1].findings
    assert finding.outcome == "undecided"
    assert finding.numbers.endswith("; not all on one device with as many threads, so that seconds decide nothing")


def test_a_better_vae(claims_on: ClaimsOn) -> None:
    found = claims_on({"optdigits": (0.0, 0.5)})
    assert outcomes(found) == [["confirmed"], ["confirmed"], ["refuted"], ["confirmed"], ["undecided"]]


@pytest.mark.parametrize(
    ("better", "outcome"), [((0.0, 0.5), "confirmed"), ((0.5, 0.0), "not seen"), ((0.0, 0.0), "undecided")]
)
@pytest.mark.slow
def test_the_ranking_depends_on_the_data_set(claims_on: ClaimsOn, better: tuple[float, float], outcome: str) -> None:
    found = claims_on({"optdigits": (0.5, 0.0), "folder": better})
    assert outcomes(found)[4] == [outcome]
    assert ("on these 2 data sets" in found[4].findings[0].numbers) == (outcome == "not seen")


def test_two_seeds_leave_all_but_the_parameters_undecided(claims_on: ClaimsOn) -> None:
    found = claims_on({"optdigits": (0.5, 0.0)}, seeds=2)
    assert outcomes(found) == [["confirmed"], *[["undecided"]] * 4]


def test_other_models_say_nothing(tmp_path: Path) -> None:
    synthetic_run(tmp_path, "vae", 0)
    assert outcomes(claims_of(tmp_path)) == [[], [], [], [], []]


@pytest.mark.parametrize("word", ["trainer.max_images=60000", "model.latent_size=8", "trainer.ema_decay=0.9"])
@pytest.mark.slow
def test_another_recipe_or_budget_says_nothing(claims_on: ClaimsOn, tmp_path: Path, word: str) -> None:
    for seed in range(SEEDS):
        synthetic_run(tmp_path / "runs", "gan", seed, PAPER)
        synthetic_run(tmp_path / "runs", "vae", seed, PAPER, word)
    assert outcomes(claims_of(tmp_path / "runs")) == [[], [], [], [], []]
    for seed in range(SEEDS):
        synthetic_run(tmp_path / "runs", "vae", seed, PAPER)
    assert outcomes(claims_of(tmp_path / "runs"))[0] == ["confirmed"]


def test_the_paper_s_losses_stand_beside_ours(tmp_path: Path) -> None:
    for seed in range(2):
        run = synthetic_run(tmp_path, "gan", seed, PAPER, data="fashion")
        train = {"discriminator_loss": 1.3 + 0.2 * seed, "generator_loss": 0.8}
        run.write_summary(run.summary().model_copy(update={"train": train}))
        synthetic_run(tmp_path, "vae", seed, data="mnist")  # not the recipe
    rows = loss_rows(findings([judge(ranking) for ranking in rankings(read_folder(tmp_path))]))
    assert [(row.paper, row.ours) for row in rows] == [("0.6665", "0.7 (2 seeds)"), ("0.8119", "0.8 (2 seeds)")]
    assert all(row.what.startswith("GAN: ") for row in rows)


def test_a_loss_of_an_epoch_is_the_mean_over_it(tmp_path: Path) -> None:
    run = synthetic_run(tmp_path, "vae", 0, PAPER, data="mnist")
    run.write_summary(run.summary().model_copy(update={"images_seen": 30_000, "train": {}}))
    run.write_metrics([Row(500 * i, {"train/loss": 100.0 + i}) for i in range(1, 61)])  # 1,000 images are an epoch
    rows = loss_rows(findings([judge(ranking) for ranking in rankings(read_folder(tmp_path))]))
    assert [(row.paper, row.ours) for row in rows] == [("152.2", "119.5 (1 seed)")]


def test_a_folder_that_is_called_as_a_data_set_is_not_that(tmp_path: Path) -> None:
    for seed in range(2):
        run = synthetic_run(tmp_path, "gan", seed, PAPER, f"data.root={tmp_path}/fashion", data="folder")
        run.write_summary(
            run.summary().model_copy(update={"train": {"discriminator_loss": 1.3, "generator_loss": 0.8}})
        )
        run.write_scorecard(run.scorecard().model_copy(update={"data": "fashion"}))
    assert loss_rows(findings([judge(ranking) for ranking in rankings(read_folder(tmp_path))])) == []
