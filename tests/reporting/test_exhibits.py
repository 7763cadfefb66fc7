"""The page's pictures: whose real images, whose code, and whether colours stay true."""

import os
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from genbench.comparison.judgement import judge
from genbench.comparison.ranking import rankings
from genbench.data.sources import load_data
from genbench.models.pictures import class_colours
from genbench.reporting.exhibits import gallery, walk
from genbench.reporting.gallery import Gallery
from genbench.runs.directory import Run
from genbench.runs.folder import read_folder
from tests.reporting.synthetic import CODE, config_of, data_record, synthetic_run, three_models


@pytest.fixture(autouse=True)
def _no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def gallery_of(folder: Path, code: str | None = None) -> Gallery:
    (ranking,) = rankings(read_folder(folder))
    return gallery(ranking, judge(ranking).contenders, code)


def kinds(run: Run, folder: Path) -> list[str]:
    (exhibit,) = [e for e in gallery_of(folder).exhibits if e.run.path == run.path]
    return [picture.kind for picture in exhibit.pictures]


def test_samples_neighbours_and_what_the_run_has_drawn(tmp_path: Path) -> None:
    run = synthetic_run(tmp_path / "runs", "vae", 0, weights=True)
    Image.new("L", (64, 32), 128).save(run.path / "reconstructions.png")
    (run.path / "latent_grid.png").write_bytes(b"broken")
    os.mkfifo(run.path / "latent_scatter.png")
    assert kinds(run, tmp_path / "runs") == ["samples", "neighbours", "reconstructions"]


def test_real_images_are_shown_only_if_they_are_the_run_s(tmp_path: Path) -> None:
    run = synthetic_run(tmp_path / "runs", "vae", 0, weights=True)
    run.write_data(data_record(load_data(config_of("vae", 0).data).fingerprint))
    shown = gallery_of(tmp_path / "runs")
    assert shown.real is not None
    run.write_data(data_record("0" * 64))
    refused = gallery_of(tmp_path / "runs")
    assert refused.real is None
    assert f"are not those that {run.path.name} was trained on" in refused.problems[0]
    assert [picture.kind for picture in refused.exhibits[0].pictures] == ["samples"]


@pytest.mark.slow
def test_code_of_others_is_run_only_where_it_is_allowed(tmp_path: Path) -> None:
    three_models(tmp_path / "runs", seeds=1)
    flows = [e for e in gallery_of(tmp_path / "runs").exhibits if e.run.model == "flow"]
    assert len(flows) == 2
    assert all("code=" in exhibit.problems[0] and not exhibit.pictures for exhibit in flows)
    allowed = gallery_of(tmp_path / "runs", str(CODE))
    assert all(not exhibit.problems and exhibit.pictures for exhibit in allowed.exhibits)
    explorers = {exhibit.contender.label: exhibit.explorer for exhibit in allowed.exhibits}
    assert {label for label, e in explorers.items() if e is not None and e.kind == "plane"} == {
        "VAE, latent size 2, learning rate 0.001",
        "VAE, latent size 2, learning rate 0.002",
    }


def test_class_colours_stay_what_they_are(tmp_path: Path) -> None:
    """Ten classes in a scatter among many shades: an adaptive palette gave two classes one colour."""
    run = synthetic_run(tmp_path / "runs", "vae", 0, weights=True)
    colours = [tuple(round(255 * part) for part in colour[:3]) for colour in class_colours(10)]
    generator = torch.Generator().manual_seed(0)
    shades = torch.randint(0, 256, (64, 64, 3), generator=generator, dtype=torch.uint8)
    drawn = Image.fromarray(shades.numpy())
    for i, colour in enumerate(colours):
        drawn.putpixel((i, 0), colour)
    drawn.save(run.path / "latent_scatter.png")
    (exhibit,) = gallery_of(tmp_path / "runs").exhibits
    (scatter,) = [picture for picture in exhibit.pictures if picture.kind == "latent-scatter"]
    path = tmp_path / "scatter.png"
    path.write_bytes(scatter.png)
    with Image.open(path) as kept:
        assert [kept.convert("RGB").getpixel((i, 0)) for i in range(10)] == colours


@pytest.mark.parametrize("shape", [(5,), (3, 8, 8)])
def test_a_walk_goes_from_one_noise_to_the_other_at_the_length_of_both(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    start, end = torch.randn(2, *shape, generator=generator)
    end = end * (start.norm() / end.norm())
    points = walk(start, end, 7)

    def lengths(values: Tensor) -> Tensor:
        norms: Tensor = torch.linalg.vector_norm(values.flatten(1), dim=1)
        return norms

    assert points.shape == (7, *shape)
    assert torch.allclose(points[0], start, atol=1e-5)
    assert torch.allclose(points[-1], end, atol=1e-5)
    assert torch.allclose(lengths(points), start.norm().expand(7), rtol=1e-4)
    assert torch.allclose(lengths(points.diff(dim=0)), lengths(points.diff(dim=0))[:1].expand(6), rtol=1e-3)
    assert torch.allclose(walk(start, start, 3), start.expand(3, *shape))


def test_nobody_s_pictures_are_shown_on_a_stranger_s_word(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    run = synthetic_run(tmp_path / "runs", "vae", 0, f"data.root={photos}", data="folder", weights=True)
    (run.path / "data.json").unlink(missing_ok=True)
    assert run.scorecard().fingerprint == ""
    found = gallery_of(tmp_path / "runs")
    assert found.real is None
    (said,) = (problem for problem in found.problems if f"would have the images in {photos} read" in problem)
    assert f"genbench.evaluate run={run.path} data=folder data.root={photos}" in said
    # Scored by that command it knows them, and these are others.
    run.write_scorecard(run.scorecard().model_copy(update={"fingerprint": "0" * 64}))
    for i in range(40):
        Image.new("L", (8, 8), i).save(photos / f"{i}.png")
    found = gallery_of(tmp_path / "runs")
    assert found.real is None
    assert "are not those that" in found.problems[0]
    run.write_scorecard(run.scorecard().model_copy(update={"fingerprint": load_data(run.config().data).fingerprint}))
    assert gallery_of(tmp_path / "runs").real is not None
