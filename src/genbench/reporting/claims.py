"""The five claims of T. R. Kanala's comparison in words, with what was found."""

from dataclasses import dataclass

from genbench.comparison.claims import ByDataSets, ByParameters, ByTime, ByVerdicts, Duel, Findings, Outcome
from genbench.comparison.ranking import Contender
from genbench.comparison.verdicts import Verdict
from genbench.console import duration
from genbench.reporting.formats import number


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
    findings: tuple[Finding, ...]  # none: no training here is of the paper's recipe


@dataclass(frozen=True)
class LossRow:
    """A loss of the paper, and ours beside it."""

    data: str
    what: str
    paper: str
    ours: str


def loss_rows(found: Findings) -> list[LossRow]:
    """The paper's losses, each beside that of the trainings of its recipe at their end."""
    return [
        LossRow(
            data,
            f"{beside.known.model.upper()}: {beside.known.what}",
            number(beside.known.value, digits=4),
            f"{number(beside.ours.mean, digits=4)} ({beside.ours.n} seed{'s' * (beside.ours.n > 1)})",
        )
        for data, beside in found.losses
    ]


def claims(found: Findings) -> list[Claim]:
    """All five, in the paper's order."""
    return [
        Claim(
            "A GAN has many more parameters than a VAE.",
            "Confirmed at twice as many or more, refuted at fewer or as many.",
            tuple(map(_parameters, found.parameters)),
        ),
        Claim(
            "A GAN takes longer to train.",
            "Seconds for 1,000 training images, over seeds (Welch's test, 1 %): at an equal time budget"
            " both train equally long, so that the total would say nothing.",
            tuple(map(_time, found.time)),
        ),
        Claim(
            "The samples of a GAN look better.",
            "By the verdicts on likeness to real images and on single images: confirmed if at least one goes to the GAN"
            " and none to the VAE, refuted the other way round.",
            tuple(map(_verdicts, found.looks)),
        ),
        Claim(
            "The samples of a VAE are more diverse; a GAN may lose modes.",
            "By the verdicts on variety and class shares: confirmed if at least one goes to the VAE and none to the"
            " GAN, refuted the other way round.",
            tuple(map(_verdicts, found.diversity)),
        ),
        Claim(
            "Which of the two is better depends on the data set.",
            "Confirmed if a score is decided for one model on one data set and for the other on another. If all scores"
            " that are decided on two data sets or more agree, it was not seen on these: others may differ.",
            (_data_sets(found.depends),) if found.parameters else (),
        ),
    ]


def _parameters(found: ByParameters) -> Finding:
    text = f"{found.gan:,} against {found.vae:,} ({found.gan / max(found.vae, 1):.1f} times)"
    return Finding(found.duel.data, found.outcome, text)


def _time(found: ByTime) -> Finding:
    duel = found.duel
    gan, vae = (sample.mean for sample in found.compared.samples)
    text = (
        f"{number(gan)} s against {number(vae)} s for 1,000 images ({gan / vae:.1f} times); budgets"
        f" {duel.gan.budget} and {duel.vae.budget}, in all {_total(duel.gan)} and {_total(duel.vae)} a run"
    )
    if found.operations is not None:
        text += f"; {found.operations:.1f} times the operations an image"
    if not found.on_one_machine:
        text += "; not all on one device with as many threads, so that seconds decide nothing"
    if found.fewest is not None:
        text += f"; fewer than {found.fewest} trainings of each can decide nothing"
    return Finding(duel.data, found.outcome, text)


def _total(contender: Contender) -> str:
    return duration(contender.cost.train_seconds)


def _verdicts(found: ByVerdicts) -> Finding:
    texts = [_verdict(found.duel, verdict) for verdict in found.verdicts]
    text = "; ".join(texts) if texts else "no score that could tell may vote"
    return Finding(found.duel.data, found.outcome, text)


def _verdict(duel: Duel, verdict: Verdict) -> str:
    gan, vae = (verdict.samples[contender.label].mean for contender in (duel.gan, duel.vae))
    who = {duel.gan.label: "GAN better", duel.vae.label: "VAE better", None: "undecided"}[verdict.better]
    return f"{verdict.score.label} {number(gan)} against {number(vae)}: {who}"


def _data_sets(found: ByDataSets) -> Finding:
    if found.outcome == "confirmed":
        words = (
            f"{score}: " + ", ".join(f"{winner} on {data}" for data, winner in winners.items())
            for score, winners in found.differing.items()
        )
        return Finding("", found.outcome, "; ".join(words))
    if found.outcome == "not seen":
        words = (f"{score} ({next(iter(winners.values()))})" for score, winners in found.winners.items())
        return Finding(
            "", found.outcome, f"on these {found.data_sets} data sets the same model is better by " + ", ".join(words)
        )
    if found.data_sets < 2:
        return Finding("", found.outcome, "it takes both models on two data sets")
    return Finding("", found.outcome, "no score is decided on two data sets")
