"""How often the verdict rule is wrong: pairs of equal models, and pairs with a planted difference.

    python -m genbench.reporting.simulation docs/verdicts

writes docs/verdicts.md and docs/verdicts.png.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np

from genbench.reporting.verdicts import Array, Question, verdicts

SCORES = 8  # as many as vote on MNIST and Fashion-MNIST
SPACES = ("classifier", "random", "pixels")
SHAPES = ("normal", "heavy-tailed", "skewed")


@dataclass(frozen=True)
class Rates:
    """Shares of pairs of models."""

    any_verdict: float  # at least one verdict on a score on which the models are equal
    found: float  # the planted difference was found, in the right direction


def rates(
    seeds: int, pairs: int = 1000, *, planted: float = 0.0, shape: str = "normal", correlation: float = 0.5
) -> Rates:
    """Judge simulated pairs of models whose seeds have sd 1 on every score.

    Args:
        seeds: of each model.
        pairs: how many pairs.
        planted: difference on the first score, in sds; on all others the models are equal.
        shape: of the distribution over seeds.
        correlation: between the scores of one seed.
    """
    generator = np.random.default_rng(seeds * 1000 + SHAPES.index(shape))
    wrong = right = 0
    for _ in range(pairs):
        common = _noise(generator, shape, (2, 1, 1, seeds))
        own = _noise(generator, shape, (2, SCORES, 1, seeds))
        # The spaces see the same images: nearly the same noise, so that condition 4 saves no verdict by luck.
        between = _noise(generator, shape, (2, SCORES, len(SPACES), seeds))
        values = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own + 0.1 * between
        values[0, 0] += planted
        answers = verdicts(
            [
                Question(
                    score=str(score),
                    lower_is_better=False,
                    first={space: values[0, score, i].tolist() for i, space in enumerate(SPACES)},
                    second={space: values[1, score, i].tolist() for i, space in enumerate(SPACES)},
                )
                for score in range(SCORES)
            ]
        )
        equal = answers[1:] if planted else answers
        wrong += any(answer.winner is not None for answer in equal)
        right += bool(planted) and answers[0].winner == "first"
    return Rates(wrong / pairs, right / pairs)


def _noise(generator: np.random.Generator, shape: str, size: tuple[int, ...]) -> Array:
    if shape == "heavy-tailed":
        return np.asarray(generator.standard_t(3, size) / np.sqrt(3.0))
    if shape == "skewed":
        return np.asarray(generator.exponential(1.0, size) - 1.0)
    noise: Array = generator.standard_normal(size)
    return noise


def main(out: str) -> None:
    """Write the table and the picture of false verdicts and of found differences."""
    false = {(shape, seeds): rates(seeds, shape=shape).any_verdict for shape in SHAPES for seeds in (4, 5, 8, 10)}
    lines = [
        "# How often the verdict rule is wrong",
        "",
        f"Written by `python -m genbench.reporting.simulation {out}`: 1,000 simulated pairs of equal models a cell,",
        f"{SCORES} scores that vote (correlation 0.5) in {len(SPACES)} feature spaces. The share of pairs with any",
        "verdict at all, each of which is false; the rule promises at most 5 %.",
        "",
        "| seeds of each model | " + " | ".join(SHAPES) + " |",
        "| ---: |" + " ---: |" * len(SHAPES),
    ]
    for seeds in (4, 5, 8, 10):
        lines.append(f"| {seeds} | " + " | ".join(f"{false[shape, seeds]:.1%}" for shape in SHAPES) + " |")
    rows = [
        {"difference": d, "found": rates(seeds, 300, planted=d).found, "seeds": str(seeds)}
        for seeds in (4, 5, 10)
        for d in (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)
    ]
    name = Path(out).name
    lines += ["", f"![The share of planted differences that are found, by their size]({name}.png)", ""]
    data: Any = alt.Data(values=rows)  # type: ignore[no-untyped-call]
    chart = (
        alt.Chart(data, title="A planted difference is found", width=420, height=260)
        .mark_line(point=True)
        .encode(
            x=alt.X("difference:Q", title="difference of the means, in sds over seeds"),
            y=alt.Y("found:Q", title="share of 300 pairs", axis=alt.Axis(format="%")),
            color=alt.Color("seeds:N", title="seeds of each", sort=["4", "5", "10"]),
            shape=alt.Shape("seeds:N", title="seeds of each", sort=["4", "5", "10"]),
        )
    )
    chart.save(f"{out}.png", scale_factor=2)
    Path(f"{out}.md").write_text("\n".join(lines), encoding="utf-8")
    print(f"{out}.md and {out}.png")


if __name__ == "__main__":
    main(sys.argv[1])
