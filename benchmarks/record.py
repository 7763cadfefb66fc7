"""python -m benchmarks.record [DATA [MODEL ...]] [--images N ...]: seconds to a quality. Writes docs/record.md.

The rules are in the page. Some hours, in which the machine should do nothing else; called again it goes on where it
stopped. What was measured on this machine before stays in docs/record.json until it is measured again, what was
measured on others for good. Lengths --images, found by trainings side by side, say, are tried first. Keras needs the
extra [bench].
"""

import argparse
import functools
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.contestants import CONTESTANTS
from genbench import cli
from genbench.data.sources import load_data
from genbench.device import choose_device
from genbench.evaluation.protocol import PROTOCOL
from genbench.runs.directory import Run
from genbench.runs.records import Key

PAGE = Path(__file__).resolve().parents[1] / "docs" / "record.md"
FOUND = PAGE.with_suffix(".json")
FOLDER = Path("runs/record")  # of the single trainings
THRESHOLDS = {"mnist": (15.0, 2.0), "fashion": (25.0, 6.0)}  # Fréchet distance to the validation images, at most
ENTRANTS = {  # who trains it, by model
    "gan": ("genbench", "loop", "keras"),
    "vae": ("genbench", "loop", "keras"),
    "vae_prior": ("genbench",),
    "flow": ("genbench",),
    "vaegan": ("genbench",),
}
BATCH_SIZE = 64  # as in conf/data/*.yaml
LENGTHS = [round(4_000 * 2 ** (i / 2)) for i in range(20)]  # images
LONGEST = 150.0  # seconds; nothing longer is tried after a training that took more
SEEDS = range(5)
SEARCHING = 100  # the seed by which lengths are looked for
RULES = f"""
An entry is a program of fixed length, that trains a model on the training images of a data set and is then able to draw
samples. It is run with at least {len(SEEDS)} seeds, one after the other on a machine that does nothing else. Another
seed may look for its length; the mean of these decides whether it holds.

- **Quality**: 5,000 samples of each seed against the 5,000 validation images: `genbench evaluate samples=FILE.npz
  data=mnist evaluation=fast out=FILE.json`, `fcd` in the classifier's space. The mean over the seeds is at most the
  threshold. No seed is left out. Test images are not used at all, and validation images for nothing but this score.
- **Seconds**: by the wall clock from the start of the process to the moment at which the weights are in a file, or
  ready in memory: imports, reading the data (from the disk's cache), compilation and all stages count. Sampling and
  checking do not; a validation within the training is taken off.
- **Stated** beside it: the machine, versions, images seen, and whatever another person needs to run it.

genbench's are `genbench train model=MODEL data=DATA seed=SEED trainer.max_images=IMAGES trainer.validations=1
logger=none`. Its lengths are looked for with seed {SEARCHING}: from {LENGTHS[0]:,} images on by factors of two, until
one takes over {LONGEST:.0f} seconds, and then the length between, shorter by the square root of two; the shortest of
them at which the mean of the {len(SEEDS)} other seeds holds is the entry. A length that was found on another machine,
or on a GPU by trainings side by side, is tried before that.
PyTorch's loop and Keras train the paper's networks as their tutorials do (`benchmarks/contestants.py`), in batches of
{BATCH_SIZE} like genbench's.
"""


@dataclass(frozen=True)
class Trial:
    """One training."""

    seconds: float
    fcd: float


