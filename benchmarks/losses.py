"""python -m benchmarks.losses [IMAGES [DATA ...]]: the GAN's losses at equal images. Writes docs/losses.md.

IMAGES is one of SEEDS: few, or as many as the paper's GAN saw. Called again it goes on where it stopped; what was
trained before stays in the table.
"""

import statistics
import subprocess
import sys
from pathlib import Path

import torch

from benchmarks.provenance import made_on
from genbench import cli
from genbench.evaluation.protocol import PROTOCOL
from genbench.runs.directory import Run
from genbench.runs.records import Key, Score

PAGE = Path(__file__).resolve().parents[1] / "docs" / "losses.md"
DATA = ("mnist", "fashion")
LOSSES = ("nonsaturating", "r3")
WORDS = [
    *("model=gan", f"model.loss={','.join(LOSSES)}", "evaluation=full", "runs=runs/losses"),
]
SEEDS = {64_000: 4, 2_750_000: 2}  # how many, by the images that a training sees
LAUNCHER = f"hydra/launcher={'shared_gpu' if torch.cuda.is_available() else 'cores'}"
SCORES = {  # in the classifier's space: how it is headed, and the unit
    "fcd": ("Fréchet distance", 1.0),
    "coverage": ("coverage", 1.0),
    "recall": ("recall", 1.0),
    "ambiguous_share": ("ambiguous, %", 100.0),
}


def main() -> None:
    """Train, score, write, print."""
    images, data = int((sys.argv[1:] or ["64000"])[0]), sys.argv[2:] or DATA
    words = ["-m", f"data={','.join(data)}", *lengths(images), *WORDS]
    subprocess.run([sys.executable, "-m", "genbench.train", *words, LAUNCHER], check=True)
    made = " and ".join(f"`python -m benchmarks.losses {seen}`" for seen in SEEDS if trained(seen))
    lines = [
        "# Losses of the GAN at equal images",
        "",
        f"Written by {made}: {made_on(run for seen in SEEDS for runs in trained(seen).values() for run in runs)}."
        f" `genbench train -m data=... trainer.max_images=... seed=... {' '.join(WORDS[:-1])} {LAUNCHER}`: the seconds"
        " are beside other trainings, of the two losses perhaps at other times."
        f" At {' and '.join(f'{n:,} images {SEEDS[n]} seeds' for n in SEEDS)}. Test images, mean and sd over the"
        " seeds.",
        "",
        f"| data | images | loss | {' | '.join(heading for heading, _ in SCORES.values())} | seconds |",
        f"| --- | ---: | --- |{' ---: |' * (len(SCORES) + 1)}",
    ]
    ratios = []
    for seen in SEEDS:
        cells = trained(seen)
        for (name, loss), runs in sorted(cells.items(), reverse=True):
            values = [[unit * value(run, score) for run in runs] for score, (_, unit) in SCORES.items()]
            values.append([run.summary().train_seconds for run in runs])
            lines.append(f"| {name} | {seen:,} | `{loss}` | {' | '.join(spread(of) for of in values)} |")
        for name in sorted({name for name, _ in cells}, reverse=True):
            first, second = (statistics.fmean(value(run, "fcd") for run in cells[name, loss]) for loss in LOSSES)
            ratios += [
                "",
                f"{name}, {seen:,} images: the Fréchet distance of `r3` is {second / first:.2f} of that of"
                f" `nonsaturating`.",
            ]
    PAGE.write_text("\n".join(lines + ratios) + "\n", encoding="utf-8")
    print("\n".join(lines + ratios))


def lengths(images: int) -> list[str]:
    """The words of a length."""
    return [f"trainer.max_images={images}", f"seed=range({SEEDS[images]})"]


def trained(images: int) -> dict[tuple[str, str], list[Run]]:
    """The scored runs of a length, by data and loss; none of a data set that lacks one of the losses."""
    cells: dict[tuple[str, str], list[Run]] = {}
    for config in cli.compose("train", ["-m", f"data={','.join(DATA)}", *lengths(images), *WORDS]).configs:
        run = Run(config.directory)
        if run.is_scored("full", PROTOCOL):
            cells.setdefault((config.data.name, str(config.model["loss"])), []).append(run)
    return {key: runs for key, runs in cells.items() if all((key[0], loss) in cells for loss in LOSSES)}


def spread(values: list[float]) -> str:
    """Mean and sd."""
    return f"{statistics.fmean(values):.3g} ± {statistics.stdev(values):.2g}"


def value(run: Run, name: str) -> float:
    """One score of a run."""
    score = run.scorecard().score(Key("classifier", name))
    if not isinstance(score, Score):
        raise ValueError(f"{run.path} has no {name}: {score.absent}")
    return score.mean


if __name__ == "__main__":
    main()
