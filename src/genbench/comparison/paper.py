"""The recipe of T. R. Kanala's comparison and its losses: which trainings may speak of its claims."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean
from typing import Any

import yaml

from genbench.comparison.ranking import Contender, summary_of
from genbench.comparison.sample import Sample
from genbench.config.schema import CONF, flat
from genbench.runs.reading import RunRecord

MODELS = ("gan", "vae")


@dataclass(frozen=True)
class Known:
    """A loss of the code that the paper names, at the end of a training or of an epoch of it."""

    model: str
    data: str
    what: str
    value: float
    ours: str  # the training's own name of it
    factor: float = 1.0  # ours times this is the same quantity
    epoch: int | None = None  # over which it is the mean; None: at the end


LOSSES = (
    Known("gan", "fashion", "loss of the discriminator, mean of real and generated", 0.6665, "discriminator_loss", 0.5),
    Known("gan", "fashion", "loss of the generator", 0.8119, "generator_loss"),
    Known("vae", "mnist", "loss of the 10th epoch, on all 70,000 images", 152.20, "loss", epoch=10),
    Known("vae", "mnist", "loss, on all 70,000 images", 146.95, "loss"),
    Known("vae", "mnist", "reconstruction, on all 70,000 images", 140.15, "reconstruction"),
    Known("vae", "mnist", "KL divergence, on all 70,000 images", 6.80, "kl"),
)


@dataclass(frozen=True)
class LossBeside:
    """The paper's loss and ours."""

    known: Known
    ours: Sample  # over seeds


def follows_paper(run: RunRecord) -> bool:
    """Whether a training is one of the paper's recipe: experiment=paper, with nothing changed."""
    if run.config is None or run.model not in MODELS:
        return False
    found = flat(run.config)
    return all(found.get(key) == value for key, value in _recipe(run.model).items())


@cache
def _recipe(model: str) -> dict[str, Any]:
    """Every setting of the model, of its batches and of its length."""
    read = [yaml.safe_load((CONF / path).read_text("utf-8")) for path in (f"model/{model}.yaml", _recipe_of(model))]
    settings = {f"model.{key}": value for key, value in read[0].items() if key not in ("title", "sample")}
    settings |= {f"{group}.{key}": value for group, of in read[1].items() for key, value in of.items()}
    return settings | {"trainer.max_images": None, "trainer.max_minutes": None}


def _recipe_of(model: str) -> str:
    return f"recipe/paper_{model}.yaml"


def losses_beside(contenders: Sequence[Contender], data: str) -> list[LossBeside]:
    """The paper's losses on a data set, each with that of the trainings of its recipe."""
    found = []
    for known in LOSSES:
        of_model = [c for c in contenders if c.model == known.model and known.data == data]
        for contender in of_model:
            # Of the data set itself, not of a folder that is called like it.
            own = [run for run in contender.runs if follows_paper(run) and run.told.data.name == known.data]
            values = [_value(run, known) for run in own]
            numbers = [known.factor * value for value in values if value is not None]
            found += [LossBeside(known, Sample.of(numbers))] if numbers else []
    return found


def _value(run: RunRecord, known: Known) -> float | None:
    """A run's own training loss, where a known one is; None if it did not note that down."""
    if known.epoch is None:
        return summary_of(run).train.get(known.ours)
    images = summary_of(run).images_seen / int(_recipe(known.model)["trainer.max_epochs"])
    curve = run.metrics.curve(f"train/{known.ours}")
    values = [value for seen, value in curve if (known.epoch - 1) * images < seen <= known.epoch * images]
    return fmean(values) if values else None
