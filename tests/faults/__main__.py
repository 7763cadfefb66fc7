"""python -m tests.faults [ROW ...]: the long forms; writes docs/reliability.json and docs/reliability.md."""

import json
import platform
import sys
import tempfile
import time
from pathlib import Path

import torch

from genbench.device import processor_name
from tests.faults.rows import ROWS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"


def main() -> None:
    """Run the rows named, or all; keep the figures of the others."""
    stored = PAGE.with_suffix(".json")
    figures = json.loads(stored.read_text(encoding="utf-8")) if stored.is_file() else {}
    for name in sys.argv[1:] or ROWS:
        if name not in ROWS:
            sys.exit(f"{name}: there is no such row; choose from {', '.join(ROWS)}")
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            found = ROWS[name](Path(folder), True)
        figures[name] = {
            "fault": (ROWS[name].__doc__ or "").strip(),
            "tried": found.tried,
            "failed": found.failed,
            "note": found.note.replace(folder, "."),
            "seconds": round(time.monotonic() - began),
            "when": time.strftime("%Y-%m-%d", time.gmtime()),
            "where": f"{processor_name()}, Python {platform.python_version()}, torch {torch.__version__}",
        }
        print(name, figures[name], flush=True)
        figures = {row: figures[row] for row in ROWS if row in figures}
        stored.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    lines = [
        "# What can go wrong, and what happened when it was made to",
        "",
        "Written by `make reliability` (`python -m tests.faults`, or with the name of a row, that row alone). Real "
        "processes are killed, a real file system is full. Trainings are those of `experiment=smoke` on the embedded "
        "digits, on one thread; the same bytes are those of weights.safetensors, metrics.csv and samples.png of a run "
        "that nothing disturbed.",
        "",
        "| row | fault | tried | went wrong | | took |",
        "| --- | --- | ---: | ---: | --- | ---: |",
    ]
    for name, row in figures.items():
        cells = [name, row["fault"], row["tried"], len(row["failed"]), row["note"], f"{row['seconds']} s"]
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    wheres = sorted({f"{row['where']}, {row['when']}" for row in figures.values()})
    lines += ["", f"On: {'; '.join(wheres)}.", ""]
    for name, row in figures.items():
        lines += [f"- {name}: {line}" for line in row["failed"]]
    PAGE.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    sys.exit(1 if any(row["failed"] for row in figures.values()) else 0)


if __name__ == "__main__":
    main()
