"""genbench.load, genbench.score, genbench.compare."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import genbench
from genbench import cli
from genbench.api import Trained
from genbench.data.images import ImageData, ImageShape
from genbench.errors import UserError
from genbench.models import DCGAN, VAE
from genbench.models.model import Model
from genbench.models.weights import save
from genbench.runs.directory import Run
from genbench.runs.records import Absent, Score
from genbench.verbs import compare as verb
from genbench.verbs import sample
from tests.digits import optdigits
from tests.reporting.synthetic import synthetic_run
from tests.runs.example import SCORECARD, SUMMARY, config, example

SHAPE = ImageShape(1, 28, 28)
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# A model that is told the class: an image is as bright as its class says, and each encodes to its mean and class.
SHADE = """
from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from genbench.models.model import Conditional, Posterior, Reconstruction


class Shade(Conditional, Posterior, Reconstruction):
    def __init__(self, shape, classes):
        super().__init__(shape, noise_shape=(2,), classes=classes)
        self.network = nn.Linear(1, 1)

    def make_optimizers(self): ...
    def updates(self, batch, noise): ...
    def losses(self, batch, noise): ...
    def kl(self, mean, log_variance): ...

    def sample(self, noise, labels=None, *, levels: Annotated[int, Field(ge=1)] = 1):
        return (labels * levels / 255).view(-1, 1, 1, 1).expand(-1, *self.shape)

    def encode(self, images, labels=None):
        mean = torch.stack([images.flatten(1).mean(1), labels.float()], 1)
        return mean, torch.zeros_like(mean)

    def reconstruct(self, images, labels=None):
        return 1 - images
