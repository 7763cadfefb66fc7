"""How good samples are in absolute terms: every seed of every contender among images whose quality is known."""

from collections.abc import Mapping
from dataclasses import dataclass

from genbench.comparison.judgement import COPIES, Judgement
from genbench.evaluation.catalogue import catalogue
from genbench.evaluation.entry import Entry
from genbench.evaluation.protocol import BLURRED, FULL_GAUSSIAN, MISSING, REAL, TOPICS, UNIFORM

ANCHORS = (REAL, MISSING, BLURRED, FULL_GAUSSIAN, UNIFORM)  # rows of the calibration


@dataclass(frozen=True)
class Scale:
    """One score: of known images, and of each seed of each contender."""

    score: Entry
    anchors: Mapping[str, float]  # by row of the calibration; the best first
    seeds: Mapping[str, tuple[float, ...]]  # by contender

    def worse_than(self, label: str) -> str | None:
        """The worst of the known images than which every seed of a contender is worse."""
        best_seed = min(value * self.score.worse for value in self.seeds[label])
        found = [row for row, value in self.anchors.items() if value * self.score.worse < best_seed]
        return found[-1] if found else None

    def better_than(self, label: str) -> str | None:
        """The best of the known images than which every seed of a contender is better."""
        worst_seed = max(value * self.score.worse for value in self.seeds[label])
        return next((row for row, value in self.anchors.items() if value * self.score.worse > worst_seed), None)

    def all_worse_than(self, row: str) -> bool:
        """Whether every seed of every contender is worse than known images; not if these were not measured."""
        known = self.anchors.get(row)
        values = [value for seeds in self.seeds.values() for value in seeds]
        return known is not None and all((value - known) * self.score.worse > 0 for value in values)

    def among(self, label: str) -> tuple[str, ...]:
        """The known images than which some seeds of a contender are better and others worse."""
        low, high = min(self.seeds[label]), max(self.seeds[label])
        return tuple(row for row, value in self.anchors.items() if low <= value <= high)


def scales(judgement: Judgement) -> list[Scale]:
    """Of each question that somebody can win the first score that votes."""
    found = []
    for topic in TOPICS:
        keys = [key for key in judgement.votes if catalogue()[key.score].topic == topic != COPIES]
        if keys:
            found.append(_scale(judgement, catalogue()[keys[0].score]))
    return found


def _scale(judgement: Judgement, score: Entry) -> Scale:
    ranking = judgement.ranking
    key = ranking.key(score.name)
    calibration = ranking.calibration
    rows = {} if calibration is None else {row: calibration.row(row, key) for row in ANCHORS}
    known = {row: found.mean for row, found in rows.items() if found is not None}
    anchors = dict(sorted(known.items(), key=lambda item: item[1] * score.worse))
    return Scale(score, anchors, {c.label: tuple(c.values(key)) for c in judgement.contenders if c.values(key)})
