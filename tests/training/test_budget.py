"""How long a training lasts is counted in images or time."""

import math
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from genbench.cli import compose
from genbench.config.train import DEFAULT_EPOCHS, TrainConfig, TrainerConfig
from genbench.training.budget import Budget


@cache
def default() -> TrainerConfig:
    (config,) = compose("train", []).configs
    assert isinstance(config, TrainConfig)
    return config.trainer


def trainer(**changes: float | int) -> TrainerConfig:
    return default().model_copy(update=changes)


def test_without_a_bound_there_are_the_default_epochs() -> None:
    budget = Budget(trainer(), epoch_images=1000, batch_size=10)
    assert budget.max_images == DEFAULT_EPOCHS * 1000
    assert budget.max_seconds is None


def test_one_bound_replaces_the_default() -> None:
    assert Budget(trainer(max_minutes=2.0), 1000, 10).max_images is None
    assert Budget(trainer(max_minutes=2.0), 1000, 10).max_seconds == 120
    assert Budget(trainer(max_images=5), 1000, 10).max_images == 5
    assert Budget(trainer(max_epochs=1.5), 1000, 10).max_images == 1500


def test_the_first_of_two_bounds_counts() -> None:
    assert Budget(trainer(max_images=70, max_epochs=3.0), 50, 10).max_images == 70
    assert Budget(trainer(max_images=170, max_epochs=3.0), 50, 10).max_images == 150


def epochs(budget: Budget, batch_size: int, steps: int) -> list[list[int]]:
    """The chunks, from validation to validation, until so many steps were taken."""
    found: list[list[int]] = []
    while (taken := sum(map(sum, found))) < steps:
        found.append(list(budget.chunks(taken * batch_size)))
    return found


