"""What a person is told while a model trains, where there is no terminal."""

import io
from typing import Any

import pytest
import torch
from rich.console import Console

from genbench.cli import compose
from genbench.training.budget import Budget
from genbench.training.callbacks.progress import LINE_SECONDS, WARM_UP_SECONDS, ProgressBar


class _Trainer:
    should_stop = False


class _Clock(Budget):
    """A budget whose clock is set by hand."""

    now = 0.0

    @property
    def seconds(self) -> float:
        return self.now


@pytest.fixture
def told() -> tuple[_Clock, ProgressBar, io.StringIO]:
    (config,) = compose("train", ["trainer.max_images=1000"]).configs
    budget, out = _Clock(config.trainer, 1000, 10), io.StringIO()
    console = Console(file=out, width=120, force_terminal=False)
    return budget, ProgressBar(console, budget, "a-run", {"run": "runs/a-run", "device": "an abacus"}), out


def step(budget: _Clock, bar: ProgressBar, seconds: float, images: int) -> None:
    budget.now, budget.images_seen = seconds, images
    outputs: dict[str, Any] = {"loss": torch.tensor(1.25)}
    bar.on_train_batch_end(_Trainer(), None, outputs, None, 0)  # type: ignore[arg-type]


def test_facts_come_first_then_a_line_now_and_then(told: tuple[_Clock, ProgressBar, io.StringIO]) -> None:
    budget, bar, out = told
    step(budget, bar, 3.0, 10)  # the first step allocates and compiles: it says nothing of the speed
    assert out.getvalue() == ""
    step(budget, bar, 3.0 + WARM_UP_SECONDS, 110)
    lines = out.getvalue().splitlines()
    assert "runs/a-run" in lines[0]
    assert "an abacus" in lines[1]
    assert "18 s more, at 50 images/s" in lines[2]  # 890 images are left
    assert lines[3].startswith("a-run  11%  110 images  loss 1.25  50 images/s  18 s left")
    step(budget, bar, 3.0 + WARM_UP_SECONDS + LINE_SECONDS / 2, 150)
    assert len(out.getvalue().splitlines()) == 4
    step(budget, bar, 3.0 + WARM_UP_SECONDS + LINE_SECONDS, 310)
    assert len(out.getvalue().splitlines()) == 5
    bar.on_train_end(None, None)  # type: ignore[arg-type]


def test_the_last_step_is_always_told(told: tuple[_Clock, ProgressBar, io.StringIO]) -> None:
    budget, bar, out = told
    step(budget, bar, 0.0, 10)
    budget.now, budget.images_seen = 0.1, 1000
    stopping = _Trainer()
    stopping.should_stop = True
    bar.on_train_batch_end(stopping, None, {}, None, 0)  # type: ignore[arg-type]
    assert "a-run 100%  1,000 images" in out.getvalue()
    assert "0 s left" in out.getvalue()
