"""python -m benchmarks.losses [DATA ...]: the GAN's losses at equal images. Writes docs/losses.md.

Called again it goes on where it stopped; data sets that were trained on before stay in the table.
"""

import statistics
import subprocess
import sys
from pathlib import Path

import torch

from genbench import cli
from genbench.device import choose_device
from genbench.evaluation.protocol import PROTOCOL
from genbench.runs.directory import Run
from genbench.runs.records import Key, Score

PAGE = Path(__file__).resolve().parents[1] / "docs" / "losses.md"
DATA = ("mnist", "fashion")
WORDS = [
    *("model=gan", "model.loss=nonsaturating,r3", "seed=range(4)", "trainer.max_images=64000", "evaluation=full"),
    "runs=runs/losses",
]
LAUNCHER = f"hydra/launcher={'shared_gpu' if torch.cuda.is_available() else 'cores'}"
SCORES = {  # in the classifier's space: how it is headed, and the unit
    "fcd": ("Fréchet distance", 1.0),
    "coverage": ("coverage", 1.0),
    "recall": ("recall", 1.0),
    "ambiguous_share": ("ambiguous, %", 100.0),
}


def main() -> None:
    """Train, score, write, print."""
    wanted = [f"data={','.join(sys.argv[1:] or DATA)}", *WORDS]
    subprocess.run([sys.executable, "-m", "genbench.train", "-m", *wanted, LAUNCHER], check=True)
    cells: dict[tuple[str, str], list[Run]] = {}
    configs = cli.compose("train", ["-m", f"data={','.join(DATA)}", *WORDS]).configs
    for config in configs:
        run = Run(config.directory)
        if run.is_scored("full", PROTOCOL):
            cells.setdefault((config.data.name, str(config.model["loss"])), []).append(run)
    lines = [
        "# Losses of the GAN at equal images",
        "",
        f"Written by `python -m benchmarks.losses`: {choose_device(configs[0].trainer)}; torch {torch.__version__}."
        f" `genbench train -m data=... {' '.join(WORDS[:-1])} {LAUNCHER}`: the seconds are beside other trainings. Test"
        " images, mean and sd over the seeds.",
        "",
        f"| data | loss | {' | '.join(heading for heading, _ in SCORES.values())} | seconds |",
        f"| --- | --- |{' ---: |' * (len(SCORES) + 1)}",
    ]
    for (data, loss), runs in sorted(cells.items(), reverse=True):
        values = [[unit * value(run, name) for run in runs] for name, (_, unit) in SCORES.items()]
        values.append([run.summary().train_seconds for run in runs])
        lines.append(f"| {data} | `{loss}` | {' | '.join(spread(of) for of in values)} |")
    for data in sorted({data for data, _ in cells}, reverse=True):
        first, second = (
            statistics.fmean(value(run, "fcd") for run in cells[data, loss]) for loss in ("nonsaturating", "r3")
        )
        lines += ["", f"{data}: the Fréchet distance of `r3` is {second / first:.2f} of that of `nonsaturating`."]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


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
