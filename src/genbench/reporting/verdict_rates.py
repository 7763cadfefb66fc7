"""How often the verdict rule is wrong, as a page.

    python -m genbench.reporting.verdict_rates docs/verdicts.md

A quarter of an hour on one core.
"""

import sys
from itertools import groupby
from pathlib import Path

from genbench.comparison.simulation import PLANTED, SCORES, Cell, Rates, cells, rates
from genbench.comparison.verdicts import ALPHA, PROMISE, fewest_seeds

COMPARISONS = {2: 10_000, 4: 10_000, 8: 4_000}  # by contenders: eight make 28 pairs


def main(out: str) -> None:
    """Write the table of false verdicts and of found differences."""
    found = {cell: rates(cell, COMPARISONS[cell.contenders]) for cell in cells()}
    Path(out).write_text(_page(out, found), encoding="utf-8")
    print(out)


def _page(out: str, found: dict[Cell, Rates]) -> str:
    worst = max(found, key=lambda cell: found[cell].wrong)
    columns = [(cell.contenders, cell.seeds) for cell in list(found)[:9]]
    of = ", ".join(f"{n:,} comparisons of {contenders}" for contenders, n in COMPARISONS.items())
    lines = [
        "# How often the verdict rule is wrong",
        "",
        f"Written by `python -m genbench.reporting.verdict_rates {out}`, which simulates {of} contenders a cell,",
        f"each on {SCORES} scores that vote. First number: equal contenders, of any two of which a training of one is",
        "as likely to be better as one of the other; the share of comparisons with any verdict, on any score, between",
        f"any two, which is false. The rule promises at most {PROMISE:.0%} in every cell, and tests at {ALPHA:.0%} for",
        f"it. In brackets: one contender is better on one score, by {PLANTED:g} sds over seeds; the share in which it",
        f"is found better than the next. With fewer than {fewest_seeds(2)} seeds of each of two contenders, or"
        f" {fewest_seeds(3)} of each of more, nothing is decided.",
        "",
        f"Most false verdicts: **{found[worst].wrong:.1%}**, with {worst.contenders} contenders, {worst.seeds} seeds of"
        f" each, {worst.shape}, sds 1 : {worst.ratio:g}, correlation {worst.correlation:g}.",
        "",
        "Shapes, all of sd 1 before they are widened: heavy-tailed is Student's t with 3 degrees of freedom, skewed is",
        "exponential, lumpy has one training in five far off, tied is rounded to whole sds, an outlier is normal with",
        "one seed of the first contender 10 sds off. Every second contender has the larger sd. The correlation is that",
        "of the scores of a training.",
        "",
        "| shape | sds | correlation | " + " | ".join(f"{k} contenders, {n} seeds" for k, n in columns) + " |",
        "| --- | --- | ---: |" + " ---: |" * len(columns),
    ]
    for (shape, ratio, correlation), row in groupby(found, lambda cell: (cell.shape, cell.ratio, cell.correlation)):
        rates_of = " | ".join(_text(cell, found[cell]) for cell in row)
        lines.append(f"| {shape} | 1 : {ratio:g} | {correlation:g} | {rates_of} |")
    return "\n".join([*lines, ""])


def _text(cell: Cell, of: Rates) -> str:
    if cell.seeds < fewest_seeds(cell.contenders):
        return "nothing is decided"
    return f"{of.wrong:.1%} ({of.found:.0%})"


if __name__ == "__main__":
    main(sys.argv[1])