@pytest.mark.parametrize(("images", "batch_size", "validations", "batches"), [(1000, 10, 4, 25), (50, 100, 20, 1)])
def test_validations_are_even_over_the_images(images: int, batch_size: int, validations: int, batches: int) -> None:
    budget = Budget(trainer(max_images=images, validations=validations), 50, batch_size)
    assert set(map(sum, epochs(budget, batch_size, max(1, images // batch_size)))) == {batches}


def test_a_validation_is_due_again_where_a_checkpoint_left_off() -> None:
    budget = Budget(trainer(max_images=1000, validations=4), 50, 10)
    assert sum(budget.chunks(130)) == 12  # of 25 steps 13 were taken before


def test_validations_are_even_over_the_time_where_time_is_a_bound() -> None:
    budget = Budget(trainer(max_images=1000, max_minutes=1.0, validations=6), 50, 10)
    taken = budget.chunks(0)
    assert [next(taken), next(taken)] == [1, 1]
    for validations, seconds, due in [(0, 9.0, False), (0, 10.0, True), (1, 19.0, False), (1, 20.0, True)]:
        last = {"validations": validations, "last_validation": 10.0 * validations}
        budget.load_state_dict({"images_seen": 20, "seconds": seconds, "validation_seconds": 0.0, **last})
        chunk = budget.chunks(20)
        next(chunk)
        assert (next(chunk, None) is None) == due


def test_the_clock_goes_on_from_a_checkpoint() -> None:
    budget = Budget(trainer(max_minutes=1.0), 50, 10)
    budget.load_state_dict({"images_seen": 20, "seconds": 45.0, "validation_seconds": 3.0, "validations": 1})
    assert budget.seconds == 45.0
    assert budget.fraction == 0.75
    assert budget.state_dict()["validation_seconds"] == 3.0


def test_on_a_gpu_chunks_end_at_validations_and_at_the_last_image() -> None:
    budget = Budget(trainer(max_images=2815, validations=2), 5000, 10, steps_per_chunk=50)  # 282 steps
    assert epochs(budget, 10, 282) == [[50, 50, 41], [50, 50, 41]]
    budget = Budget(trainer(max_images=2400, validations=10_000), 5000, 10, steps_per_chunk=50)
    assert epochs(budget, 10, 240) == [[1]] * 240


def test_elsewhere_every_step_is_a_chunk() -> None:
    budget = Budget(trainer(max_images=2815, validations=2), 5000, 10)
    assert epochs(budget, 10, 282) == [[1] * 141] * 2


def test_a_bound_in_time_leaves_chunks_whole_and_one_in_images_ends_them() -> None:
    chunks = Budget(trainer(max_minutes=1.0), 5000, 10, steps_per_chunk=50).chunks(0)
    assert [next(chunks) for _ in range(3)] == [50, 50, 50]
    assert list(Budget(trainer(max_minutes=1.0, max_images=1195), 5000, 10, steps_per_chunk=50).chunks(0)) == [
        50,
        50,
        20,
    ]


def test_a_validation_is_due_where_a_stage_ends() -> None:
    budget = Budget(trainer(max_images=1000, validations=1), 5000, 10, steps_per_chunk=50, stages=(0.33, 0.67, 0.0))
    assert epochs(budget, 10, 100) == [[33], [50, 17]]
    assert sum(budget.chunks(200)) == 13  # of 33 steps 20 were taken before
    budget = Budget(trainer(max_minutes=1.0, validations=1), 5000, 10, stages=(0.5, 0.5))
    for seconds, due in [(29.0, False), (30.0, True), (31.0, False)]:
        budget.load_state_dict({"images_seen": 20, "seconds": 28.0, "validation_seconds": 0.0, "validations": 0})
        chunks = budget.chunks(20)
        if seconds == 31.0:
            budget.load_state_dict({"images_seen": 20, "seconds": 30.5, "validation_seconds": 0.0, "validations": 0})
        next(chunks)
        budget.load_state_dict({"images_seen": 30, "seconds": seconds, "validation_seconds": 0.0, "validations": 0})
        assert (next(chunks, None) is None) == due


class Clock:
    """A training by a clock of its own, which takes as long as it is said to."""

    def __init__(self, budget: Budget, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.budget = budget
        self.validated: list[float] = []  # when, in seconds of training
        monkeypatch.setattr("genbench.training.budget.time.monotonic", lambda: self.now)

    def train(self, step: float, validation: float) -> None:
        trainer: Any = SimpleNamespace(should_stop=False)
        model: Any = SimpleNamespace(device=torch.device("cpu"))
        batch: Any = SimpleNamespace(images=[None])
        self.budget.on_train_start(trainer, model)
        while not trainer.should_stop:
            self.budget.on_train_epoch_start(trainer, model)
            for _ in self.budget.chunks(self.budget.images_seen):
                self.now += step
                self.budget.on_train_batch_end(trainer, model, None, batch, 0)
            self.budget.on_validation_start(trainer, model)
            self.validated.append(self.budget.seconds)
            self.now += validation
        self.budget.on_train_end(trainer, model)


@pytest.mark.parametrize(
    ("validation", "times"),
    [(0.125, 10), (0.59375, 10), (0.8125, 7), (1.875, 3), (3.0, 2), (8.0, 2), (100.0, 2)],
)
def test_validations_do_not_count_and_keep_within_a_tenth_of_a_time(
    validation: float, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = Budget(trainer(max_minutes=1.0, validations=10), 50, 10)
    clock = Clock(budget, monkeypatch)
    clock.train(0.25, validation)
    assert budget.seconds == 60.0
    assert budget.images_seen == 240 * 10
    assert budget.validation_seconds == pytest.approx(times * validation)
    assert clock.now == pytest.approx(60.0 + times * validation)
    assert len(clock.validated) == times <= max(2, math.floor(6.0 / validation + 1e-9))
    assert clock.validated[-1] == 60.0
    gaps = [after - before for before, after in zip(clock.validated[1:], clock.validated[2:], strict=False)]
    assert max(gaps, default=0.0) <= 2 * min(gaps, default=0.0) + 0.25  # spaced, not used up at once


def test_a_bound_in_images_validates_where_it_always_does(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = Budget(trainer(max_images=1000, validations=4), 50, 10)
    clock = Clock(budget, monkeypatch)
    clock.train(1.0, 50.0)
    assert clock.validated == [25.0, 50.0, 75.0, 100.0]
    assert (budget.seconds, budget.validation_seconds) == (100.0, 200.0)


def test_a_checkpoint_between_validations_is_not_training(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = Budget(trainer(max_minutes=1.0), 50, 10)
    clock = Clock(budget, monkeypatch)
    budget.on_train_start(SimpleNamespace(), SimpleNamespace())  # type: ignore[arg-type]
    clock.now = 5.0
    with budget.beside(torch.device("cpu")):
        clock.now = 7.0
        assert (budget.seconds, budget.validation_seconds) == (5.0, 2.0)
    clock.now = 8.0
    assert (budget.seconds, budget.validation_seconds) == (6.0, 2.0)
    budget.on_exception(None, None, ValueError())  # type: ignore[arg-type]
