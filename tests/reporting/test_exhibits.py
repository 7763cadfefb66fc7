"""The page's pictures: whose real images, whose code, and whether colours stay true."""

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from genbench.cache import feature_cache
from genbench.comparison.judgement import judge
from genbench.comparison.ranking import rankings
from genbench.data.sources import load_data
from genbench.errors import UserError
from genbench.evaluation.extractors import load_spaces
from genbench.models.pictures import class_colours
from genbench.reporting import galleries, strips
from genbench.reporting.drawing import grid, sprite
from genbench.reporting.exhibits import gallery
from genbench.reporting.gallery import Gallery, file_names
from genbench.reporting.latents import walk
from genbench.runs.directory import Run
from genbench.runs.folder import read_folder
from genbench.runs.frames import write_frame
from genbench.runs.records import Cost
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


@pytest.mark.slow
def test_samples_neighbours_and_what_the_run_has_drawn(tmp_path: Path) -> None:
    run = synthetic_run(tmp_path / "runs", "vae", 0, weights=True)
    Image.new("L", (64, 32), 128).save(run.path / "reconstructions.png")
    (run.path / "latent_grid.png").write_bytes(b"broken")
    os.mkfifo(run.path / "latent_scatter.png")
    assert kinds(run, tmp_path / "runs") == ["samples", "neighbours", "reconstructions"]


@pytest.mark.slow
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
def test_samples_are_looked_at_as_far_as_there_is_something_to_look_with(tmp_path: Path) -> None:
    """The features that scored these runs are nowhere: the training images are, until they are others."""
    run = synthetic_run(tmp_path / "runs", "vae", 0, weights=True)
    (exhibit,) = gallery_of(tmp_path / "runs").exhibits
    assert exhibit.looks is not None and exhibit.looks.nearest is not None
    assert (exhibit.looks.measured, exhibit.looks.nearest.count, len(exhibit.looks.samples)) == ("pixels", 64, 64)
    assert {look.taken_for for look in exhibit.looks.samples} == {None}
    run.write_data(data_record("0" * 64))
    (exhibit,) = gallery_of(tmp_path / "runs").exhibits
    assert exhibit.looks is not None and exhibit.blind is not None and exhibit.explorer is not None
    assert (exhibit.looks.measured, exhibit.looks.nearest, len(exhibit.looks.samples)) == ("", None, 64)
    assert exhibit.explorer.points == ()


@pytest.mark.slow
def test_samples_are_drawn_as_those_that_were_scored(tmp_path: Path) -> None:
    """They were drawn as the weights' own config says, below a label that named other options."""
    pictures = []
    for seed, steps in enumerate((1, 4)):
        run = synthetic_run(tmp_path / f"{steps}", "flow", 0, weights=True)
        cost = run.scorecard().cost
        assert isinstance(cost, Cost)
        told = cost.model_copy(update={"sample_options": {"steps": steps}})
        run.write_scorecard(run.scorecard().model_copy(update={"cost": told}))
        (exhibit,) = gallery_of(tmp_path / f"{steps}").exhibits
        pictures.append(next(picture.png for picture in exhibit.pictures if picture.kind == "samples"))
        assert seed or exhibit.problems == ()
    assert pictures[0] != pictures[1]


@pytest.mark.slow
def test_samples_are_looked_at_in_the_space_that_scored_them(tmp_path: Path) -> None:
    spaces = load_spaces(load_data(config_of("vae", 0).data), feature_cache())
    hashes = {space.name: space.hash for space in spaces.available()}
    synthetic_run(tmp_path / "runs", "vae", 0, weights=True, extractors=hashes)
    shown = gallery_of(tmp_path / "runs")
    (exhibit,) = shown.exhibits
    assert exhibit.looks is not None and exhibit.explorer is not None and shown.shown is not None
    assert exhibit.looks.measured == "classifier"
    assert all(look.taken_for is not None and look.ratio is not None for look in exhibit.looks.samples)
    assert len(exhibit.explorer.points) == len(shown.shown.labels) == shown.shown.sprite.count == 257


