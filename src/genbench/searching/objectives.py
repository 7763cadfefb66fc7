"""What a search can look for: scores of the catalogue that the samples alone have, and a short training."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from genbench.errors import UserError
from genbench.evaluation.catalogue import catalogue
from genbench.evaluation.protocol import SPACES
from genbench.runs.directory import Run
from genbench.runs.records import Absent, Key, Scorecard

SECONDS = "seconds"


def directions() -> Mapping[str, Literal["minimize", "maximize"]]:
    """Every name that `objectives` can hold, and which way it is better."""
    ways: dict[str, Literal["minimize", "maximize"]] = {
        entry.name: "minimize" if entry.better == "lower" else "maximize"
        for entry in catalogue().values()
        if entry.of_images and entry.better is not None
    }
    return ways | {SECONDS: "minimize"}


def values(run: Run, objectives: Sequence[str]) -> list[float]:
    """A finished run's objectives: scores of the validation images in the most trusted space, and training seconds.

    Raises:
        UserError: the run was scored on the test images, lacks a score, or cannot be read.
    """
    scorecard = run.scorecard()
    if scorecard.level != "fast":
        raise UserError(f"{run.path} was scored on the test images, and those are not to be chosen by: move it away")
    return [run.summary().train_seconds if name == SECONDS else _score(run, scorecard, name) for name in objectives]


def _score(run: Run, scorecard: Scorecard, name: str) -> float:
    spaces = (space for space in SPACES if not isinstance(scorecard.spaces.get(space, Absent(absent="")), Absent))
    space = "classifier" if catalogue()[name].needs == "probabilities" else next(spaces, SPACES[0])
    score = scorecard.score(Key(space, name))
    if isinstance(score, Absent):
        raise UserError(f"{run.path} has no {name}: {score.absent}")
    if math.isnan(score.mean):
        raise UserError(f"{run.path}: its {name} is not a number")
    return score.mean
