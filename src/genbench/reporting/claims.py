"""The five claims of T. R. Kanala's comparison, each held against the measurements."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from genbench.reporting.duels import LABELS, Duel, budget, number
from genbench.reporting.inputs import Contender, Record
from genbench.reporting.tables import duration
from genbench.reporting.verdicts import ALPHA, Verdict, compare, fewest_seeds, permutation_p_values

Outcome = Literal["confirmed", "refuted", "undecided"]
Winner = Literal["first", "second"] | None
MANY = 2.0  # times as many parameters are "many more"


@dataclass(frozen=True)
class Finding:
    """What one data set says to a claim; data is empty if it takes several."""

    data: str
    outcome: Outcome
    numbers: str


@dataclass(frozen=True)
class Claim:
    """A claim of the paper and what each data set says to it."""

    text: str
    rule: str  # when it counts as confirmed and when as refuted
    findings: tuple[Finding, ...]


def claims(duels: Sequence[Duel]) -> list[Claim]:
    """The claims about GAN and VAE; duels of other models say nothing to them."""
    chosen = [_gan_first(duel) for duel in duels if {duel.first.model, duel.second.model} == {"gan", "vae"}]
    return [
        Claim(
            "A GAN has many more parameters than a VAE.",
            "Confirmed at twice as many or more, refuted at fewer or as many.",
            tuple(_parameters(duel) for duel in chosen),
        ),
        Claim(
            "A GAN takes longer to train.",
            "Seconds for 1,000 training images, over seeds (Welch and permutation test, 5 %): at an equal time budget"
            " both train equally long, so that the total would say nothing.",
            tuple(_time(duel) for duel in chosen),
        ),
        Claim(
            "The samples of a GAN look better.",
            "By the verdicts on likeness to real images and on single images: confirmed if at least one goes to the GAN"
            " and none to the VAE, refuted the other way round.",
            tuple(_by_verdicts(duel, ("realism", "fidelity"), "gan") for duel in chosen),
        ),
        Claim(
            "The samples of a VAE are more diverse; a GAN may lose modes.",
            "By the verdicts on variety and class shares: confirmed if at least one goes to the VAE and none to the"
            " GAN, refuted the other way round.",
            tuple(_by_verdicts(duel, ("diversity", "classes"), "vae") for duel in chosen),
        ),
        Claim(
            "Which of the two is better depends on the data set.",
            "Confirmed if a score is decided for one model on one data set and for the other on another; refuted if"
            " all scores that are decided on two data sets or more agree.",
            (_depends(chosen),),
        ),
    ]


def _gan_first(duel: Duel) -> Duel:
    return duel if duel.first.model == "gan" else _swapped(duel)


def _swapped(duel: Duel) -> Duel:
    found = []
    for verdict in duel.verdicts:
        c = verdict.compared
        compared = replace(
            c,
            mean_first=c.mean_second,
            sd_first=c.sd_second,
            n_first=c.n_second,
            mean_second=c.mean_first,
            sd_second=c.sd_first,
            n_second=c.n_first,
            difference=-c.difference,
            low=-c.high,
            high=-c.low,
        )
        winner: Winner = "second" if verdict.winner == "first" else "first" if verdict.winner == "second" else None
        signs = {space: -sign for space, sign in verdict.signs.items()}
        found.append(replace(verdict, compared=compared, winner=winner, signs=signs))
    return replace(duel, first=duel.second, second=duel.first, verdicts=tuple(found))


def _parameters(duel: Duel) -> Finding:
    gan, vae = duel.first.runs[0].parameters, duel.second.runs[0].parameters
    outcome: Outcome = "confirmed" if gan >= MANY * vae else "refuted" if gan <= vae else "undecided"
    return Finding(duel.data, outcome, f"{gan:,} against {vae:,} ({gan / max(vae, 1):.1f} times)")


def _time(duel: Duel) -> Finding:
    gan, vae = ([seconds_for_1000(run) for run in c.runs] for c in (duel.first, duel.second))
    c = compare(gan, vae)
    ratio = c.mean_first / c.mean_second if c.mean_second else math.nan
    p = permutation_p_values([np.array(gan)], [np.array(vae)])[0]
    fewest = fewest_seeds()
    decided = c.welch_p < ALPHA and p < ALPHA  # False with nan
    outcome: Outcome = "undecided" if not decided else "confirmed" if c.difference > 0 else "refuted"
    text = (
        f"{number(c.mean_first)} s against {number(c.mean_second)} s for 1,000 images ({ratio:.1f} times); budgets"
        f" {budget(duel.first.runs[0].config)} and {budget(duel.second.runs[0].config)},"
        f" in all {_total(duel.first)} and {_total(duel.second)} a run"
    )
    flops = [run.summary.get("training_flops_per_image") for run in (duel.first.runs[0], duel.second.runs[0])]
    if all(flops):
        text += f"; {float(flops[0] or 0) / float(flops[1] or 1):.1f} times the operations an image"
    if not decided and min(len(gan), len(vae)) < fewest:
        text += f"; fewer than {fewest} trainings of each can decide nothing"
    return Finding(duel.data, outcome, text)


def _total(contender: Contender) -> str:
    return duration(sum(float(run.summary["train_seconds"]) for run in contender.runs) / len(contender.runs))


def seconds_for_1000(run: Record) -> float:
    """Training seconds for 1,000 images."""
    return 1000.0 / max(float(run.summary["images_per_second"]), 1e-9)


def _by_verdicts(duel: Duel, topics: Sequence[str], claimed: Literal["gan", "vae"]) -> Finding:
    found = [verdict for topic in topics for verdict in duel.on(topic)]
    side: Literal["first", "second"] = "first" if claimed == "gan" else "second"
    other: Literal["first", "second"] = "second" if claimed == "gan" else "first"
    winners = {verdict.winner for verdict in found}
    outcome: Outcome = "undecided"
    if side in winners and other not in winners:
        outcome = "confirmed"
    elif other in winners and side not in winners:
        outcome = "refuted"
    if not found:
        return Finding(duel.data, outcome, "no score that could tell may vote")
    return Finding(duel.data, outcome, "; ".join(_numbers(duel, verdict) for verdict in found))


def _numbers(duel: Duel, verdict: Verdict) -> str:
    c = verdict.compared
    who = {"first": "GAN better", "second": "VAE better", None: "undecided"}[verdict.winner]
    return f"{LABELS[verdict.score]} {number(c.mean_first)} against {number(c.mean_second)}: {who}"


def _depends(duels: Sequence[Duel]) -> Finding:
    by_score: dict[str, dict[str, str]] = {}
    for duel in duels:
        for verdict in duel.verdicts:
            if verdict.winner is not None:
                winner = "GAN" if verdict.winner == "first" else "VAE"
                by_score.setdefault(verdict.score, {}).setdefault(duel.data, winner)
    shared = {score: winners for score, winners in by_score.items() if len(winners) > 1}
    differing = {score: winners for score, winners in shared.items() if len(set(winners.values())) > 1}
    if differing:
        words = (
            f"{LABELS[score]}: " + ", ".join(f"{winner} on {data}" for data, winner in winners.items())
            for score, winners in differing.items()
        )
        return Finding("", "confirmed", "; ".join(words))
    if shared:
        words = (f"{LABELS[score]} ({next(iter(winners.values()))})" for score, winners in shared.items())
        return Finding("", "refuted", "the same model is better on every data set by " + ", ".join(words))
    if len({duel.data for duel in duels}) < 2:
        return Finding("", "undecided", "it takes both models on two data sets")
    return Finding("", "undecided", "no score is decided on two data sets")
