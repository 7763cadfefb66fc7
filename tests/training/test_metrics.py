"""metrics.csv: means of the steps of a window, a row a validation, and the same rows after an interruption."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from genbench.cli import compose
from genbench.data.batches import Chunk
from genbench.runs.directory import Run
from genbench.training.budget import Budget
from genbench.training.callbacks.metrics import Metrics
from tests.runs.example import example
from tests.training.test_loggers import nobody, told_tensorboard


class _Trainer:
    def __init__(self) -> None:
        found = {"validation/loss": 7.0, "fast/fcd": 3.0, "test/loss": 1.0}
        self.callback_metrics = {name: torch.tensor(value) for name, value in found.items()}


def budget() -> Budget:
    (config,) = compose("train", ["trainer.max_images=1000"]).configs
    return Budget(config.trainer, 1000, 10)


def see(metrics: Metrics, of: Budget, steps: int, loss: float) -> None:
    """A chunk of steps, each of 10 images, whose mean loss is this."""
    chunk = Chunk(torch.empty(steps, 10, 1, 4, 4))
    of.images_seen += steps * 10
    metrics.on_train_batch_end(None, None, {"loss": torch.tensor(loss)}, chunk, 0)  # type: ignore[arg-type]


def validate(metrics: Metrics) -> None:
    metrics.on_validation_end(_Trainer(), None)  # type: ignore[arg-type]


def test_rows_are_means_over_windows_and_validations(tmp_path: Path) -> None:
    of, run = budget(), Run(tmp_path)
    metrics = Metrics(run, of, every_images=40, loggers=nobody(run))
    for steps, loss in ((2, 1.0), (1, 4.0), (1, 6.0)):  # 40 images: the window is full
        see(metrics, of, steps, loss)
    see(metrics, of, 2, 10.0)
    validate(metrics)
    see(metrics, of, 2, 20.0)
    metrics.write()
    lines = (tmp_path / "metrics.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "images,train/loss,validation/loss,fast/fcd"
    assert lines[1:] == ["40,3.0,,", "60,,7.0,3.0", "80,15.0,,"]
    assert (tmp_path / "timing.csv").read_text(encoding="utf-8").splitlines()[0] == "images,seconds"
    assert [row.images for row in run.timing().rows] == [60]
    assert metrics.latest == {"loss": 15.0}


def test_an_interruption_in_the_middle_of_a_window_changes_nothing(tmp_path: Path) -> None:
    whole, of = Metrics(Run(tmp_path), (whole_budget := budget()), 40, nobody(Run(tmp_path))), budget()
    begun, again = (Metrics(Run(tmp_path), of, 40, nobody(Run(tmp_path))) for _ in range(2))
    for steps, loss in ((3, 1.0), (2, 5.0)):
        see(whole, whole_budget, steps, loss)
        see(begun, of, steps, loss)
    state = begun.state_dict()
    torch.save(state, tmp_path / "state")
    again.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    for metrics, its in ((whole, whole_budget), (again, of)):
        see(metrics, its, 4, 2.0)
        validate(metrics)
    rows = [metrics.state_dict()["rows"] for metrics in (whole, again)]
    assert rows[0] == rows[1]
    assert rows[0][0] == (50, {"train/loss": pytest.approx((3 + 10) / 5)})


def test_tensorboard_is_told_the_same(tmp_path: Path) -> None:
    of = budget()
    with told_tensorboard(Run(tmp_path)) as loggers:
        metrics = Metrics(Run(tmp_path), of, 40, loggers)
        see(metrics, of, 4, 2.5)
        validate(metrics)
        metrics.close_window()  # nothing new: no row
    events: Any = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("train/loss")] == [(40, 2.5)]
    assert [(e.step, e.value) for e in events.Scalars("validation/loss")] == [(40, 7.0)]
    assert [e.step for e in events.Scalars("train/images_per_second")] == [40]


def test_final_numbers_stand_below_the_curves_and_rank_a_sweep(tmp_path: Path) -> None:
    run = example(tmp_path / "run")
    with told_tensorboard(run) as loggers:
        for row in run.metrics().rows:
            loggers.row(row)
        loggers.speed(1.0, 320)
        loggers.results()
    events: Any = EventAccumulator(str(run.path))
    events.Reload()
    tags = sorted(events.Tags()["scalars"])
    final = [tag for tag in tags if tag.startswith("when_finished/")]
    assert tags[-len(final) :] == final
    assert {"when_finished/classifier_fcd", "when_finished/train_seconds"} <= set(final)
    assert len({tag.partition("/")[2] for tag in final}) == len(final)
    told = b"".join(meta.plugin_data.content for meta in events.summary_metadata.values())
    assert b"when_finished/classifier_fcd" in told
