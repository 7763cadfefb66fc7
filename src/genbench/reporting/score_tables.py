"""Tables of all scores, as the page shows them: contenders, then images whose quality is known; and every verdict."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from genbench.comparison.judgement import Judgement
from genbench.comparison.ranking import Contender, Ranking
from genbench.comparison.verdicts import Verdict
from genbench.evaluation.catalogue import catalogue
from genbench.evaluation.entry import Entry
from genbench.evaluation.protocol import TOPICS
from genbench.reporting.formats import deviation, inline, number
from genbench.reporting.words import reasons
from genbench.runs.records import Key, Score

SPACES = {
    "classifier": "a classifier of this data set",
    "random": "a random network",
    "pixels": "50 principal components of the pixels",
}


@dataclass(frozen=True)
class Cell:
    """A cell of a table of scores."""

    text: str
    value: float | None  # to sort by; None: by its text
    best: bool = False


@dataclass(frozen=True)
class Column:
    """A score of a table."""

    score: Entry
    votes: bool


@dataclass(frozen=True)
class ScoreTable:
    """All scores of one feature space; those that vote come first."""

    title: str
    columns: tuple[Column, ...]
    contenders: tuple[tuple[str, tuple[Cell, ...]], ...]
    calibration: tuple[tuple[str, tuple[Cell, ...]], ...]


@dataclass(frozen=True)
class VerdictRow:
    """A verdict as a row: its heading and cells."""

    label: str
    better: str  # a contender, or "undecided"
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class VerdictTable:
    """Every verdict on a pair of contenders."""

    pair: tuple[str, str]
    decided: int
    headings: tuple[str, ...]
    rows: tuple[VerdictRow, ...]


_NONE = Cell("–", math.nan)


def score_tables(judgement: Judgement) -> list[ScoreTable]:
    """A table a feature space."""
    return [_score_table(judgement, space) for space in judgement.ranking.spaces]


def _score_table(judgement: Judgement, space: str) -> ScoreTable:
    ranking = judgement.ranking
    measured = {key for run in ranking.runs if run.scorecard is not None for key in run.scorecard.values()}
    scores = [score for score in catalogue().values() if Key(space, score.name) in measured]
    scores.sort(key=lambda score: (Key(space, score.name) not in judgement.votes, _place(score)))
    keys = [Key(space, score.name) for score in scores]
    return ScoreTable(
        f"{ranking.title}: scores in the features of {SPACES[space]}",
        tuple(Column(score, key in judgement.votes) for score, key in zip(scores, keys, strict=True)),
        tuple((_row_heading(c), tuple(_of_contender(judgement, c, key) for key in keys)) for c in ranking.contenders),
        tuple(_calibration(ranking, keys)),
    )


def _place(score: Entry) -> int:
    """By the need of which it speaks; at the end those of none."""
    return {topic: i for i, topic in enumerate(TOPICS)}.get(score.topic or "", len(TOPICS))


def _row_heading(contender: Contender) -> str:
    n = len(contender.runs)
    return f"{contender.label} ({n} seed{'s' * (n > 1)})"


def _calibration(ranking: Ranking, keys: Sequence[Key]) -> list[tuple[str, tuple[Cell, ...]]]:
    calibration = ranking.calibration
    if calibration is None:
        return []
    return [(name, tuple(_of_images(calibration.row(name, key)) for key in keys)) for name in calibration.rows]


def _of_images(score: Score | None) -> Cell:
    return _NONE if score is None else _cell(score.mean, math.nan if score.sd is None else score.sd)


def _of_contender(judgement: Judgement, contender: Contender, key: Key) -> Cell:
    sample = contender.sample(key)
    if sample is None:
        return _NONE
    cell = _cell(sample.mean, sample.sd, contender.label in judgement.best(key))
    have, seeds = len(contender.values(key)), len(contender.runs)
    return cell if have == seeds else replace(cell, text=f"{cell.text} ({have} of {seeds} seeds)")


def _cell(mean: float, sd: float = math.nan, best: bool = False) -> Cell:
    spread = "" if math.isnan(sd) else f" ± {deviation(sd)}"
    return Cell(f"{number(mean)}{spread}", mean, best)


def verdict_tables(judgement: Judgement) -> list[VerdictTable]:
    """A table a pair."""
    return [_verdict_table(pair, judgement.between(*pair)) for pair in judgement.pairs if judgement.verdicts]


def _verdict_table(pair: tuple[str, str], verdicts: Sequence[Verdict]) -> VerdictTable:
    headings = (
        *("score", "better", *map(inline, pair), "difference", "95 % interval", "must exceed", "p (Welch, Holm)"),
        *("same sign in", "seeds that would decide", "why it is undecided"),
    )
    rows = tuple(_verdict_row(verdict) for verdict in verdicts)
    return VerdictTable(pair, sum(verdict.better is not None for verdict in verdicts), headings, rows)


def _verdict_row(verdict: Verdict) -> VerdictRow:
    agreeing = ", ".join(space for space, leader in verdict.leaders.items() if leader == verdict.leader)
    cells = [_cell(verdict.samples[label].mean) for label in verdict.pair]
    cells += [_cell(verdict.difference), Cell(f"{number(verdict.low)} to {number(verdict.high)}", verdict.low)]
    cells += [_cell(value) for value in (verdict.threshold, verdict.p_holm)]
    cells += [Cell(agreeing, None)]
    cells += [Cell(str(verdict.seeds), verdict.seeds) if verdict.seeds is not None else _NONE]
    cells += [Cell("; ".join(reasons(verdict)), None)]
    return VerdictRow(verdict.score.label, verdict.better or "undecided", tuple(cells))
