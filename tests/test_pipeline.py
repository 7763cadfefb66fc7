"""From the command to the files of a run, by real processes."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from genbench.cli import compose
from genbench.errors import UserError
from genbench.runs.directory import Run
from genbench.verbs import sample
from tests.conftest import Command
from tests.small import small_digits

pytestmark = pytest.mark.slow


def run_of(runs: Path, model: str) -> Path:
    (path,) = runs.glob(f"optdigits-{model}-*")
    return path


def read(path: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("model", ["gan", "vae"])
def test_a_run_directory_holds_all_that_it_should(runs: Path, model: str) -> None:
    run = run_of(runs, model)
    expected = {
        *("config.yaml", "status.json", "environment.json", "data.json", "summary.json", "metrics.csv", "timing.csv"),
        *("train.log", "weights.safetensors", "README.md", "samples.png", "checkpoints", "frames"),
    }
    if model == "vae":
        expected |= {"reconstructions.png", "latent_grid.png", "latent_scatter.png"}
    assert {path.name for path in run.iterdir() if not path.name.startswith(("events.out", "."))} == expected
    data = Run(run).data()
    assert data is not None and data.images == {"train": 1412, "validation": 128, "test": 257}
    assert [path.name for path in Run(run).checkpoints] == ["000000000640.ckpt", "000000000320.ckpt"]
    assert read(run / "status.json")["state"] == "finished"
    assert "training finished" in (run / "train.log").read_text(encoding="utf-8")
    for path in run.glob("*.png"):
        with Image.open(path) as picture:
            picture.load()
            assert min(picture.size) > 200


@pytest.mark.parametrize("model", ["gan", "vae"])
def test_the_summary_counts_real_images(runs: Path, model: str) -> None:
    summary = Run(run_of(runs, model)).summary()
    assert summary.images_seen == 640  # as many for two optimizers as for one
    if model == "vae":
        assert set(summary.test) == {"loss", "reconstruction", "kl", "kl_0", "kl_1"}
    else:
        assert set(summary.train) == {"discriminator_loss", "generator_loss", "d_real", "d_fake"}


@pytest.mark.parametrize("model", ["gan", "vae"])
def test_metrics_and_validations_follow_the_images(runs: Path, model: str) -> None:
    with (run_of(runs, model) / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    trained = [int(row["images"]) for row in rows if any(v for k, v in row.items() if k.startswith("train/"))]
    validated = [int(row["images"]) for row in rows if any(v for k, v in row.items() if k.startswith("validation/"))]
    assert trained == list(range(64, 641, 64))
    assert validated == [320, 640]


@pytest.mark.parametrize("model", ["gan", "vae"])
def test_tensorboard_has_curves_samples_layout_and_hparams(runs: Path, model: str) -> None:
    events = EventAccumulator(str(run_of(runs, model)))
    events.Reload()
    tags = events.Tags()
    loss = "loss" if model == "vae" else "generator_loss"
    assert {f"train/{loss}", f"validation/{loss}", "train/images_per_second", "when_finished/images_seen"} <= set(
        tags["scalars"]
    )
    assert [event.step for event in events.Scalars(f"validation/{loss}")] == [320, 640]
    assert min(tags["scalars"]).startswith("train/")  # the curves are what it opens on
    assert "validation_pictures/samples" in tags["images"]
    assert ("validation_pictures/latent_scatter" in tags["images"]) == (model == "vae")
    plugins = events.summary_metadata
    assert any(meta.plugin_data.plugin_name == "custom_scalars" for meta in plugins.values())
    assert any(meta.plugin_data.plugin_name == "hparams" for meta in plugins.values())


def test_a_finished_run_is_not_trained_again(runs: Path, command: Command) -> None:
    run = run_of(runs, "gan")
    before = (run / "weights.safetensors").stat().st_mtime_ns
    done = command("genbench.train", "model=gan", "experiment=smoke", "trainer=cpu", f"runs={runs}")
    assert done.returncode == 0
    assert "is finished" in done.stdout
    assert (run / "weights.safetensors").stat().st_mtime_ns == before


def test_the_written_config_trains_the_same_weights_again(runs: Path, command: Command, tmp_path: Path) -> None:
    run = run_of(runs, "vae")
    done = command("genbench.train", "--config-dir", str(run), "--config-name", "config", f"runs={tmp_path}")
    assert done.returncode == 0, done.stderr
    again = tmp_path / run.name  # the same name: nothing that affects the result differs
    assert (again / "weights.safetensors").read_bytes() == (run / "weights.safetensors").read_bytes()
    assert (again / "metrics.csv").read_bytes() == (run / "metrics.csv").read_bytes()


def test_samples_of_a_moved_run_are_the_same_whatever_their_number(
    runs: Path, command: Command, tmp_path: Path
) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(run_of(runs, "gan"), moved)
    for n in ("3", "300"):
        done = command("genbench.sample", f"run={moved}", f"n={n}", "seed=1", f"out={tmp_path / n}.npz")
        assert done.returncode == 0, done.stderr
    few, many = np.load(tmp_path / "3.npz")["images"], np.load(tmp_path / "300.npz")["images"]
    assert few.shape == (3, 1, 28, 28)
    assert few.dtype == np.uint8
    assert many.shape == (300, 1, 28, 28)
    assert np.array_equal(few, many[:3])


def sample_as_told(*words: str) -> None:
    (config,) = compose("sample", words).configs
    sample.run(config)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run=nowhere"], "nowhere is not a run directory"),
        (["run={run}", "out=grid.jpeg"], "must end in .png"),
        (["run={run}", "out=no/such/grid.png"], "there is no folder no/such"),
        (["run={run}", "n=0"], "n=0: must be at least 1"),
        (["run={run}", "+options.steps=3"], "options.steps: there is no such key"),
        (["run={run}", "label=3"], "label"),
        ([], "say what to draw from: run=DIR, or zoo=NAME"),
    ],
)
def test_wrong_sample_commands(words: list[str], message: str, runs: Path) -> None:
    words = [word.replace("{run}", str(run_of(runs, "gan"))) for word in words]
    with pytest.raises(UserError) as caught:
        sample_as_told(*words)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_failing_job_stops_no_other_and_is_named_at_the_end(command: Command, tmp_path: Path) -> None:
    done = command(
        "genbench.train",
        "-m",
        "data=folder,optdigits",
        "seed=0,1",
        "data.root=nowhere",
        "experiment=smoke",
        f"runs={tmp_path}",
    )
    assert done.returncode == 1
    states = {path.name.split("-")[0]: read(path / "status.json") for path in tmp_path.glob("*-vae-*")}
    assert states["optdigits"]["state"] == "finished"
    assert states["folder"]["state"] == "failed"
    assert "nowhere" in str(states["folder"]["why"])
    assert "nowhere" in done.stdout
    assert done.stderr.count("nowhere") == 1  # not by each of the runs that need it


def test_a_sweep_says_where_it_is_and_what_comes_next(command: Command, tmp_path: Path) -> None:
    words = ("-m", "model=vae", "seed=0,1", "experiment=smoke", "logger=none", f"runs={tmp_path / 'runs'}")
    done = command("genbench.train", *words)
    assert done.returncode == 0, done.stderr
    first, second = (line for line in done.stdout.splitlines() if line.startswith("training "))
    assert re.fullmatch(r"training 1 of 2: optdigits-vae-\w+-s0", first)
    assert re.fullmatch(r"training 2 of 2, done about \d\d:\d\d: optdigits-vae-\w+-s1", second)
    assert done.stdout.splitlines()[-1] == f"next: genbench evaluate runs={tmp_path / 'runs'}"
    again = command("genbench.train", *words[1:2], *words[3:])
    assert "is finished" in again.stdout


def test_a_data_set_that_nobody_has_stops_a_sweep_before_it_begins(command: Command, tmp_path: Path) -> None:
    words = ("-m", "model=gan,vae", "data=folder", "data.root=nowhere", f"runs={tmp_path / 'runs'}")
    done = command("genbench.train", *words)
    assert done.returncode == 2
    assert done.stderr.count("\n") == done.stderr.count("nowhere") == 1
    assert not (tmp_path / "runs").exists()


def test_an_interrupted_run_says_so_and_keeps_a_checkpoint(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "genbench.train", "model=vae", "trainer.max_minutes=10", *small_digits(tmp_path)]
    words.append(f"runs={tmp_path / 'runs'}")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:  # the first line with a speed: it trains
            if "images/s" in line:
                break
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGINT
    (run,) = (tmp_path / "runs").glob("folder-vae-*")
    status = read(run / "status.json")
    assert (status["state"], status["why"]) == ("interrupted", "SIGINT")
    assert Run(run).checkpoints
    assert not (run / "weights.safetensors").exists()


def test_a_run_is_bound_to_its_images(command: Command, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    places = (f"data.root={tmp_path / 'images.npy'}", f"runs={tmp_path / 'runs'}")
    words = ("model=vae", "experiment=smoke", "trainer=cpu", "logger=none", "data=folder", *places)
    done = command("genbench", "train", *words)
    assert done.returncode == 0, done.stderr
    assert "is finished" in command("genbench", "train", *words).stdout
    np.save(tmp_path / "images.npy", images[::-1])
    (run,) = (tmp_path / "runs").glob("folder-*")
    for again in (("train", *words), ("evaluate", f"run={run}")):
        done = command("genbench", *again)
        assert done.returncode == 2
        assert "was trained on other images" in done.stderr


def test_an_equal_time_comparison_is_one_override(command: Command, tmp_path: Path) -> None:
    started = time.monotonic()
    words = ("-m", "model=gan,vae", "trainer.max_minutes=0.05", *small_digits(tmp_path), f"runs={tmp_path / 'runs'}")
    done = command("genbench.train", *words)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started < 120
    seconds = [float(str(read(path)["train_seconds"])) for path in tmp_path.glob("runs/*/summary.json")]
    assert len(seconds) == 2
    assert min(seconds) >= 3.0


def test_runs_side_by_side_come_to_the_same(command: Command, tmp_path: Path) -> None:
    words = ("-m", "experiment=smoke", "trainer=cpu", "logger=none", "model=vae", *small_digits(tmp_path))
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    done = command("genbench.train", *words, f"runs={tmp_path / 'alone'}", env=one_thread)
    assert done.returncode == 0, done.stdout + done.stderr
    beside = (*words, "hydra/launcher=cores", "seed=0,1", f"runs={tmp_path / 'beside'}")
    done = command("genbench.train", *beside, env=one_thread, fresh=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (alone,) = (tmp_path / "alone").glob("folder-*")
    first, second = sorted((tmp_path / "beside").glob("folder-*"))
    assert (first / "weights.safetensors").read_bytes() == (alone / "weights.safetensors").read_bytes()
    for run in (first, second):  # their lines can be told apart
        assert re.search(rf"100%  .* left  {run.name}  640 images", done.stdout)
