"""Curves of several seeds at common places, and what could be reached at one cost."""

from pathlib import Path

import pytest

from genbench.comparison.curves import at_equal_budget, band, loss_bands, quality_curve
from genbench.comparison.ranking import Ranking, rankings
from genbench.runs.folder import read_folder
from genbench.runs.records import Row
from tests.reporting.synthetic import synthetic_run


def ranking_of(folder: Path) -> Ranking:
    (ranking,) = rankings(read_folder(folder))
    return ranking


def test_a_band_goes_as_far_as_all_curves() -> None:
    points = band([[(0.0, 0.0), (10.0, 10.0)], [(2.0, 4.0), (6.0, 8.0), (8.0, 10.0)]])
    assert [point.x for point in points] == [2.0, 5.0, 8.0]
    assert [(p.least, p.mean, p.most) for p in points] == [(2.0, 3.0, 4.0), (5.0, 6.0, 7.0), (8.0, 9.0, 10.0)]


def test_curves_without_a_common_place_have_no_band() -> None:
    assert band([]) == []
    assert band([[(1.0, 1.0)]]) == []
    assert band([[(0.0, 0.0), (1.0, 1.0)], [(2.0, 0.0), (3.0, 1.0)]]) == []


def test_quality_over_time_is_that_over_images(tmp_path: Path) -> None:
    synthetic_run(tmp_path, "vae", 0)
    (run,) = read_folder(tmp_path)
    images, seconds = quality_curve(run, "fcd", "images"), quality_curve(run, "fcd", "seconds")
    assert [value for _, value in images] == [value for _, value in seconds]
    assert (images[0][0], seconds[0][0]) == (3000.0, 3.0)
    assert quality_curve(run, "unheard", "images") == []


def test_at_equal_budget_nobody_had_more_than_the_least(tmp_path: Path) -> None:
    synthetic_run(tmp_path, "gan", 0)
    synthetic_run(tmp_path, "vae", 0)
    found = at_equal_budget(ranking_of(tmp_path).contenders)
    assert [(at.budget, at.unit, at.contender) for at in found] == [
        *((60.0, "seconds", "GAN"), (60.0, "seconds", "VAE")),
        *((60000.0, "images", "GAN"), (60000.0, "images", "VAE")),
    ]
    gan, vae = found[0].samples["fcd"], found[1].samples["fcd"]
    assert gan is not None and vae is not None
    assert gan.mean == pytest.approx(8 + 30 / 2)  # of 600 s a tenth: the second of twenty rows
    assert vae.mean == pytest.approx(8 + 30 / 20)


def test_a_score_that_came_after_the_budget_does_not_count(tmp_path: Path) -> None:
    """The first score of a long training stood for what it had in the short time of another."""
    synthetic_run(tmp_path, "gan", 0)  # its first after 30 s
    vae = synthetic_run(tmp_path, "vae", 0)
    vae.write_timing([Row(images, {"seconds": images / 3000}) for images in range(3000, 63000, 3000)])  # ends at 20 s
    gan, other = (at for at in at_equal_budget(ranking_of(tmp_path).contenders) if at.unit == "seconds")
    assert (gan.contender, gan.budget, gan.samples["fcd"], gan.samples["coverage"]) == ("GAN", 20.0, None, None)
    assert other.samples["fcd"] is not None


def test_without_quick_scores_there_is_no_equal_budget(tmp_path: Path) -> None:
    synthetic_run(tmp_path, "gan", 0)
    synthetic_run(tmp_path, "vae", 0, quick=False)
    assert at_equal_budget(ranking_of(tmp_path).contenders) == []


def test_losses_have_a_band_each(tmp_path: Path) -> None:
    for seed in range(2):
        synthetic_run(tmp_path, "vae", seed)
    bands = loss_bands(ranking_of(tmp_path).contenders[0])
    assert list(bands) == ["train/loss", "validation/loss"]
    assert all(point.least <= point.mean <= point.most for points in bands.values() for point in points)


def test_a_band_knows_of_how_many_curves_it_is() -> None:
    points = band([[(0.0, 0.0), (10.0, 10.0)], [(2.0, 4.0)], [], [(0.0, 2.0), (10.0, 4.0)]])
    assert {point.curves for point in points} == {2}


def test_equal_seconds_of_several_machines_are_no_equal_budget(tmp_path: Path) -> None:
    synthetic_run(tmp_path, "gan", 0)
    run = synthetic_run(tmp_path, "vae", 0)
    run.write_environment(run.environment().model_copy(update={"device": "another"}))
    assert {at.unit for at in at_equal_budget(ranking_of(tmp_path).contenders)} == {"images"}
