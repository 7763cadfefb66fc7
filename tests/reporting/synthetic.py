"""Run directories as training and scoring write them, without training or scoring."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from genbench.config import TrainConfig, preflight
from genbench.data.images import ImageShape
from genbench.models.weights import build, save
from genbench.reporting.duels import REAL, SCORES
from genbench.runs import Run

SPACES = ("classifier", "random", "pixels")
EXTRACTORS = {space: f"{i}" * 16 for i, space in enumerate(SPACES)}
CLASS_SCORES = ("class_kl", "classes_hit", "ambiguous_share")
SPACE_SCORES = tuple(score for score in SCORES if score not in CLASS_SCORES)
VOTES = ("fcd", "kcd", "recall", "coverage", "auth_pct", "near_duplicates", "c2st_linear", "class_kl")
# How a model of middling quality scores, and how much a seed moves it.
TYPICAL = {
    **{"fcd": 8.0, "kcd": 0.15, "precision": 0.5, "recall": 0.6, "density": 0.3, "coverage": 0.3, "auth_pct": 0.9},
    **{"near_duplicates": 0.0, "fcd_train_gap": -0.1, "c2st_linear": 0.8, "c2st_1nn": 0.9},
    **{"class_kl": 0.02, "classes_hit": 10.0, "ambiguous_share": 0.4},
}


def config_of(model: str, seed: int, data: str = "optdigits", *words: str) -> TrainConfig:
    """A training's configuration."""
    (config,) = preflight("train", TrainConfig, [f"model={model}", f"data={data}", f"seed={seed}", *words]).configs
    return config


def synthetic_run(
    folder: Path,
    model: str,
    seed: int,
    *words: str,
    data: str = "optdigits",
    better: float = 0.0,
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
    run = Run(folder / (name or config.run_name))
    run.queue(config.to_yaml(), overwrite=False)
    noise = np.random.default_rng(list(f"{model} {data} {seed}".encode()))
    seconds = 600.0 if model == "gan" else 60.0
    run.write_json(
        "environment.json",
        {"genbench": "0.1.0", "commit": None, "python": "3.11", "system": "Linux", "packages": {"torch": "2.14"}}
        | {"accelerator": "cpu", "device": "a processor", "precision": "float32"},
    )
    summary = {
        "parameters": {"generator": 2318209, "discriminator": 213249} if model == "gan" else {"encoder": 69076},
        "images_seen": 60000,
        "train_seconds": seconds * float(noise.uniform(0.95, 1.05)),
        "images_per_second": 60000 / seconds * float(noise.uniform(0.95, 1.05)),
        "training_flops_per_image": 6e8 if model == "gan" else 4e7,
        "peak_memory_bytes": 10**9,
        "train": {"loss": 1.0},
        "alarms": ["mode collapse: hardly any sample looks like class 3"] if model == "gan" and seed == 0 else [],
        "test": {},
    }
    run.write_json("summary.json", summary)
    rows = [["images", "train/loss", "validation/loss", "fast/fcd", "fast/coverage"]]
    timing = [["images", "seconds"]]
    for i in range(1, 21):
        images = str(i * 3000)
        rows.append([images, f"{1 + 1 / i + noise.normal(0, 0.01):.4f}", "", "", ""])
        quick_scores = [f"{(1 - better) * 8 + 30 / i:.3f}", f"{0.3 * (1 - 1 / (i + 1)):.3f}"] if quick else ["", ""]
        rows.append([images, "", f"{1.1 + 1 / i:.4f}", *quick_scores])
        timing.append([images, f"{seconds * i / 20:.2f}"])
    run.write_text("metrics.csv", "\n".join(",".join(row) for row in rows) + "\n")
    if quick:
        run.write_text("timing.csv", "\n".join(",".join(row) for row in timing) + "\n")
    run.write_json("scores.json", synthetic_scores(noise, data, better, extractors, summary))
    if weights:
        shape = ImageShape(1, 28, 28)
        with run.whole("weights.safetensors") as temporary:
            save(build(config.model, shape), config.model, shape, temporary)
    run.set_status("finished")
    return run


def synthetic_scores(
    noise: np.random.Generator, data: str, better: float, extractors: dict[str, str], summary: dict[str, Any]
) -> dict[str, Any]:
    """A scores.json."""

    def score(name: str) -> dict[str, Any]:
        perfect = 0.0 if SCORES[name].lower_is_better else 1.0
        value = TYPICAL[name] + better * (perfect - TYPICAL[name])
        spread = 0.0 if name in ("near_duplicates", "classes_hit", "auth_pct") else 0.03 * abs(TYPICAL[name])
        return {"mean": value + spread * float(noise.normal()), "sd": 0.01 * abs(value), "n": 257, "draws": 5}

    return {
        "level": "full",
        "protocol": 1,
        "data": data,
        "extractors": extractors,
        "spaces": {space: {name: score(name) for name in SPACE_SCORES} for space in SPACES},
        "class": {name: score(name) for name in CLASS_SCORES},
        "likelihood": "no likelihood: implicit model",
        "reconstruction": {"mse": 0.01, "standard_error": 0.001, "n": 64, "method": "encoder"},
        "cost": {"parameters": summary["parameters"], "seconds_for_10000_samples": 2.0},
        "evaluation_seconds": 1.0,
    }


def synthetic_calibration(
    folder: Path, data: str = "optdigits", extractors: dict[str, str] = EXTRACTORS, protocol: int = 1
) -> Path:
    """A calibration in which the usual scores vote."""
    folder.mkdir(parents=True, exist_ok=True)
    real = {name: 0.0 if SCORES[name].lower_is_better else 1.0 for name in SCORES} | {"auth_pct": 0.65}
    keys = [f"{space}.{name}" for space in SPACES for name in SPACE_SCORES] + [f"class.{n}" for n in CLASS_SCORES]
    row = {key: {"mean": real[key.partition(".")[2]], "sd": 0.001, "n": 257, "draws": 5} for key in keys}
    votes = {space: {name: {"votes": name in VOTES} for name in SPACE_SCORES} for space in SPACES}
    content = {
        "protocol": protocol,
        "data": data,
        "extractors": {space: {"hash": value} for space, value in extractors.items()},
        "n": 257,
        "draws": 5,
        "rows": {REAL: row, "uniform noise": row},
        "votes": votes | {"class": {name: {"votes": name in VOTES} for name in CLASS_SCORES}},
    }
    (folder / f"{data}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder
