"""Rulers: better is to the right, every seed has its mark, and what they show stands in words."""

from pathlib import Path

import pytest

from genbench.comparison.judgement import judge
from genbench.comparison.ranking import rankings
from genbench.reporting.rulers import Ruler, rulers
from genbench.runs.folder import read_folder
from tests.reporting.synthetic import calibrate_in, synthetic_run


def rulers_of(folder: Path) -> list[Ruler]:
    (ranking,) = rankings(read_folder(folder))
    return rulers(judge(ranking))


def test_from_noise_on_the_left_to_real_images_on_the_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calibrate_in(tmp_path, monkeypatch)
    for seed in range(4):
        synthetic_run(tmp_path / "runs", "gan", seed, better=0.5)
        synthetic_run(tmp_path / "runs", "vae", seed)
    found = rulers_of(tmp_path / "runs")
    assert [ruler.title for ruler in found] == ["Fréchet distance", "recall", "class divergence"]
    for ruler in found:
        at = {mark.text.rsplit(" ", 1)[0]: mark.at for mark in ruler.marks}
        order = ["noise", "Gaussian", "blurred", "one class missing", "real images"]
        assert sorted(order, key=at.__getitem__) == order
        assert (min(at.values()), max(at.values())) == (3.0, 97.0)
        gan, vae = ruler.lanes
        assert (len(gan.seeds), len(vae.seeds)) == (4, 4)
        assert min(place for place, _ in gan.seeds) > max(place for place, _ in vae.seeds)
    fcd = found[0]
    assert fcd.scale == "logarithmic, better to the right →"
    assert fcd.sentences[0].endswith("worse than real images without one class, better than blurred real images.")
    assert fcd.sentences[1].endswith("worse than blurred real images, better than a Gaussian of the pixels.")
    assert all(sentence in fcd.text for sentence in fcd.sentences)


def test_seeds_on_both_sides_of_known_images_are_as_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calibrate_in(tmp_path, monkeypatch)
    for seed, better in enumerate((0.2, 0.4)):  # blurred images are as far from perfect as 0.3
        synthetic_run(tmp_path / "runs", "gan", seed, better=better)
        synthetic_run(tmp_path / "runs", "vae", seed)
    assert rulers_of(tmp_path / "runs")[0].sentences[0].endswith("about as good as blurred real images.")


def test_seeds_on_both_sides_of_several_known_images_are_as_good_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calibrate_in(tmp_path, monkeypatch)
    for seed, better in enumerate((0.02, 0.9)):
        synthetic_run(tmp_path / "runs", "gan", seed, better=better)
        synthetic_run(tmp_path / "runs", "vae", seed)
    sentence = rulers_of(tmp_path / "runs")[0].sentences[0]
    assert "some of its trainings better than" in sentence
    assert sentence.endswith(", others worse than all these.")


def test_without_a_calibration_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    synthetic_run(tmp_path / "runs", "vae", 0)
    assert rulers_of(tmp_path / "runs") == []
