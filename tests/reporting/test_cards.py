"""The model card of a run, filled from its files."""

from pathlib import Path

from genbench.reporting.cards import model_card, write_model_card
from genbench.reporting.inputs import read_record
from tests.reporting.synthetic import synthetic_run


def test_a_scored_run(tmp_path: Path) -> None:
    run = synthetic_run(tmp_path, "gan", 0)
    write_model_card(run)
    card = (run.path / "README.md").read_text(encoding="utf-8")
    assert card.startswith("# GAN on optdigits, seed 0\n")
    for heading in ("Intended use", "Data", "Training", "Scores", "Limits"):
        assert f"\n## {heading}\n" in card
    assert "generator 2,318,209" in card
    assert "| Fréchet distance |" in card
    assert "no likelihood: implicit model" in card
    assert "mode collapse" in card  # an alarm is a limit
    assert str(tmp_path) not in card


def test_a_run_without_scores_or_without_anything(tmp_path: Path) -> None:
    run = synthetic_run(tmp_path, "vae", 0)
    (run.path / "scores.json").unlink()
    assert "None yet: `python -m genbench.evaluate run=" in model_card(read_record(run.path))
    (tmp_path / "broken").mkdir()
    assert "not a readable run" in model_card(read_record(tmp_path / "broken"))
