"""Images that are few, large, or all the same."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from genbench.data.images import ImageData, ImageShape, Split
from genbench.errors import UserError
from genbench.models.gan import DCGAN
from genbench.models.weights import check_batch
from genbench.training.callbacks import alarms
from genbench.training.callbacks.alarms import ClassSorter, mean_distance
from tests.conftest import Command
from tests.runs.example import runs_in


def images(n: int, *shape: int) -> torch.Tensor:
    return torch.randint(256, (n, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def test_large_images_are_sorted_without_a_covariance_of_all_their_pixels() -> None:
    large = images(40, 1, 256, 256)
    split = Split(large, torch.arange(40) % 4)
    sorter = ClassSorter.of(split, split)
    assert sorter is not None
    assert sorter._classifier.covariance_.shape == (256, 256)
    assert sorter.shares(large).sum() == pytest.approx(1)


def test_what_cannot_be_learned_is_not() -> None:
    for labels in (torch.arange(20), torch.zeros(20, dtype=torch.int64), None):  # an image a class, one class, none
        split = Split(images(20, 1, 8, 8), labels)
        assert ClassSorter.of(split, split) is None


def test_one_image_and_equal_images_have_no_spread() -> None:
    assert mean_distance(images(1, 1, 8, 8)) == 0.0
    assert mean_distance(images(1, 1, 8, 8).repeat(5, 1, 1, 1)) == 0.0


def test_one_image_at_a_time_is_refused_where_it_cannot_be() -> None:
    shape = ImageShape(1, 28, 28)
    train = Split(images(3, *shape), None)
    gan = DCGAN(shape)
    state = {name: value.clone() for name, value in gan.state_dict().items()}
    before = torch.get_rng_state()
    with pytest.raises(UserError, match=r"data\.batch_size: DCGAN cannot be trained on one image at a time"):
        check_batch(gan, train, 1)
    check_batch(gan, train, 2)
    assert torch.equal(torch.get_rng_state(), before)  # nothing of the training has changed
    assert all(torch.equal(value, state[name]) for name, value in gan.state_dict().items())


def test_no_more_samples_are_watched_than_there_are_images_to_learn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def stop(model: object, n: int, **_: object) -> torch.Tensor:
        drawn.append(n)
        raise InterruptedError

    monkeypatch.setattr(alarms, "draw", stop)
    for n in (40, 400, 4000):
        split = Split(images(n, 1, 4, 4), None)
        watch = alarms.Alarms(ImageData("some", split, split, split, ()), None, None, torch.float32)  # type: ignore[arg-type]
        with pytest.raises(InterruptedError):
            watch.on_validation_epoch_end(None, DCGAN(ImageShape(1, 8, 8)))  # type: ignore[arg-type]
    assert drawn == [100, 400, 1000]


@pytest.mark.slow
def test_fewer_images_than_a_batch_are_one_step_whose_losses_are_kept(command: Command, tmp_path: Path) -> None:
    words = ("trainer=cpu", "trainer.max_images=10", "trainer.validations=3", "logger=none")
    done = command("genbench.train", "model=vae", "data=optdigits", "data.batch_size=32", *words, f"runs={tmp_path}")
    assert done.returncode == 0, done.stderr
    (run,) = runs_in(tmp_path)
    summary = run.summary()
    assert summary.images_seen == 32
    assert summary.train["loss"] > 0  # of a training that is shorter than a row of metrics.csv
    assert set(summary.train) <= set(summary.test)


@pytest.mark.slow
def test_too_few_images_to_be_scored_leave_no_directory_and_in_a_sweep_none_that_waits(
    command: Command, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for i, image in enumerate(images(60, 8, 8)):
        Image.fromarray(image.numpy()).save(photos / f"{i}.png")
    words = ("data=folder", f"data.root={photos}", "evaluation=full", "trainer=cpu", "trainer.max_images=64")
    said = "photos has 4 validation images, and scores need at least 6: add images"
    for more in ((), ("model=gan", "data.batch_size=1")):
        done = command("genbench.train", *words, *more, f"runs={tmp_path / 'one'}")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert said in done.stderr
    assert not (tmp_path / "one").exists()
    done = command("genbench.train", "-m", "seed=0,1", *words, f"runs={tmp_path / 'several'}")
    assert done.returncode == 1
    assert [(run.status.state, said in run.status.why) for run in runs_in(tmp_path / "several")] == [
        ("failed", True)
    ] * 2
    assert "train.log" not in done.stdout  # there is none
