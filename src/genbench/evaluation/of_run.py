"""The scorecard of one finished run: its samples, what needs the model itself, and its cost."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from genbench.cache import feature_cache
from genbench.config.data import DataConfig
from genbench.config.train import EvaluationConfig
from genbench.data.images import ImageData, describe
from genbench.data.sources import load_data
from genbench.device import best_device, device_name, fast_bfloat16
from genbench.errors import UserError
from genbench.evaluation.catalogue import catalogue
from genbench.evaluation.conditions import labels_to_draw
from genbench.evaluation.entry import Entry
from genbench.evaluation.evaluator import make_evaluator
from genbench.evaluation.protocol import DRAWS, PROTOCOL
from genbench.models.model import Conditional, LatentPlane, Likelihood, Model, Posterior, Reconstruction
from genbench.models.sampling import draw, network_evaluations
from genbench.models.weights import load
from genbench.runs.directory import Run
from genbench.runs.images import load_named
from genbench.runs.records import Absent, Cost, DataRecord, Estimate, Scorecard, Summary

FIRST_SEED = 1_000_000  # of the draws: no picture and no sample that a person asks for by default is among them
CAPABILITIES = {
    kind.__name__.lower(): kind for kind in (Posterior, Likelihood, Reconstruction, LatentPlane, Conditional)
}
WITHOUT = {
    "likelihood": "no likelihood: implicit model",
    "posterior": "no posterior: the model has no encoder",
    "conditional": "the model is not told classes",
}


def score_run(
    run: Run,
    level: EvaluationConfig,
    code: str | None = None,
    options: Mapping[str, Any] | None = None,
    images: DataConfig | None = None,
) -> Scorecard:
    """All scores of a run.

    Args:
        run: with weights.
        level: "full": the protocol. "fast": one draw against the validation images, and nothing of the model itself.
        code: a folder of the user's whose modules may be run, where the model's class is in one.
        options: of the model's sampling, instead of those in its YAML.
        images: where the user says that the run's images lie; None: where its config says, if it is known what they
            must be.

    Raises:
        UserError: the run's files or its data cannot be read, the data are not those that it was trained on, or the
            classifier is below its gate.
    """
    started = time.monotonic()
    config = run.config()
    data = _images(run, config.data, images)
    model = load(run.weights, code).model
    model.sample_options |= options or {}
    device = best_device()
    model.to(device, memory_format=torch.channels_last)
    full = level.level == "full"
    evaluator = make_evaluator(data, feature_cache(), device, against="test" if full else "validation")
    draws = _Draws(model, data, evaluator.n, DRAWS if full else 1)
    spaces = evaluator.score(draws, draws.number)
    return Scorecard(
        protocol=PROTOCOL,
        level="full" if full else "fast",
        data=data.name,
        fingerprint=data.fingerprint,
        extractors=evaluator.extractors,
        spaces=spaces,
        model=estimates(model, data, level),
        cost=_cost(run.summary(), model, draws),
        precision=str(draws.precision).removeprefix("torch."),
        evaluation_seconds=time.monotonic() - started,
        **level.values,
    )


def _images(run: Run, named: DataConfig, given: DataConfig | None) -> ImageData:
    if given is None:
        record = run.data()
        data = load_named(run.path, named, record.fingerprint if record is not None else "")
    elif given.load != named.load:
        raise UserError(f"data={given.name}: {run.path} was trained on {named.name}")
    else:
        wrong = next((k for k, v in given.reading.items() if k != "subset" and named.reading.get(k) != v), None)
        if wrong is not None:
            raise UserError(f"data.{wrong}: {run.path} was trained on images that were read otherwise: leave it out")
        data = load_data(named.model_copy(update={"root": given.root}))
    run.check_data(DataRecord(**describe(data, (given or named).root)))
    return data


def estimates(model: Model, data: ImageData, level: EvaluationConfig) -> dict[str, Estimate | Absent]:
    """The scores that need the model itself, or why there are none."""
    entries = [entry for entry in catalogue().values() if not entry.of_images]
    if level.level != "full":
        return {entry.name: Absent(absent=f"not measured by evaluation={level.level}") for entry in entries}
    return {entry.name: _estimate(entry, model, data, level) for entry in entries}


def _estimate(entry: Entry, model: Model, data: ImageData, level: EvaluationConfig) -> Estimate | Absent:
    if entry.needs != "model":
        kind = CAPABILITIES.get(entry.needs)
        if kind is None:
            raise UserError(f"the score {entry.name} needs {entry.needs!r}: no model can have that")
        if not isinstance(model, kind) or (kind is Conditional and not model.classes):  # one that could be told
            return Absent(absent=WITHOUT.get(entry.needs, f"the model declares no {entry.needs}"))
    estimate: Estimate | Absent = entry.measure(model, data, level)
    return estimate


class _Draws:
    """Draws of a model's images, one at a time, and the seconds that they took.

    In bfloat16 where that is faster: it moves the scores by less than another draw does.
    """

    def __init__(self, model: Model, data: ImageData, n: int, number: int) -> None:
        self.model = model
        self.data = data
        self.n = n
        self.number = number
        self.precision = torch.bfloat16 if fast_bfloat16(model.device) else torch.float32
        self.seconds = 0.0

    def __iter__(self) -> Iterator[Tensor]:
        for i in range(self.number):
            seed = FIRST_SEED + i
            labels = labels_to_draw(self.model, self.data, self.n, seed)
            started = time.monotonic()
            images = draw(self.model, self.n, seed, self.precision, labels)
            self.seconds += time.monotonic() - started
            yield images


def _cost(summary: Summary, model: Model, draws: _Draws) -> Cost:
    return Cost(
        parameters=summary.parameters,
        train_seconds=summary.train_seconds,
        images_seen=summary.images_seen,
        images_per_second=summary.images_per_second,
        training_flops_per_image=summary.training_flops_per_image,
        peak_memory_bytes=summary.peak_memory_bytes,
        seconds_for_10000_samples=draws.seconds / (draws.n * draws.number) * 10_000,
        device=device_name(model.device),
        network_evaluations=network_evaluations(model),
        sample_options=dict(model.sample_options),
    )
