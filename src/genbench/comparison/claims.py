"""The five claims of T. R. Kanala's comparison, each held against the measurements.

They are about a GAN and a VAE of the paper's recipe; other models, settings and budgets say nothing to them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from genbench.comparison.judgement import Judgement
from genbench.comparison.paper import MODELS, LossBeside, follows_paper, losses_beside
from genbench.comparison.ranking import Contender, on_one_machine, summary_of
from genbench.comparison.verdicts import ALPHA, Comparison, Verdict, compare, fewest_seeds

Outcome = Literal["confirmed", "refuted", "not seen", "undecided"]
MANY = 2.0  # times as many parameters are "many more"


@dataclass(frozen=True)
class Duel:
    """A GAN and a VAE on one data set, and the verdicts on the two."""

    data: str  # as people write it
    gan: Contender
    vae: Contender
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class ByParameters:
    """A GAN has many more parameters than a VAE: confirmed at twice as many, refuted at fewer or as many."""

    duel: Duel
    outcome: Outcome
    gan: int
    vae: int


@dataclass(frozen=True)
class ByTime:
    """A GAN takes longer to train: by seconds for 1,000 images, over seeds (Welch's test, 1 %)."""

    duel: Duel
    outcome: Outcome
    compared: Comparison  # GAN, then VAE
    operations: float | None  # of a GAN for an image, in those of a VAE
    fewest: int | None  # trainings of each that it takes at least, if there are fewer
    on_one_machine: bool = True  # else seconds decide nothing


@dataclass(frozen=True)
class ByVerdicts:
    """A model's samples look better, or are more diverse: one verdict or more for it, and none for the other."""

    duel: Duel
    outcome: Outcome
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class ByDataSets:
    """Which of the two is better depends on the data set: a score is decided for each of them on another one.

    That the same one is better on a few data sets does not refute it: it was not seen on these.
    """

    outcome: Outcome
    winners: Mapping[str, Mapping[str, str]]  # model by data set, by score: what is decided on two data sets or more
    data_sets: int  # with both models

    @property
    def differing(self) -> dict[str, Mapping[str, str]]:
        """The scores on which the winner differs."""
        return {score: winners for score, winners in self.winners.items() if len(set(winners.values())) > 1}


@dataclass(frozen=True)
class Findings:
    """What the data sets say to the claims, in the paper's order."""

    parameters: tuple[ByParameters, ...]
    time: tuple[ByTime, ...]
    looks: tuple[ByVerdicts, ...]
    diversity: tuple[ByVerdicts, ...]
    depends: ByDataSets
    losses: tuple[tuple[str, LossBeside], ...]  # data set, the paper's losses and ours


def findings(judgements: Sequence[Judgement]) -> Findings:
    """What some data sets, each judged once, say to the claims."""
    duels = [duel for judgement in judgements if (duel := _duel(judgement)) is not None]
    return Findings(
        tuple(_by_parameters(duel) for duel in duels),
        tuple(_by_time(duel) for duel in duels),
        tuple(_by_verdicts(duel, ("realism", "fidelity"), duel.gan) for duel in duels),
        tuple(_by_verdicts(duel, ("diversity", "classes"), duel.vae) for duel in duels),
        _by_data_sets(duels),
        tuple(
            (judgement.ranking.title, loss)
            for judgement in judgements
            for loss in losses_beside(judgement.ranking.contenders, judgement.ranking.data)
        ),
    )


def _duel(judgement: Judgement) -> Duel | None:
    chosen = []
    for model in MODELS:
        of_recipe = [c for c in judgement.contenders if c.model == model and follows_paper(c.runs[0])]
        if not of_recipe:
            return None
        chosen.append(max(of_recipe, key=lambda contender: len(contender.runs)))
    gan, vae = chosen
    return Duel(judgement.ranking.title, gan, vae, tuple(judgement.between(gan.label, vae.label)))


def _by_parameters(duel: Duel) -> ByParameters:
    gan, vae = duel.gan.cost.parameters, duel.vae.cost.parameters
    outcome: Outcome = "confirmed" if gan >= MANY * vae else "refuted" if gan <= vae else "undecided"
    return ByParameters(duel, outcome, gan, vae)


def _by_time(duel: Duel) -> ByTime:
    gan, vae = (np.array([_seconds_for_1000(summary_of(run).images_per_second) for run in c.runs]) for c in _both(duel))
    compared = compare(gan, vae)
    alike = on_one_machine(_both(duel))
    decided = alike and min(gan.size, vae.size) >= fewest_seeds() and compared.p < ALPHA
    outcome: Outcome = "undecided" if not decided else "confirmed" if compared.difference > 0 else "refuted"
    flops = [summary_of(contender.runs[0]).training_flops_per_image for contender in _both(duel)]
    operations = flops[0] / flops[1] if flops[0] and flops[1] else None
    too_few = not decided and min(gan.size, vae.size) < fewest_seeds()
    return ByTime(duel, outcome, compared, operations, fewest_seeds() if too_few else None, alike)


def _seconds_for_1000(images_per_second: float) -> float:
    return 1000.0 / max(images_per_second, 1e-9)


def _both(duel: Duel) -> tuple[Contender, Contender]:
    return duel.gan, duel.vae


def _by_verdicts(duel: Duel, topics: Sequence[str], claimed: Contender) -> ByVerdicts:
    found = tuple(verdict for topic in topics for verdict in duel.verdicts if verdict.score.topic == topic)
    winners = {verdict.better for verdict in found if verdict.better}
    outcome: Outcome = "undecided"
    if len(winners) == 1:
        outcome = "confirmed" if claimed.label in winners else "refuted"
    return ByVerdicts(duel, outcome, found)


def _by_data_sets(duels: Sequence[Duel]) -> ByDataSets:
    by_score: dict[str, dict[str, str]] = {}
    for duel in duels:
        for verdict in duel.verdicts:
            if verdict.better is not None:
                winner = "GAN" if verdict.better == duel.gan.label else "VAE"
                by_score.setdefault(verdict.score.label, {}).setdefault(duel.data, winner)
    shared = {score: winners for score, winners in by_score.items() if len(winners) > 1}
    found = ByDataSets("not seen" if shared else "undecided", shared, len({duel.data for duel in duels}))
    return ByDataSets("confirmed", shared, found.data_sets) if found.differing else found
