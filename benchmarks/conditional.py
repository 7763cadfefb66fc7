"""python -m benchmarks.conditional [MODEL ...] [WORD=VALUE ...]: does a model draw the class that it is asked for?

Writes docs/conditional.md; words such as hydra.launcher.n_jobs=4 go to the sweep. Called again it goes on where it
stopped; models that were trained before stay in the table.
"""

import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.provenance import launcher_words, made_on
from genbench import cli
from genbench.config.train import TrainConfig
from genbench.evaluation.protocol import PROTOCOL
from genbench.runs.directory import Run
from genbench.runs.records import Absent, Key

PAGE = Path(__file__).resolve().parents[1] / "docs" / "conditional.md"
RUNS = "runs/conditional"
MODELS = ("gan", "vae_prior", "flow", "vaegan")
WORDS = [
    *("model.conditional=true", "data=mnist,fashion", "seed=range(2)", "trainer.max_images=400000", "evaluation=full"),
    *("hydra/launcher=cores", f"runs={RUNS}"),
]
SCORES = {  # of the classifier's space or the model's own: how it is headed, and the unit
    "class_accuracy": ("class accuracy, %", 100.0),
    "usefulness": ("usefulness, %", 100.0),
    "fcd": ("Fréchet distance", 1.0),
    "coverage": ("coverage", 1.0),
    "ambiguous_share": ("ambiguous, %", 100.0),
}


def main() -> None:
    """Train, score, write, print."""
    words = launcher_words([word for word in sys.argv[1:] if "=" in word])
    models = [word for word in sys.argv[1:] if "=" not in word] or MODELS
    subprocess.run(
        [sys.executable, "-m", "genbench.train", "-m", f"model={','.join(models)}", *WORDS, *words], check=True
    )
    configs = cli.compose("train", ["-m", f"model={','.join(MODELS)}", *WORDS]).configs
    cells: dict[tuple[str, str], list[Run]] = {}
    for config in configs:
        run = Run(config.directory)
        if run.is_scored("full", PROTOCOL):
            cells.setdefault((config.data.name, _name(config)), []).append(run)
    lines = [
        "# The class that was asked for",
        "",
        f"Written by `python -m benchmarks.conditional`: {made_on(run for runs in cells.values() for run in runs)}."
        f" `genbench train -m model=... {' '.join(WORDS[:-1])}`. Test images, mean and range over the seeds. Class"
        " accuracy: how often the classifier finds in a sample the class that was asked for. Usefulness: how often a"
        " small classifier that has seen samples alone is right on real images.",
        "",
        f"| data | model | {' | '.join(heading for heading, _ in SCORES.values())} |",
        f"| --- | --- |{' ---: |' * len(SCORES)}",
    ]
    for (data, model), runs in sorted(cells.items(), reverse=True):
        lines.append(f"| {data} | `{model}` | {' | '.join(_cell(runs, name) for name in SCORES)} |")
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def _name(config: TrainConfig) -> str:
    return str(config.model["_target_"]).split(".")[-2]


def _cell(runs: list[Run], name: str) -> str:
    unit = SCORES[name][1]
    values = [unit * value for value in (_value(run, name) for run in runs) if value is not None]
    if not values:
        return "none"
    spread = f" ({min(values):.3g} to {max(values):.3g})" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.3g}{spread}"


def _value(run: Run, name: str) -> float | None:
    card = run.scorecard()
    found = card.model[name] if name in card.model else card.score(Key("classifier", name))
    return None if isinstance(found, Absent) else found.mean


if __name__ == "__main__":
    main()
