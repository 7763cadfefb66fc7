"""What settings cost, and who is beaten by somebody who costs no more."""

import math
from pathlib import Path

import pytest

from genbench.comparison.costs import cheapest, ends
from genbench.comparison.judgement import Judgement, judge
from genbench.comparison.ranking import rankings
from genbench.reporting.needs import answers
from genbench.runs.directory import Run
from genbench.runs.folder import read_folder
from genbench.runs.records import Cost
from tests.reporting.synthetic import calibrate_in, synthetic_run


def judged(folder: Path, gan: float, vae: float) -> Judgement:
    for seed in range(5):
        synthetic_run(folder / "runs", "gan", seed, better=gan)  # ten times as long as a VAE, and as fast to draw
        synthetic_run(folder / "runs", "vae", seed, better=vae)
    (ranking,) = rankings(read_folder(folder / "runs"))
    return judge(ranking)


def test_a_point_a_setting_and_the_dearer_never_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calibrate_in(tmp_path, monkeypatch)
    found = judged(tmp_path, 0.5, 0.0)
    training, sampling = ends(found, "training"), ends(found, "sampling")
    assert [(end.contender, len(end.seconds), len(end.fcd)) for end in training] == [("GAN", 5, 5), ("VAE", 5, 5)]
    assert [end.beaten_by for end in training] == [(), ()]  # the GAN is better, but ten times as dear
    assert [end.beaten_by for end in sampling] == [(), ("GAN",)]


def test_the_cheaper_and_better_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calibrate_in(tmp_path, monkeypatch)
    assert [end.beaten_by for end in ends(judged(tmp_path, 0.0, 0.5), "training")] == [("VAE",), ()]


def test_seconds_of_several_machines_are_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calibrate_in(tmp_path, monkeypatch)
    judged(tmp_path, 0.0, 0.5)
    run = Run(read_folder(tmp_path / "runs")[0].path)
    run.write_environment(run.environment().model_copy(update={"device": "another"}))
    (ranking,) = rankings(read_folder(tmp_path / "runs"))
    found = judge(ranking)
    assert cheapest(found.contenders) == {"parameters": ("VAE",)}
    assert [end.beaten_by for end in ends(found, "training")] == [(), ()]


@pytest.mark.parametrize("accelerator", ["cpu", "cuda"])
def test_threads_are_part_of_the_machine_where_they_train(
    accelerator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The paper's trainings on one GPU, from processes with 1, 2 and 4 threads, were "of several machines"."""
    calibrate_in(tmp_path, monkeypatch)
    judged(tmp_path, 0.0, 0.5)
    for i, record in enumerate(read_folder(tmp_path / "runs")):
        run = Run(record.path)
        run.write_environment(run.environment().model_copy(update={"accelerator": accelerator, "threads": 1 + i % 2}))
    (ranking,) = rankings(read_folder(tmp_path / "runs"))
    assert ("training" in cheapest(judge(ranking).contenders)) == (accelerator == "cuda")


def test_seconds_of_drawing_are_of_the_machine_that_drew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four VAEs one was scored on a CPU, and the GANs on a GPU were "fastest to draw"."""
    calibrate_in(tmp_path, monkeypatch)
    judged(tmp_path, 0.0, 0.5)
    run = next(Run(record.path) for record in read_folder(tmp_path / "runs") if record.model_title == "VAE")
    card = run.scorecard()
    assert isinstance(card.cost, Cost)
    cost = card.cost.model_copy(update={"device": "another", "seconds_for_10000_samples": 200.0})
    run.write_scorecard(card.model_copy(update={"cost": cost}))
    (ranking,) = rankings(read_folder(tmp_path / "runs"))
    found = judge(ranking)
    assert cheapest(found.contenders) == {"parameters": ("VAE",), "training": ("VAE",)}
    assert [end.beaten_by for end in ends(found, "training")] == [("VAE",), ()]
    assert [end.beaten_by for end in ends(found, "sampling")] == [(), ()]
    gan, vae = (contender.cost.seconds_for_10000_samples for contender in found.contenders)
    assert gan == 2.0
    assert math.isnan(vae)
    (cost_row,) = [answer for answer in answers(found) if answer.need == "low cost"]
    assert "times of drawing are of several machines" in cost_row.text


def test_a_lead_beats_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calibrate_in(tmp_path, monkeypatch)
    found = judged(tmp_path, 0.0, 0.01)
    assert [end.beaten_by for end in ends(found, "sampling")] == [(), ()]
    assert cheapest(found.contenders) == {"parameters": ("VAE",), "training": ("VAE",), "sampling": ("GAN", "VAE")}
