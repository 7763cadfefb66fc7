"""What contenders cost, who is the cheapest, and who is beaten by somebody who costs no more."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from genbench.comparison.judgement import Judgement
from genbench.comparison.ranking import (
    Contender,
    drawn_on_one_machine,
    on_one_machine,
    scorecard_of,
    summary_of,
)
from genbench.runs.records import Cost

Kind = Literal["training", "sampling"]
ALIKE = 1.1  # what costs up to so many times as much costs alike: seconds are those of one machine on one day


@dataclass(frozen=True)
class Ended:
    """What the trainings of a contender ended with, at what cost."""

    contender: str
    seconds: tuple[float, ...]  # a value a seed
    fcd: tuple[float, ...]
    beaten_by: tuple[str, ...]  # contenders that are better by the verdicts and cost no more


def comparable(contenders: Sequence[Contender], kind: Kind) -> bool:
    """Whether the seconds of all were measured on one machine."""
    return (on_one_machine if kind == "training" else drawn_on_one_machine)(contenders)


def cheapest(contenders: Sequence[Contender]) -> Mapping[str, tuple[str, ...]]:
    """By what is counted, those for whom it is least, or nearly; without what was not measured on one machine."""
    counted = {"parameters": [float(contender.cost.parameters) for contender in contenders]}
    if comparable(contenders, "training"):
        counted["training"] = [contender.cost.train_seconds for contender in contenders]
    if comparable(contenders, "sampling"):
        counted["sampling"] = [contender.cost.seconds_for_10000_samples for contender in contenders]
    return {
        what: tuple(c.label for c, value in zip(contenders, values, strict=True) if value <= ALIKE * min(values))
        for what, values in counted.items()
        if not any(map(math.isnan, values))
    }


def ends(judgement: Judgement, kind: Kind) -> list[Ended]:
    """Every contender's Fréchet distances at its cost, and who beats it at no more: verdicts, never a lead.

    On several machines nobody does: their seconds are not comparable.
    """
    key = judgement.ranking.key("fcd")
    seconds = {contender.label: _seconds(contender, kind) for contender in judgement.contenders}
    known = {label: _mean(values) for label, values in seconds.items() if values}
    better: dict[str, list[str]] = {}
    for verdict in judgement.verdicts if comparable(judgement.contenders, kind) else ():
        if verdict.score.name == "fcd" and verdict.better is not None and verdict.worse is not None:
            better.setdefault(verdict.worse, []).append(verdict.better)
    return [
        Ended(
            contender.label,
            seconds[contender.label],
            tuple(contender.values(key)),
            tuple(
                winner
                for winner in better.get(contender.label, [])
                if winner in known and known[winner] <= ALIKE * known[contender.label]
            ),
        )
        for contender in judgement.contenders
        if contender.label in known and contender.values(key)
    ]


def _seconds(contender: Contender, kind: Kind) -> tuple[float, ...]:
    if kind == "training":
        return tuple(summary_of(run).train_seconds for run in contender.runs)
    costs = [scorecard_of(run).cost for run in contender.runs]
    return tuple(cost.seconds_for_10000_samples for cost in costs if isinstance(cost, Cost))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
