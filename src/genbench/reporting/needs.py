"""What somebody may need, and to each need the verdicts' answer: who is best, how sure, what would decide it."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from genbench.comparison.costs import Kind, cheapest, comparable
from genbench.comparison.judgement import COPIES, Judgement, Standing, copying
from genbench.comparison.leads import Lead, Silence, leads
from genbench.comparison.ranking import Contender
from genbench.comparison.verdicts import MOST_SEEDS, Reason, Verdict
from genbench.console import duration
from genbench.evaluation.catalogue import catalogue
from genbench.evaluation.protocol import TOPICS
from genbench.reporting.formats import inline, listed, number
from genbench.reporting.words import reason_of, scores_of

NO_TRAININGS = "more trainings cannot"
NEED = "what you need"  # of a pair of which each is surely better on some score: nothing that is measured decides it
DECIDED_BY = {
    Reason.BOTH_REAL: "nothing to decide: both are as good as real images in this",
    Reason.SMALL: f"{NO_TRAININGS}: the difference is too small to matter",
    Reason.ONE_SPACE: f"{NO_TRAININGS}: it takes a vote of the score in a second kind of features",
    Reason.SPACES_DISAGREE: f"{NO_TRAININGS}: look at the samples",
    Reason.UNEVEN: "trainings again, on a quiet machine or of a fixed number of images",
    Reason.FEW_TRAININGS: "{fewest} trainings of each, at least",
    Reason.LUCK: f"more than {MOST_SEEDS} trainings of each: for your use they are equal",
}
SILENT = {
    Silence.NO_CALIBRATION: ("no score may vote without a calibration", "a calibration, see below"),
    Silence.MISJUDGES: (
        "no score of it may vote: each misjudges known images",
        f"{NO_TRAININGS}: it takes a score that judges known images rightly",
    ),
    Silence.AS_REAL: ("nobody falls short of real images in this", "nothing to decide"),
    Silence.NOT_ALL_HAVE_IT: ("not every training has the scores", "scoring every training again"),
}
COUNTED = {"parameters": "fewest parameters", "training": "shortest training", "sampling": "fastest to draw"}


@dataclass(frozen=True)
class Answer:
    """A need, and what the comparison says to it."""

    need: str
    winners: tuple[str, ...] = ()  # contenders' labels: sure enough to act on
    text: str = ""  # after the winners, or in their place
    open: str = ""  # "undecided" or "it depends", where there is no winner
    sure: str = ""
    decided_by: str = ""  # what would decide what is undecided; empty if nothing is
    because: tuple[str, ...] = ()  # lines


def answers(judgement: Judgement) -> list[Answer]:
    """Every need, whether a score may vote on it or not; cost last. Of one contender alone no need has a best."""
    if len(judgement.contenders) == 1:
        return [_copies(judgement), cost_answer(judgement)]
    standings = judgement.topics()
    two = len(judgement.contenders) == 2
    found = []
    for topic, need in TOPICS.items():
        if topic == COPIES:
            continue
        standing = standings.get(topic)
        if standing is None:
            found.append(_silent(need, leads(judgement, topic)))
        else:
            found.append((_two if two else _many)(need, standing))
    return [*found, _copies(judgement), cost_answer(judgement)]


def silent_needs(judgement: Judgement) -> str:
    """The needs on which no score may vote, in a sentence; empty if there is none."""
    heard = {catalogue()[key.score].topic for key in judgement.votes}
    silent = [need for topic, need in TOPICS.items() if topic != COPIES and topic not in heard]
    return f"No score may vote on: {'; '.join(silent)}." if silent else ""


def _silent(need: str, found: Sequence[Lead]) -> Answer:
    """Of a need on which nothing may vote: who leads, and why that decides nothing."""
    if not found:
        return Answer(need, open="undecided", sure="not measured on these images")
    leaders = {lead.leader for lead in found}
    which = ", ".join(lead.score.label for lead in found)
    lead = (
        f"{inline(found[0].leader)} leads on {which}, but " if len(leaders) == 1 else f"by {which} they disagree, and "
    )
    reason = Counter(lead.why for lead in found).most_common(1)[0][0]
    why, decided_by = SILENT[reason]
    failed = [f"{lead.score.label} ({', '.join(lead.failed)})" for lead in found if lead.failed]
    numbers = "; ".join(_means(lead) for lead in (found if len(found[0].means) == 2 else found[:1]))
    numbers += f". What they misjudge: {'; '.join(failed)}" if failed else ""
    return Answer(need, open="undecided", sure=lead + why, decided_by=decided_by, because=(numbers,))


def _means(lead: Lead) -> str:
    return f"{lead.score.label} " + ", ".join(f"{inline(label)} {number(mean)}" for label, mean in lead.means.items())


def _two(need: str, standing: Standing) -> Answer:
    found = standing.verdicts
    one, other = standing.contenders
    numbers = f"{inline(one)} against {inline(other)}: " + ", ".join(
        f"{v.score.label} {number(v.samples[one].mean)} against {number(v.samples[other].mean)}" for v in found
    )
    winners = {verdict.better for verdict in found if verdict.better}
    if len(winners) == 1:
        settled = sum(verdict.better is not None for verdict in found)
        which = "every score" if settled == len(found) else f"{settled} of {len(found)} scores"
        sure = f"sure, on {which}" if len(found) > 1 else "sure"
        return Answer(need, tuple(winners), sure=sure, because=(numbers,))
    if winners:
        split = " and ".join(
            f"{inline(label)} on {scores_of(v for v in found if v.better == label)}" for label in (one, other)
        )
        sure = "sure, but the scores disagree"
        return Answer(need, open="it depends", sure=sure, decided_by=NEED, because=(f"{split}. {numbers}",))
    # The first reason: what is about the scores comes before the number of trainings, which alone would not help then.
    reasons = dict.fromkeys(reason_of(verdict, verdict.why[0]) for verdict in found)
    leaders = {verdict.leader for verdict in found}
    leader = next(iter(leaders)) if len(leaders) == 1 else None
    sure = (f"{inline(leader)} leads, but " if leader is not None else "") + "; ".join(reasons)
    return Answer(need, open="undecided", sure=sure, decided_by=_decided_by(found), because=(numbers,))


def _many(need: str, standing: Standing) -> Answer:
    first = standing.verdicts[0].score
    means = {label: v.samples[label].mean for v in standing.verdicts if v.score is first for label in v.pair}
    order = sorted(means, key=lambda label: means[label] * first.worse)
    because = (f"{first.label}: " + ", ".join(f"{inline(label)} {number(means[label])}" for label in order),)
    split = [f"{inline(one)} and {inline(other)}" for one, other in standing.split]
    about = f"; the scores disagree about {', '.join(split)}" if split else ""
    if not standing.decided:
        common = Counter(reason_of(v, v.why[0]) for v in standing.open).most_common(1)
        lead = f"{inline(order[0])} leads on {first.label}, but "
        sure = "the scores disagree" if split else f"{lead}no pair is decided, mostly because {common[0][0]}"
        decided_by = NEED if split else _decided_by(standing.open)
        return Answer(need, (), "", "it depends" if split else "undecided", sure, decided_by, because)
    every = "every pair" if standing.decided == standing.pairs else f"{standing.decided} of {standing.pairs} pairs"
    best, *others = standing.tiers
    rest = [f"then {listed(tier, standing.contenders)}" for tier in others]
    rest += [f"not to be placed: {listed(standing.unplaced, standing.contenders)}"] if standing.unplaced else []
    decided_by = _decided_by(standing.open) or (NEED if split else "")
    return Answer(need, best, "; ".join(rest), sure=f"sure for {every}{about}", decided_by=decided_by, because=because)


def _decided_by(undecided: Iterable[Verdict]) -> str:
    """What would be likely to decide something: trainings if they can, else what the first reasons ask for."""
    found = list(undecided)
    seeds = max((verdict.seeds for verdict in found if verdict.seeds is not None), default=None)
    if seeds is not None:
        return f"{seeds} trainings of each, likely (80 %)"
    asked = Counter(DECIDED_BY[v.why[0]].format(fewest=v.fewest) for v in found)
    return asked.most_common(1)[0][0] if asked else ""


def _copies(judgement: Judgement) -> Answer:
    found = copying(judgement)
    need = TOPICS[COPIES]
    if found is None:
        sure = "not measured on these images"
        if judgement.ranking.calibration is None:
            sure = "no score may vote without a calibration"
        return Answer(need, open="undecided", sure=sure, decided_by="a calibration, see below")
    numbers = ", ".join(f"{inline(label)} {share:.0%}" for label, share in found.authentic.items())
    because = (f"authentic samples: {numbers}; unseen real images {found.real:.0%}",)
    if found.misjudged:
        sure, decided_by = SILENT[Silence.MISJUDGES]
        return Answer(need, open="undecided", sure=sure, decided_by=decided_by, because=because)
    if found.copying:
        return Answer(need, text=f"not {listed(found.copying, judgement.labels)}: it copies", because=because)
    return Answer(need, text="any: none copies", because=because)


def cost_answer(judgement: Judgement) -> Answer:
    """Who is cheap in what, and what each costs: time, images, parameters. These are counts and clocks, not scores."""
    by_who: dict[tuple[str, ...], list[str]] = {}
    for what, labels in cheapest(judgement.contenders).items():
        by_who.setdefault(labels, []).append(COUNTED[what])
    texts = [
        f"{', '.join(what)}: {'all alike' if labels == judgement.labels else listed(labels, judgement.labels)}"
        for labels, what in by_who.items()
    ]
    clocks: dict[Kind, str] = {"training": "times", "sampling": "times of drawing"}
    for kind, what in clocks.items():
        if not comparable(judgement.contenders, kind):
            texts.append(f"{what} are of several machines, or of other numbers of threads, and not compared")
    text = "; ".join(texts) if len(judgement.contenders) > 1 else ""
    because = tuple(map(_cost, judgement.contenders))
    return Answer("low cost", text=text, sure=_budgets(judgement.contenders), because=because)


def _cost(contender: Contender) -> str:
    cost = contender.cost
    sampling = cost.seconds_for_10000_samples
    beside = cost.validation_seconds / max(cost.train_seconds, 1e-9)
    trained = f"trained {duration(cost.train_seconds)} on {cost.images_seen:,.0f} images"
    trained += f" (and {beside:.0%} beside it for validations)" if beside else ""
    drawn = "" if math.isnan(sampling) else f", 10,000 samples in {duration(sampling)}"
    return f"{inline(contender.label)}: {cost.parameters:,} parameters, {trained}{drawn}"


def _budgets(contenders: Sequence[Contender]) -> str:
    budgets = [contender.budget for contender in contenders]
    if len(set(budgets)) == 1:
        return f"same budget: {budgets[0]}"
    return f"budgets differ: {' against '.join(budgets if len(budgets) == 2 else dict.fromkeys(budgets))}"
