"""What is handed on: a repository for the Hub, a .zip file of runs and page."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

import genbench
from genbench.cli import compose
from genbench.data.images import ImageShape
from genbench.errors import UserError
from genbench.models.weights import build, save
from genbench.reporting.archive import SMALL, write_archive
from genbench.runs import finished
from genbench.runs.directory import Run
from genbench.verbs import export, report
from tests.models.test_weights import VAE as VAE_YAML
from tests.runs.example import SCORECARD, example

SHAPE = ImageShape(1, 28, 28)
NAMES = tuple("0123456789")


def told(verb: Any, name: str, *words: str) -> None:
    (config,) = compose(name, words).configs
    verb.run(config)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A finished and scored VAE with a picture."""
    run = example(tmp_path / "runs" / "optdigits-vae-1a2b3c4d-s3")
    save(build(VAE_YAML, SHAPE), VAE_YAML, SHAPE, NAMES, run.weights)
    Image.new("L", (8, 8)).save(run.picture("samples.png"))
    return run


@pytest.mark.slow
def test_a_repository_holds_weights_config_card_scores_and_pictures(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "digits"
    told(export, "export", f"run={run.path}", "format=hub", f"out={out}")
    names = ["README.md", "config.json", "model.safetensors", "samples.png", "scores.json"]
    assert sorted(path.name for path in out.iterdir()) == names
    assert capsys.readouterr().out.splitlines()[-1] == f"next: hf upload USER/NAME {out}"
    config = json.loads((out / "config.json").read_text())
    assert (config["model"], config["classes"]) == (VAE_YAML, list(NAMES))
    _, head, text = (out / "README.md").read_text().split("---\n", 2)
    about = yaml.safe_load(head)
    assert about["library_name"] == "genbench"
    (result,) = about["model-index"][0]["results"]
    assert {"type": "fcd", "value": 8.0} in result["metrics"]
    assert "![samples](samples.png)" in text
    assert "genbench sample run=hf://USER/NAME" in text
    assert not any(str(tmp_path) in path.read_text() for path in out.glob("*.[mj]*") if path.suffix in (".md", ".json"))
    found = genbench.load(out)
    assert np.array_equal(found.sample(2), genbench.load(run.path).sample(2))
    assert found.scores == SCORECARD


def test_the_hubs_own_library_reads_the_card(run: Run, tmp_path: Path) -> None:
    from huggingface_hub import ModelCard

    told(export, "export", f"run={run.path}", "format=hub", f"out={tmp_path / 'digits'}")
    card = ModelCard.load(tmp_path / "digits" / "README.md")
    assert [result.metric_type for result in card.data.eval_results] == ["fcd", "class_kl"]


@pytest.mark.slow
def test_a_repository_goes_over_nothing_but_one_of_before(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "digits"
    words = (f"run={run.path}", "format=hub", f"out={out}")
    told(export, "export", *words)
    run.picture("samples.png").unlink()
    told(export, "export", *words)
    assert not (out / "samples.png").exists()
    (out / "README.md").write_text("mine")
    with pytest.raises(UserError, match="genbench did not make it"):
        told(export, "export", *words)
    (out / "README.md").unlink()
    with pytest.raises(UserError, match="holds other files: give a new folder"):
        told(export, "export", *words)
    with pytest.raises(UserError, match="is no run's directory, of which format=hub makes a repository"):
        told(export, "export", f"run={out}", "format=hub", f"out={tmp_path / 'again'}")


def test_an_archive_has_the_same_bytes_and_what_readers_need(run: Run, tmp_path: Path) -> None:
    (run.path / "checkpoints").mkdir()
    (run.path / "checkpoints" / "000000000640.ckpt").write_bytes(b"large")
    (run.path / "frames").mkdir()
    Image.new("L", (8, 8)).save(run.path / "frames" / "000000000640.png")
    (run.path / "metrics.csv").rename(tmp_path / "secret")
    (run.path / "metrics.csv").symlink_to(tmp_path / "secret")
    (tmp_path / "runs" / "no-run").mkdir()
    (tmp_path / "runs" / "no-run" / "mine.txt").write_text("mine")
    page = {"index.html": b"<p>page", "figures/a.png": run.picture("samples.png").read_bytes()}
    folders = [*(tmp_path / "runs").iterdir()]
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        assert write_archive(tmp_path / name / "few.zip", page, folders, weights=False) == []
        folders.reverse()
    assert (tmp_path / "a" / "few.zip").read_bytes() == (tmp_path / "b" / "few.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a" / "few.zip") as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "out")
    assert not any(name.startswith("/") or ".." in name or "\\" in name for name in names)
    inside = {name.removeprefix(f"few/runs/{run.path.name}/") for name in names if "/runs/" in name}
    assert inside == {
        *("config.yaml", "status.json", "environment.json", "data.json", "summary.json", "scores.json", "timing.csv"),
        *("weights.safetensors", "samples.png", "frames/000000000640.png"),
    }
    assert {"few/index.html", "few/figures/a.png"} <= set(names)
    assert genbench.load(tmp_path / "out" / "few" / "runs" / run.path.name).scores == SCORECARD


def test_large_weights_go_along_if_asked_for(run: Run, tmp_path: Path) -> None:
    with run.weights.open("ab") as file:
        file.truncate(SMALL + 1)
    assert write_archive(tmp_path / "a.zip", {}, [run.path], weights=False) == [run.path.name]
    assert write_archive(tmp_path / "a.zip", {}, [run.path], weights=True) == []


@pytest.mark.slow
def test_an_archive_is_asked_for_by_its_name(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.zip").write_bytes(b"PK")
    for words, message in (
        ([f"out={tmp_path / 'mine.zip'}"], "genbench did not make it"),
        ([f"out={tmp_path / 'page'}", "weights=true"], "weights=true: is for out=FILE.zip"),
    ):
        with pytest.raises(UserError, match=message):
            told(report, "report", f"runs={run.path.parent}", *words)
    with pytest.raises(UserError, match=r"give a folder; genbench report runs=DIR out=page.zip packs"):
        report.check_page_folder(tmp_path / "page.zip", force=False)


@pytest.mark.slow(35)
def test_a_report_and_its_runs_travel_as_one_file(run: Run, tmp_path: Path) -> None:
    told(report, "report", f"runs={run.path.parent}", f"out={tmp_path / 'few.zip'}")
    with zipfile.ZipFile(tmp_path / "few.zip") as archive:
        archive.extractall(tmp_path)
    assert "<!doctype html>" in (tmp_path / "few" / "index.html").read_text().lower()
    told(report, "report", f"runs={tmp_path / 'few' / 'runs'}", f"out={tmp_path / 'few'}")  # the page again, over it


def test_a_folder_that_is_neither_is_said_to_be_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run directory"):
        finished.find(tmp_path)
