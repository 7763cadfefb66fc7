"""A comparison from the first training to the page, in one command that goes on where it stopped."""

import json
import os
from pathlib import Path

import pytest

from genbench.runs.records import Absent, Estimate
from tests.conftest import Command
from tests.faults.processes import Done, run
from tests.runs.example import runs_in

pytestmark = pytest.mark.slow(15)
TRAINING = ("images=640", "trainer=cpu", "trainer.validations=2", "logger=none")
SCORING = ("evaluation.nll_samples=2", "evaluation.nll_images=8")
WORDS = ("compare", "models=gan,vae", "seeds=1", *TRAINING, *SCORING, "out=page")
ENV = os.environ | {"OMP_NUM_THREADS": "1"}

QUICK = "from genbench.evaluation import reconstruction\nreconstruction.STEPS = 10"  # of the search for noise

Compared = tuple[Path, Done]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """The folder in which the command was given, and how it ended."""
    folder = tmp_path_factory.mktemp("compared")
    return folder, run(*WORDS[1:], "data=optdigits", verb="compare", cwd=folder, act=QUICK)


def test_a_comparison_trains_scores_and_makes_the_page(compared: Compared) -> None:
    folder, done = compared
    assert done.code == 0, done.out + done.err
    runs = runs_in(folder / "page" / "runs")
    assert {run.config().model_name for run in runs} == {"gan", "vae"}
    assert all(run.is_finished and run.scorecard().level == "full" for run in runs)
    gan, vae = (run.scorecard().model for run in runs)  # by name
    assert isinstance(vae["nll"], Estimate)
    assert gan["nll"] == Absent(absent="no likelihood: implicit model")  # why, never a blank
    assert isinstance(gan["mse"], Estimate)  # without an encoder: searched for
    assert 0 < gan["mse"].mean < 1
    assert "training 1 of 2" in done.out
    assert "images/s" not in done.out  # a line for the whole, not one for each
    assert done.out.strip().endswith("index.html")
    # The page knows which of the scores may vote, in whatever folder it is made.
    assert "there is no calibration" not in (folder / "page" / "index.html").read_text(encoding="utf-8")
    assert json.loads((folder / "page" / "results.json").read_text(encoding="utf-8"))


def test_the_same_command_does_what_is_left_and_a_failure_is_named(compared: Compared, command: Command) -> None:
    folder, _ = compared
    kept, rescored = runs_in(folder / "page" / "runs")
    scores = kept.path / "scores.json"
    before = [path.stat().st_mtime_ns for path in (kept.weights, scores, rescored.weights)]
    (rescored.path / "scores.json").unlink()
    (folder / "page" / "index.html").unlink()
    done = command("genbench", *WORDS, "data=folder,optdigits", "data.root=nowhere", cwd=folder, env=ENV)
    assert done.returncode == 1, done.stdout + done.stderr
    assert [path.stat().st_mtime_ns for path in (kept.weights, scores, rescored.weights)] == before
    assert rescored.has_scorecard
    assert (folder / "page" / "index.html").is_file()
    failed = [run.path for run in runs_in(folder / "page" / "runs") if run.status.state == "failed"]
    assert [path.name.split("-")[0] for path in failed] == ["folder", "folder"]
    assert all(str(path.relative_to(folder)) in done.stdout for path in failed)
    assert done.stderr.count("nowhere") == 1


def test_where_nothing_can_be_trained_one_line_says_why(command: Command, tmp_path: Path) -> None:
    done = command("genbench", *WORDS, "data=folder", "data.root=nowhere", cwd=tmp_path, env=ENV)
    assert done.returncode == 2
    assert done.stderr.count("\n") == done.stderr.count("nowhere") == 1
    assert not (tmp_path / "page").exists()
    # A wrong word is said before anything is made.
    done = command("genbench", *WORDS, "data=optdigits", "model.latent_size=0", "out=other", cwd=tmp_path, env=ENV)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert not (tmp_path / "other").exists()
