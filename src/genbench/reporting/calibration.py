"""The calibration page: tables of known images' scores, and of which scores vote."""

from collections.abc import Mapping, Sequence
from typing import Any

TITLE = """# What the scores say of images whose quality is known

Written by `python -m genbench.calibrate data=... out=docs/calibration.md`. Each row is {draws} draws of {n:,} images,
scored like a model's samples against the test images: mean ± sd over the draws. The first row is how real images
score (each draw is kept from the training images that it is compared with); the second has one draw of {small:,}
images, as many as the validation set has, and its floors are higher accordingly.

A score votes on a model if in this table it is monotone in every dose (it never looks better at a larger dose by more
than twice the sd of the first row), lies at its floor for real images where it has one, and flags its own failure.
Memorisation scores are not a matter of doses.
"""


def calibration_page(results: Sequence[Mapping[str, Any]]) -> str:
    """Markdown of the results that `evaluation.calibration` gave for some data sets."""
    rows = results[0]["rows"]
    small = next(iter(rows["real validation vs test"].values()))["n"]
    page = [TITLE.format(draws=results[0]["draws"], n=results[0]["n"], small=small)]
    for result in results:
        page.append(f"\n## {result['data']}\n")
        for name, facts in result["extractors"].items():
            accuracy = ""
            if "test_accuracy" in facts:
                share, seconds = float(facts["test_accuracy"]), float(facts["seconds"])
                accuracy = f", test accuracy {share:.2%}, trained in {seconds:.0f} s ({facts['precision']})"
            page.append(f"- {name}: hash `{facts['hash']}`{accuracy}")
        page.append(f"\nDevice: {result['device']}. {result['seconds']:.0f} s.\n")
        for space in result["votes"]:
            page.append(f"\n### {result['data']}: {space}\n")
            page += _rows(result["rows"], space)
            page.append("\nDoses:\n")
            page += _doses(result["doses"], space)
            page.append("\nDoes it vote?\n")
            page += _votes(result["votes"][space])
    return "\n".join(page) + "\n"


def _rows(rows: Mapping[str, Any], space: str) -> list[str]:
    names = [key.partition(".")[2] for key in next(iter(rows.values())) if key.startswith(space + ".")]
    lines = ["| images | " + " | ".join(names) + " |", "| --- |" + " ---: |" * len(names)]
    for row, scores in rows.items():
        cells = [_number(scores[f"{space}.{name}"]) for name in names]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return lines


def _doses(doses: Mapping[str, Any], space: str) -> list[str]:
    first = next(iter(next(iter(doses.values())).values()))
    names = [key.partition(".")[2] for key in first if key.startswith(space + ".")]
    lines = ["| dose | " + " | ".join(names) + " |", "| --- |" + " ---: |" * len(names)]
    for kind, steps in doses.items():
        for dose, scores in steps.items():
            lines.append(
                f"| {kind} {dose} | " + " | ".join(f"{scores[f'{space}.{name}']:.4g}" for name in names) + " |"
            )
    return lines


def _votes(votes: Mapping[str, Mapping[str, bool | None]]) -> list[str]:
    questions = list(next(iter(votes.values())))
    lines = ["| score | " + " | ".join(questions) + " |", "| --- |" + " --- |" * len(questions)]
    word = {True: "yes", False: "**no**", None: "—"}
    for score, answers in votes.items():
        lines.append(f"| {score} | " + " | ".join(word[answers[question]] for question in questions) + " |")
    return lines


def _number(score: Mapping[str, Any]) -> str:
    spread = "" if score["sd"] is None else f" ± {score['sd']:.1g}"
    return f"{score['mean']:.4g}{spread}"
