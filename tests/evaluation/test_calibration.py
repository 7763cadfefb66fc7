"""The known images are what they say, and the votes follow from the table."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from genbench.data.images import ImageData, Split
from genbench.errors import UserError
from genbench.evaluation import calibration
from genbench.evaluation.calibration import ROWS, votes
from genbench.evaluation.catalogue import catalogue
from genbench.evaluation.protocol import COPIES, DOSES, DRAWS, GAUSSIAN, MISSING, REAL, REPEATED, UNIFORM
from genbench.runs.records import Key, Score
from tests.digits import optdigits

DATA = optdigits()
N = 200


@pytest.mark.parametrize("name", list(ROWS))
def test_every_row_is_bytes_of_the_right_shape_and_each_draw_another(name: str) -> None:
    draws = [ROWS[name](DATA, draw, N) for draw in (0, 1)]
    for images in draws:
        assert images.dtype == torch.uint8
        assert images.shape == (N, 1, 28, 28)
    assert not torch.equal(*draws)
    assert torch.equal(draws[0], ROWS[name](DATA, 0, N))


def test_copies_are_training_images_and_draws_share_none() -> None:
    train = {image.numpy().tobytes() for image in DATA.train.images}
    first, second = (ROWS[COPIES](DATA, draw, N) for draw in (0, 1))
    assert all(image.numpy().tobytes() in train for image in first)
    indices = [calibration._train_indices(DATA, draw, N) for draw in (0, 1)]
    assert not set(indices[0].tolist()) & set(indices[1].tolist())
    assert not torch.equal(first, second)


def test_draws_of_few_images_are_in_other_orders() -> None:
    """Of twice as many images as in a draw every second draw was the first again, and real images did not vary."""
    few = replace(DATA, train=Split(DATA.train.images[:400], None))
    draws = [set(calibration._train_indices(few, draw, N).tolist()) for draw in range(DRAWS)]
    assert [len(draw) for draw in draws] == [N] * DRAWS
    assert not draws[0] & draws[1]
    shared = [len(draws[i] & draws[j]) for i, j in ((0, 2), (0, 4), (2, 4), (1, 3))]
    assert min(shared) > 0.3 * N
    assert max(shared) < 0.7 * N


@pytest.mark.parametrize("side", [4, 8, 28])
@pytest.mark.parametrize("sigma", DOSES["blur"][1:])
def test_images_of_any_size_are_blurred(side: int, sigma: float) -> None:
    """The edge of a small image has no sixteen pixels to be reflected, and after all trainings there was no page."""
    flat = torch.full((2, 1, side, side), 100, dtype=torch.uint8)
    assert torch.equal(calibration._blurred(flat, sigma), flat)
    point = flat.clone()
    point[:, :, side // 2, side // 2] = 255
    blurred = calibration._blurred(point, sigma)
    assert 100 <= blurred.max() < 255


def test_some_of_the_training_images_have_the_calibration_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its key is that of all, and whichever came first stood for both."""
    seen = []

    def look(data: ImageData, *_: object) -> None:
        seen.append(data)
        raise UserError("seen")

    monkeypatch.setattr(calibration, "check_real", look)
    some = replace(DATA, train=Split(DATA.train.images[:100], None), whole=DATA)
    with pytest.raises(UserError, match="seen"):
        calibration.calibrate(some, torch.device("cpu"))
    assert seen == [DATA]


def test_one_image_per_class_is_repeated() -> None:
    assert len({image.numpy().tobytes() for image in ROWS[REPEATED](DATA, 0, N)}) == 10


