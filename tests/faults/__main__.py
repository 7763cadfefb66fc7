"""python -m tests.faults [ROW ...]: the long forms; writes docs/reliability.json and docs/reliability.md."""

import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from genbench.device import processor_name
from tests.faults.rows import ROWS
from tests.warm import warm

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"


def main() -> None:
    """Run the rows named, or all; keep the figures of the others."""
    stored = PAGE.with_suffix(".json")
    figures = json.loads(stored.read_text(encoding="utf-8")) if stored.is_file() else {}
    for name in sys.argv[1:] or ROWS:
        if name not in ROWS:
            sys.exit(f"{name}: there is no such row; choose from {', '.join(ROWS)}")
        warm()  # what it imports is no row's
        with tempfile.TemporaryDirectory() as folder:
            began, used = time.monotonic(), processor_seconds()
            try:
                found = ROWS[name](Path(folder), True)
            except pytest.skip.Exception as reason:  # what was found before stays
                print(f"{name}: not tried: {reason}", flush=True)
                continue
        figures[name] = {
            "fault": (ROWS[name].__doc__ or "").strip(),
            "tried": found.tried,
            "failed": [line.replace(folder, ".") for line in found.failed],
            "note": found.note.replace(folder, "."),
            "seconds": round(time.monotonic() - began),
            "processor_seconds": round(processor_seconds() - used),
            "when": time.strftime("%Y-%m-%d", time.gmtime()),
            "where": f"{processor_name()}, Python {platform.python_version()}, torch {torch.__version__}",
        }
        print(name, figures[name], flush=True)
        figures = {row: figures[row] for row in ROWS if row in figures}
        stored.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        PAGE.write_text(page(figures), encoding="utf-8")
    sys.exit(1 if any(row["failed"] for row in figures.values()) else 0)


def processor_seconds() -> float:
    """Of this process and of all that it has started and that has ended."""
    return sum(os.times()[:4]) + warm().seconds


def page(figures: Mapping[str, Any]) -> str:
    """What was found, in Markdown."""
    lines = [
        "# What can go wrong, and what happened when it was made to",
        "",
        "Written by `make reliability` (`python -m tests.faults`, or with the names of rows, those alone; what the "
        "other rows found before stays). Real processes are killed, a real file system is full. Trainings are those of "
        "`experiment=smoke` on the embedded digits, most of them 8x8, on one thread; the same bytes are those of "
        "weights.safetensors, metrics.csv, samples.png and frames of a run that nothing disturbed. The processor's "
        "seconds are those of one core; other work on the machine makes the time longer.",
        "",
        "| row | fault | tried | went wrong | | processor | time | when |",
        "| --- | --- | ---: | ---: | --- | ---: | ---: | --- |",
    ]
    for name, row in figures.items():
        took = [f"{row.get(key, 0):,} s" for key in ("processor_seconds", "seconds")]
        cells = [name, row["fault"], f"{row['tried']:,}", len(row["failed"]), row["note"], *took, row["when"]]
        lines.append("| " + " | ".join(_cell(str(cell)) for cell in cells) + " |")
    total = [sum(row.get(key, 0) for row in figures.values()) / 60 for key in ("processor_seconds", "seconds")]
    lines += ["", f"In all {total[0]:.0f} minutes of a processor, in {total[1]:.0f} minutes.", ""]
    lines += [f"On: {'; '.join(sorted({row['where'] for row in figures.values()}))}.", ""]
    for name, row in figures.items():
        lines += [f"- {name}: {_cell(line)}" for line in row["failed"]]
    return "\n".join(lines).rstrip() + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    main()
