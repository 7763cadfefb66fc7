"""What the scores say of images whose quality is known, by the same code path as for a model's images.

A score that misjudges these may not vote on a model. The rows are images that a bad or cheating model could make; the
doses are real images made worse step by step.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from genbench.cache import feature_cache
from genbench.data.images import ImageData, evenly_spaced
from genbench.device import processor_name
from genbench.errors import UserError
from genbench.evaluation.calibrations import VOTES, Calibration
from genbench.evaluation.catalogue import catalogue
from genbench.evaluation.entry import Entry
from genbench.evaluation.evaluator import FEWEST_REAL, Evaluator, by_space, check_real, make_evaluator, summarised
from genbench.evaluation.moments import moments
from genbench.evaluation.neighbours import nearest_others
from genbench.evaluation.protocol import (
    BLURRED,
    COPIES,
    DOSES,
    DRAWS,
    FULL_GAUSSIAN,
    GAUSSIAN,
    MISSING,
    PROTOCOL,
    REAL,
    REPEATED,
    UNIFORM,
)
from genbench.progress import task
from genbench.runs.records import Key, Score

MakeImages = Callable[[ImageData, int, int], Tensor]  # data, number of the draw, images: (n, C, H, W) uint8
Steps = Mapping[str, Mapping[Key, float]]  # by dose


def calibrate(data: ImageData, device: torch.device) -> Calibration:
    """All rows, doses and verdicts for one data set; `calibrations.store` keeps them.

    Where only some of the training images are taken (data.limit) it is that of all of them, as the feature spaces are.

    Raises:
        UserError: there are too few images, the classifier is below its gate, or the cache cannot be written.
    """
    started = time.monotonic()
    data = data.whole or data
    cache = feature_cache()
    check_real(data, "validation")
    evaluator = make_evaluator(data, cache, device)
    n = evaluator.n
    if len(data.train) < n + FEWEST_REAL:  # a draw of them is compared with the others
        raise UserError(
            f"{data.name} has {len(data.train)} training images, and a calibration needs {FEWEST_REAL} more than the"
            f" {n} test images: add training images"
        )
    small = make_evaluator(data, cache, device, len(data.validation))
    measured = DRAWS * (1 + len(ROWS)) + 2 + sum(len(steps) - 1 for steps in DOSES.values())
    with task(f"calibrating the scores of {data.name}", measured * len(evaluator.spaces.available())):
        # A real image is no copy of itself: each draw is judged by the training images that are not in it.
        held_out = [_of_training_images(evaluator, draw, 0.0) for draw in range(DRAWS)]
        validation = small.measure(evenly_spaced(data.validation, small.n).images)
        rows = {REAL: summarised(held_out, n), "real validation vs test": summarised([validation], small.n)}
        for name, make in ROWS.items():
            if name != MISSING or len(data.classes) > 1:
                rows[name] = summarised([evaluator.measure(make(data, draw, n)) for draw in range(DRAWS)], n)
        doses = _doses(evaluator, held_out[0])
    dimensions = {name: reference.test.shape[1] for name, reference in evaluator.references.items()}
    return Calibration(
        protocol=PROTOCOL,
        data=data.name,
        fingerprint=data.fingerprint,
        extractors={space.name: {"hash": space.hash, **space.facts} for space in evaluator.spaces.available()},
        n=n,
        draws=DRAWS,
        rows={name: by_space(scores) for name, scores in rows.items()},
        doses={kind: {dose: by_space(scores) for dose, scores in steps.items()} for kind, steps in doses.items()},
        votes=by_space(votes(catalogue(), rows, doses, dimensions, n)),
        device=processor_name() if device.type == "cpu" else str(device),
        seconds=time.monotonic() - started,
    )


def votes(
    entries: Mapping[str, Entry],
    rows: Mapping[str, Mapping[Key, Score]],
    doses: Mapping[str, Steps],
    dimensions: Mapping[str, int],
    n: int,
) -> dict[Key, dict[str, bool | None]]:
    """For each space and score: is it monotone in each dose, at its floor for real images, does it flag its failure?

    A score is monotone in a dose if no step of it looks better than a smaller one by more than twice the sd of real
    against real images; at its floor if real images score as its entry says; and flags its failure if that row is
    worse than real images by more than twice that sd. It votes if no answer is no and it has a failure to flag; None
    means that the question does not apply: a score answers to the doses that its topic is about, and precision and
    recall have no absolute floor.
    """
    found = {}
    for key, real in rows[REAL].items():
        entry = entries[key.score]
        tolerance = 2.0 * (real.sd or 0.0) + 1e-9
        answers: dict[str, bool | None] = {
            f"monotone in {kind}": _monotone(entry, key, steps, tolerance) if kind in entry.answers_to else None
            for kind, steps in doses.items()
        }
        bounds = entry.range_of_real(dimensions[key.space], n)
        answers["floor"] = None if bounds is None else bounds[0] <= real.mean <= bounds[1]
        answers["flags its failure"] = _flags(entry, key, rows, tolerance)
        answers[VOTES] = answers["flags its failure"] is not None and False not in answers.values()
        found[key] = answers
    return found


def _monotone(entry: Entry, key: Key, steps: Steps, tolerance: float) -> bool:
    worse = [entry.worse * step[key] for step in steps.values()]
    return all(later >= max(worse[: i + 1]) - tolerance for i, later in enumerate(worse[1:]))


def _flags(entry: Entry, key: Key, rows: Mapping[str, Mapping[Key, Score]], tolerance: float) -> bool | None:
    failure = rows.get(entry.flagged_by or "", {}).get(key)
    return None if failure is None else entry.worse * (failure.mean - rows[REAL][key].mean) > tolerance


def _without(evaluator: Evaluator, indices: Tensor) -> Evaluator:
    """The evaluator as if some of the training images were not among them."""
    references, classes = {}, {}
    for name, reference in evaluator.references.items():
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
        of_all = evaluator.classes[name]
        classes[name] = None if of_all is None else replace(of_all, of_train=of_all.of_train[kept])
    return replace(evaluator, references=references, classes=classes)


def _of_training_images(evaluator: Evaluator, draw: int, copies: float) -> dict[Key, float]:
    """Scores of a draw of training images, of which such a share is among those that it is compared with."""
    indices = _train_indices(evaluator.data, draw, evaluator.n)
    unseen = indices[round(copies * evaluator.n) :]
    against = _without(evaluator, unseen) if len(unseen) else evaluator
    return against.measure(evaluator.data.train.images[indices])


def _train_indices(data: ImageData, draw: int, n: int) -> Tensor:
    """Training images of one draw: a block of a fixed order.

    Draws share none if there are `DRAWS` * n; else each round through the images is in an order of its own, and draws
    of n of N vary less than they should, by a factor of sqrt(1 - n / N) at most.
    """
    in_round = max(1, len(data.train) // n)
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(draw // in_round))
    return order[(draw % in_round * n + torch.arange(n)) % len(order)]


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
        places = [(labels == label).nonzero()[:, 0] for label in range(len(data.classes))]
        chosen = torch.stack([found[draw % len(found)] for found in places if len(found)])
    return data.train.images[chosen[torch.arange(n) % len(chosen)]]


def _without_classes(data: ImageData, draw: int, n: int, dropped: int) -> Tensor:
    """Training images of all but the last classes; where too few are left, some twice."""
    if data.train.labels is None:
        raise ValueError(f"{data.name} has no labels")
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))
    left = order[data.train.labels[order] < len(data.classes) - dropped]
    return data.train.images[left[(draw * n + torch.arange(n)) % len(left)]]


def _blurred(images: Tensor, sigma: float) -> Tensor:
    # What is reflected at the edges is no more than there is of a small image.
    size = 2 * min(round(4 * sigma), min(images.shape[-2:]) - 1) + 1
    return _bytes(gaussian_blur(images.float().div(255.0), [size, size], [sigma, sigma]))


def _bytes(images: Tensor) -> Tensor:
    return images.clamp(0.0, 1.0).mul(255.0).round().to(torch.uint8)


def _doses(evaluator: Evaluator, unseen: dict[Key, float]) -> dict[str, dict[str, dict[Key, float]]]:
    """Scores by kind and dose; `unseen` are those of a draw none of which is a copy."""
    data, n = evaluator.data, evaluator.n
    images = _copies(data, 0, n)
    none = evaluator.measure(images)
    found: dict[str, dict[str, dict[Key, float]]] = {}
    for kind, steps in DOSES.items():
        if kind == "dropped classes" and len(data.classes) <= max(steps):
            continue
        of_kind = found[kind] = {"0": unseen if kind == "copies" else none}
        for dose in steps[1:]:
            of_kind[f"{dose:g}"] = (
                _of_training_images(evaluator, 0, dose)
                if kind == "copies"
                else evaluator.measure(_dosed(kind, dose, images, data))
            )
    return found


def _dosed(kind: str, dose: float, images: Tensor, data: ImageData) -> Tensor:
    n = len(images)
    if kind == "dropped classes":
        return _without_classes(data, 0, n, int(dose))
    if kind == "repeated images":
        return images[torch.arange(n) % max(1, round((1 - dose) * n))]
    return _noisy(images, dose, seed=0) if kind == "noise" else _blurred(images, dose)


ROWS: dict[str, MakeImages] = {
    COPIES: _copies,
    "copies with noise (sigma 0.02)": lambda data, draw, n: _noisy(_copies(data, draw, n), 0.02, draw),
    "copies shifted by a pixel": _shifted,
    GAUSSIAN: _independent_gaussian,
    FULL_GAUSSIAN: _full_gaussian,
    REPEATED: _one_per_class,
    MISSING: lambda data, draw, n: _without_classes(data, draw, n, dropped=1),
    BLURRED: lambda data, draw, n: _blurred(_copies(data, draw, n), 1.0),
    UNIFORM: lambda data, draw, n: torch.randint(
        0, 256, (n, *data.shape), generator=torch.Generator().manual_seed(draw), dtype=torch.uint8
    ),
}