@pytest.mark.parametrize("labels", [[0, 0, 1, 3, 3, 3], [0] * 6, None])
@pytest.mark.parametrize("name", list(ROWS))
def test_classes_of_few_images_or_none_make_rows_as_well(name: str, labels: list[int] | None) -> None:
    images = torch.randint(0, 256, (6, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    few = Split(images, None if labels is None else torch.tensor(labels))
    classes = () if labels is None else ("a", "b", "c", "d")
    if name == MISSING and labels is None:
        return  # `calibrate` leaves it out
    for draw in range(DRAWS):
        assert ROWS[name](ImageData("few", few, few, few, classes), draw, 20).shape == (20, 1, 8, 8)


@pytest.mark.parametrize(("train", "validation", "message"), [(30, 20, "26 test images"), (60, 3, "has 3 validation")])
def test_too_few_images_to_calibrate_by_are_refused(
    train: int, validation: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    images = torch.randint(0, 256, (60, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    parts = Split(images[:train], None), Split(images[:validation], None), Split(images[:26], None)
    with pytest.raises(UserError, match=message):
        calibration.calibrate(ImageData("few", *parts, ()), torch.device("cpu"))


def test_the_missing_class_is_the_last() -> None:
    images = ROWS[MISSING](DATA, 0, N)
    assert DATA.train.labels is not None
    nines = {image.numpy().tobytes() for image in DATA.train.images[DATA.train.labels == 9]}
    assert not any(image.numpy().tobytes() in nines for image in images)


def test_shifted_copies_are_moved_by_one_pixel() -> None:
    moved, copies = ROWS["copies shifted by a pixel"](DATA, 0, N), ROWS[COPIES](DATA, 0, N)
    ways = {(1, 2): 0, (-1, 2): 0, (1, 3): 0, (-1, 3): 0}
    for image, copy in zip(moved, copies, strict=True):
        for way in ways:  # digits have a black margin, so rolling is shifting
            ways[way] += torch.equal(image[None], copy[None].roll(way[0], way[1]))
    assert min(ways.values()) > N / 8
    assert sum(ways.values()) > 0.95 * N


@pytest.mark.slow
def test_gaussians_have_the_moments_of_the_pixels() -> None:
    real = DATA.train.images.flatten(1).double() / 255
    full = ROWS["full-covariance Gaussian on the pixels"](DATA, 0, 5000).flatten(1).double() / 255
    independent = ROWS[GAUSSIAN](DATA, 0, 5000).flatten(1).double() / 255
    inner = real.std(0) > 0.2  # where clipping to [0, 1] changes little
    assert float((full.T.cov() - real.T.cov())[inner][:, inner].norm() / real.T.cov()[inner][:, inner].norm()) < 0.35
    off_diagonal = independent.T.corrcoef()[inner][:, inner] - torch.eye(int(inner.sum()))
    assert float(off_diagonal.abs().max()) < 0.1


KEY = Key("random", "c2st_1nn")
Rows = dict[str, dict[Key, Score]]
Doses = dict[str, dict[str, dict[Key, float]]]


def table(**changes: float) -> tuple[Rows, Doses]:
    """Rows and doses of one score in one space, all in order but for the changes."""
    values = {REAL: 0.5, GAUSSIAN: 0.9, UNIFORM: 0.9, REPEATED: 0.9, COPIES: 0.5, MISSING: 0.7, "bad": 0.8} | changes
    rows = {name: {KEY: Score(mean=value, sd=0.01, n=100, draws=5)} for name, value in values.items()}
    steps = [changes.get(f"dose{i}", 0.5 + 0.1 * i) for i in range(3)]
    return rows, {"noise": {str(i): {KEY: value} for i, value in enumerate(steps)}}


def ask(rows: Rows, doses: Doses) -> dict[str, bool | None]:
    return votes(catalogue(), rows, doses, {"random": 128}, 10_000)[KEY]


def test_a_score_that_does_all_it_should_votes() -> None:
    assert ask(*table()) == {"monotone in noise": True, "floor": True, "flags its failure": True, "votes": True}


@pytest.mark.parametrize(
    ("change", "question"),
    [({"dose2": 0.4}, "monotone in noise"), ({REAL: 0.6}, "floor"), ({GAUSSIAN: 0.51}, "flags its failure")],
)
def test_a_score_that_does_not_loses_its_vote(change: dict[str, float], question: str) -> None:
    answers = ask(*table(**change))
    assert answers[question] is False
    assert answers["votes"] is False


def test_a_step_back_within_the_noise_is_forgiven() -> None:
    assert ask(*table(dose1=0.6, dose2=0.585))["votes"] is True


def test_which_way_is_worse_stands_in_the_entry() -> None:
    rows, doses = table()
    reversed_ = {"c2st_1nn": replace(catalogue()["c2st_1nn"], better="higher")}
    answers = votes(reversed_, rows, doses, {"random": 128}, 10_000)[KEY]
    assert answers["monotone in noise"] is False
    assert answers["flags its failure"] is False


def test_what_does_not_apply_is_not_asked_and_without_a_failure_to_flag_there_is_no_vote() -> None:
    rows, doses = table(dose2=0.4)
    entry = replace(catalogue()["c2st_1nn"], doses=(), real=None)
    answers = votes({"c2st_1nn": entry}, rows, doses, {"random": 128}, 10_000)[KEY]
    assert answers == {"monotone in noise": None, "floor": None, "flags its failure": True, "votes": True}
    without = votes({"c2st_1nn": replace(entry, flagged_by=None)}, rows, doses, {"random": 128}, 10_000)[KEY]
    assert without["flags its failure"] is None
    assert without["votes"] is False
