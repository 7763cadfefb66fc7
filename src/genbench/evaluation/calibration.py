"""What the scores say of images whose quality is known, by the same code path as for a model's images.

A score that misjudges these may not vote on a model. The rows are images that a bad or cheating model could make; the
doses are real images made worse step by step.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from genbench.data.images import ImageData
from genbench.evaluation.moments import moments
from genbench.evaluation.neighbours import nearest_others
from genbench.evaluation.scorecard import DRAWS, PROTOCOL, Judge, first, judge_against, make_judge, summarised

log = logging.getLogger(__name__)

REAL = "real train vs test"
COPIES = "training images copied"
REPEATED = "one real image per class repeated"
GAUSSIAN = "independent Gaussian pixels"
MISSING = "real images without one class"
BLURRED = "real images blurred (sigma 1)"
UNIFORM = "uniform noise"

MakeImages = Callable[[ImageData, int, int], Tensor]  # data, number of the draw, images: (n, C, H, W) uint8

# Which way is worse: 1 if a higher value is, -1 if a lower one is.
WORSE = {
    **{"fcd": 1, "kcd": 1, "precision": -1, "recall": -1, "density": -1, "coverage": -1, "auth_pct": -1},
    **{"near_duplicates": 1, "fcd_train_gap": -1, "c2st_linear": 1, "c2st_1nn": 1},
    **{"class_kl": 1, "classes_hit": -1, "ambiguous_share": 1},
}
MEMORISATION = ("auth_pct", "near_duplicates", "fcd_train_gap")
# The row that is a score's own failure: what it is there to notice.
FAILURE = {
    **dict.fromkeys(("fcd", "kcd", "c2st_linear", "c2st_1nn"), GAUSSIAN),
    **dict.fromkeys(("precision", "density"), UNIFORM),
    **dict.fromkeys(("recall", "coverage"), REPEATED),
    **dict.fromkeys(MEMORISATION, COPIES),
    **{"class_kl": MISSING, "classes_hit": MISSING, "ambiguous_share": BLURRED},
}
# Where a score must lie for real images against real ones. Precision and recall have no absolute scale, and the
# classes of real images are the classifier's matter.
FLOOR = {
    **{"kcd": (-0.01, 0.01), "density": (0.9, 1.1), "coverage": (0.93, 1.0), "c2st_linear": (0.47, 0.53)},
    **{"c2st_1nn": (0.47, 0.53), "class_kl": (0.0, 0.005), "auth_pct": (0.4, 0.8), "near_duplicates": (0.0, 0.01)},
}
DOSES: dict[str, tuple[float, ...]] = {
    "noise": (0.0, 0.05, 0.1, 0.2, 0.4),  # standard deviation, pixels in [0, 1]
    "blur": (0.0, 0.5, 1.0, 2.0),  # standard deviation in pixels
    "dropped classes": (0, 1, 3, 5),
}


def calibration(data: ImageData, cache: Path, device: torch.device) -> dict[str, Any]:
    """All rows, doses and verdicts for one data set.

    Raises:
        UserError: the classifier is below its gate, or the cache cannot be written.
    """
    started = time.monotonic()
    judge = make_judge(data, cache, device)
    n = judge.n
    held_out = []
    for draw in range(DRAWS):
        # A real image is no copy of itself: each draw is judged by the training images that are not in it.
        indices = _train_indices(data, draw, n)
        held_out.append(_without(judge, indices).measure(data.train.images[indices]))
    small = judge_against(data, first(data.test, len(data.validation)), cache, device)
    validation = small.measure(first(data.validation, small.n).images)
    rows = {REAL: summarised(held_out, n), "real validation vs test": summarised([validation], small.n)}
    for name, make in ROWS.items():
        if name != MISSING or data.train.labels is not None:
            rows[name] = summarised([judge.measure(make(data, draw, n)) for draw in range(DRAWS)], n)
            log.info("calibration of %s: %s", data.name, name)
    doses = {
        kind: {f"{dose:g}": judge.measure(_dose(kind, dose, data, n)) for dose in steps}
        for kind, steps in DOSES.items()
        if kind != "dropped classes" or len(data.classes) > max(steps)
    }
    dimensions = {name: reference.test.shape[1] for name, reference in judge.references.items()}
    return {
        "protocol": PROTOCOL,
        "data": data.name,
        "extractors": {space.name: {"hash": space.hash, **space.facts} for space in judge.spaces.available()},
        "n": n,
        "draws": DRAWS,
        "rows": rows,
        "doses": doses,
        "votes": votes(rows, doses, dimensions, n),
        "seconds": time.monotonic() - started,
    }


def votes(
    rows: dict[str, Any], doses: dict[str, Any], dimensions: dict[str, int], n: int
) -> dict[str, dict[str, dict[str, bool | None]]]:
    """For each space and score: is it monotone in each dose, at its floor for real images, does it flag its failure?

    A score is monotone in a dose if no step of it looks better than a smaller one by more than twice the sd of real
    against real images; at its floor if real images score as FLOOR says; and flags its failure if that row is worse
    than real images by more than twice that sd. It votes if no answer is no; None means that the question does not
    apply: memorisation is not a matter of doses, and precision and recall have no absolute floor.
    """
    verdicts: dict[str, dict[str, dict[str, bool | None]]] = {}
    for key, real in rows[REAL].items():
        space, _, score = key.partition(".")
        tolerance = 2.0 * (real["sd"] or 0.0) + 1e-9
        answers: dict[str, bool | None] = {}
        for kind, steps in doses.items():
            worse = [WORSE[score] * step[key] for step in steps.values()]
            rising = all(later >= max(worse[: i + 1]) - tolerance for i, later in enumerate(worse[1:]))
            answers[f"monotone in {kind}"] = None if score in MEMORISATION else rising
        low, high = FLOOR.get(score, (-float("inf"), float("inf")))
        if score == "fcd":  # the expected distance of two finite samples of one Gaussian of unit variances
            low, high = 0.0, 2.0 * dimensions[space] ** 2 / 4 * 2 / n
        answers["floor"] = low <= real["mean"] <= high if score in FLOOR or score == "fcd" else None
        failure = rows[FAILURE[score]][key]["mean"]
        answers["flags its failure"] = WORSE[score] * (failure - real["mean"]) > tolerance
        answers["votes"] = all(answer is not False for answer in answers.values())
        verdicts.setdefault(space, {})[score] = answers
    return verdicts


def _without(judge: Judge, indices: Tensor) -> Judge:
    """The judge as if some of the training images were not among them."""
    references = {}
    for name, reference in judge.references.items():
        kept = torch.ones(len(reference.train), dtype=torch.bool, device=reference.train.device)
        kept[indices.to(kept.device)] = False
        train = reference.train[kept]
        of_train = moments(train)
        references[name] = replace(
            reference,
            train=train,
            train_mean=of_train.mean,
            train_covariance=of_train.covariance,
            train_squared_distances=nearest_others(train).squared_distances.squeeze(1),
        )
    return replace(judge, references=references)


def _train_indices(data: ImageData, draw: int, n: int) -> Tensor:
    """Training images of one draw: blocks of one fixed order, so that the draws share as few images as can be."""
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))
    return order[(draw * n + torch.arange(n)) % len(order)]


def _copies(data: ImageData, draw: int, n: int) -> Tensor:
    return data.train.images[_train_indices(data, draw, n)]


def _noisy(images: Tensor, sigma: float, seed: int) -> Tensor:
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))
    return _bytes(images.float().div(255.0).add(noise, alpha=sigma))


def _shifted(data: ImageData, draw: int, n: int) -> Tensor:
    """Each copy one pixel up, down, left or right; what comes in is black."""
    images = _copies(data, draw, n)
    ways = torch.randint(0, 4, (n,), generator=torch.Generator().manual_seed(draw))
    shifted = torch.zeros_like(images)
    for way, (into, out_of) in enumerate([(slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))]):
        down, right = ways == way, ways == way + 2
        shifted[down, :, into, :] = images[down][:, :, out_of, :]
        shifted[right, :, :, into] = images[right][:, :, :, out_of]
    return shifted


def _independent_gaussian(data: ImageData, draw: int, n: int) -> Tensor:
    std, mean = torch.std_mean(data.train.images.float().div(255.0), dim=0)
    noise = torch.randn((n, *data.shape), generator=torch.Generator().manual_seed(draw))
    return _bytes(mean + std * noise)


def _full_gaussian(data: ImageData, draw: int, n: int) -> Tensor:
    pixels = data.train.images.flatten(1).double().div(255.0)
    values, vectors = torch.linalg.eigh(pixels.T.cov())
    noise = torch.randn(n, pixels.shape[1], generator=torch.Generator().manual_seed(draw), dtype=torch.float64)
    images = pixels.mean(0) + (noise * values.clamp(min=0).sqrt()) @ vectors.T
    return _bytes(images.view(n, *data.shape))


def _one_per_class(data: ImageData, draw: int, n: int) -> Tensor:
    """One training image of each class (of ten places in the file, without labels), repeated."""
    labels = data.train.labels
    if labels is None:
        chosen = torch.arange(10) * len(data.train) // 10
    else:
        chosen = torch.stack([(labels == label).nonzero()[draw, 0] for label in range(len(data.classes))])
    return data.train.images[chosen[torch.arange(n) % len(chosen)]]


def _without_classes(data: ImageData, draw: int, n: int, dropped: int) -> Tensor:
    """Training images of all but the last classes; where too few are left, some twice."""
    assert data.train.labels is not None
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))
    left = order[data.train.labels[order] < len(data.classes) - dropped]
    return data.train.images[left[(draw * n + torch.arange(n)) % len(left)]]


def _blurred(images: Tensor, sigma: float) -> Tensor:
    size = 2 * round(4 * sigma) + 1
    return _bytes(gaussian_blur(images.float().div(255.0), [size, size], [sigma, sigma]))


def _bytes(images: Tensor) -> Tensor:
    return images.clamp(0.0, 1.0).mul(255.0).round().to(torch.uint8)


def _dose(kind: str, dose: float, data: ImageData, n: int) -> Tensor:
    images = _copies(data, 0, n)
    if kind == "dropped classes":
        return _without_classes(data, 0, n, int(dose))
    if dose == 0:
        return images
    return _noisy(images, dose, seed=0) if kind == "noise" else _blurred(images, dose)


ROWS: dict[str, MakeImages] = {
    COPIES: _copies,
    "copies with noise (sigma 0.02)": lambda data, draw, n: _noisy(_copies(data, draw, n), 0.02, draw),
    "copies shifted by a pixel": _shifted,
    GAUSSIAN: _independent_gaussian,
    "full-covariance Gaussian on the pixels": _full_gaussian,
    REPEATED: _one_per_class,
    MISSING: lambda data, draw, n: _without_classes(data, draw, n, dropped=1),
    BLURRED: lambda data, draw, n: _blurred(_copies(data, draw, n), 1.0),
    UNIFORM: lambda data, draw, n: torch.randint(
        0, 256, (n, *data.shape), generator=torch.Generator().manual_seed(draw), dtype=torch.uint8
    ),
}
