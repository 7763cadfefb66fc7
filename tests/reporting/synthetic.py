"""Run directories as training and scoring write them, without training or scoring."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genbench.cache import feature_cache
from genbench.cli import compose
from genbench.config.train import TrainConfig
from genbench.evaluation.calibrations import Calibration, store
from genbench.evaluation.catalogue import catalogue
from genbench.evaluation.protocol import BLURRED, FULL_GAUSSIAN, MISSING, PROTOCOL, REAL, SPACES, UNIFORM
from genbench.runs.directory import Run
from genbench.runs.records import Absent, Cost, DataRecord, Environment, Estimate, Row, Score, Scorecard, Summary

EXTRACTORS = {space: f"{i}" * 16 for i, space in enumerate(SPACES)}
CLASSIFIER_SCORES = tuple(name for name, entry in catalogue().items() if entry.needs == "probabilities")
SPACE_SCORES = tuple(name for name, entry in catalogue().items() if entry.needs in ("features", "classes"))
VOTES = ("fcd", "kcd", "recall", "coverage", "auth_pct", "near_duplicates", "c2st_linear", "class_kl")
# How a model of middling quality scores, and how much a seed moves it.
TYPICAL = {
    **{"fcd": 8.0, "kcd": 0.15, "precision": 0.5, "recall": 0.6, "density": 0.3, "coverage": 0.3, "auth_pct": 0.9},
    **{"near_duplicates": 0.0, "fcd_train_gap": -0.1, "c2st_linear": 0.8, "c2st_1nn": 0.9},
    **{"class_kl": 0.02, "classes_hit": 10.0, "ambiguous_share": 0.4},
    **{"within_class_variety": 0.7, "vendi": 0.8},
}
KNOWN = {REAL: 0.02, MISSING: 0.3, BLURRED: 0.7, FULL_GAUSSIAN: 4.0, UNIFORM: 9.0}  # rows, and how bad they are
SHAPE = (1, 28, 28)
CODE = Path(__file__).parent / "code"  # of a model that is not genbench's
_COMPOSED: dict[tuple[str, ...], TrainConfig] = {}  # composing takes longer than all the rest


def config_of(model: str, seed: int, data: str = "optdigits", *words: str) -> TrainConfig:
    """A training's configuration."""
    told = (f"model={model}", f"data={data}", *words)
    if told not in _COMPOSED:
        (_COMPOSED[told],) = compose("train", told).configs
    return _COMPOSED[told].model_copy(update={"seed": seed})


def foreign_config(seed: int, target: str, title: str, **hyperparameters: Any) -> TrainConfig:
    """The configuration of a model that is not genbench's."""
    model = {"_target_": target, "title": title, **hyperparameters}
    return config_of("vae", seed).model_copy(update={"model": model})


def synthetic_run(
    folder: Path,
    model: str,
    seed: int,
    *words: str,
    data: str = "optdigits",
    better: float | dict[str, float] = 0.0,
    name: str = "",
    weights: bool = False,
    extractors: dict[str, str] = EXTRACTORS,
    quick: bool = True,
) -> Run:
    """A finished and scored run.

    Args:
        folder: of all runs.
        model: gan or vae.
        seed: of the training.
        words: of the command line.
        data: a choice of conf/data.
        better: 0.5 halves the distance to perfect in every score, 0 is typical.
        name: of the directory, where not the usual one.
        weights: write weights of a fresh model.
        extractors: hashes in scores.json.
        quick: write quick scores and timing.
    """
    config = config_of(model, seed, data, *words)
    return run_of(folder, config, better=better, name=name, weights=weights, extractors=extractors, quick=quick)


