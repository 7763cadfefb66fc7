"""python -m benchmarks.paper_page: docs/paper, and tables in docs/paper.md and the README, from the runs in runs/paper.

The runs are made by `make paper SEEDS=4 PAPER=runs/paper`, or on a GPU by `python -m benchmarks.paper_trainings`.
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.families import README, results, write
from benchmarks.families import table as scores_table
from benchmarks.paper_trainings import RESULTS, RUNS, WORDS, speed_table, table
from genbench.cli import compose
from genbench.evaluation.protocol import PROTOCOL
from genbench.runs.directory import Run

PAGE = Path(__file__).resolve().parents[1] / "docs" / "paper"
TEXT = PAGE.with_suffix(".md")
FIGURES = {  # of the paper, by number: model, data, minutes on its GPU, what it shows, and of our page the picture
    3: ("gan", "mnist", 35, "samples", "mnist-GAN-samples"),
    4: ("vae", "mnist", 15, "the latent plane, decoded", "mnist-VAE-latent-grid"),
    5: ("vae", "mnist", None, "test images in the latent plane", "mnist-VAE-latent-scatter"),
    6: ("gan", "fashion", 40, "samples", "fashion-GAN-samples"),
    7: ("vae", "fashion", 18, "the latent plane, decoded", "fashion-VAE-latent-grid"),
}


def main() -> None:
    """Make the page, write the tables, print them."""
    subprocess.run([sys.executable, "-m", "genbench.report", f"runs={RUNS}", f"out={PAGE}"], check=True)
    rows = ["| figure | shows | the paper's training | here | |", "| --- | --- | --- | --- | --- |"]
    for number, (model, data, minutes, shown, picture) in FIGURES.items():
        took = "the same as figure 4's" if minutes is None else f"{minutes} min on a Colab GPU"
        what = f"{model.upper()}, {data}: {shown}"
        rows.append(f"| {number} | {what} | {took} | {here(model, data)} | ![{what}](paper/figures/{picture}.png) |")
    write(TEXT, "figures", "\n".join(rows))
    speeds: list[str] = []
    for path in sorted(RESULTS.glob("paper-*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        path.with_suffix(".md").write_text(table(result), encoding="utf-8")
        speeds += speed_table(result)
    write(TEXT, "gpu", "\n".join(speeds))
    write(README, "paper", scores_table(results([PAGE / "results.csv"])))


def here(model: str, data: str) -> str:
    """What the trainings of a cell cost, in words."""
    configs = [c for c in compose("train", ["-m", *WORDS]).configs if (c.model_name, c.data.name) == (model, data)]
    runs = [run for run in (Run(config.directory) for config in configs) if run.is_scored("full", PROTOCOL)]
    seconds = [run.summary().train_seconds for run in runs]
    seen = {run.summary().images_seen for run in runs}
    devices = sorted({run.environment().device for run in runs})
    images = ", ".join(f"{images:,}" for images in sorted(seen))
    return f"{images} images in {statistics.fmean(seconds):.0f} s ({len(runs)} seeds; {', '.join(devices)})"


if __name__ == "__main__":
    main()
