"""The scorecard of one finished run: its samples, its likelihood, its reconstructions and its cost."""

import time
from collections.abc import Iterator
from typing import Any

import torch
import yaml
from hydra.utils import get_method
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from genbench.config import EvaluationConfig, TrainConfig, check
from genbench.data.images import ImageData
from genbench.device import best_device, native_bfloat16
from genbench.errors import UserError
from genbench.evaluation.inversion import invert, squared_errors
from genbench.evaluation.likelihood import active_units, bernoulli_log_likelihood, binarise, importance_sampled_nll
from genbench.evaluation.scorecard import DRAWS, feature_cache, first, judge_against, make_judge
from genbench.models.interface import Encoding, Model
from genbench.models.sampling import draw
from genbench.models.weights import load
from genbench.reporting.pictures import posterior_means
from genbench.runs import Run

FIRST_SEED = 1_000_000  # of the draws: no picture and no sample that a person asks for by default is among them
INVERTED_IMAGES, STARTS, SCOUTING, STEPS = 64, 4, 10, 120


def scores_of_run(run: Run, level: EvaluationConfig) -> dict[str, Any]:
    """All scores of a run, as scores.json holds them.

    Raises:
        UserError: the run's files or its data cannot be read, or the classifier is below its gate.
    """
    started = time.monotonic()
    config = run_config(run)
    device = best_device()
    data: ImageData = get_method(config.data.load)(config.data.root)
    model, _ = load(run.path / "weights.safetensors")
    model.to(device, memory_format=torch.channels_last)

    full = level.level == "full"
    cache = feature_cache()
    judge = make_judge(data, cache, device) if full else judge_against(data, data.validation, cache, device)
    draws = _Draws(model, judge.n, DRAWS if full else 1)
    scores = {"level": level.level, **judge.score(draws), "precision": str(draws.precision).removeprefix("torch.")}
    if full:
        scores["likelihood"] = likelihood(run, model, data, level)
        scores["reconstruction"] = reconstruction(model, data)
    summary = run.read_json("summary.json")
    scores["cost"] = {
        "parameters": summary["parameters"],
        **{name: summary[name] for name in ("train_seconds", "images_seen", "images_per_second")},
        **{name: summary[name] for name in ("training_flops_per_image", "peak_memory_bytes")},
        "seconds_for_10000_samples": draws.seconds / (judge.n * draws.number) * 10_000,
    }
    scores["evaluation_seconds"] = time.monotonic() - started
    return scores


def run_config(run: Run) -> TrainConfig:
    """What a run was told.

    Raises:
        UserError: its config.yaml is not one of this version.
    """
    try:
        composed = OmegaConf.load(run.path / "config.yaml")
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"{run.path / 'config.yaml'} cannot be read ({error}): train the run again") from error
    assert isinstance(composed, DictConfig)
    del composed["defaults"]
    return check(composed, TrainConfig)


class _Draws:
    """Draws of a model's images, one at a time, and the seconds that they took.

    In bfloat16 where that is native: it moves the scores by less than another draw does.
    """

    def __init__(self, model: Model, n: int, number: int) -> None:
        self.model = model
        self.n = n
        self.number = number
        self.precision = torch.bfloat16 if native_bfloat16(model.device) else torch.float32
        self.seconds = 0.0

    def __iter__(self) -> Iterator[Tensor]:
        for i in range(self.number):
            started = time.monotonic()
            images = draw(self.model, self.n, FIRST_SEED + i, self.precision)
            self.seconds += time.monotonic() - started
            yield images


def likelihood(run: Run, model: Model, data: ImageData, level: EvaluationConfig) -> dict[str, Any] | str:
    """The evidence lower bound's parts, the importance-sampled NLL and the active units; or why there are none.

    The first are of grey test images and bound the expected binarised NLL from above; the NLL is of test images
    binarised once. Nats per image.
    """
    if not isinstance(model, Encoding):
        return "no likelihood: implicit model"
    images = first(data.test, level.nll_images).images
    nll = importance_sampled_nll(
        binarise(images, seed=0).to(model.device),
        model.encode,
        bernoulli_log_likelihood(model.decode),
        level.nll_samples,
        seed=0,
    )
    return {
        **run.read_json("summary.json")["test"],
        "nll": {
            "mean": float(nll.mean()),
            "standard_error": float(nll.std() / len(nll) ** 0.5),
            "importance_samples": level.nll_samples,
            "n": len(nll),
        },
        "active_units": active_units(posterior_means(model, data.test.images)),
    }


def reconstruction(model: Model, data: ImageData) -> dict[str, Any]:
    """Mean squared error per pixel, images in [0, 1], of test images as the model can best render them.

    By the encoder's mean where there is an encoder, else by a search of the latent space from several starts.
    """
    images = first(data.test, INVERTED_IMAGES).images.to(model.device).float().div(255.0)
    if isinstance(model, Encoding):
        with torch.no_grad():
            latents = model.encode(images)[0]
        method = "encoder"
    else:
        with torch.autocast(model.device.type, torch.bfloat16, enabled=native_bfloat16(model.device)):
            latents = invert(
                model.generate, images, model.latent_size, starts=STARTS, scouting=SCOUTING, steps=STEPS, seed=0
            )
        method = f"latent optimisation: Adam, {SCOUTING} steps from {STARTS} starts, {STEPS} from the best"
    with torch.no_grad():
        errors = squared_errors(model.generate(latents), images)
    standard_error = float(errors.std() / len(errors) ** 0.5)
    return {"mse": float(errors.mean()), "standard_error": standard_error, "n": len(errors), "method": method}