def run_of(
    folder: Path,
    config: TrainConfig,
    *,
    better: float | Mapping[str, float] = 0.0,
    name: str = "",
    weights: bool = False,
    extractors: dict[str, str] = EXTRACTORS,
    quick: bool = True,
    code: str | None = None,
) -> Run:
    """As `synthetic_run`, of any configuration; `better` may be given by topic."""
    run = Run(folder / (name or config.run_name))
    run.queue(config.to_yaml())
    model, data, seed = config.model_name, config.data.name, config.seed
    noise = np.random.default_rng(list(f"{model} {data} {seed}".encode()))
    seconds = {"gan": 600.0, "vae": 60.0}.get(model, 300.0)
    run.write_environment(
        Environment(
            genbench="0.1.0",
            commit=None,
            python="3.11",
            system="Linux",
            packages={"torch": "2.14"},
            accelerator="cpu",
            device="a processor",
            precision="float32",
            config=config.fingerprint,
        )
    )
    run.write_summary(summary := synthetic_summary(noise, model, seed, seconds))
    general = better if isinstance(better, float) else 0.3
    rows, timing = [], []
    own = np.random.default_rng(list(config.run_name.encode()))  # no two trainings have the same losses
    for images in range(3000, 63000, 3000):
        i = images // 3000
        loss = round(1 + 1 / i + noise.normal(0, 0.01) + own.normal(0, 0.001), 4)
        rows.append(Row(images, {"train/loss": loss}))
        validation = {"validation/loss": round(1.1 + 1 / i, 4)}
        fast = {"fast/fcd": round((1 - general) * 8 + 30 / i, 3), "fast/coverage": round(0.3 * (1 - 1 / (i + 1)), 3)}
        rows.append(Row(images, validation | (fast if quick else {})))
        timing.append(Row(images, {"seconds": round(seconds * i / 20, 2)}))
    run.write_metrics(rows)
    if quick:
        run.write_timing(timing)
    run.write_scorecard(synthetic_scorecard(noise, data, better, extractors, summary))
    if weights:
        write_weights(run, config, code)
    run.set_status("finished")
    return run


def synthetic_summary(noise: np.random.Generator, model: str, seed: int, seconds: float) -> Summary:
    """A summary.json."""
    return Summary(
        parameters={"generator": 2318209, "discriminator": 213249} if model == "gan" else {"encoder": 69076},
        images_seen=60000,
        train_seconds=seconds * float(noise.uniform(0.95, 1.05)),
        images_per_second=60000 / seconds * float(noise.uniform(0.95, 1.05)),
        training_flops_per_image=6e8 if model == "gan" else 4e7,
        peak_memory_bytes=10**9,
        train={"loss": 1.0},
        test={},
        alarms=("mode collapse: hardly any sample looks like class 3",) if model == "gan" and seed == 0 else (),
    )


def write_weights(run: Run, config: TrainConfig, code: str | None = None) -> None:
    """Weights of a fresh model."""
    from genbench.data.images import ImageShape
    from genbench.models.weights import build, save

    shape = ImageShape(*SHAPE)
    with run.whole(run.weights.name) as temporary:
        save(build(config.model, shape, code=code), config.model, shape, (), temporary)


def synthetic_scorecard(
    noise: np.random.Generator,
    data: str,
    better: float | Mapping[str, float],
    extractors: dict[str, str],
    summary: Summary,
) -> Scorecard:
    """A scores.json."""

    def score(name: str) -> Score:
        entry = catalogue()[name]
        much = better if isinstance(better, float | int) else better.get(entry.topic or "", 0.0)
        perfect = 0.0 if entry.better == "lower" else 1.0
        value = TYPICAL[name] + much * (perfect - TYPICAL[name])
        spread = 0.0 if name in ("near_duplicates", "classes_hit", "auth_pct") else 0.03 * abs(TYPICAL[name])
        return Score(mean=value + spread * float(noise.normal()), sd=0.01 * abs(value), n=257, draws=5)

    spaces: dict[str, dict[str, Score] | Absent] = {
        space: {name: score(name) for name in SPACE_SCORES} for space in SPACES
    }
    spaces["classifier"] |= {name: score(name) for name in CLASSIFIER_SCORES}  # type: ignore[operator]
    return Scorecard(
        protocol=PROTOCOL,
        level="full",
        data=data,
        extractors=extractors,
        spaces=spaces,
        model={
            "nll": Absent(absent="no likelihood: implicit model"),
            "mse": Estimate(mean=0.01, standard_error=0.001, n=64, method="encoder"),
        },
        cost=Cost(
            **summary.model_dump(include=set(Cost.model_fields) & set(Summary.model_fields)),
            seconds_for_10000_samples=2.0,
        ),
        evaluation_seconds=1.0,
    )


