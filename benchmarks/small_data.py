"""python -m benchmarks.small_data [WORD ...]: a GAN of 500 images, with and without DiffAugment.

Writes docs/small_data.md; words such as hydra/launcher=shared_gpu go to the sweep. Called again it goes on where it
stopped.
"""

import statistics
import subprocess
import sys
from pathlib import Path

import torch
from PIL import Image

from benchmarks.provenance import launcher_words, made_on
from genbench import cli
from genbench.cache import feature_cache
from genbench.data.images import ImageData
from genbench.data.sources import load_data
from genbench.evaluation.extractors import load_spaces
from genbench.models.sampling import draw
from genbench.models.weights import load
from genbench.runs.directory import Run
from genbench.runs.records import Key, Score

PAGE = Path(__file__).resolve().parents[1] / "docs" / "small_data.md"
PICTURES = PAGE.with_name("small_data")
RUNS = Path("runs/small_data")
WORDS = [
    *("model=gan", "model.augment=0,1", "data=optdigits,fashion", "data.limit=500", "seed=range(3)"),
    *("trainer.max_images=64000", "trainer.validations=4", "evaluation=full", f"runs={RUNS}"),
]
SCORES = {
    "fcd": "fcd",
    "coverage": "coverage",
    "precision": "precision",
    "near_duplicates": "nearly a training image",
    "auth_pct": "no closer to a training image than these are to each other",
    "fcd_train_gap": "fcd to the 500, less fcd to the test images",
}
SHOWN, SCALE = 12, 2  # samples with their nearest training images


def main() -> None:
    """Train, score, write, print."""
    subprocess.run([sys.executable, "-m", "genbench.train", "-m", *WORDS, *launcher_words(sys.argv[1:])], check=True)
    configs = cli.compose("train", ["-m", *WORDS]).configs
    by_cell: dict[tuple[str, float], list[Run]] = {}
    for config in configs:
        by_cell.setdefault((config.data.name, float(config.model["augment"])), []).append(Run(config.directory))
    lines = [
        "# Few images",
        "",
        f"Written by `python -m benchmarks.small_data`: {made_on(run for runs in by_cell.values() for run in runs)}."
        f" `genbench train -m {' '.join(WORDS[:-1])}`: 500 training images, each class in its share; each is seen 128"
        " times. Test images, classifier's features (of all training images), mean and sd over three seeds.",
        "",
        f"| data | DiffAugment | {' | '.join(SCORES.values())} |",
        f"| --- | --- |{' ---: |' * len(SCORES)}",
    ]
    for (data, augment), runs in by_cell.items():
        cells = [_cell([_value(run, name) for run in runs]) for name in SCORES]
        lines.append(f"| {data} | {'with' if augment else 'without'} | {' | '.join(cells)} |")
    lines += [
        "",
        "Samples of seed 0 (above) and the training images nearest to them (below), by the classifier's features.",
    ]
    PICTURES.mkdir(exist_ok=True)
    for (data, augment), runs in by_cell.items():
        name = f"{data}_{'with' if augment else 'without'}.png"
        pairs(runs[0]).save(PICTURES / name)
        lines += ["", f"![{data}, {'with' if augment else 'without'} DiffAugment](small_data/{name})"]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def _value(run: Run, name: str) -> float:
    score = run.scorecard().score(Key("classifier", name))
    if not isinstance(score, Score):
        raise ValueError(f"{run.path} has no {name}: {score.absent}")
    return score.mean


def _cell(values: list[float]) -> str:
    return f"{statistics.fmean(values):.3g} ± {statistics.stdev(values):.2g}"


def pairs(run: Run) -> Image.Image:
    """Samples above the training images nearest to them."""
    data: ImageData = load_data(run.config().data)
    space = load_spaces(data, feature_cache()).classifier
    if space is None:
        raise ValueError(f"{data.name} has no classifier")
    samples = draw(load(run.weights).model, SHOWN, seed=0)
    distances = torch.cdist(space.features(samples), space.features(data.train.images))
    nearest = data.train.images[distances.argmin(1)]
    rows = [torch.cat(list(images[:, 0]), 1) for images in (samples, nearest)]
    whole = torch.cat(rows, 0).numpy()
    return Image.fromarray(whole).resize((whole.shape[1] * SCALE, whole.shape[0] * SCALE), Image.Resampling.NEAREST)


if __name__ == "__main__":
    main()
