"""The evaluate verb: what it writes, and every wrong input in one line."""

import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from genbench import cli
from genbench.errors import UserError
from genbench.evaluation import of_run
from genbench.evaluation.catalogue import catalogue
from genbench.runs.directory import Run
from genbench.runs.records import Absent, Cost, Estimate
from genbench.verbs import evaluate, train
from tests.conftest import Command
from tests.reporting.synthetic import data_record, synthetic_run
from tests.runs.example import SCORECARD, example


@pytest.fixture(scope="session")
def cached(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a user whose classifier of the digits is trained once."""
    return os.environ | {"XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache"))}


@pytest.mark.slow
def test_a_run_is_scored_by_the_protocol(runs: Path, command: Command, cached: dict[str, str], tmp_path: Path) -> None:
    (made,) = runs.glob("optdigits-vae-*")
    run = tmp_path / made.name
    shutil.copytree(made, run)
    done = command("genbench.evaluate", f"run={run}", "evaluation.nll_images=4", env=cached)
    assert done.returncode == 0, done.stderr
    scores = Run(run).scorecard()
    assert (scores.level, scores.data) == ("full", "optdigits")
    assert set(scores.spaces) == set(scores.extractors) == {"classifier", "random", "pixels"}
    for name, space in scores.spaces.items():
        assert not isinstance(space, Absent)
        expected = [e for e in catalogue().values() if e.is_measured(labels=True, classifier=name == "classifier")]
        assert set(space) == {entry.name for entry in expected}
        assert (space["fcd"].draws, space["fcd"].n) == (5, 257)
    assert isinstance(scores.model["mse"], Estimate)
    assert scores.model["mse"].mean > 0
    assert not isinstance(scores.cost, Absent)
    assert scores.cost.training_flops_per_image is not None
    assert scores.cost.training_flops_per_image > 1e6
    assert scores.cost.network_evaluations == 1
    assert isinstance(scores.model["nll"], Estimate)
    assert scores.model["nll"].n == 4


@pytest.mark.slow
def test_anybodys_images_are_scored_and_twice_the_same(
    runs: Path, command: Command, cached: dict[str, str], tmp_path: Path
) -> None:
    (run,) = runs.glob("optdigits-gan-*")
    done = command("genbench.sample", f"run={run}", "n=600", f"out={tmp_path / 'mine.npz'}")
    assert done.returncode == 0, done.stderr
    results = []
    for name in ("a.json", "b.json"):
        done = command(
            "genbench.evaluate",
            f"samples={tmp_path / 'mine.npz'}",
            "data=optdigits",
            f"out={tmp_path / name}",
            env=cached,
        )
        assert done.returncode == 0, done.stderr
        results.append(json.loads((tmp_path / name).read_text(encoding="utf-8")))
    assert results[0]["spaces"] == results[1]["spaces"]
    assert results[0]["spaces"]["pixels"]["fcd"]["draws"] == 2  # 600 images make two draws of 257


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run={run}", "out=a.json"], "out=: the scores of a run go into its directory"),
        (["runs={runs}", "out=a.json"], "out=: the scores of a run go into its directory"),
        (["samples=a.npz", "data=optdigits", "options.steps=5"], "options.steps: these images are drawn already"),
        (["samples=a.npz", "data=optdigits", "code=."], "code=: these images are drawn already"),
        (["run={run}", "evaluation=fast"], "has the full scores, which these would replace"),
    ],
)
def test_words_that_are_not_used_and_scores_that_would_be_lost(words: list[str], message: str, tmp_path: Path) -> None:
    run = synthetic_run(tmp_path / "runs", "vae", 0, weights=True)
    before = (run.path / "scores.json").read_bytes()
    words = [word.format(run=run.path, runs=tmp_path / "runs") for word in words]
    with pytest.raises(UserError, match=message):
        evaluate.run(cli.compose("evaluate", words).configs[0])
    assert (run.path / "scores.json").read_bytes() == before


@pytest.mark.slow
def test_a_folder_s_runs_are_scored_again_where_something_else_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those with scores kept them, whatever options were given, beside others that were scored with these."""
    run = synthetic_run(tmp_path / "runs", "flow", 0)
    scores = run.scorecard()
    assert isinstance(scores.cost, Cost)
    cost = scores.cost.model_copy(update={"sample_options": {"steps": 8, "solver": "heun"}})
    run.write_scorecard(scores.model_copy(update={"cost": cost}))
    scored = []
    monkeypatch.setattr(evaluate, "evaluate_run", lambda run, config: scored.append(config.options))
    for words in ([], ["options.steps=8"], ["options.steps=50"]):
        evaluate.run(cli.compose("evaluate", [f"runs={tmp_path / 'runs'}", *words]).configs[0])
    assert scored == [{"steps": 50}]


def test_an_option_that_no_model_has_is_refused_for_scored_runs_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A scored run whose scores named no options was taken to be of them."""
    synthetic_run(tmp_path / "runs", "flow", 0)
    with pytest.raises(UserError, match="1 of 1 runs are not scored"):
        evaluate.run(cli.compose("evaluate", [f"runs={tmp_path / 'runs'}", "options.stepz=4"]).configs[0])
    assert "options.stepz" in capsys.readouterr().err


def test_a_training_puts_no_quick_scores_in_the_place_of_full_ones(tmp_path: Path) -> None:
    run = synthetic_run(tmp_path / "runs", "flow", 0)
    scores = run.scorecard()
    assert isinstance(scores.cost, Cost)
    cost = scores.cost.model_copy(update={"sample_options": {"steps": 8, "solver": "heun"}})
    run.write_scorecard(scores.model_copy(update={"cost": cost}))
    before = (run.path / "scores.json").read_bytes()
    words = ["model=flow", "data=optdigits", f"runs={tmp_path / 'runs'}", "model.sample.steps=20", "evaluation=fast"]
    (config,) = cli.compose("train", words).configs
    assert config.directory == run.path
    with pytest.raises(UserError, match=r"has the full scores, which these would replace: leave it out$"):
        train.train(config, Console(quiet=True))
    assert (run.path / "scores.json").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model.sample.steps=4"], "steps=6: options.steps=4"),
        (
            ["model.sample.solver=euler", "model.sample.steps=4"],
            "steps=6 solver=adams: options.steps=4 options.solver=euler",
        ),
        ([], ""),
    ],
)
def test_a_finished_run_says_that_it_draws_as_it_was_trained(words: list[str], said: str, tmp_path: Path) -> None:
    """Other words of model.sample were dropped, and nothing was said."""
    run = synthetic_run(tmp_path / "runs", "flow", 0)
    run.write_card("#")
    line = ["model=flow", "data=optdigits", f"runs={tmp_path / 'runs'}", *words]
    screen = io.StringIO()
    train.train(cli.compose("train", line).configs[0], Console(file=screen, width=500))
    first, *others = screen.getvalue().splitlines()[::-1]
    assert first == f"{run.path} is finished. To train it again: overwrite=true"
    told = f"{run.path} draws as it was trained, with {said} of genbench sample and evaluate changes that"
    assert others == ([told] if said else [])


@pytest.mark.slow
def test_no_folder_is_scored_against_on_a_stranger_s_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    photos, moved = tmp_path / "photos", tmp_path / "moved"
    run = synthetic_run(tmp_path / "runs", "vae", 0, f"data.root={photos}", data="folder", weights=True)
    (run.path / "data.json").unlink(missing_ok=True)
    monkeypatch.setattr(of_run, "make_evaluator", None)  # to which it must not come
    (run.path / "scores.json").unlink()
    for where, said in (
        (f"run={run.path}", f"genbench evaluate run={run.path} data=folder data.root={photos}"),
        (f"runs={tmp_path / 'runs'}", "1 of 1 runs are not scored"),
    ):
        with pytest.raises(UserError, match=said):
            evaluate.run(cli.compose("evaluate", [where, "evaluation=fast"]).configs[0])
    moved.mkdir()
    for i in range(40):
        image = Image.new("L", (8, 8), i)
        image.putpixel((i % 8, i // 8), 255)
        image.save(moved / f"{i}.png")
    given = run.config().data.model_copy(update={"root": str(moved)})
    with pytest.raises(TypeError, match="not callable"):  # the user's own word
        of_run.score_run(run, run.config().evaluation, images=given)
    run.write_data(data_record("0" * 64))
    with pytest.raises(UserError, match="was trained on other images"):
        of_run.score_run(run, run.config().evaluation, images=given)
    with pytest.raises(UserError, match=r"data\.limit: .* was trained on images that were read otherwise"):
        of_run.score_run(run, run.config().evaluation, images=given.model_copy(update={"limit": 9}))
    other = given.model_copy(update={"load": "genbench.data.optdigits.load"})
    with pytest.raises(UserError, match=r"data=optdigits: .* was trained on folder"):
        of_run.score_run(run, run.config().evaluation, images=other)


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    np.save(folder / "wide.npy", np.zeros((100, 32, 32), np.uint8))
    floats = np.zeros((100, 28, 28), np.float32)
    np.save(folder / "bright.npy", floats + 2)
    floats[3] = np.nan
    np.save(folder / "nan.npy", floats)
    np.save(folder / "three.npy", np.zeros((3, 28, 28), np.uint8))
    (folder / "text.npz").write_text("hello", encoding="utf-8")
    (folder / "notes.txt").write_text("hello", encoding="utf-8")
    (folder / "empty").mkdir()
    (folder / "pictures").mkdir()
    Image.new("L", (28, 28)).save(folder / "pictures" / "one.png")
    return folder


def evaluate_as_told(*words: str) -> None:
    (config,) = cli.compose("evaluate", words).configs
    evaluate.run(config)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["samples={bad}/wide.npy"], "1x32x32 (channels x height x width), those of optdigits are 1x28x28"),
        (["samples={bad}/nan.npy"], "values that are not finite"),
        (["samples={bad}/bright.npy"], "save them as bytes, 0 to 255"),
        (["samples={bad}/three.npy"], "3 images are too few"),
        (["samples={bad}/pictures"], "1 images are too few"),
        (["samples={bad}/empty"], "holds no image"),
        (["samples={bad}/text.npz"], "is not a readable array file"),
        (["samples={bad}/notes.txt"], "is no kind of file"),
        (["samples={bad}/nowhere.npz"], "there is no such file or folder"),
        (["samples={bad}/three.npy", "out=scores.txt"], "must be a .json file"),
        ([], "say what to score"),
        (["run=a", "samples=b"], "say what to score"),
        (["runs={bad}"], "there is no finished run"),
        (["run=a", "evaluation=none"], "leaves nothing to do"),
        (["run=nowhere"], "nowhere is not a run directory"),
        (["run={bad}", "evaluation=fulll"], "did you mean full?"),
    ],
)
def test_wrong_input_is_answered_in_one_line(
    words: list[str], message: str, bad: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [word.replace("{bad}", str(bad)) for word in words]
    with pytest.raises(UserError) as caught:
        evaluate_as_told("data=optdigits", *words)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_one_bad_run_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    new = SCORECARD.model_copy(update={"evaluation_seconds": 9.0})
    monkeypatch.setattr("genbench.evaluation.of_run.score_run", lambda *_, **__: new)
    runs = {name: example(tmp_path / name) for name in ("a-status", "b-config", "c-weights", "d-good", "e-fast")}
    runs["f-scored"] = example(tmp_path / "f-scored")
    runs["g-training"] = example(tmp_path / "g-training")
    for name, run in runs.items():
        run.write_scorecard(SCORECARD.model_copy(update={"level": "fast" if name == "e-fast" else "full"}))
        if name[0] in "abcd":
            (run.path / "scores.json").unlink()
        if name != "c-weights":
            run.weights.write_bytes(b"")
    (runs["a-status"].path / "status.json").write_text("{", encoding="utf-8")
    (runs["b-config"].path / "config.yaml").write_text("- 1", encoding="utf-8")
    runs["g-training"].set_status("running")
    (tmp_path / "notes").mkdir()
    with pytest.raises(UserError, match="3 of 6 runs are not scored: each is named above, and why"):
        evaluate_as_told(f"runs={tmp_path}")
    said = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0].rpartition("/")[2].split(" ")[0] for line in said] == [
        *("a-status", "b-config", "c-weights"),
    ]
    assert "status.json cannot be read" in said[0]
    assert "config.yaml cannot be read" in said[1]
    assert "has no weights" in said[2]
    assert {name for name, run in runs.items() if run.has_scorecard and run.scorecard() == new} == {"d-good", "e-fast"}


@pytest.mark.slow
def test_a_run_that_is_at_work_is_not_scored(tmp_path: Path) -> None:
    run = example(tmp_path / "run")
    run.weights.write_bytes(b"")
    with run.taken(), pytest.raises(UserError, match="another process is at work on it"):
        evaluate_as_told(f"run={run.path}")
    assert run.scorecard() == SCORECARD


@pytest.mark.slow
def test_the_process_exits_with_2(command: Command, bad: Path) -> None:
    done = command("genbench.evaluate", "data=optdigits", f"samples={bad / 'nan.npy'}")
    assert done.returncode == 2
    assert done.stderr.startswith("genbench: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_run_without_weights_cannot_be_scored(runs: Path, command: Command, tmp_path: Path) -> None:
    (run,) = runs.glob("optdigits-gan-*")
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "weights.safetensors").unlink()
    done = command("genbench.evaluate", f"run={tmp_path / 'run'}")
    assert done.returncode == 2
    assert "has no weights" in done.stderr


@pytest.mark.slow
def test_scores_of_another_extractor_are_never_put_beside_these(
    runs: Path, command: Command, cached: dict[str, str], tmp_path: Path
) -> None:
    shutil.copytree(runs, tmp_path / "runs")
    done = command("genbench.evaluate", f"runs={tmp_path / 'runs'}", "evaluation=fast", env=cached)
    assert done.returncode == 0, done.stderr
    assert "GAN s0" in done.stdout
    assert "VAE s0" in done.stdout
    (path,) = (tmp_path / "runs").glob("optdigits-gan-*")
    scores = Run(path).scorecard()
    others = scores.extractors | {"classifier": "0" * 16}
    Run(path).write_scorecard(scores.model_copy(update={"extractors": others}))
    done = command("genbench.evaluate", f"runs={tmp_path / 'runs'}", "evaluation=fast", env=cached)
    assert done.returncode == 2
    assert "different extractors and cannot be compared" in done.stderr
    assert done.stderr.count("\n") == 1
