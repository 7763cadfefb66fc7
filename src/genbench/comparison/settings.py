"""In what trainings differ: their settings, and where and with what they were made."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genbench.config.schema import flat
from genbench.config.train import DEFAULT_EPOCHS, TrainConfig
from genbench.runs.reading import RunRecord

# They change no result, or are compared in another way.
_IGNORED = (
    *("seed", "runs", "overwrite", "logger", "evaluation", "code"),
    *("model.title", "model.sample", "data.title", "trainer.accelerator", "trainer.log_every_images"),
)
_BOUNDS = ("trainer.max_epochs", "trainer.max_images", "trainer.max_minutes")


def settings(record: RunRecord) -> dict[str, str]:
    """All settings of a training that can change its result, and the options it was sampled with, as text."""
    found: dict[str, Any] = {"budget": budget(record.told)}
    found |= {key: value for key, value in flat(record.told).items() if not _is_ignored(key)}
    if record.scorecard is not None and hasattr(record.scorecard.cost, "sample_options"):
        found |= {f"sample.{name}": value for name, value in record.scorecard.cost.sample_options.items()}
    return {key: _text(value) for key, value in found.items()}


def differing(of: Sequence[dict[str, str]]) -> dict[str, tuple[str | None, ...]]:
    """The settings that are not the same for all, each with its values; None where there is no such setting."""
    keys = dict.fromkeys(key for one in of for key in one)
    values = {key: tuple(one.get(key) for one in of) for key in keys}
    return {key: found for key, found in values.items() if len(set(found)) > 1}


@dataclass(frozen=True)
class Differences:
    """In what some trainings differ, by key: between models in what all have, and within each model."""

    between: Mapping[str, tuple[str, ...]]  # a value for each training
    within: Mapping[str, Mapping[str, tuple[str | None, ...]]]  # by model: a value for each of its trainings
    own: Mapping[str, Mapping[str, str]]  # by model: what it alone has, and all of its trainings alike


def differences(models: Sequence[str], of: Sequence[dict[str, str]]) -> Differences:
    """The differences of trainings, of each of which a model and the settings are given."""
    shared = set.intersection(*map(set, of)) - {"model._target_"}
    apart = differing([{key: value for key, value in one.items() if key in shared} for one in of])
    by_model: dict[str, list[dict[str, str]]] = {}
    for model, one in zip(models, of, strict=True):
        by_model.setdefault(model, []).append(one)
    within = {model: differing(members) for model, members in by_model.items()}
    return Differences(
        {key: tuple(value or "" for value in values) for key, values in apart.items()},
        {model: found for model, found in within.items() if found},
        {
            model: {key: value for key, value in members[0].items() if key not in shared | set(within[model])}
            for model, members in by_model.items()
        },
    )


def budget(config: TrainConfig) -> str:
    """The bounds of a training: "5 min"."""
    trainer = config.trainer
    bounds = []
    if trainer.max_minutes is not None:
        bounds.append(f"{trainer.max_minutes:g} min")
    if trainer.max_images is not None:
        bounds.append(f"{trainer.max_images:,} images")
    if trainer.max_epochs is not None:
        bounds.append(f"{trainer.max_epochs:g} epochs")
    return " or ".join(bounds) or f"{DEFAULT_EPOCHS:g} epochs"


def environments(runs: Sequence[RunRecord]) -> dict[str, dict[str, int]]:
    """Versions, devices and commits: each with its values, and in how many runs it had them."""
    found: dict[str, dict[str, int]] = {}
    for run in runs:
        facts = {} if run.environment is None else run.environment.model_dump()
        if facts.get("threads", 0) is None:  # it was not written down before
            del facts["threads"]
        packages = facts.pop("packages", {})
        for name in ("config", "changes"):  # of one training each
            facts.pop(name, None)
        for key, value in {**facts, **packages}.items():
            values = found.setdefault(key, {})
            text = "unknown" if value is None else str(value)
            values[text] = values.get(text, 0) + 1
    return found


def _is_ignored(key: str) -> bool:
    return key in _BOUNDS or any(key == ignored or key.startswith(f"{ignored}.") for ignored in _IGNORED)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{value:g}" if isinstance(value, float) else json.dumps(value, default=str)
