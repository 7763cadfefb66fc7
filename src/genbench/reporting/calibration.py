"""The calibration page: tables of known images' scores, and of which scores vote.

python -m genbench.reporting.calibration docs/calibration.md     of the calibrations that come with genbench
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from genbench.cache import whole_file
from genbench.evaluation.calibrations import Calibration, shipped
from genbench.reporting.formats import deviation
from genbench.runs.records import Score

TITLE = """# What the scores say of images whose quality is known

Written by {command}.

Each row is {draws} draws of as many images as there are test images, {n:,} at most, scored like a model's samples
against them: mean ± sd over the draws. The first row is how real images score (each draw is kept from the training
images that it is compared with); the second has one draw of as many images as the validation set has, and its floors
are higher where those are fewer.

A score votes on a model if in this table it is monotone in the doses that its question is about (it never looks better
at a larger dose by more than twice the sd of the first row), lies at its floor for real images where it has one, and
flags its own failure. "Repeated images" and "copies" are doses by share.
"""


def calibration_page(calibrations: Sequence[Calibration], command: str = "`genbench calibrate`") -> str:
    """Markdown of the tables of some data sets; `command` is what made them."""
    n = max(calibration.n for calibration in calibrations)
    page = [TITLE.format(command=command, draws=calibrations[0].draws, n=n)]
    for calibration in calibrations:
        page.append(f"\n## {calibration.data}\n")
        page += [_extractor(name, facts) for name, facts in calibration.extractors.items()]
        page.append(f"\nDevice: {calibration.device}. {calibration.seconds:.0f} s. {calibration.n:,} images a draw.\n")
        for space, votes in calibration.votes.items():
            page.append(f"\n### {calibration.data}: {space}\n")
            page += _rows({row: scores[space] for row, scores in calibration.rows.items()})
            if calibration.doses:
                page.append("\nDoses:\n")
                page += _doses(calibration, space)
            page.append("\nDoes it vote?\n")
            page += _votes(votes)
    return "\n".join(page) + "\n"


def _extractor(name: str, facts: Mapping[str, str]) -> str:
    if "test_accuracy" not in facts:
        return f"- {name}: hash `{facts['hash']}`"
    share, seconds = float(facts["test_accuracy"]), float(facts["seconds"])
    trained = f"test accuracy {share:.2%}, trained in {seconds:.0f} s ({facts['precision']})"
    return f"- {name}: hash `{facts['hash']}`, {trained}"


def _table(first: str, names: Iterable[str], rows: Iterable[tuple[str, Sequence[str]]], align: str) -> list[str]:
    names = list(names)
    head = [f"| {first} | " + " | ".join(names) + " |", "| --- |" + f" {align} |" * len(names)]
    return head + [f"| {row} | " + " | ".join(cells) + " |" for row, cells in rows]


def _rows(rows: Mapping[str, Mapping[str, Score]]) -> list[str]:
    cells = ((row, [_number(score) for score in scores.values()]) for row, scores in rows.items())
    return _table("images", next(iter(rows.values())), cells, "---:")


def _doses(calibration: Calibration, space: str) -> list[str]:
    steps = {
        f"{kind} {dose}": scores[space] for kind, doses in calibration.doses.items() for dose, scores in doses.items()
    }
    cells = ((step, [f"{value:.4g}" for value in scores.values()]) for step, scores in steps.items())
    return _table("dose", next(iter(steps.values())), cells, "---:")


def _votes(votes: Mapping[str, Mapping[str, bool | None]]) -> list[str]:
    word = {True: "yes", False: "**no**", None: "—"}
    cells = ((score, [word[answer] for answer in answers.values()]) for score, answers in votes.items())
    return _table("score", next(iter(votes.values())), cells, "---")


def _number(score: Score) -> str:
    spread = "" if score.sd is None else f" ± {deviation(score.sd)}"
    return f"{score.mean:.4g}{spread}"


if __name__ == "__main__":
    with whole_file(Path(sys.argv[1])) as temporary:
        page = calibration_page(
            shipped(),
            "`python -m genbench.reporting.calibration docs/calibration.md` of the calibrations that come with"
            " genbench, each found by `genbench calibrate data=...`",
        )
        temporary.write_text(page, encoding="utf-8")
