"""A training that was interrupted ends as if it had not been."""

import io
import logging
import os
import pickle
import random
import shutil
import signal
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from genbench.cli import compose
from genbench.command.sweeping import Aim, guarded
from genbench.config.train import TrainConfig
from genbench.data.batches import Batch
from genbench.data.images import ImageShape
from genbench.errors import UserError
from genbench.interruption import Interrupted
from genbench.models.flow import FlowMatching
from genbench.models.gan import DCGAN
from genbench.models.vae import VAE
from genbench.models.vae_prior import VAEWithPrior
from genbench.models.vaegan import VAEGAN
from genbench.runs.directory import Run
from genbench.runs.reading import read
from genbench.runs.records import Scorecard
from genbench.training.callbacks.checkpoints import latest, random_states, set_random_states
from genbench.training.callbacks.checkpoints import told as told_to
from genbench.verbs.train import run as train
from tests.runs.example import SCORECARD
from tests.small import small_digits

pytestmark = [
    pytest.mark.slow,
    # SummaryWriter leaves its file to the garbage collector when a training is cut off.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
MODELS: dict[str, type[Any]] = {
    "gan": DCGAN,
    "vae": VAE,
    "vae_prior": VAEWithPrior,
    "flow": FlowMatching,
    "vaegan": VAEGAN,
}
STEPS = 20  # 640 images in batches of 32; validations after 4, 8, 12, 16, 20
IMAGES = tempfile.TemporaryDirectory()  # of all trainings: where they lie is kept with a run


@pytest.fixture(autouse=True, scope="module")
def few_samples() -> Iterator[None]:
    """A validation draws a few: the thousand of a real one are most of the time of trainings as short as these."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("genbench.training.callbacks.alarms.SAMPLES", 64)
        yield


def config(model: str, runs: Path, *words: str) -> TrainConfig:
    """Of a model, which may have words behind it."""
    own = ["experiment=smoke", "trainer=cpu", "trainer.validations=5", f"runs={runs}", *f"model={model}".split()]
    own += small_digits(Path(IMAGES.name))
    told: TrainConfig = compose("train", [*own, *words]).configs[0]
    return told


def run_of(told: TrainConfig) -> Run:
    return Run(told.directory)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")

    def make(model: str) -> Run:
        told = config(model, folder)
        if not run_of(told).is_finished:
            train(told)
        return run_of(told)

    return make


def at_step(monkeypatch: pytest.MonkeyPatch, model: str, number: int, act: Callable[[], Any]) -> None:
    """Do something in the middle of a step, counted from 1."""
    kind = MODELS[model.split()[0]]
    step = kind.step
    taken = 0

    def disturbed(self: Any, batch: Batch) -> dict[str, Tensor]:
        nonlocal taken
        taken += 1
        if taken == number:
            act()
        outputs: dict[str, Tensor] = step(self, batch)
        return outputs

    monkeypatch.setattr(kind, "step", disturbed)


def assert_same(run: Run, other: Run) -> None:
    for name in ("weights.safetensors", "metrics.csv", "samples.png"):
        assert (run.path / name).read_bytes() == (other.path / name).read_bytes(), name
    pair = []
    for path in (run.path, other.path):
        events = EventAccumulator(str(path))
        events.Reload()
        tags = [tag for tag in events.Tags()["scalars"] if tag.startswith(("train/", "validation/"))]
        tags.remove("train/images_per_second")  # no two trainings have that in common
        pair.append({tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags})
    assert pair[0] == pair[1]
    assert pair[0]
    ours, theirs = run.summary(), other.summary()
    for name in ("images_seen", "train", "test", "alarms", "training_flops_per_image"):
        assert getattr(ours, name) == getattr(theirs, name)


# In the middle of an epoch, in its last step (whose validation must come first), in the very last, and twice.
@pytest.mark.parametrize(
    ("model", "steps"),
    [
        *(("gan", [6]), ("vae", [3, 3]), ("vae", [8]), ("vae", [STEPS])),
        ("vaegan model.conditional=true", [6]),
        ("gan model.loss=r3 model.generator=style model.augment=1", [6]),
        ("gan model.loss=wgan_gp model.spectral_norm=true model.conditional=true", [6]),
        ("flow model.conditional=true model.width=8 model.sample.steps=1", [6]),
        ("vae_prior model.prior=flow", [6, 10, 2]),  # in the first stage, where the second begins, and in that
        ("vae_prior model.components=5", [STEPS]),  # where its prior is fitted
    ],
)
def test_an_interrupted_run_goes_on_and_ends_with_the_same_bytes(
    model: str, steps: list[int], whole: Callable[[str], Run], tmp_path: Path
) -> None:
    told = config(model, tmp_path)
    run = run_of(told)
    before = signal.getsignal(signal.SIGTERM)
    for step in steps:
        with pytest.MonkeyPatch.context() as monkeypatch:
            at_step(monkeypatch, model, step, lambda: os.kill(os.getpid(), signal.SIGTERM))
            with pytest.raises(Interrupted, match="SIGTERM"):
                train(told)
        assert (run.status.state, run.status.why) == ("interrupted", "SIGTERM")
        assert signal.getsignal(signal.SIGTERM) is before
        assert not run.is_locked
    assert int(run.checkpoints[0].stem) == 32 * sum(steps)
    train(told)
    assert_same(run, whole(model))
    assert len(run.checkpoints) == 2


def test_a_run_killed_between_training_and_pictures_takes_no_further_step(
    whole: Callable[[str], Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = config("vae", tmp_path)
    with pytest.MonkeyPatch.context() as once:
        once.setattr("genbench.models.weights.save", lambda *_: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(Interrupted, match="SIGINT"):
            train(told)
    run = run_of(told)
    kept = [path.name for path in run.checkpoints]
    shutil.copy(run.checkpoints[-1], run.path / "checkpoints" / "000000000384.ckpt")  # killed before it deleted that
    at_step(monkeypatch, "vae", 1, lambda: pytest.fail("a step was taken"))
    train(told)
    assert_same(run, whole("vae"))
    assert [path.name for path in run.checkpoints] == kept


def test_a_second_signal_does_not_wait_for_the_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("the step went on")

    monkeypatch.setattr("genbench.training.budget.ONE_SIGNAL", -1.0)  # as if there was time between them
    at_step(monkeypatch, "vae", 2, twice)
    told = config("vae", tmp_path)
    with pytest.raises(Interrupted):
        train(told)
    assert run_of(told).status.state == "interrupted"
    assert run_of(told).checkpoints == []


def _away(run: Run) -> None:
    run.path.rename(run.path.with_name("away"))


def _gone(run: Run) -> None:
    while run.path.exists():  # TensorBoard's thread writes when it likes, and what it begins anew is in rmtree's way
        shutil.rmtree(run.path, ignore_errors=True)


@pytest.mark.parametrize("happens", [_away, _gone])
def test_a_run_that_is_moved_or_deleted_while_it_trains_stops(
    happens: Callable[[Run], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = config("vae", tmp_path)
    at_step(monkeypatch, "vae", 6, lambda: happens(run_of(told)))
    with pytest.raises(UserError, match="was moved or deleted while this process was at work on it"):
        train(told)
    assert [path.name for path in tmp_path.iterdir()] == (["away"] if happens is _away else [])
    if happens is _away:
        assert Run(tmp_path / "away").status.state == "interrupted"
        assert [path.name for path in Run(tmp_path / "away").checkpoints] == ["000000000128.ckpt"]


def test_a_job_whose_directory_goes_stops_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = config("vae", tmp_path)
    run_of(told).queue(told.to_yaml())

    def goes() -> None:
        _gone(run_of(told))
        raise UserError("it was moved")

    guarded(Aim.of(told), goes)
    assert "it was moved" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_a_card_is_given_one(whole: Callable[[str], Run], tmp_path: Path) -> None:
    told = config("vae", tmp_path)
    shutil.copytree(whole("vae").path, run_of(told).path)
    card = run_of(told).path / "README.md"
    said = card.read_bytes()
    card.unlink()  # as after a kill right after the end
    train(told)
    assert card.read_bytes() == said
    assert_same(run_of(told), whole("vae"))


@pytest.mark.parametrize(
    ("before", "wanted", "scored"),
    [
        ("fast", ["evaluation=full"], True),
        ("full", ["evaluation=fast"], False),
        ("fast", ["evaluation=fast"], False),
        (None, ["evaluation=fast"], True),
        ("full", ["evaluation=full"], False),
        ("full", ["evaluation=full", "evaluation.nll_samples=5000"], True),
        ("full", ["evaluation=full", "evaluation.nll_images=501"], True),
        ("full", ["evaluation=full", "evaluation.nll_images=20"], False),  # it has more
        ("full", ["evaluation=fast", "evaluation.nll_images=20"], False),
    ],
)
def test_a_finished_run_is_scored_as_far_as_it_is_wanted(
    before: Any,
    wanted: list[str],
    scored: bool,
    whole: Callable[[str], Run],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = config("vae", tmp_path, *wanted)
    run = run_of(told)
    shutil.copytree(whole("vae").path, run.path)
    if before is not None:
        run.write_scorecard(SCORECARD.model_copy(update={"level": before, "nll_samples": 500, "nll_images": 500}))
    new = SCORECARD.model_copy(update={"level": told.evaluation.level, "evaluation_seconds": 9.0})
    monkeypatch.setattr("genbench.evaluation.extractors.load_spaces", lambda *_: None)
    drawn_by = []

    def score(run: Run, level: object, code: object, options: object, images: object) -> Scorecard:
        drawn_by.append(options)
        return new

    monkeypatch.setattr("genbench.evaluation.of_run.score_run", score)
    train(told)
    assert (run.scorecard() == new) == scored
    assert drawn_by == [told.sample_options] * scored


def test_options_that_cannot_be_drawn_by_are_said_before_there_is_a_directory(tmp_path: Path) -> None:
    told = config("flow model.sample.guidance=2.0", tmp_path / "runs")
    with pytest.raises(UserError, match="this model was not told classes"):
        train(told)
    assert not (tmp_path / "runs").exists()


def test_a_word_of_no_effect_is_said_before_there_is_a_directory(tmp_path: Path) -> None:
    told = config("flow model.label_dropout=0.2", tmp_path / "runs")
    with pytest.raises(UserError, match=r"model\.label_dropout=0\.2: has no effect without model\.conditional=true"):
        train(told)
    assert not (tmp_path / "runs").exists()


def test_what_was_begun_with_such_a_word_goes_on(tmp_path: Path) -> None:
    told = config("flow model.label_dropout=0.2", tmp_path)
    with pytest.MonkeyPatch.context() as before:
        before.setattr("genbench.models.weights.check_effect", lambda *_: None)
        at_step(before, "flow", 6, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(Interrupted):
            train(told)
    train(told)
    assert run_of(told).is_finished
    train(told)
    with pytest.raises(UserError, match="has no effect"):
        train(told.model_copy(update={"overwrite": True}))
    assert run_of(told).is_finished


def test_what_is_said_of_an_interruption_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = []
    for words in ((), ("overwrite=true",), ()):
        with pytest.MonkeyPatch.context() as once:
            at_step(once, "vae", 6, lambda: os.kill(os.getpid(), signal.SIGTERM))
            with pytest.raises(Interrupted) as caught:
                train(config("vae", tmp_path, *words))
        said.append((caught.value.advice, int(run_of(config("vae", tmp_path)).checkpoints[0].stem)))
    on = "the same command goes on from here"
    assert said == [(on, 192), (on.replace("command", "command without overwrite=true"), 192), (on, 384)]


class _Payload:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def _compressed(checkpoint: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(checkpoint)) as stored, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as other:
        for name in stored.namelist():
            other.writestr(name, stored.read(name))
    return packed.getvalue()


def test_a_checkpoint_that_cannot_be_read_is_passed_over(
    whole: Callable[[str], Run], tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = config("vae", tmp_path / "runs")
    run = run_of(told)
    executed = tmp_path / "executed"
    shutil.copytree(whole("vae").path, run.path)
    run.set_status("interrupted", "test")
    newest, older = run.checkpoints
    bytes_of_newest = newest.read_bytes()
    middle = len(bytes_of_newest) // 2
    torch.save({"state_dict": {}}, tmp_path / "poor.ckpt")
    torch.save({"state_dict": _Payload(executed)}, tmp_path / "hostile.ckpt")
    damages = {
        "truncated": bytes_of_newest[:middle],
        "flipped": bytes_of_newest[:middle] + bytes([bytes_of_newest[middle] ^ 1]) + bytes_of_newest[middle + 1 :],
        "empty": b"",
        "poor": (tmp_path / "poor.ckpt").read_bytes(),
        "hostile": (tmp_path / "hostile.ckpt").read_bytes(),
        "pickle": pickle.dumps(_Payload(executed)),
        "bomb": _compressed(bytes_of_newest),
        "pipe": b"pipe",
    }
    for name, damaged in damages.items():
        newest.unlink()
        if damaged == b"pipe":
            os.mkfifo(newest)
        else:
            newest.write_bytes(damaged)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            found = latest(run, told, VAE(ImageShape(1, 8, 8)), Console())
            assert found is not None and found.path == older, name
        assert f"{newest} cannot be read" in caplog.text, name
    assert not executed.exists()
    train(told)
    assert_same(run, whole("vae"))
    for path in run.checkpoints:
        path.unlink()
    assert latest(run, told, VAE(ImageShape(1, 8, 8)), Console()) is None


def test_a_checkpoint_of_another_training_is_refused(whole: Callable[[str], Run], tmp_path: Path) -> None:
    run = run_of(config("vae", tmp_path))
    shutil.copytree(whole("vae").path, run.path)
    run.set_status("interrupted")
    newest = run.checkpoints[0]
    sound = torch.load(newest, weights_only=True)
    others = {
        "seed is 0, and was 1": told_to(config("vae", tmp_path, "seed=1")),
        "model.latent_size is 2, and was 3": told_to(config("vae", tmp_path, "model.latent_size=3")),
        "trainer.log_every_images is 64, and was 128": told_to(
            config("vae", tmp_path, "trainer.log_every_images=128", "trainer=cpu")
        ),
        "its networks are others": None,
    }
    for said, told in others.items():
        content = sound | {"told": told}
        if told is None:  # as before, when checkpoints did not say it
            del content["told"], content["environment"]
            content["state_dict"] = {name: value[:1] for name, value in content["state_dict"].items()}
        torch.save(content, newest)
        with pytest.raises(UserError, match=f"{newest.name} is of another training .{said}.: move it away"):
            latest(run, config("vae", tmp_path), VAE(ImageShape(1, 8, 8)), Console(quiet=True))
    with pytest.raises(UserError, match="its networks are others"):
        train(config("vae", tmp_path))
    assert [int(path.stem) for path in run.checkpoints] == [640, 512]


def test_a_run_that_goes_on_elsewhere_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = config("vae", tmp_path)
    for python, step in (("3.10.1", 6), ("3.10.2", 3), ("3.10.2", 0)):
        with pytest.MonkeyPatch.context() as once:
            once.setattr("genbench.training.run_log.platform.python_version", lambda python=python: python)
            at_step(once, "vae", step, lambda: os.kill(os.getpid(), signal.SIGTERM))
            if step:
                with pytest.raises(Interrupted):
                    train(told)
            else:
                train(told)
    change = "python 3.10.2, before 3.10.1"
    assert run_of(told).environment().changes == (change,)
    said = capsys.readouterr().out
    assert said.count(f"after an interruption it goes on with {change}: not to the same bytes") == 2
    assert f"went on with {change}" in (run_of(told).path / "README.md").read_text(encoding="utf-8")
    assert read(run_of(told).path).notes == (f"after an interruption it went on with {change}",)


def test_a_loss_that_is_no_number_stops_the_training_and_keeps_the_last_good_state(tmp_path: Path) -> None:
    told = config("vae", tmp_path)
    run = run_of(told)

    with pytest.MonkeyPatch.context() as monkeypatch:
        step, taken = VAE.step, 0

        def broken(self: VAE, batch: Batch) -> dict[str, Tensor]:
            nonlocal taken
            taken += 1
            outputs = step(self, batch)
            return {**outputs, "loss": outputs["loss"] * (torch.nan if taken == 6 else 1)}

        monkeypatch.setattr(VAE, "step", broken)
        with pytest.raises(UserError, match="the loss is not a finite number any more after 192 images"):
            train(told)
    assert run.status.state == "failed"
    assert "192 images" in run.status.why
    assert [path.name for path in run.checkpoints] == ["000000000128.ckpt"]


def test_weights_that_are_no_numbers_are_not_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step, taken = VAE.step, 0

    def broken(self: VAE, batch: Batch) -> dict[str, Tensor]:
        nonlocal taken
        taken += 1
        outputs = step(self, batch)
        if taken == 8:
            with torch.no_grad():
                next(self.decoder.parameters())[0] = torch.inf
        return outputs

    monkeypatch.setattr(VAE, "step", broken)
    told = config("vae", tmp_path)
    with pytest.raises(UserError, match="a weight is not a finite number"):
        train(told)
    assert [path.name for path in run_of(told).checkpoints] == ["000000000128.ckpt"]


def test_random_states_bring_every_stream_back() -> None:
    def drawn() -> list[float]:
        return [random.random(), float(np.random.random()), float(np.random.normal()), float(torch.rand(()))]

    np.random.normal()  # so that the second half of a pair is waiting
    states = random_states()
    first = drawn()
    assert drawn() != first
    set_random_states(states)
    assert drawn() == first