@dataclass(frozen=True)
class Entry:
    """Who trains what on what."""

    data: str
    model: str
    who: str

    def key(self, threshold: float) -> str:
        """In the file."""
        return f"{self.data} {threshold:g} {self.model} {self.who}"

    def trials(self, images: int, seeds: Sequence[int]) -> list[Trial]:
        """Train one after another, then score side by side; but for what was done."""
        trained = [self._trained(images, seed) for seed in seeds]
        with ThreadPoolExecutor(max(1, len(os.sched_getaffinity(0)) // 2)) as pool:
            distances = list(pool.map(functools.partial(self._distance, images), seeds))
        found = [Trial(seconds, fcd) for seconds, fcd in zip(trained, distances, strict=True)]
        print(f"{self.data} {self.model} {self.who}: {images:,} images, seeds {list(seeds)}: {found}", flush=True)
        return found

    def _trained(self, images: int, seed: int) -> float:
        """Seconds of a training, that of before if there was one."""
        folder = self._folder(images, seed)
        path = folder / "trained.json"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            train = self._genbench if self.who == "genbench" else self._other
            seconds = train(folder, images, seed)
            path.write_text(json.dumps({"seconds": seconds, "device": device()}), encoding="utf-8")
        known = json.loads(path.read_text(encoding="utf-8"))
        if known["device"] != device():
            sys.exit(f"{folder} was measured on another machine: delete it, or move it away")
        return float(known["seconds"])

    def _genbench(self, folder: Path, images: int, seed: int) -> float:
        """Seconds of a training."""
        words = [f"model={self.model}", f"data={self.data}", f"seed={seed}", f"trainer.max_images={images}"]
        words += ["trainer.validations=1", "logger=none", "overwrite=true", f"runs={folder}"]
        (config,) = cli.compose("train", words).configs
        began = time.time()
        run("genbench.train", *words)
        trained = Run(config.directory)
        return trained.weights.stat().st_mtime - began - trained.summary().validation_seconds

    def _other(self, folder: Path, images: int, seed: int) -> float:
        """Seconds of a training, which leaves samples."""
        words = [self.who, self.model, str(BATCH_SIZE), self.data, str(seed), str(images), str(folder / "samples.npz")]
        began = time.time()
        with subprocess.Popen(
            [sys.executable, "-m", "benchmarks.contestants", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            trained = process.stdout is not None and process.stdout.readline()
            seconds = time.time() - began
        if not trained or process.returncode:
            sys.exit(f"python -m benchmarks.contestants {' '.join(words)} failed")
        return seconds

    def _distance(self, images: int, seed: int) -> float:
        """Of what a training left to the validation images."""
        folder = self._folder(images, seed)
        if self.who == "genbench":
            (summary,) = folder.glob("*/summary.json")
            trained = Run(summary.parent)
            if not trained.is_scored("fast", PROTOCOL):
                run("genbench.evaluate", f"run={trained.path}", "evaluation=fast")
            return trained.scorecard().values()[Key("classifier", "fcd")].mean
        samples, scores = folder / "samples.npz", folder / "scores.json"
        if not scores.exists():
            run("genbench.evaluate", f"samples={samples}", f"data={self.data}", "evaluation=fast", f"out={scores}")
            samples.unlink()
        return float(json.loads(scores.read_text(encoding="utf-8"))["spaces"]["classifier"]["fcd"]["mean"])

    def _folder(self, images: int, seed: int) -> Path:
        return FOLDER / f"{self.data}-{self.model}-{self.who}-{images}-s{seed}"

    def measured(self, threshold: float, known: Sequence[int]) -> dict[str, Any]:
        """The entry for a threshold, or how far it came; known: lengths that are tried first."""
        for images in known:
            if self._holds(images, threshold):
                return self._entry(images)
        for i in range(0, len(LENGTHS), 2):
            (first,) = self.trials(LENGTHS[i], [SEARCHING])
            if first.fcd <= threshold and self._holds(LENGTHS[i], threshold):
                between = LENGTHS[i - 1] if i else LENGTHS[i]
                shorter = self.trials(between, [SEARCHING])[0].fcd <= threshold and self._holds(between, threshold)
                return self._entry(between if shorter else LENGTHS[i])
            if first.seconds > LONGEST:
                break
        failed = f"not with {LENGTHS[i]:,} images, {first.seconds:.0f} s"
        return {"seconds": failed, "fcd": f"{first.fcd:.2f}, one seed", "images": None}

    def _entry(self, images: int) -> dict[str, Any]:
        trials = self.trials(images, SEEDS)
        seconds, distances = [trial.seconds for trial in trials], [trial.fcd for trial in trials]
        return {"seconds": spread(seconds, ".1f"), "fcd": spread(distances, ".2f"), "images": images}

    def _holds(self, images: int, threshold: float) -> bool:
        return statistics.fmean(trial.fcd for trial in self.trials(images, SEEDS)) <= threshold


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.record", description="Seconds to a quality.")
    parser.add_argument("data", nargs="?", choices=[*THRESHOLDS], help="all, if none is named")
    parser.add_argument("models", nargs="*", metavar="model", help=f"of {', '.join(ENTRANTS)}; all, if none is named")
    parser.add_argument("--images", type=int, nargs="+", default=[], help="lengths that are tried before others")
    given = parser.parse_args()
    names, models = [given.data] if given.data else [*THRESHOLDS], given.models or [*ENTRANTS]
    if not set(models) <= set(ENTRANTS):
        parser.error(f"model: {', '.join(sorted(set(models) - set(ENTRANTS)))}; there are {', '.join(ENTRANTS)}")
    for data in names:
        (config,) = cli.compose("train", [f"data={data}"]).configs
        load_data(config.data)  # so that no entry is the one that unpacks it
        for model in models:
            for who in ENTRANTS[model]:
                if who != "keras" or importlib.util.find_spec("keras"):
                    for threshold in THRESHOLDS[data]:
                        measure(Entry(data, model, who), threshold, given.images)
    print(PAGE.read_text(encoding="utf-8"))


def measure(entry: Entry, threshold: float, images: Sequence[int]) -> None:
    """An entry, into the file and the page at once: a measurement that is stopped leaves what was found."""
    known = found()
    of = known.setdefault(entry.key(threshold), {})
    lengths = {*images, *(row["images"] for row in of.values() if row["images"])}
    of[machine()] = entry.measured(threshold, sorted(lengths))
    FOUND.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    write_page()


def write_page() -> None:
    """With all that was found, on this machine and on others, and what was not."""
    lines = [
        "# Seconds to a quality",
        RULES,
        f"Written by `python -m benchmarks.record`. Mean and sd of {len(SEEDS)} seeds.",
        "",
        "| data | Fréchet distance at most | model | trained by | seconds | Fréchet distance | images | on |",
        "| --- | ---: | --- | --- | ---: | ---: | ---: | --- |",
    ]
    known = found()
    for data, thresholds in THRESHOLDS.items():
        for threshold in thresholds:
            for model, who in [(model, who) for model, entrants in ENTRANTS.items() for who in entrants]:
                name = f"| {data} | {threshold:g} | `{model}` | {CONTESTANTS[who]} |"
                rows = known.get(Entry(data, model, who).key(threshold), {})
                for on, row in rows.items():
                    images = "" if row["images"] is None else f"{row['images']:,}"
                    lines.append(f"{name} {row['seconds']} | {row['fcd']} | {images} | {on} |")
                if not rows:
                    lines.append(f"{name} not measured | | | |")
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def found() -> dict[str, dict[str, dict[str, Any]]]:
    """What was measured, by data, threshold, model and who trained it, and by the machine."""
    known: dict[str, dict[str, dict[str, Any]]] = (
        json.loads(FOUND.read_text(encoding="utf-8")) if FOUND.exists() else {}
    )
    return known


def machine() -> str:
    """What an entry is measured on, with what."""
    return f"{device()}; torch {torch.__version__}"


def device() -> str:
    """What genbench trains on here."""
    (config,) = cli.compose("train", []).configs
    return str(choose_device(config.trainer))


def run(module: str, *words: str) -> None:
    """A command of genbench's, quietly; what it says, if it fails."""
    done = subprocess.run([sys.executable, "-m", module, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{module} {' '.join(words)}: {done.stderr[-2000:]}")


def spread(values: list[float], form: str) -> str:
    """Mean and sd."""
    return f"{statistics.fmean(values):{form}} ± {statistics.stdev(values):{form}}"


if __name__ == "__main__":
    main()
