"""Single bits that are flipped in everything that is read back."""

import hashlib
import logging
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from genbench.cache import feature_cache
from genbench.config.data import DataConfig
from genbench.config.verbs import SearchConfig
from genbench.data import ImageDataModule
from genbench.data.idx import Downloads, IdxDataSet
from genbench.data.idx import load as load_idx
from genbench.data.images import ImageData, Split
from genbench.data.sources import assembled
from genbench.errors import UserError
from genbench.evaluation.calibrations import find_calibration, store
from genbench.evaluation.classifier import Recipe
from genbench.evaluation.evaluator import make_evaluator
from genbench.evaluation.extractors import load_spaces
from genbench.models.weights import build, load
from genbench.runs.directory import Run
from genbench.runs.reading import read
from genbench.searching.study import Search
from genbench.training.callbacks.checkpoints import latest
from tests.faults.processes import SMOKE, Finding, one_run, run
from tests.reporting.synthetic import EXTRACTORS, synthetic_calibration
from tests.runs.example import SCORECARD
from tests.small import small_digits

CPU = torch.device("cpu")


class Named(Exception):  # noqa: N818  (it is no error, it is what must be)
    """The damage was noticed."""


class _Warned(logging.Handler):
    said = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.said += 1


@dataclass(frozen=True)
class Target:
    """A file that is read back, and how: what it comes to, as something that can be compared, or Named."""

    name: str
    path: Path
    read: Callable[[], Any]


def flips(folder: Path, long: bool) -> Finding:
    """One bit flipped in a file that is read back: it is named, the file is made again, or nothing is other."""
    failed: list[str] = []
    chance = random.Random(0)
    counts = {"named": 0, "no difference": 0}
    warned = _Warned(logging.WARNING)
    logging.getLogger("genbench").addHandler(warned)
    logging.getLogger("genbench").propagate = False  # it warns of every flip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        targets = list(_targets(folder))
        each = 1 + (1000 if long else 60) // len(targets)
        for target in targets:
            sound = target.path.read_bytes()
            before = target.read()
            for position in _positions(chance, len(sound), each):
                flipped = bytearray(sound)
                flipped[position] ^= 1 << chance.randrange(8)
                target.path.write_bytes(flipped)
                warned.said = 0
                try:
                    same = _same(target.read(), before)
                    silent = not same and not warned.said
                    counts["no difference" if same else "named"] += not silent
                except (UserError, Named):
                    silent = False
                    counts["named"] += 1
                except Exception as error:  # noqa: BLE001  (whatever it is, the row must name it)
                    failed.append(f"{target.name}, byte {position}: {type(error).__name__}: {error}")
                    silent = False
                if silent:
                    failed.append(f"{target.name}, byte {position} of {len(sound)}: silent")
                target.path.write_bytes(sound)
    logging.getLogger("genbench").propagate = True
    logging.getLogger("genbench").removeHandler(warned)
    tried = each * len(targets)
    note = f"{counts['named']} were named, {counts['no difference']} made no difference or what they hit was made again"
    return Finding(tried, failed, f"{note}; in {', '.join(target.name for target in targets)}")


def _positions(chance: random.Random, size: int, wanted: int) -> Iterator[int]:
    """The first and last bytes, those of a header and those of the rest in turn."""
    for number in range(wanted):
        low, high = [(0, 8), (size - 8, size), (0, 2048), (0, size)][number % 4]
        yield chance.randrange(max(0, low), min(size, high))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return repr(one) == repr(other)


def _targets(folder: Path) -> Iterator[Target]:
    words = ("model=vae", *SMOKE, *small_digits(folder))
    done = run(*words, f"runs={folder / 'runs'}")
    assert done.code == 0, done.err
    path = Run(one_run(folder / "runs"))
    path.write_scorecard(SCORECARD)
    yield from _of_run(path)
    yield from _of_cache(folder)
    yield from _of_data(folder)
    yield from _of_search(folder)


