"""python -m benchmarks.record [DATA [MODEL ...]]: seconds to a quality, of every family. Writes docs/record.md.

The rules are in the page. Some hours, in which the machine should do nothing else; called again it goes on where it
stopped. What was measured before, on this machine or another, stays in docs/record.json until it is measured again.
Keras needs the extra [bench].
"""

import importlib.util
import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.contestants import CONTESTANTS
from genbench import cli
from genbench.data.sources import load_data
from genbench.device import choose_device
from genbench.runs.directory import Run
from genbench.runs.records import Key, Score, Scorecard

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
them at which the mean of the {len(SEEDS)} other seeds holds is the entry.
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

    def trial(self, images: int, seed: int) -> Trial:
        """Train and score, unless that was done."""
        folder = FOLDER / f"{self.data}-{self.model}-{self.who}-{images}-s{seed}"
        found = folder / "found.json"
        if not found.exists():
            folder.mkdir(parents=True, exist_ok=True)
            trial = (
                self._genbench(folder, images, seed) if self.who == "genbench" else self._other(folder, images, seed)
            )
            found.write_text(json.dumps({**vars(trial), "device": str(device())}), encoding="utf-8")
            print(f"{self.data} {self.model} {self.who}: {images:,} images, seed {seed}: {trial}", flush=True)
        known = json.loads(found.read_text(encoding="utf-8"))
        if known.pop("device") != str(device()):
            sys.exit(f"{folder} was measured on another machine: delete it, or move it away")
        return Trial(**known)

    def _genbench(self, folder: Path, images: int, seed: int) -> Trial:
        words = [f"model={self.model}", f"data={self.data}", f"seed={seed}", f"trainer.max_images={images}"]
        words += ["trainer.validations=1", "logger=none", "overwrite=true", f"runs={folder}"]
        (config,) = cli.compose("train", words).configs
        began = time.time()
        run("genbench.train", *words)
        trained = Run(config.directory)
        seconds = trained.weights.stat().st_mtime - began - trained.summary().validation_seconds
        run("genbench.evaluate", f"run={trained.path}", "evaluation=fast")
        return Trial(seconds, distance(trained.scorecard()))

    def _other(self, folder: Path, images: int, seed: int) -> Trial:
        samples, scores = folder / "samples.npz", folder / "scores.json"
        words = [self.who, self.model, str(BATCH_SIZE), self.data, str(seed), str(images), str(samples)]
        began = time.time()
        with subprocess.Popen(
            [sys.executable, "-m", "benchmarks.contestants", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            trained = process.stdout is not None and process.stdout.readline()
            seconds = time.time() - began
        if not trained or process.returncode:
            sys.exit(f"python -m benchmarks.contestants {' '.join(words)} failed")
        run("genbench.evaluate", f"samples={samples}", f"data={self.data}", "evaluation=fast", f"out={scores}")
        samples.unlink()
        return Trial(seconds, distance(Scorecard.model_validate_json(scores.read_text(encoding="utf-8"))))

    def row(self, threshold: float) -> str:
        """Its line of the table, without the machine."""
        name = f"| {self.data} | {threshold:g} | `{self.model}` | {CONTESTANTS[self.who]} |"
        for i in range(0, len(LENGTHS), 2):
            if self.holds(LENGTHS[i], threshold):
                shorter = i > 0 and self.holds(LENGTHS[i - 1], threshold)
                images = LENGTHS[i - 1 if shorter else i]
                trials = [self.trial(images, seed) for seed in SEEDS]
                spreads = [spread([trial.seconds for trial in trials], ".1f")]
                spreads.append(spread([trial.fcd for trial in trials], ".2f"))
                return f"{name} {' | '.join(spreads)} | {images:,} |"
            first = self.trial(LENGTHS[i], SEARCHING)
            if first.seconds > LONGEST:
                break
        failed = f"not with {LENGTHS[i]:,} images, {first.seconds:.0f} s"
        return f"{name} {failed} | {first.fcd:.2f}, one seed | {LENGTHS[i]:,} |"

    def holds(self, images: int, threshold: float) -> bool:
        """Whether the seed of the search comes to the threshold with so many images, and the mean of the others too."""
        if self.trial(images, SEARCHING).fcd > threshold:
            return False
        return statistics.fmean(self.trial(images, seed).fcd for seed in SEEDS) <= threshold


def main() -> None:
    """Measure, write, print."""
    names, models = sys.argv[1:2] or list(THRESHOLDS), sys.argv[2:] or list(ENTRANTS)
    for data in names:
        (config,) = cli.compose("train", [f"data={data}"]).configs
        load_data(config.data)  # so that no entry is the one that unpacks it
        for model in models:
            for who in ENTRANTS[model]:
                if who != "keras" or importlib.util.find_spec("keras"):
                    for threshold in THRESHOLDS[data]:
                        row = Entry(data, model, who).row(threshold)
                        known = found() | {f"{data} {threshold:g} {model} {who}": {"row": row, "machine": machine()}}
                        FOUND.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
                        write_page()  # a measurement that is stopped leaves what was found
    print(PAGE.read_text(encoding="utf-8"))


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
                row = known.get(f"{data} {threshold:g} {model} {who}")
                name = f"| {data} | {threshold:g} | `{model}` | {CONTESTANTS[who]} |"
                lines.append(f"{row['row']} {row['machine']} |" if row else f"{name} not measured | | | |")
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def found() -> dict[str, dict[str, str]]:
    """The lines that were measured, by data, threshold, model and who trained it, each with its machine."""
    known: dict[str, dict[str, str]] = json.loads(FOUND.read_text(encoding="utf-8")) if FOUND.exists() else {}
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


def distance(card: Scorecard) -> float:
    """The Fréchet distance in the classifier's space."""
    score = card.score(Key("classifier", "fcd"))
    if not isinstance(score, Score):
        raise ValueError(f"no fcd: {score.absent}")
    return score.mean


def spread(values: list[float], form: str) -> str:
    """Mean and sd."""
    return f"{statistics.fmean(values):{form}} ± {statistics.stdev(values):{form}}"


if __name__ == "__main__":
    main()
