"""python -m benchmarks.batch_norm: do Keras's BatchNorm values matter to the paper's GAN? Writes docs/batch_norm.md.

Called again it goes on where it stopped.
"""

import statistics
import subprocess
import sys
from pathlib import Path

import torch
from scipy import stats

from benchmarks.provenance import made_on
from genbench import cli
from genbench.config.train import TrainConfig
from genbench.runs.directory import Run
from genbench.runs.records import Key, Score

PAGE = Path(__file__).resolve().parents[1] / "docs" / "batch_norm.md"
DATA = ("mnist", "fashion")
SEEDS = 4
WORDS = [
    *("model=gan", f"data={','.join(DATA)}", f"seed=range({SEEDS})", "experiment=paper", "trainer.max_images=275000"),
    *("evaluation=full", "runs=runs/batch_norm"),
]
LAUNCHER = f"hydra/launcher={'shared_gpu' if torch.cuda.is_available() else 'cores'}"
VALUES = {
    "Keras: eps 0.001, momentum 0.01 (as PyTorch counts it)": [],
    "PyTorch: eps 0.00001, momentum 0.1": ["model.batch_norm_eps=1e-5", "model.batch_norm_momentum=0.1"],
}
SCORES = {"fcd": ("Fréchet distance", 1.0), "coverage": ("coverage", 1.0), "ambiguous_share": ("ambiguous, %", 100.0)}


def main() -> None:
    """Train, score, write, print."""
    for words in VALUES.values():
        subprocess.run([sys.executable, "-m", "genbench.train", "-m", *WORDS, *words, LAUNCHER], check=True)
    runs = [Run(config.directory) for words in VALUES.values() for config in configs(words)]
    lines = [
        "# BatchNorm's values",
        "",
        f"Written by `python -m benchmarks.batch_norm`: {made_on(runs)}."
        f" `genbench train -m {' '.join(WORDS[:-1])}`, the paper's recipe for five of its fifty epochs, with Keras's"
        f" values, which the recipe has, and with PyTorch's. Test images, classifier's features, mean and sd of {SEEDS}"
        " seeds.",
        "",
        f"| data | values | {' | '.join(heading for heading, _ in SCORES.values())} |",
        f"| --- | --- |{' ---: |' * len(SCORES)}",
    ]
    said = []
    for data in DATA:
        found = {name: values(data, words) for name, words in VALUES.items()}
        for name, scores in found.items():
            cells = [f"{statistics.fmean(of):.3g} ± {statistics.stdev(of):.2g}" for of in scores.values()]
            lines.append(f"| {data} | {name} | {' | '.join(cells)} |")
        said.append(verdict(data, *(scores["fcd"] for scores in found.values())))
    lines += ["", *said]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def configs(words: list[str]) -> list[TrainConfig]:
    """The trainings with some values."""
    return cli.compose("train", ["-m", *WORDS, *words]).configs


def verdict(data: str, keras: list[float], pytorch: list[float]) -> str:
    """The difference of the distances with its 95 % interval (Welch's t)."""
    low, high = stats.ttest_ind(keras, pytorch, equal_var=False).confidence_interval()
    mean = statistics.fmean(keras) - statistics.fmean(pytorch)
    word = "a worse" if low > 0 else "a better" if high < 0 else "no other"
    return (
        f"- {data}: with Keras's values {word} Fréchet distance can be told: {mean:+.2f} ({low:+.2f} to {high:+.2f},"
        " 95 %, Welch)."
    )


def values(data: str, words: list[str]) -> dict[str, list[float]]:
    """By score, of each seed."""
    cards = [Run(config.directory).scorecard() for config in configs(words) if config.data.name == data]
    found: dict[str, list[float]] = {}
    for name, (_, unit) in SCORES.items():
        for card in cards:
            score = card.score(Key("classifier", name))
            if not isinstance(score, Score):
                raise ValueError(f"no {name}: {score.absent}")
            found.setdefault(name, []).append(unit * score.mean)
    return found


if __name__ == "__main__":
    main()
