"""The five claims, on duels whose outcome is planted."""

from pathlib import Path

import pytest

from genbench.reporting.claims import Claim, claims
from genbench.reporting.duels import duels
from genbench.reporting.inputs import rankings, read_records
from tests.reporting.synthetic import synthetic_calibration, synthetic_run

SEEDS = 5


def claims_of(folder: Path, better: dict[str, tuple[float, float]], seeds: int = SEEDS) -> list[Claim]:
    """Claims of data sets on which (GAN, VAE) are so much better than typical."""
    for data, (gan, vae) in better.items():
        words = ["data.root=x"] if data == "folder" else []
        for seed in range(seeds):
            synthetic_run(folder / "runs", "gan", seed, *words, data=data, better=gan)
            synthetic_run(folder / "runs", "vae", seed, *words, data=data, better=vae)
        synthetic_calibration(folder / "calibration", data)
    ranked = rankings(read_records(folder / "runs"), folder / "calibration")
    return claims([duel for ranking in ranked for duel in duels(ranking)])


def outcomes(found: list[Claim]) -> list[list[str]]:
    return [[finding.outcome for finding in claim.findings] for claim in found]


def test_a_better_gan(tmp_path: Path) -> None:
    found = claims_of(tmp_path, {"optdigits": (0.5, 0.0)})
    assert outcomes(found) == [["confirmed"], ["confirmed"], ["confirmed"], ["refuted"], ["undecided"]]
    assert found[0].findings[0].numbers == "2,531,458 against 69,076 (36.6 times)"
    assert "15.0 times the operations" in found[1].findings[0].numbers
    assert found[4].findings[0].numbers == "it takes both models on two data sets"


def test_a_better_vae(tmp_path: Path) -> None:
    found = claims_of(tmp_path, {"optdigits": (0.0, 0.5)})
    assert outcomes(found) == [["confirmed"], ["confirmed"], ["refuted"], ["confirmed"], ["undecided"]]


@pytest.mark.parametrize(
    ("better", "outcome"), [((0.0, 0.5), "confirmed"), ((0.5, 0.0), "refuted"), ((0.0, 0.0), "undecided")]
)
def test_the_ranking_depends_on_the_data_set(tmp_path: Path, better: tuple[float, float], outcome: str) -> None:
    found = claims_of(tmp_path, {"optdigits": (0.5, 0.0), "folder": better})
    assert outcomes(found)[4] == [outcome]


def test_two_seeds_leave_all_but_the_parameters_undecided(tmp_path: Path) -> None:
    found = claims_of(tmp_path, {"optdigits": (0.5, 0.0)}, seeds=2)
    assert outcomes(found) == [["confirmed"], *[["undecided"]] * 4]


def test_other_models_say_nothing(tmp_path: Path) -> None:
    synthetic_run(tmp_path, "vae", 0)
    ranked = rankings(read_records(tmp_path), tmp_path / "none")
    found = claims([duel for ranking in ranked for duel in duels(ranking)])
    assert outcomes(found) == [[], [], [], [], ["undecided"]]