def three_models(folder: Path, seeds: int = 6, *, weights: bool = True) -> None:
    """Two settings of a GAN, three of a VAE and two of a flow, whose class is in CODE, into a folder."""
    for seed in range(seeds):
        configs: list[tuple[TrainConfig, dict[str, float]]] = [
            (config_of("gan", seed, "optdigits", f"model.latent_size={latent}"), {"realism": much, "diversity": 0.4})
            for latent, much in ((50, 0.45), (100, 0.5))
        ]
        for latent, rate in ((2, 0.001), (2, 0.002), (8, 0.002)):
            words = (f"model.latent_size={latent}", f"model.learning_rate={rate}")
            better = {"realism": 0.2 if latent == 8 else 0.0, "diversity": 0.0, "classes": 0.1}
            configs.append((config_of("vae", seed, "optdigits", *words), better))
        for width in (32, 64):
            flow = foreign_config(seed, "flow.Flow", "Flow matching", width=width)
            configs.append((flow, {"realism": 0.5, "diversity": 0.65 if width == 64 else 0.5, "fidelity": 0.3}))
        for config, better in configs:
            run_of(folder, config, better=better, weights=weights and seed == 0, code=str(CODE))


def data_record(fingerprint: str) -> DataRecord:
    """A data.json of optdigits."""
    classes = tuple(str(digit) for digit in range(10))
    images = {"train": 1283, "validation": 257, "test": 257}
    return DataRecord(name="optdigits", root=None, fingerprint=fingerprint, shape=SHAPE, classes=classes, images=images)


def synthetic_calibration(
    data: str = "optdigits", extractors: dict[str, str] = EXTRACTORS, protocol: int = PROTOCOL
) -> Calibration:
    """A calibration in which the usual scores vote."""
    of_space = {space: (*SPACE_SCORES, *(CLASSIFIER_SCORES if space == "classifier" else ())) for space in SPACES}
    real = {name: 0.0 if catalogue()[name].better == "lower" else 1.0 for name in (*SPACE_SCORES, *CLASSIFIER_SCORES)}
    real["auth_pct"] = 0.65

    def row(worse: float) -> dict[str, dict[str, Score]]:
        """So many times as far from perfect as a typical model."""

        def value(name: str) -> float:
            short = 0.0 if name == "auth_pct" else worse * abs(TYPICAL[name] - real[name])
            return real[name] + short if catalogue()[name].better == "lower" else max(0.0, real[name] - short)

        return {
            space: {name: Score(mean=value(name), sd=0.001, n=257, draws=5) for name in names}
            for space, names in of_space.items()
        }

    return Calibration(
        protocol=protocol,
        data=data,
        fingerprint="",
        extractors={space: {"hash": value} for space, value in extractors.items()},
        n=257,
        draws=5,
        rows={name: row(worse) for name, worse in KNOWN.items()},
        doses={},
        votes={space: {name: {"votes": name in VOTES} for name in names} for space, names in of_space.items()},
        device="a processor",
        seconds=1.0,
    )


def calibrate_in(cache: Path, monkeypatch: pytest.MonkeyPatch, *data: str) -> None:
    """Make a folder the cache, and put calibrations of some data sets there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    for name in data or ("optdigits",):
        store(synthetic_calibration(name), feature_cache() / "calibrations")