@pytest.mark.parametrize(("count", "rows", "text"), [(64, 2, "16"), (40, 2, "16"), (11, 2, "11"), (5, 1, "5")])
def test_of_any_grid_the_first_rows_are_a_strip(count: int, rows: int, text: str) -> None:
    """Of 40 test images there are five rows, and a quarter of the height cut through the second."""
    made = grid("a", "real", torch.zeros(count, 1, 8, 8, dtype=torch.uint8), 8, f"{count} test images of x 64")
    cut = strips._cut(made)
    assert cut is not None
    assert (cut.height, cut.text) == (2 + rows * 10, f"{text} test images of x 64")


def frames_of(run: Run, count: int, size: tuple[int, int] = (224, 224)) -> None:
    for i in range(count):
        write_frame(run, 3000 * (i + 1), Image.new("L", size, 10 * i))


@pytest.mark.slow
def test_a_lapse_holds_frames_from_the_first_to_the_last_with_their_seconds(tmp_path: Path) -> None:
    run = synthetic_run(tmp_path / "runs", "vae", 0, weights=True)
    assert gallery_of(tmp_path / "runs").exhibits[0].lapse is None
    frames_of(run, 25)
    (tmp_path / "runs" / run.path.name / "frames" / "000000006000.png").write_bytes(b"broken")
    lapse = gallery_of(tmp_path / "runs").exhibits[0].lapse
    assert lapse is not None
    assert lapse.sprite.count == len(lapse.times) == 19  # of 20 that may be shown one cannot be read
    assert (lapse.times[0][0], lapse.times[-1][0]) == (3000, 75000)
    assert [seconds for _, seconds in lapse.times[:2]] == [3.0, 9.0]
    assert lapse.times[-1][1] is None  # it was not noted down
    picture = Image.open(io.BytesIO(lapse.sprite.file)).convert("L")
    columns, (width, height) = lapse.sprite.columns, lapse.sprite.side
    for i, (images, _) in enumerate(lapse.times):
        middle = (i % columns * width + width // 2, i // columns * height + height // 2)
        level = picture.getpixel(middle)
        assert isinstance(level, int) and abs(level - 10 * (images // 3000 - 1)) <= 3


def test_a_sprite_is_true_to_the_pixel_or_small(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (10, 1, 28, 20), generator=generator, dtype=torch.uint8)
    exact = sprite(images, 4, exact=True)
    assert (exact.format, exact.columns, exact.count, exact.side) == ("png", 4, 10, (20, 28))
    cells = torch.from_numpy(np.array(Image.open(io.BytesIO(exact.file))))
    assert (cells[28:56, 20:40] == images[5, 0]).all()
    large = sprite(torch.full((3, 3, 256, 128), 77, dtype=torch.uint8), 3, exact=True)
    assert large.side == (32, 64)
    assert np.unique(np.array(Image.open(io.BytesIO(large.file)))).tolist() == [77]


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_nobody_s_pictures_are_shown_on_a_stranger_s_word(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    run = synthetic_run(tmp_path / "runs", "vae", 0, f"data.root={photos}", data="folder", weights=True)
    (run.path / "data.json").unlink(missing_ok=True)
    assert run.scorecard().fingerprint == ""
    found = gallery_of(tmp_path / "runs")
    assert found.real is None
    (said,) = (problem for problem in found.problems if f"would have the images in {photos} read" in problem)
    assert f"genbench evaluate run={run.path} data=folder data.root={photos}" in said
    # Scored by that command it knows them, and these are others.
    run.write_scorecard(run.scorecard().model_copy(update={"fingerprint": "0" * 64}))
    for i in range(40):
        image = Image.new("L", (8, 8), i)
        image.putpixel((i % 8, i // 8), 255)
        image.save(photos / f"{i}.png")
    found = gallery_of(tmp_path / "runs")
    assert found.real is None
    assert "are not those that" in found.problems[0]
    run.write_scorecard(run.scorecard().model_copy(update={"fingerprint": load_data(run.config().data).fingerprint}))
    assert gallery_of(tmp_path / "runs").real is not None


def drawn(folder: Path, monkeypatch: pytest.MonkeyPatch, gallery: str) -> list[Gallery]:
    """What the process that draws answers, with another function in the place of `gallery`."""
    line = "from genbench.reporting.exhibits import gallery"
    assert line in galleries._DRAW
    monkeypatch.setattr(galleries, "subprocess", subprocess)  # a Python of its own
    monkeypatch.setattr(galleries, "_DRAW", galleries._DRAW.replace(line, gallery))
    synthetic_run(folder / "runs", "vae", 0)
    (ranking,) = rankings(read_folder(folder / "runs"))
    return galleries.galleries([galleries.Wanted(ranking, ranking.contenders)], None)


@pytest.mark.slow
def test_a_file_of_the_current_folder_is_no_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pickle.py there was run by whoever made a page."""
    for name in ("pickle", "random", "types"):
        (tmp_path / f"{name}.py").write_text(f"open('ran-{name}', 'w')\nraise ImportError('a stranger is')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place not in ("", str(tmp_path))])
    assert drawn(tmp_path, monkeypatch, "gallery = lambda *given: None") == [None]
    assert list(tmp_path.glob("ran-*")) == []


@pytest.mark.parametrize(
    ("gallery", "why"),
    [
        ("os.kill(os.getpid(), 9)", "their process was killed (signal 9): there is not enough memory, free some"),
        ("os.kill(os.getpid(), 15)", "their process was ended by signal 15"),
        ("raise OSError(28, 'No space left on device')", "No space left on device: free some space"),
        (
            "raise MemoryError",
            "there is not enough memory: free some, or give it less at a time (data.batch_size=, n=)",
        ),
        ("raise ValueError('of nobody')", "ValueError: of nobody"),
        ("os._exit(3)", "exit code 3"),
    ],
)
@pytest.mark.slow
def test_a_process_that_cannot_draw_says_why_in_one_line(
    gallery: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError) as caught:
        drawn(tmp_path, monkeypatch, gallery)
    assert str(caught.value) == f"the pictures of the report could not be drawn: {why}"
    # What is nobody's mistake can be looked for.
    assert ("Traceback" in capfd.readouterr().err) == ("of nobody" in why)


LONG = "模型" * 50  # 300 bytes


@pytest.mark.parametrize(
    "labels",
    [
        *(["GAN", "GAN+", "GAN*"], ["VAE (2)", "VAE 2", "VAE 2 2", "VAE-2-2"], ["★", "☆", "model"]),
        *(["GAN", "gan", "Gan"], ["\u00e9", "e\u0301"], [LONG, LONG + "!", LONG + "?"]),
    ],
)
def test_no_two_contenders_have_one_file(labels: list[str]) -> None:
    """Nor on a system that takes capitals and small letters for the same; and no name is longer than one may be."""
    names = file_names(labels)
    assert list(names) == labels
    assert len({normalize("NFC", name.casefold()) for name in names.values()}) == len(labels)
    assert all(0 < len(name.encode()) < 130 and not set(name) & set("/ *?") for name in names.values())


def test_a_name_that_nobody_else_has_is_the_label() -> None:
    assert file_names(["VAE with a prior", "VAE, latent size 2"]) == {
        "VAE with a prior": "VAE-with-a-prior",
        "VAE, latent size 2": "VAE-latent-size-2",
    }


@pytest.mark.slow
def test_why_nothing_is_shown_beside_a_sample(tmp_path: Path) -> None:
    """Contenders of one data set whose images differ, as by data.limit: those of the first are at hand."""
    first = synthetic_run(tmp_path / "runs", "gan", 0, weights=True)
    first.write_data(data_record(load_data(config_of("vae", 0).data).fingerprint))
    other = synthetic_run(tmp_path / "runs", "vae", 0, weights=True)
    other.write_data(data_record("0" * 64))
    said = [exhibit.looks.unseen for exhibit in gallery_of(tmp_path / "runs").exhibits if exhibit.looks is not None]
    assert said == ["", "This model has learnt from other images than those at hand when this page was made"]
    shutil.rmtree(first.path)
    (exhibit,) = gallery_of(tmp_path / "runs").exhibits
    assert exhibit.looks is not None
    assert exhibit.looks.unseen == "The training images were not at hand when this page was made"