def _of_run(run: Run) -> Iterator[Target]:
    sound = read(run.path)

    def record() -> Any:
        now = read(run.path)
        if (now.problems, now.notes) != (sound.problems, sound.notes):
            raise Named
        return now

    names = ("config.yaml", "status.json", "environment.json", "data.json", "summary.json", "scores.json")
    for name in (*names, "metrics.csv", "timing.csv"):
        yield Target(name, run.path / name, record)

    def weights() -> Any:
        loaded = load(run.weights)
        return loaded.model.state_dict(), loaded.shape, loaded.classes, loaded.about

    yield Target(run.weights.name, run.weights, weights)
    config, about = run.config(), load(run.weights)
    model = build(config.model, about.shape, len(about.classes))
    checkpoint, *others = run.checkpoints
    for other in others:
        other.unlink()

    def state() -> Any:
        found = latest(run, config, model, Console(quiet=True))
        if found is None:
            raise Named
        return torch.load(found.path, weights_only=True)

    yield Target("a checkpoint", checkpoint, state)


def _of_cache(folder: Path) -> Iterator[Target]:
    data = ImageDataModule("folder", root=small_digits(folder)[1].partition("=")[2]).data
    images = data.train.images[: len(data.test)]
    quick = Recipe(epochs=1, min_steps=80)

    def features() -> Any:
        spaces = load_spaces(data, feature_cache(), CPU, quick).available()
        return [(space.name, space.hash, space.facts.get("test_accuracy"), space.features(images)) for space in spaces]

    features()
    for path in sorted((feature_cache() / "extractors").rglob("*.safetensors")):
        yield Target(f"extractor {path.stem}", path, features)
    train, validation, test = (Split(split.images, None) for split in (data.train, data.validation, data.test))
    unlabelled = ImageData("unlabelled", train, validation, test, classes=())

    def scores() -> Any:
        return make_evaluator(unlabelled, feature_cache(), CPU).measure(images)

    scores()
    for path in sorted((feature_cache() / "references").rglob("*.safetensors")):
        yield Target(f"reference {path.stem.partition('-')[0]}", path, scores)
    calibration = store(synthetic_calibration())

    def found() -> Any:
        known = find_calibration("optdigits", synthetic_calibration().protocol, EXTRACTORS)
        if isinstance(known, str):
            raise Named
        return known

    yield Target("a calibration", calibration, found)


def _of_data(folder: Path) -> Iterator[Target]:
    """A data set's files, whose sums are known."""
    raw = folder / "idx" / "raw"
    raw.mkdir(parents=True)
    sums = {}
    for name, header, size in (
        ("train-images-idx3-ubyte", (0, 0, 8, 3, 0, 0, 0, 100, 0, 0, 0, 8, 0, 0, 0, 8), 100 * 64),
        ("train-labels-idx1-ubyte", (0, 0, 8, 1, 0, 0, 0, 100), 100),
        ("t10k-images-idx3-ubyte", (0, 0, 8, 3, 0, 0, 0, 50, 0, 0, 0, 8, 0, 0, 0, 8), 50 * 64),
        ("t10k-labels-idx1-ubyte", (0, 0, 8, 1, 0, 0, 0, 50), 50),
    ):
        content = bytes(header) + bytes(i % 10 * (25 if size > 100 else 1) for i in range(size))
        (raw / name).write_bytes(content)
        sums[name] = hashlib.md5(content, usedforsecurity=False).hexdigest()
    about = IdxDataSet("test", "Test", tuple("0123456789"), sums, 0.0, lambda: Downloads((), {}))
    config = DataConfig(load="genbench.data.test.load", root=str(raw.parent), batch_size=64)

    def images() -> Any:
        return assembled(load_idx(about, config), config).fingerprint

    yield Target("IDX files", raw / "train-images-idx3-ubyte", images)


def _of_search(folder: Path) -> Iterator[Target]:
    config = SearchConfig(
        search={"model.latent_size": {"low": 2, "high": 8}},
        objectives=["fcd"],
        trials=3,
        workers=1,
        out=str(folder / "search"),
        sampler_seed=0,
        words=["model=vae"],
    )
    begun = Search(config)
    for _ in range(3):
        trial = begun.study.ask(begun._space)
        begun.study.tell(trial.number, float(trial.number))

    def trials() -> Any:
        return [(t.number, t.params, t.values, t.state) for t in Search(config).study.get_trials(deepcopy=False)]

    yield Target("a search's journal", Path(config.out) / "journal.log", trials)