"""


def weights_of(model: Model, target: str, folder: Path) -> Path:
    path = folder / "weights.safetensors"
    save(model, {"_target_": target}, SHAPE, NAMES, path)
    return path


@pytest.fixture
def gan(tmp_path: Path) -> Trained:
    return genbench.load(weights_of(DCGAN(SHAPE), "genbench.models.gan.DCGAN", tmp_path))


@pytest.fixture
def vae(tmp_path: Path) -> Trained:
    """A run."""
    run = example(tmp_path / "run")
    weights_of(VAE(SHAPE), "genbench.models.vae.VAE", run.path)
    return genbench.load(run.path)


@pytest.fixture(scope="module")
def shade(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A conditional model of a person's own."""
    folder = tmp_path_factory.mktemp("shade")
    (folder / "shade.py").write_text(SHADE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        import shade as module  # type: ignore[import-not-found]

        path = weights_of(module.Shade(SHAPE, 10), "shade.Shade", folder)
        with pytest.raises(UserError, match="code=DIR"):
            genbench.load(path)
        return genbench.load(path, code=folder)


def shades(images: NDArray[np.uint8]) -> list[int]:
    assert (images.reshape(len(images), -1) == images[:, 0, 0, :1]).all()
    return [int(value) for value in images[:, 0, 0, 0]]


def test_importing_genbench_is_light() -> None:
    heavy = ("torch", "numpy", "lightning", "hydra", "pydantic", "rich")
    look = f"import genbench, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert {"compare", "load", "score"} <= set(dir(genbench))
    with pytest.raises(AttributeError, match="genbench has no nothing"):
        _ = genbench.nothing


@pytest.mark.slow
def test_samples_are_those_of_the_command(vae: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "samples.npz"
    sample.run(cli.compose("sample", [f"run={vae.path}", "n=9", "seed=7", f"out={out}"]).configs[0])
    capsys.readouterr()
    images = vae.sample(9, seed=7)
    assert images.dtype == np.uint8
    assert images.shape == (9, *SHAPE)
    np.testing.assert_array_equal(images, np.load(out)["images"])
    assert (images != vae.sample(9, seed=8)).any()
    assert capsys.readouterr() == ("", "")


def test_a_run_tells_what_it_knows(vae: Trained, tmp_path: Path) -> None:
    assert vae.scores == SCORECARD
    assert vae.summary.model_copy(update={"files": {}}) == SUMMARY  # what is kept of other files is their checksums
    assert vae.config == config()
    assert vae.shape == SHAPE
    assert vae.classes == NAMES
    assert not vae.model.training
    (vae.path / "scores.json").unlink()
    unscored = genbench.load(vae.path).scores
    assert unscored == Absent(absent=f"not scored yet: genbench evaluate run={vae.path}")
    assert repr(vae) == f"<VAE of {vae.path}, images 1x28x28>"


def test_weights_alone_know_no_run(vae: Trained) -> None:
    alone = genbench.load(str(vae.path / "weights.safetensors"))
    np.testing.assert_array_equal(alone.sample(3), vae.sample(3))
    assert isinstance(alone.scores, Absent)
    for what in ("config", "summary"):
        with pytest.raises(UserError, match=f"is weights alone, without {what}: load the run's directory"):
            getattr(alone, what)


def test_what_is_no_trained_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run directory"):
        genbench.load(tmp_path / "nowhere")
    broken = tmp_path / "weights.safetensors"
    broken.write_bytes(b"no weights")
    with pytest.raises(UserError, match="cannot be read"):
        genbench.load(broken)
    run = Run(tmp_path / "run")
    run.queue(config().to_yaml())
    with pytest.raises(UserError, match="has no weights yet: its training is queued"):
        genbench.load(run.path)


def test_images_go_in_as_arrays_and_tensors_of_bytes_and_floats(vae: Trained) -> None:
    images = vae.sample(5)
    images.setflags(write=False)
    expected = vae.encode(images)
    assert expected.dtype == np.float32
    assert expected.shape == (5, 2)
    assert isinstance(vae.model, VAE)
    with torch.no_grad():
        means = vae.model.encode(torch.tensor(images) / 255)[0]
    torch.testing.assert_close(torch.from_numpy(expected), means)
    same: list[Any] = [torch.tensor(images), images / 255, torch.tensor(images) / 255]
    for given in (*same, images.astype(np.float32) / np.float32(255)):
        np.testing.assert_array_equal(vae.encode(given), expected)
    assert vae.reconstruct(images).dtype == np.uint8
    np.testing.assert_array_equal(vae.reconstruct(images[:1]), vae.reconstruct(images)[:1])


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((5, 28, 28, 1), np.uint8), r"images must be \(N, 1, 28, 28\).* got \(5, 28, 28, 1\)"),
        (np.zeros((1, 28, 28), np.uint8), r"got \(1, 28, 28\)"),
        (np.full((5, *SHAPE), 255.0), "floats from 255 to 255: give uint8, or floats in"),
        (np.zeros((5, *SHAPE), np.int64), "int64: give uint8"),
        (np.zeros((5, *SHAPE), "U1"), "give uint8"),
        ([[0.0]], "images are a list: give a NumPy array or a PyTorch tensor"),
    ],
)
def test_other_images_are_refused(images: Any, message: str, vae: Trained) -> None:
    for method in (vae.encode, vae.reconstruct):
        with pytest.raises(UserError, match=message):
            method(images)


def test_a_model_without_an_encoder_says_so(gan: Trained) -> None:
    with pytest.raises(UserError, match="this model has no encoder"):
        gan.encode(np.zeros((2, *SHAPE), np.uint8))
    with pytest.raises(UserError, match="this model does not reconstruct"):
        gan.reconstruct(np.zeros((2, *SHAPE), np.uint8))
    with pytest.raises(UserError, match="label=3: this model was not told"):
        gan.sample(2, label=3)


def test_classes_are_asked_for_by_number_name_or_image(shade: Trained) -> None:
    assert shades(shade.sample(12)) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert shades(shade.sample(3, label=7)) == shades(shade.sample(3, label="seven")) == [7, 7, 7]
    assert shades(shade.sample(3, label=np.int64(7))) == [7, 7, 7]
    for given in ([1, 2, 3], np.array([1, 2, 3]), torch.tensor([1, 2, 3])):
        assert shades(shade.sample(3, label=given)) == [1, 2, 3]
    images = shade.sample(3, label=0)
    np.testing.assert_array_equal(shade.encode(images, label=[4, 5, 6])[:, 1], [4, 5, 6])
    assert shades(shade.reconstruct(images, label=4)) == [255, 255, 255]


