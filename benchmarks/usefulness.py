"""python -m benchmarks.usefulness: do samples help where real images are few? Writes docs/usefulness.md.

Of each class 100 real images: a conditional model is trained on them alone, and classifiers on these, with and without
its samples, with and without shifts and flips. All take as many steps, and are tried on all test images. Called again
it goes on where it stopped.
"""

import json
import statistics
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy import stats

import genbench
from benchmarks.provenance import made_on
from genbench import cli
from genbench.data.images import ImageData, Split
from genbench.data.sources import load_data
from genbench.device import best_device
from genbench.evaluation.classifier import Recipe, train_classifier
from genbench.runs.directory import Run

PAGE = Path(__file__).resolve().parents[1] / "docs" / "usefulness.md"
FOLDER = Path("runs/usefulness")
DATA, SEEDS, REAL, SAMPLES = ("mnist", "fashion"), 5, 100, 10_000
MODEL = ["model=vae_prior", "model.conditional=true"]
IMAGES = 150_000  # seen by the model
STEPS = 500  # of each classifier, of 250 images
SHIFT = 1 / 14  # two pixels of 28
WAYS = {
    "real": (False, False, False),  # samples, shifts, flips
    "real, shifted": (False, True, False),
    "real, shifted and flipped": (False, True, True),
    "real and samples": (True, False, False),
    "real and samples, shifted": (True, True, False),
}


def main() -> None:
    """Train, classify, write, print."""
    found = {(data, seed): accuracies(data, seed) for seed in range(SEEDS) for data in DATA}
    runs = [Run(path) for path in sorted((FOLDER / "runs").glob("*"))]
    lines = [
        "# Are samples of use?",
        "",
        f"Written by `python -m benchmarks.usefulness`: {made_on(runs)}. Of"
        f" each class {REAL} training images, others for each of {SEEDS} seeds; `genbench train {' '.join(MODEL)}"
        f" trainer.max_images={IMAGES}` on these alone; {SAMPLES:,} samples, as many of each class, among which the"
        " real images are repeated until they are as many. Every classifier (the network of the protocol's) takes"
        f" {STEPS} steps of 250 images; shifts are of 2 pixels at most. Accuracy on all test images, mean and sd over"
        " the seeds.",
        "",
        f"| trained on | {' | '.join(DATA)} |",
        f"| --- |{' ---: |' * len(DATA)}",
    ]
    for way in WAYS:
        values = [[found[data, seed][way] for seed in range(SEEDS)] for data in DATA]
        cells = [f"{statistics.fmean(of):.2%} ± {statistics.stdev(of):.2%}" for of in values]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    lines += ["", *(verdict(data, [found[data, seed] for seed in range(SEEDS)]) for data in DATA)]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def verdict(data: str, found: list[dict[str, float]]) -> str:
    """One line for each comparison: the mean of the paired differences with its 95 % interval (Student's t)."""
    best = max(list(WAYS)[1:3], key=lambda way: statistics.fmean(of[way] for of in found))
    said = []
    for ours, theirs in (("real and samples", best), ("real and samples, shifted", best), ("real and samples", "real")):
        differences = [of[ours] - of[theirs] for of in found]
        mean, error = statistics.fmean(differences), stats.sem(differences)
        low, high = stats.t.interval(0.95, len(differences) - 1, mean, error)
        word = "better than" if low > 0 else "worse than" if high < 0 else "not told apart from"
        said.append(f"{ours} is {word} {theirs} ({mean:+.2%}, {low:+.2%} to {high:+.2%})")
    return f"- {data} (mean difference of a seed, and its 95 % interval by Student's t): {'; '.join(said)}."


def accuracies(name: str, seed: int) -> dict[str, float]:
    """Test accuracy by way of training."""
    path = FOLDER / f"{name}-{seed}.json"
    if path.exists():
        found: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
        return found
    (config,) = cli.compose("train", [f"data={name}"]).configs
    data = load_data(config.data)
    real = some(data.train, seed, len(data.classes))
    samples = drawn(replace(data, train=real), name, seed)
    found = {}
    for way, (with_samples, shifted, flipped) in WAYS.items():
        train = both(real, samples) if with_samples else real
        if flipped:
            train = both(train, Split(train.images.flip(3), train.labels))
        recipe = Recipe(epochs=1, min_steps=STEPS, shift=SHIFT if shifted else 0.0, cutout=0.0, seed=seed)
        found[way] = train_classifier(replace(data, train=train), recipe, best_device()).test_accuracy
        print(f"{name} seed {seed}: {way}: {found[way]:.2%}", flush=True)
    path.write_text(json.dumps(found), encoding="utf-8")
    return found


def some(train: Split, seed: int, classes: int) -> Split:
    """REAL images of each class."""
    labels = labels_of(train)
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
    chosen = torch.cat([order[labels[order] == label][:REAL] for label in range(classes)])
    return Split(train.images[chosen], labels[chosen])


def both(few: Split, others: Split) -> Split:
    """Two splits, the first repeated until it has as many images."""
    times = max(1, len(others) // len(few))
    labels = torch.cat([*[labels_of(few)] * times, labels_of(others)])
    return Split(torch.cat([*[few.images] * times, others.images]), labels)


def drawn(data: ImageData, name: str, seed: int) -> Split:
    """Labelled samples of a conditional model of a data set, which is trained if it is not."""
    file = FOLDER / f"{name}-{seed}.npz"
    file.parent.mkdir(parents=True, exist_ok=True)
    parts = {"train": data.train, "val": data.validation, "test": data.test}
    arrays = {f"x_{key}": split.images[:, 0].numpy() for key, split in parts.items()}
    arrays |= {f"y_{key}": labels_of(split).numpy() for key, split in parts.items()}
    np.savez(file, allow_pickle=False, **arrays)
    words = [*MODEL, "data=folder", f"data.root={file}", f"seed={seed}", f"trainer.max_images={IMAGES}"]
    words += ["trainer.validations=2", f"runs={FOLDER / 'runs'}"]
    subprocess.run([sys.executable, "-m", "genbench.train", *words], check=True)
    (config,) = cli.compose("train", words).configs
    labels = np.arange(SAMPLES) % len(data.classes)
    images = genbench.load(config.directory).sample(SAMPLES, seed=seed, label=labels)
    return Split(torch.from_numpy(images), torch.from_numpy(labels))


def labels_of(split: Split) -> torch.Tensor:
    """Of images that have some."""
    if split.labels is None:
        raise ValueError("images without labels")
    return split.labels


if __name__ == "__main__":
    main()
