"""How long a training lasts is counted in images or time."""

import dataclasses
from datetime import timedelta

import pytest

from genbench.config import DEFAULT_EPOCHS, TrainConfig, TrainerConfig, preflight
from genbench.training.budget import Budget


def trainer(**changes: float | int) -> TrainerConfig:
    (config,) = preflight("train", TrainConfig, []).configs
    return dataclasses.replace(config.trainer, **changes)  # type: ignore[arg-type]


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


@pytest.mark.parametrize(("images", "batch_size", "validations", "batches"), [(1000, 10, 4, 25), (50, 100, 20, 1)])
def test_validations_are_even_over_the_images(images: int, batch_size: int, validations: int, batches: int) -> None:
    budget = Budget(trainer(max_images=images, validations=validations), 50, batch_size)
    assert budget.validation_interval == batches


def test_validations_are_even_over_the_time_where_time_is_a_bound() -> None:
    budget = Budget(trainer(max_images=1000, max_minutes=1.0, validations=6), 50, 10)
    assert budget.validation_interval == timedelta(seconds=10)


def trips(budget: Budget, batch_size: int, steps: int) -> list[int]:
    sizes: list[int] = []
    while sum(sizes) < steps:
        sizes.append(budget.steps_in_next_trip(sum(sizes) * batch_size))
    return sizes


def test_on_a_gpu_trips_end_at_validations_and_at_the_last_image() -> None:
    budget = Budget(trainer(max_images=2815, validations=2), 5000, 10, "cuda")  # 282 steps
    assert trips(budget, 10, 282) == [50, 50, 41, 50, 50, 41]
    assert budget.validation_interval == 3
    budget = Budget(trainer(max_images=2400, validations=10_000), 5000, 10, "cuda")
    assert trips(budget, 10, 240) == [1] * 240
    assert budget.validation_interval == 1


def test_elsewhere_every_step_is_a_trip() -> None:
    budget = Budget(trainer(max_images=2815, validations=2), 5000, 10)
    assert trips(budget, 10, 282) == [1] * 282
    assert budget.validation_interval == 141


def test_a_bound_in_time_leaves_trips_whole_and_one_in_images_ends_them() -> None:
    assert trips(Budget(trainer(max_minutes=1.0), 5000, 10, "cuda"), 10, 150) == [50, 50, 50]
    assert trips(Budget(trainer(max_minutes=1.0, max_images=1195), 5000, 10, "cuda"), 10, 120) == [50, 50, 20]
