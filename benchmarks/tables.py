"""What was measured, as Markdown."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.contestants import CONTESTANTS

_BEGIN, _END = "<!-- cpu -->\n", "<!-- /cpu -->\n"


def table(result: dict[str, Any]) -> str:
    """All that was measured on one machine."""
    lines = [
        f"{result['device']}; torch {result['torch']}, Python {result['python']}. Written by `{result['command']}`.",
        "",
        f"Training on {result.get('data', 'mnist')}, images per second: the median over the rounds (least to most), and"
        " by how much genbench is faster, the median of the ratios within a round. The precision is genbench's:"
        " the others train in float32, as their tutorials do.",
        "",
        "| model and stage, batch size | " + " | ".join(CONTESTANTS.values()) + " |",
        "| --- |" + " ---: |" * len(CONTESTANTS),
    ]
    for name, speeds in result["training"].items():
        cells = []
        for contestant in CONTESTANTS:
            if contestant not in speeds:
                cells.append("not measured")
                continue
            s = speeds[contestant]
            by = "" if contestant == "genbench" else f", {s['genbench_is_faster_by']:.2f} x"
            cells.append(f"{s['images_per_second']:,.0f} ({s['least']:,.0f} to {s['most']:,.0f}){by}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "| what | |", "| --- | ---: |"]
    lines += [f"| {name} | {seconds:.2f} s |" for name, seconds in result["start_up_seconds"].items()]
    for model, speed in result["sampling_images_per_second"].items():
        lines.append(f"| sampling, {model} | {speed:,.0f} images/s |")
    for model, cost in result["scorecard"].items():
        memory = cost["peak_memory_bytes"] / 1e9
        lines.append(f"| full scorecard, {model} | {cost['seconds']:.0f} s, {memory:.2f} GB |")
    return "\n".join(lines) + "\n"


def side_by_side(results: Sequence[dict[str, Any]]) -> str:
    """What was measured on several machines, a column each."""
    rows: dict[str, list[str]] = {}
    for i, result in enumerate(results):
        for name, cell in _cells(result).items():
            rows.setdefault(name, ["not measured"] * len(results))[i] = cell
    lines = [
        "Images per second in training, batch size beside the model, and how many times that is of: "
        + "; ".join(name for key, name in CONTESTANTS.items() if key != "genbench")
        + ". Each column was written on one machine:",
        "",
        *(f"{i}. {made['device']}; torch {made['torch']}: `{made['command']}`" for i, made in enumerate(results, 1)),
        "",
        "| | " + " | ".join(str(i) for i, _ in enumerate(results, 1)) + " |",
        "| --- |" + " ---: |" * len(results),
        *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items()),
    ]
    return "\n".join(lines) + "\n"


def with_processors(readme: str, folder: Path) -> str:
    """The README's text with the results of every processor in the folder, the fastest first."""
    results = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("cpu-*.json"))]
    results.sort(key=lambda result: -result["training"]["gan 128"]["genbench"]["images_per_second"])
    head, begin, rest = readme.partition(_BEGIN)
    _, end, tail = rest.partition(_END)
    return head + begin + side_by_side(results) + end + tail


def _cells(result: dict[str, Any]) -> dict[str, str]:
    """What stands in one machine's column."""
    cells = {}
    for name, speeds in result["training"].items():
        times = [f"{speeds[other]['genbench_is_faster_by']:.2f} x" for other in speeds if other != "genbench"]
        cells[name] = f"{speeds['genbench']['images_per_second']:,.0f}; {', '.join(times)}"
    cells |= {name: f"{seconds:.2f} s" for name, seconds in result["start_up_seconds"].items()}
    for model, speed in result["sampling_images_per_second"].items():
        cells[f"sampling, {model}"] = f"{speed:,.0f} images/s"
    for model, cost in result["scorecard"].items():
        cells[f"full scorecard, {model}"] = f"{cost['seconds']:.0f} s, {cost['peak_memory_bytes'] / 1e9:.2f} GB"
    return cells
