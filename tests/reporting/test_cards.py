"""The model card of a run, filled from its files."""

from pathlib import Path

from genbench.reporting import hub
from genbench.reporting.cards import model_card
from genbench.runs.reading import read
from genbench.runs.records import Cost
from tests.reporting.synthetic import synthetic_run


def test_a_scored_run(tmp_path: Path) -> None:
    run = synthetic_run(tmp_path, "gan", 0)
    record = read(run.path)
    card = model_card(record)
    assert card.startswith(f"# GAN on {record.data_title}, seed 0\n")
    for heading in ("Intended use", "Data", "Training", "Scores", "Limits"):
        assert f"\n## {heading}\n" in card
    assert "generator 2,318,209" in card
    assert "| Fréchet distance |" in card
    assert "| class divergence |" in card
    assert "- negative log-likelihood: no likelihood: implicit model" in card
    assert "- reconstruction error: 0.01 squared grey, of 64 images (encoder)" in card
    assert "mode collapse" in card  # an alarm is a limit
    assert str(tmp_path) not in card
    tables = [line for line in card.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in tables}) == 1


def test_scores_of_another_sampling_say_of_which(tmp_path: Path) -> None:
    run = synthetic_run(tmp_path, "flow", 0)
    assert "drawn with" not in model_card(read(run.path))
    scores = run.scorecard()
    assert isinstance(scores.cost, Cost)
    told = read(run.path).told.sample_options
    cost = scores.cost.model_copy(update={"sample_options": {**told, "steps": 4}})
    run.write_scorecard(scores.model_copy(update={"cost": cost}))
    assert "; mean ± sd over draws, drawn with steps 4.\n" in model_card(read(run.path))


def test_scores_of_validation_images_are_not_published(tmp_path: Path) -> None:
    run = synthetic_run(tmp_path, "gan", 0)
    assert "model-index" in hub._metadata(read(run.path))
    run.write_scorecard(run.scorecard().model_copy(update={"level": "fast"}))
    assert "model-index" not in hub._metadata(read(run.path))


def test_a_run_without_scores_or_without_anything(tmp_path: Path) -> None:
    run = synthetic_run(tmp_path, "vae", 0)
    (run.path / "scores.json").unlink()
    assert "None yet: `genbench evaluate run=" in model_card(read(run.path))
    (tmp_path / "broken").mkdir()
    assert "not a readable run" in model_card(read(tmp_path / "broken"))
