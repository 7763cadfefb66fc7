"""Of a folder of runs only trainings of their own count, whatever was done to the directories."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from genbench.comparison.ranking import rankings
from genbench.runs.directory import Run
from genbench.runs.folder import read_folder
from genbench.runs.records import Cost
from tests.reporting.synthetic import synthetic_run

Edit = Callable[[Path, int], None]


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def _untouched(path: Path, seed: int) -> None:
    """A copy as it is."""


def _seed(path: Path, seed: int) -> None:
    replaced(path / "config.yaml", "seed: 0", f"seed: {seed}")


def _setting(path: Path, seed: int) -> None:
    replaced(path / "config.yaml", "latent_size: 2", f"latent_size: {seed + 2}")


def _seed_without_a_trace(path: Path, seed: int) -> None:
    """Of a run of before, that does not say what it was trained by."""
    _seed(path, seed)
    environment = Run(path).environment()
    Run(path).write_environment(environment.model_copy(update={"config": ""}))


def _without_weights(path: Path, seed: int) -> None:
    _seed_without_a_trace(path, seed)
    (path / "weights.safetensors").unlink()


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (_untouched, "it has the settings and seed of {first}: they count once"),
        (_seed, "its config.yaml is not the one that it was trained by: put that back"),
        (_setting, "its config.yaml is not the one that it was trained by: put that back"),
        (_seed_without_a_trace, "it has the weights of {first}: they count once"),
        (_without_weights, "it has the metrics of copy-1: they count once"),
    ],
)
def test_copies_of_a_run_are_one_seed(edit: Edit, said: str, tmp_path: Path) -> None:
    first = synthetic_run(tmp_path, "vae", 0, weights=True).path
    for seed in range(1, 5):
        shutil.copytree(first, tmp_path / f"copy-{seed}")
        edit(tmp_path / f"copy-{seed}", seed)
    if edit is _without_weights:
        first.rename(tmp_path.parent / "original")
    records = read_folder(tmp_path)
    counted = [record.name for record in records if not record.problems]
    assert counted == (["copy-1"] if edit is _without_weights else [first.name])
    assert {record.problems for record in records if record.name not in counted} == {(said.format(first=first.name),)}
    (ranking,) = rankings(records)
    assert [len(contender.runs) for contender in ranking.contenders] == [1]


def test_a_run_of_before_is_known_by_its_directory(tmp_path: Path) -> None:
    run = synthetic_run(tmp_path, "vae", 0)
    _seed_without_a_trace(run.path, 3)
    (record,) = read_folder(tmp_path)
    assert record.problems == ("its config.yaml is not the one that it was trained by: put that back",)


def test_trainings_of_their_own_all_count(tmp_path: Path) -> None:
    for seed in (0, 1):
        synthetic_run(tmp_path, "vae", seed)
        synthetic_run(tmp_path, "vae", seed, "model.latent_size=3")
    synthetic_run(tmp_path, "vae", 2, name="renamed").path.rename(tmp_path / "renamed-again")
    assert [record.problems for record in read_folder(tmp_path)] == [()] * 5


def test_one_training_sampled_in_two_ways_counts_for_both(tmp_path: Path) -> None:
    run = synthetic_run(tmp_path, "vae", 0, weights=True)
    shutil.copytree(run.path, tmp_path / "sampled-otherwise")
    other = Run(tmp_path / "sampled-otherwise")
    card = other.scorecard()
    assert isinstance(card.cost, Cost)
    cost = card.cost.model_copy(update={"sample_options": {"steps": 50}})
    other.write_scorecard(card.model_copy(update={"cost": cost}))
    assert [record.problems for record in read_folder(tmp_path)] == [(), ()]
