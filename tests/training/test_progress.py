"""What a person is told while a model trains."""

import io
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from genbench.cli import compose
from genbench.runs.directory import Run
from genbench.training.budget import Budget
from genbench.training.callbacks.pictures import Pictures
from genbench.training.callbacks.progress import GAP, LINE_SECONDS, SIDE, WARM_UP_SECONDS, ProgressBar, row_of
from tests.digits import optdigits
from tests.training.test_loggers import nobody


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
    assert lines[3].startswith(" 11%  18 s left  a-run  110 images  50 images/s  loss 1.25")
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
    assert "100%  0 s left  a-run  1,000 images" in out.getvalue()


def test_the_time_left_counts_the_validations_that_are_to_come() -> None:
    (config,) = compose("train", ["trainer.max_images=1000", "trainer.validations=4"]).configs
    budget = Budget(config.trainer, 1000, 10)
    state = {"images_seen": 500, "seconds": 10.0, "validation_seconds": 6.0, "validations": 2}
    budget.load_state_dict(state)
    assert budget.seconds_left(50.0) == 10.0 + 2 * 3.0
    (config,) = compose("train", ["trainer.max_minutes=1", "trainer.validations=10"]).configs
    budget = Budget(config.trainer, 1000, 10)
    budget.load_state_dict(state | {"validations": 1})  # another 6 s are more than a tenth, but there is a last one
    assert budget.seconds_left(50.0) == 50.0 + 6.0


def panel(width: int, colours: Any) -> str:
    """What a terminal is shown half way."""
    (config,) = compose("train", ["trainer.max_images=1000"]).configs
    budget, out = _Clock(config.trainer, 1000, 10), io.StringIO()
    console = Console(file=out, width=width, height=30, force_terminal=True, color_system=colours, legacy_windows=False)
    run = Run(Path("nowhere"))
    pictures = Pictures(optdigits(), budget, run, nobody(run))
    pictures.samples = torch.full((64, 1, 28, 28), 200, dtype=torch.uint8)
    bar = ProgressBar(console, budget, "a-run", {}, pictures)
    step(budget, bar, 3.0, 10)
    step(budget, bar, 10.0, 500)
    bar.on_train_end(None, None)  # type: ignore[arg-type]
    return out.getvalue()


@pytest.mark.slow
def test_on_a_narrow_terminal_percent_and_time_come_first_and_samples_below() -> None:
    shown = panel(80, "truecolor")
    last = [line for line in re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", shown).splitlines() if line.strip()]
    place = next(i for i, line in enumerate(last) if line.lstrip().startswith("50%"))
    assert re.match(r" 50%  \d+ s left", last[place])
    assert "500 images  70 images/s" in last[place]
    assert last[place + 1].startswith("loss 1.25")
    assert max(map(len, last)) <= 80
    assert "38;2;200;200;200" in shown
    assert "38;2;200;200;200" not in panel(80, "standard")


def test_a_row_of_samples_has_as_many_as_fit() -> None:
    samples = torch.arange(64, dtype=torch.uint8).mul(3).view(64, 1, 1, 1).expand(64, 1, 28, 28)
    picture = row_of(samples, 80)
    assert picture.size == (5 * (SIDE + GAP) - GAP, SIDE)
    assert [picture.getpixel((i * (SIDE + GAP), 0)) for i in range(5)] == [(24 * i,) * 3 for i in range(5)]
    assert row_of(samples, 10).size == (SIDE, SIDE)
    assert row_of(samples.expand(64, 3, 28, 28)[:, :, :14], 400).size == (8 * (SIDE + GAP) - GAP, SIDE // 2)
