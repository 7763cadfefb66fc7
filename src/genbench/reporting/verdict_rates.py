"""How often the verdict rule is wrong, as a page and a picture.

    python -m genbench.reporting.verdict_rates docs/verdicts

writes docs/verdicts.md and docs/verdicts.png.
"""

import sys
from pathlib import Path
from typing import Any

import altair as alt

from genbench.comparison.simulation import SCORES, SHAPES, false_verdicts, found_differences
from genbench.evaluation.catalogue import SPACES

SEEDS = (4, 5, 8, 10)


def main(out: str) -> None:
    """Write the table and the picture of false verdicts and of found differences."""
    false = false_verdicts(SEEDS)
    lines = [
        "# How often the verdict rule is wrong",
        "",
        f"Written by `python -m genbench.reporting.verdict_rates {out}`: 1,000 simulated pairs of equal models a cell,",
        f"{SCORES} scores that vote (correlation 0.5) in {len(SPACES)} feature spaces. The share of pairs with any",
        "verdict at all, each of which is false; the rule promises at most 5 %.",
        "",
        "| seeds of each model | " + " | ".join(SHAPES) + " |",
        "| ---: |" + " ---: |" * len(SHAPES),
    ]
    for seeds in SEEDS:
        lines.append(f"| {seeds} | " + " | ".join(f"{false[shape, seeds]:.1%}" for shape in SHAPES) + " |")
    name = Path(out).name
    lines += ["", f"![The share of planted differences that are found, by their size]({name}.png)", ""]
    _chart(found_differences((4, 5, 10), 300)).save(f"{out}.png", scale_factor=2)
    Path(f"{out}.md").write_text("\n".join(lines), encoding="utf-8")
    print(f"{out}.md and {out}.png")


def _chart(found: dict[tuple[int, float], float]) -> Any:
    rows = [{"difference": size, "found": share, "seeds": str(n)} for (n, size), share in found.items()]
    data: Any = alt.Data(values=rows)  # type: ignore[no-untyped-call]
    shown = ["4", "5", "10"]
    return (
        alt.Chart(data, title="A planted difference is found", width=420, height=260)
        .mark_line(point=True)
        .encode(
            x=alt.X("difference:Q", title="difference of the means, in sds over seeds"),
            y=alt.Y("found:Q", title="share of 300 pairs", axis=alt.Axis(format="%")),
            color=alt.Color("seeds:N", title="seeds of each", sort=shown),
            shape=alt.Shape("seeds:N", title="seeds of each", sort=shown),
        )
    )


if __name__ == "__main__":
    main(sys.argv[1])
