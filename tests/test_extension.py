"""What docs/models.md, docs/scores.md and docs/python.md tell a person to write works as it stands there.

The models and the score are put into a folder outside of genbench, once as modules of one's own and once as an
installed package, and get everything.
"""

import importlib
import io
import re
import shlex
import signal
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import genbench
from genbench import cli
from genbench.api import Comparison
from genbench.evaluation import calibration, class_accuracy, reconstruction, usefulness
from genbench.evaluation.calibrations import Calibration, find_calibration
from genbench.evaluation.catalogue import catalogue
from genbench.evaluation.classifier import Recipe
from genbench.interruption import Interrupted
from genbench.models.weights import save
from genbench.runs.directory import Run
from genbench.runs.reading import read
from genbench.runs.records import Absent, Cost, Estimate, Key, Score, Scorecard
from genbench.training.budget import Budget
from genbench.training.callbacks import alarms
from genbench.verbs import export, train
from tests.digits import optdigits
from tests.faults.processes import start
from tests.reporting.synthetic import synthetic_run
from tests.runs.example import example

pytestmark = [
    pytest.mark.slow(10),
    # Of Lightning, on loaders that are not its own.
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:The number of training batches"),
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no"),
]

DOCS = Path(__file__).resolve().parents[1] / "docs"
MODELS = ("cvae", "rectified", "staged")
IMAGES = 10_000  # in each training, as the page's command has it
QUICK = ["trainer=cpu", "trainer.validations=4", "evaluation.nll_images=50", "evaluation.nll_samples=50"]