@pytest.mark.parametrize("label", [10, -1, "sevn", [1, 2], [1, 2, 10]])
def test_classes_that_there_are_not_are_refused(label: Any, shade: Trained) -> None:
    with pytest.raises(UserError, match=r"^label="):
        shade.sample(3, label=label)


@pytest.mark.slow
def test_of_classes_that_are_called_by_numbers_the_one_called_so_is_drawn(tmp_path: Path) -> None:
    """Sorted as text 10 is the third, and label=2 drew it."""
    torch.manual_seed(0)
    names = ("0", "1", "10", "2")
    model = VAE(SHAPE, 4, conditional=True)
    path = tmp_path / "weights.safetensors"
    save(model, {"_target_": "genbench.models.vae.VAE", "conditional": True}, SHAPE, names, path)
    run = genbench.load(path)
    for label in (2, "2"):
        np.testing.assert_array_equal(run.sample(3, label=label), run.sample(3, label=[3, 3, 3]))
    with pytest.raises(UserError, match="label=3: there is no such class; there are 0, 1, 10, 2"):
        run.sample(3, label=3)


def test_an_encoder_that_is_told_the_class_must_be_told(shade: Trained) -> None:
    images = shade.sample(3)
    for method in (shade.encode, shade.reconstruct):
        with pytest.raises(UserError, match="give label="):
            method(images)


def test_options_are_the_model_s_own_and_checked(shade: Trained, gan: Trained) -> None:
    assert shades(shade.sample(3, levels=20)) == [0, 20, 40]
    with pytest.raises(UserError, match="levels=0: must be a whole number at least 1"):
        shade.sample(3, levels=0)
    with pytest.raises(UserError, match="steps: there is no such key"):
        gan.sample(3, steps=20)


def test_numbers_out_of_range_are_refused(gan: Trained) -> None:
    with pytest.raises(UserError, match="n=0: must be a whole number at least 1"):
        gan.sample(0)
    with pytest.raises(UserError, match="seed=-1: must be"):
        gan.sample(1, seed=-1)


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return optdigits()


@pytest.mark.slow
def test_images_are_scored_wherever_they_come_from(digits: ImageData, capsys: pytest.CaptureFixture[str]) -> None:
    real = digits.train.images[:100]
    scored = genbench.score(real.numpy() / 255, data="optdigits")
    assert scored.spaces == genbench.score(real, data=digits).spaces
    noise = genbench.score(np.random.default_rng(0).random((100, *SHAPE)), data="optdigits")

    def fcd(card: Any) -> float:
        found: Score = card.spaces["classifier"]["fcd"]
        assert found.n == 100
        return found.mean

    assert fcd(scored) < fcd(noise) / 4
    assert capsys.readouterr() == ("", "")


def test_images_that_cannot_be_scored_are_refused(digits: ImageData) -> None:
    with pytest.raises(UserError, match="there is no such data set"):
        genbench.score(digits.test.images, data="digits")
    with pytest.raises(UserError, match="10 images are too few"):
        genbench.score(digits.test.images[:10], data=digits)
    with pytest.raises(UserError, match=r"images must be \(N, 1, 28, 28\)"):
        genbench.score(np.zeros((100, 32, 32, 1), np.uint8), data=digits)


def test_a_comparison_is_the_verb_s_and_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(verb, "compared", lambda config, console: told.append((config, console.quiet)))
    folder = tmp_path / "runs"
    for seed in range(2):
        synthetic_run(folder, "gan", seed, better=0.9)
        synthetic_run(folder, "vae", seed)
    Run(folder / "waiting").queue(config().to_yaml())
    found = genbench.compare("optdigits", seeds=2, minutes=5, out=tmp_path, words=["trainer=cpu"])
    ((given, quiet),) = told
    assert quiet
    assert (given.models, given.seeds, given.minutes, given.images) == (["gan", "vae"], 2, 5, None)
    assert (given.out, given.runs) == (str(tmp_path), str(folder))
    assert given.words == ["data=optdigits", "trainer=cpu"]
    (judgement,) = found.judgements
    assert judgement.seeds == {"GAN": 2, "VAE": 2}
    assert [record.name for record in found.left_out] == ["waiting"]
    assert found.page == tmp_path / "index.html"
    with pytest.raises(UserError, match="seeds=0: must be at least 1"):
        genbench.compare("optdigits", seeds=0)
