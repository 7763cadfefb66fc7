"""python -m benchmarks.families DATA: every family at equal time. Writes docs/families/DATA and the README's table.

Some hours, in which the machine should do nothing else; called again it goes on where it stopped.
"""

import csv
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

PAGES = Path(__file__).resolve().parents[1] / "docs" / "families"
README = PAGES.parents[1] / "README.md"
MODELS = ("gan", "vae", "vae_prior", "flow", "vaegan")
WORDS = [f"models={','.join(MODELS)}", "seeds=5", "minutes=5", "hydra/launcher=cores"]
# Of results.csv: space and score, how they are headed, and how many of a unit there are.
COLUMNS = {
    ("cost", "images_seen"): ("images seen", 1.0, ",.0f"),
    ("classifier", "fcd"): ("Fréchet distance", 1.0, ".2f"),
    ("classifier", "coverage"): ("coverage", 1.0, ".2f"),
    ("classifier", "recall"): ("recall", 1.0, ".2f"),
    ("classifier", "ambiguous_share"): ("ambiguous, %", 100.0, ".1f"),
}
Values = dict[tuple[str, str], dict[tuple[str, str], list[float]]]  # by data and model, then by space and score


def main() -> None:
    """Train, score, make the page, write the table."""
    PAGES.mkdir(exist_ok=True)
    for data in sys.argv[1:]:
        words = [f"data={data}", *WORDS, f"runs=runs/families/{data}", f"out={PAGES / data}"]
        subprocess.run([sys.executable, "-m", "genbench", "compare", *words], check=True)
    write(README, "families", table(results(sorted(PAGES.glob("*/results.csv"), reverse=True))))


def write(path: Path, mark: str, made: str) -> None:
    """Into a text, between <!-- mark --> and <!-- /mark -->, and print it."""
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    text = path.read_text(encoding="utf-8")
    path.write_text(f"{text.split(begin)[0]}{begin}\n{made}\n{end}{text.split(end)[1]}", encoding="utf-8")
    print(made)


def results(paths: Sequence[Path]) -> Values:
    """What results.csv of some pages hold."""
    found: Values = defaultdict(lambda: defaultdict(list))
    for path in paths:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["mean"] and row["model"] in MODELS and row["ranked"] == "yes":
                    of = found[row["data"], row["model"]]
                    of[row["space"], row["score"]].append(float(row["mean"]))
    return found


def table(found: Values) -> str:
    """Mean and sd over the seeds of each column's score, a row a model, in the order of MODELS."""
    lines = [
        f"| data | model | {' | '.join(heading for heading, _, _ in COLUMNS.values())} |",
        f"| --- | --- |{' ---: |' * len(COLUMNS)}",
    ]
    for (data, model), scores in sorted(found.items(), key=lambda item: (item[0][0], MODELS.index(item[0][1]))):
        cells = []
        for key, (_, unit, form) in COLUMNS.items():
            values = [unit * value for value in scores[key]]
            spread = f" ± {statistics.stdev(values):{form}}" if len(values) > 1 else ""
            cells.append(f"{statistics.fmean(values):{form}}{spread}" if values else "")
        lines.append(f"| {data} | `{model}` | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
