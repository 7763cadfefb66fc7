"""The five claims, on duels whose outcome is planted."""

from collections.abc import Callable
from pathlib import Path

import pytest

from genbench.comparison.claims import findings
from genbench.comparison.judgement import judge
from genbench.comparison.ranking import rankings
from genbench.reporting.claims import Claim, claims
from genbench.runs.folder import read_folder
from tests.reporting.synthetic import calibrate_in, synthetic_run

SEEDS = 5
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
                synthetic_run(tmp_path / "runs", "gan", seed, *words, data=data, better=gan)
                synthetic_run(tmp_path / "runs", "vae", seed, *words, data=data, better=vae)
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


def test_a_better_vae(claims_on: ClaimsOn) -> None:
    found = claims_on({"optdigits": (0.0, 0.5)})
    assert outcomes(found) == [["confirmed"], ["confirmed"], ["refuted"], ["confirmed"], ["undecided"]]


@pytest.mark.parametrize(
    ("better", "outcome"), [((0.0, 0.5), "confirmed"), ((0.5, 0.0), "refuted"), ((0.0, 0.0), "undecided")]
)
def test_the_ranking_depends_on_the_data_set(claims_on: ClaimsOn, better: tuple[float, float], outcome: str) -> None:
    found = claims_on({"optdigits": (0.5, 0.0), "folder": better})
    assert outcomes(found)[4] == [outcome]


def test_two_seeds_leave_all_but_the_parameters_undecided(claims_on: ClaimsOn) -> None:
    found = claims_on({"optdigits": (0.5, 0.0)}, seeds=2)
    assert outcomes(found) == [["confirmed"], *[["undecided"]] * 4]


def test_other_models_say_nothing(tmp_path: Path) -> None:
    synthetic_run(tmp_path, "vae", 0)
    assert outcomes(claims_of(tmp_path)) == [[], [], [], [], ["undecided"]]


def test_of_several_settings_the_one_with_the_most_seeds_speaks_and_is_named(
    claims_on: ClaimsOn, tmp_path: Path
) -> None:
    for seed in range(SEEDS - 1):
        synthetic_run(tmp_path / "runs", "vae", seed, "model.latent_size=8", better=0.9)
    found = claims_on({"optdigits": (0.5, 0.0)})
    assert outcomes(found)[2] == ["confirmed"]
    assert found[2].findings[0].numbers.endswith("; GAN against VAE (latent size 2)")