def blocks(page: str, kind: str) -> list[str]:
    """The code blocks of a page."""
    return re.findall(rf"```{kind}\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def files(page: str) -> dict[str, str]:
    """The code blocks of a page that a file's name stands before, by that name."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.findall(r"`([\w/]+\.(?:py|yaml))`[^`\n]*:\n\n```\w+\n(.*?)```", text, re.DOTALL)
    return dict(found)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def run_of(runs: Path, model: str) -> Run:
    (path,) = runs.glob(f"optdigits-{model}-*")
    return Run(path)


def do(verb: Any, name: str, *words: str) -> None:
    """What `genbench NAME word ...` does, in this process."""
    verb.run(cli.compose(name, words).configs[0])


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds mine/ as the page lays it out."""
    folder = tmp_path_factory.mktemp("page")
    for name, text in files("models.md").items():
        write(folder / name, text)
    return folder


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same as a package with entry points, found by this process and those that it starts; a cache of its own."""
    site = tmp_path_factory.mktemp("site")
    package = site / "mymodels"
    write(package / "__init__.py", "")
    for name, text in files("models.md").items():
        if name.endswith(".py"):
            write(package / Path(name).name, text)
        else:
            write(package / "conf/model" / Path(name).name, text.replace("_target_: ", "_target_: mymodels."))
    for name, text in files("scores.md").items():
        write(site / name, text)
    points: dict[str, Any] = {}
    for text in (*blocks("models.md", "toml"), *blocks("scores.md", "toml")):
        points |= tomllib.loads(text)["project"]["entry-points"]
    groups = (f"[{group}]\n" + "".join(f"{key} = {at}\n" for key, at in of.items()) for group, of in points.items())
    write(site / "mymodels-1.0.dist-info/entry_points.txt", "\n".join(groups))
    write(site / "mymodels-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: mymodels\nVersion: 1.0\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        catalogue.cache_clear()
        yield site
    catalogue.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] in ("mymodels", *MODELS)]:
        del sys.modules[name]
    importlib.invalidate_caches()


def quick(patch: pytest.MonkeyPatch) -> None:
    """What takes long in a score whose value is not looked at here."""
    patch.setattr(alarms, "LEARNT", IMAGES // 2)
    patch.setattr(reconstruction, "STEPS", 10)
    patch.setattr(usefulness, "_RECIPE", Recipe(epochs=1, min_steps=20))
    patch.setattr(usefulness, "_IMAGES", 500)
    patch.setattr(class_accuracy, "_IMAGES", 500)
    patch.setattr(calibration, "DRAWS", 3)


@pytest.fixture(scope="module")
def compared(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """The three models trained, scored, calibrated and on a page."""
    out = tmp_path_factory.mktemp("comparison")
    with redirect_stdout(io.StringIO()) as said, pytest.MonkeyPatch.context() as patch:
        quick(patch)
        found = genbench.compare("optdigits", MODELS, seeds=1, images=IMAGES, out=out, words=QUICK)
    assert said.getvalue() == ""
    return found


@pytest.fixture(scope="module")
def runs(compared: Comparison) -> Path:
    return compared.page.parent / "runs"


@pytest.fixture(scope="module")
def resumed(mine: Path, installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The page's command, killed in the middle of the training and given again."""
    (command,) = blocks("models.md", "sh")
    program, verb, *words = shlex.split(command)
    assert (program, verb) == ("genbench", "train")
    words += QUICK
    process = start(*words, verb=verb, cwd=mine)  # which knows nothing of what is installed here
    while process.poll() is None and not any(mine.glob("runs/*/checkpoints/0*.ckpt")):
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    run = run_of(mine / "runs", "cvae")
    assert run.status.state == "interrupted"
    with pytest.MonkeyPatch.context() as patch:
        quick(patch)
        patch.chdir(mine)
        patch.setattr(alarms, "DEAD_NATS", 1e9)  # no dimension carries that much
        do(train, "train", *words)
    return run


def test_the_page_s_model_has_sixty_lines_at_most() -> None:
    assert files("models.md")["mine/cvae.py"].count("\n") <= 60


def test_a_training_that_was_killed_ends_with_the_same_bytes_and_so_do_both_ways(resumed: Run, runs: Path) -> None:
    whole = run_of(runs, "cvae")
    weights, others = load_file(resumed.weights), load_file(whole.weights)
    assert list(weights) == list(others)
    for name, value in weights.items():
        assert torch.equal(value, others[name]), name
    for name in ("metrics.csv", "samples.png", "reconstructions.png"):
        assert (resumed.path / name).read_bytes() == (whole.path / name).read_bytes(), name


def test_losses_are_in_metrics_csv_and_alarms_look_at_it(resumed: Run, runs: Path) -> None:
    metrics = resumed.metrics()
    for name in ("loss", "reconstruction", "kl"):
        assert {f"train/{name}", f"validation/{name}"} <= set(metrics.names)
    assert metrics.curve("validation/loss")[-1][1] < 200 < metrics.curve("train/loss")[0][1]  # nats
    assert resumed.summary().alarms == (
        "posterior collapse: latent dimension 1, 2, 3, 4 of 4 carries nothing (KL below 1000000000.0 nats)",
    )
    assert "validation/classes_hit" in run_of(runs, "rectified").metrics().names


def test_samples_are_of_the_class_that_is_asked_for_a_row_each(runs: Path) -> None:
    data = optdigits()
    assert data.train.labels is not None
    means = torch.stack([data.train.images[data.train.labels == label].float().mean(0) for label in range(10)])
    run = genbench.load(run_of(runs, "cvae").path)
    of_threes = torch.cdist(torch.from_numpy(run.sample(20, label=3)).float().flatten(1), means.flatten(1)).argmin(1)
    assert (of_threes == 3).sum() >= 15
    with Image.open(run.path / "samples.png") as picture:
        side = picture.width // 8
        assert picture.size == (picture.width, round(picture.height / side) * side + picture.height % side)
        assert round(picture.height / side) == 10
    rows = torch.from_numpy(run.sample(80, label=np.arange(10).repeat(8))).float()
    assert (
        torch.cdist(rows.flatten(1), means.flatten(1)).argmin(1) == torch.arange(10).repeat_interleave(8)
    ).sum() > 60


def test_encoder_and_reconstructions_are_told_the_class(runs: Path) -> None:
    data = optdigits()
    run = genbench.load(run_of(runs, "cvae").path)
    images, labels = data.test.images[:50], data.test.labels[:50]  # type: ignore[index]
    right, wrong = (run.reconstruct(images, label=of) for of in (labels, (labels + 1) % 10))
    errors = [(torch.from_numpy(found).float() - images.float()).square().mean() for found in (right, wrong)]
    assert errors[0] < errors[1]
    assert run.encode(images, label=labels).shape == (50, 4)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_a_whole_scorecard_with_the_added_score(model: str, runs: Path) -> None:
    scorecard = run_of(runs, model).scorecard()
    for space in ("classifier", "random", "pixels"):
        found = scorecard.score(Key(space, "energy"))
        assert isinstance(found, Score)
        assert found.draws == 5
        assert 0 < found.mean < 20
    assert isinstance(scorecard.model["mse"], Estimate)
    assert isinstance(scorecard.model["nll"], Estimate if model == "cvae" else Absent)
    assert isinstance(scorecard.cost, Cost)
    assert scorecard.cost.network_evaluations == {"cvae": 1, "rectified": 10, "staged": 11}[model]


def test_options_change_the_samples_without_a_training(runs: Path) -> None:
    run = genbench.load(run_of(runs, "rectified").path)
    np.testing.assert_array_equal(run.sample(4), run.sample(4, steps=10))  # as its YAML says
    assert (run.sample(4) != run.sample(4, steps=2)).any()


def test_the_added_score_is_calibrated_and_votes(compared: Comparison) -> None:
    scores = run_of(compared.page.parent / "runs", "cvae").scorecard()
    calibration = find_calibration("optdigits", scores.protocol, scores.extractors)
    assert isinstance(calibration, Calibration)
    assert calibration.is_complete
    assert calibration.may_vote(Key("classifier", "energy"))
    answers = calibration.votes["classifier"]["energy"]
    assert False not in answers.values()
    assert {kind for kind, answer in answers.items() if answer is None} == {
        *("monotone in repeated images", "monotone in copies"),  # which likeness is not about
    }


def test_the_page_names_the_models_and_the_score(compared: Comparison) -> None:
    (judgement,) = compared.judgements
    assert judgement.labels == ("Conditional VAE", "Rectified flow", "Latent flow")
    assert Key("classifier", "energy") in judgement.votes
    assert compared.left_out == ()
    page = compared.page.read_text(encoding="utf-8")
    for text in (*judgement.labels, "energy distance"):
        assert text in page


def test_tensorboard_and_the_model_card_know_the_model(runs: Path) -> None:
    run = run_of(runs, "cvae")
    events = EventAccumulator(str(run.path))
    events.Reload()
    assert {"train/loss", "validation/kl", "when_finished/classifier_energy"} <= set(events.Tags()["scalars"])
    told = [meta for meta in events.summary_metadata.values() if meta.plugin_data.plugin_name == "hparams"]
    assert any(b"latent_size" in meta.plugin_data.content for meta in told)
    card = (run.path / "README.md").read_text(encoding="utf-8")
    assert "Conditional VAE" in card
    assert "energy distance" in card
    assert read(run.path).problems == ()


def test_its_networks_are_exported_with_labels(runs: Path, tmp_path: Path) -> None:
    import onnxruntime

    run = run_of(runs, "cvae")
    do(export, "export", f"run={run.path}", "format=onnx", f"out={tmp_path}")
    decoder = onnxruntime.InferenceSession(tmp_path / f"{run.path.name}-decoder.onnx")
    assert [given.name for given in decoder.get_inputs()] == ["z", "labels"]
    model = genbench.load(run.path).model
    z, labels = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([3, 4, 5])
    (images,) = decoder.run(None, {"z": z.numpy(), "labels": labels.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(images, model.sample(z, labels).numpy(), atol=1e-4)
    encoder = onnxruntime.InferenceSession(tmp_path / f"{run.path.name}-encoder.onnx")
    assert [given.name for given in encoder.get_inputs()] == ["images", "labels"]


def test_its_hyperparameters_are_checked_before_anything_is_run(mine: Path, installed: Path) -> None:
    assert [
        refusal("model=cvae", "model.latent_size=0"),
        refusal("model=cvae", "model.width=8"),
        refusal("model=rectified", "model.sample.steps=0"),
        refusal("--config-dir", str(mine / "mine"), "model._target_=cvae.CVAE"),
    ] == [
        "model.latent_size=0: must be a whole number at least 1",
        "model.width: there is no such key",
        "model.sample.steps=0: must be a whole number at least 1",
        "the model is cvae.CVAE, which is not genbench's: if you trust it, say where its module lies with code=DIR",
    ]


def refusal(*words: str) -> str:
    with pytest.raises(genbench.errors.UserError) as error:
        cli.compose("train", words)
    return str(error.value).partition(";")[0]


def test_a_training_in_stages_goes_on_in_either_and_at_the_boundary(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stops = [192, 384, 512]  # images: in the first stage, where the second begins, in that
    told = ["model=staged", "experiment=smoke", "trainer=cpu", "logger=none"]
    count = Budget.on_train_batch_end

    def counted(self: Budget, *args: Any) -> None:
        count(self, *args)
        if stops and self.images_seen == stops[0]:
            self.signal = signal.SIGTERM
            del stops[0]

    monkeypatch.setattr(Budget, "on_train_batch_end", counted)
    while stops:
        with pytest.raises(Interrupted):
            do(train, "train", *told, f"runs={tmp_path / 'parts'}")
    do(train, "train", *told, f"runs={tmp_path / 'parts'}")
    do(train, "train", *told, f"runs={tmp_path / 'whole'}")
    parts, whole = (run_of(tmp_path / folder, "staged") for folder in ("parts", "whole"))
    for name in ("weights.safetensors", "metrics.csv", "samples.png"):
        assert (parts.path / name).read_bytes() == (whole.path / name).read_bytes(), name
    weights = load_file(whole.weights)
    assert (weights["scale"] != 1).all()  # its begin_stage was called
    metrics = whole.metrics()
    assert [max(metrics.curve(f"train/{stage}_loss"))[0] for stage in ("autoencoder", "prior")] == [384, 640]
    assert metrics.curve("validation/prior_loss")


def programs() -> list[str]:
    return blocks("python.md", "python")


def test_the_programs_are_short() -> None:
    assert len(programs()) == 6
    for program in programs():
        assert len([line for line in program.splitlines() if line]) <= 10


def test_the_page_s_programs_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import lightning

    from genbench.models import VAE
    from genbench.verbs import compare

    monkeypatch.chdir(tmp_path)
    data = optdigits()
    for i, image in enumerate(data.train.images[:40]):
        path = Path(f"photos/{i % 2}/{i}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0].numpy()).save(path)
    run = example(Path("runs/optdigits-vae-40a6c634-s0"))
    save(VAE(data.shape), {"_target_": "genbench.models.vae.VAE"}, data.shape, data.classes, run.weights)
    for seed in range(2):
        synthetic_run(Path("comparison/runs"), "gan", seed)
        synthetic_run(Path("comparison/runs"), "vae", seed)
    monkeypatch.setattr(compare, "compared", lambda config, console: None)
    trainer = lightning.Trainer
    few: dict[str, Any] = {"limit_train_batches": 3, "enable_progress_bar": False, "accelerator": "cpu"}
    monkeypatch.setattr(lightning, "Trainer", lambda **told: trainer(**told, **few))
    found: dict[str, Any] = {}
    for program in programs():
        exec(compile(program, "docs/python.md", "exec"), found)
        if "trainer" in found:
            trained = found.pop("trainer")
            assert trained.current_epoch == trained.max_epochs
            assert trained.global_step == trained.max_epochs * min(3, trained.num_training_batches)
    assert isinstance(found["scores"], Scorecard)
    assert found["means"].shape == (64, 2)
    assert f"{found['scores'].values()[Key('classifier', 'fcd')].mean}\n" in capsys.readouterr().out
