"""What was found, in words: the headline, the answers to a buyer's questions, and what would decide the rest."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from shlex import quote

from genbench.comparison.judgement import Judgement, Standing, copying
from genbench.comparison.ranking import Contender, Ranking
from genbench.comparison.verdicts import Reason, Verdict
from genbench.console import duration
from genbench.evaluation.protocol import TOPICS
from genbench.reporting.formats import inline, listed, number, word

REASONS = {
    Reason.BOTH_REAL: "neither falls short of real images in this",
    Reason.SMALL: "the difference is as small as between two sets of real images",
    Reason.ONE_SPACE: "seen by one kind of features only, and a verdict takes two",
    Reason.SPACES_DISAGREE: "the kinds of features disagree about who is better",
    Reason.UNEVEN: "the trainings of one saw more images than others of it: the machine was not quiet",
    Reason.FEW_TRAININGS: "fewer than {fewest} trainings of each can decide nothing",
    Reason.LUCK: "the trainings differ too much among themselves to tell",
}


@dataclass(frozen=True)
class Answer:
    """A question, and what the comparison says to it."""

    question: str
    winners: tuple[str, ...] = ()  # contenders' labels: sure enough to act on
    text: str = ""  # after the winners, or in their place
    open: str = ""  # "undecided" or "it depends", where there is no winner
    sure: str = ""
    because: tuple[str, ...] = ()  # lines


def heading(judgement: Judgement) -> str:
    """What is asked: "GAN or VAE?"."""
    if len(judgement.contenders) <= 3:
        *others, last = map(inline, judgement.labels)
        return f"{', '.join(others)} or {last}?" if others else last
    titles = list(dict.fromkeys(contender.runs[0].model_title for contender in judgement.contenders))
    *others, last = titles
    models = f"{', '.join(others)} and {last}" if others else last
    return f"which of {len(judgement.contenders)} settings of {models}?"


def headline(judgement: Judgement) -> tuple[str, ...]:
    """The answer in one or two sentences; of more than two contenders then one for each question."""
    if not judgement.verdicts:
        return ("Not decided: no score may vote, because there is no calibration that belongs to these scores.",)
    return (_of_two(judgement),) if len(judgement.contenders) == 2 else _of_many(judgement)


def _of_two(judgement: Judgement) -> str:
    one, other = judgement.labels
    total = len(judgement.verdicts)
    won = {label: [v for v in judgement.verdicts if v.better == label] for label in judgement.labels}
    for label, loser in ((one, other), (other, one)):
        if won[label] and not won[loser]:
            n = len(won[label])
            rest = f"; {total - n} {'is' if total - n == 1 else 'are'} undecided" if total > n else ""
            return (
                f"Take the {inline(label)}. It is better on {n} of {total} scores, the {inline(loser)} on none{rest}."
            )
    if won[one]:
        needs = (f"{inline(label)} for {_scores(found)}" for label, found in won.items())
        return f"It depends on what you need: {'; '.join(needs)}."
    leads = Counter(verdict.leader for verdict in judgement.verdicts)
    text = f"{inline(one)} leads on {leads[one]} and {inline(other)} on {leads[other]} of {total} scores"
    if min(judgement.seeds.values()) < judgement.fewest:
        few = f"so few trainings ({_seeds(judgement)}) may be luck"
        return f"Not decided yet. {text}, but {few}: it takes {judgement.fewest} of each."
    return f"Not decided. {text}, but every lead may be luck or too small to matter."


def _of_many(judgement: Judgement) -> tuple[str, ...]:
    standings = judgement.topics()
    decided = {topic: standing for topic, standing in standings.items() if standing.decided}
    if not decided:
        if min(judgement.seeds.values()) < judgement.fewest:
            few = f"so few trainings ({_seeds(judgement)}) may be luck"
            return (f"Not decided yet: {few}, it takes {judgement.fewest} of each.",)
        return ("Not decided: every lead may be luck or too small to matter.",)
    beaten = {loser for standing in decided.values() for losers in standing.beaten.values() for loser in losers}
    winning = {label for standing in decided.values() for label in standing.tiers[0]}
    unbeaten = [f"the {inline(label)}" for label in judgement.labels if label in winning and label not in beaten]
    text = f"Take {' or '.join(unbeaten)}: nobody is better on any question." if unbeaten else ""
    answers = [f"{TOPICS[topic]} {_upper(placed(standing))}." for topic, standing in decided.items()]
    answers += [f"{TOPICS[topic]} Undecided." for topic in standings if topic not in decided]
    return text or "It depends on what you need.", *answers


def placed(standing: Standing) -> str:
    """The contenders by their place: "best: A, B; then C"."""
    text = "best: " + "; then ".join(listed(tier, standing.contenders) for tier in standing.tiers)
    return text + (f"; not to be placed: {listed(standing.unplaced, standing.contenders)}" if standing.unplaced else "")


def answers(judgement: Judgement) -> list[Answer]:
    """The questions of somebody who needs images, answered by the verdicts; cost last."""
    if not judgement.verdicts:
        return [cost_answer(judgement)]
    two = len(judgement.contenders) == 2
    found = [(_two if two else _many)(topic, standing) for topic, standing in judgement.topics().items()]
    return [*found, _copies(judgement), cost_answer(judgement)]


def _two(topic: str, standing: Standing) -> Answer:
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
        return Answer(TOPICS[topic], tuple(winners), sure=sure, because=(numbers,))
    if winners:
        split = " and ".join(
            f"{inline(label)} on {_scores(v for v in found if v.better == label)}" for label in (one, other)
        )
        return Answer(
            TOPICS[topic], open="it depends", sure="sure, but the scores disagree", because=(f"{split}. {numbers}",)
        )
    # The last reason is about the number of trainings, which a reader can change; the others are about the scores.
    reasons = dict.fromkeys(_reason(verdict, verdict.why[-1]) for verdict in found)
    leaders = {verdict.leader for verdict in found}
    leader = next(iter(leaders)) if len(leaders) == 1 else None
    leads = f"{inline(leader)} leads, but " if leader is not None else ""
    return Answer(TOPICS[topic], open="undecided", sure=leads + "; ".join(reasons), because=(numbers,))


def _many(topic: str, standing: Standing) -> Answer:
    first = standing.verdicts[0].score
    means = {label: v.samples[label].mean for v in standing.verdicts if v.score is first for label in v.pair}
    order = sorted(means, key=lambda label: means[label] * first.worse)
    because = (f"{first.label}: " + ", ".join(f"{inline(label)} {number(means[label])}" for label in order),)
    split = [f"{inline(one)} and {inline(other)}" for one, other in standing.split]
    about = f"; the scores disagree about {', '.join(split)}" if split else ""
    if not standing.decided:
        common = Counter(_reason(v, v.why[-1]) for v in standing.verdicts if v.better is None).most_common(1)
        sure = "the scores disagree" if split else f"no pair is decided, mostly because {common[0][0]}"
        return Answer(TOPICS[topic], open="it depends" if split else "undecided", sure=sure, because=because)
    every = "every pair" if standing.decided == standing.pairs else f"{standing.decided} of {standing.pairs} pairs"
    best, *others = standing.tiers
    rest = [f"then {listed(tier, standing.contenders)}" for tier in others]
    rest += [f"not to be placed: {listed(standing.unplaced, standing.contenders)}"] if standing.unplaced else []
    return Answer(TOPICS[topic], best, "; ".join(rest), sure=f"sure for {every}{about}", because=because)


def _copies(judgement: Judgement) -> Answer:
    found = copying(judgement)
    question = "Does one copy its training images?"
    if found is None:
        return Answer(question, text="not measured")
    numbers = ", ".join(f"{inline(label)} {share:.0%}" for label, share in found.authentic.items())
    text = f"authentic samples: {numbers}; unseen real images {found.real:.0%}"
    return Answer(question, found.copying, "" if found.copying else "no", because=(text,))


def cost_answer(judgement: Judgement) -> Answer:
    """What each cost: time, images, parameters."""
    return Answer(
        "What does it cost?", sure=_budgets(judgement.contenders), because=tuple(map(_cost, judgement.contenders))
    )


def _cost(contender: Contender) -> str:
    cost = contender.cost
    sampling = cost.seconds_for_10000_samples
    trained = f"trained {duration(cost.train_seconds)} on {cost.images_seen:,.0f} images"
    drawn = "" if math.isnan(sampling) else f", 10,000 samples in {duration(sampling)}"
    return f"{inline(contender.label)}: {cost.parameters:,} parameters, {trained}{drawn}"


def _budgets(contenders: Sequence[Contender]) -> str:
    budgets = [contender.budget for contender in contenders]
    if len(set(budgets)) == 1:
        return f"same budget: {budgets[0]}"
    return f"budgets differ: {' against '.join(budgets if len(budgets) == 2 else dict.fromkeys(budgets))}"


def trainings(judgement: Judgement) -> str:
    """How many trainings were compared."""
    counts = judgement.seeds
    if len(counts) > 2 and len(set(counts.values())) == 1:
        n = next(iter(counts.values()))
        return f"{n} training{'s' * (n > 1)} of each, which differ in nothing but the random seed."
    first, *others = counts.items()
    named = [f"{first[1]} training{'s' * (first[1] > 1)} of {inline(first[0])}"]
    named += [f"{n} of {inline(label)}" for label, n in others]
    return f"{', '.join(named)}, which differ in nothing but the random seed."


def remaining(judgement: Judgement) -> str:
    """What is undecided and what would decide it; empty if nothing is."""
    by_reason: dict[str, list[Verdict]] = {}
    for verdict in judgement.verdicts:
        if verdict.better is None:
            by_reason.setdefault(_reason(verdict, verdict.why[0]), []).append(verdict)
    if not by_reason:
        return ""
    if len(judgement.contenders) == 2:
        text = "Undecided: " + "; ".join(f"{_scores(found)} ({reason})" for reason, found in by_reason.items()) + "."
    else:
        counts = sorted(by_reason.items(), key=lambda item: -len(item[1]))
        text = f"Undecided: {sum(len(found) for _, found in counts)} of {len(judgement.verdicts)} comparisons of a pair"
        text += " on a score: " + "; ".join(f"{len(found)} because {reason}" for reason, found in counts) + "."
    if judgement.seeds_to_go is not None:
        text += (
            f" {judgement.seeds_to_go} trainings of each would be likely (80 %) to decide what more trainings can"
            " decide, if the differences seen so far are the true ones."
        )
    elif min(judgement.seeds.values()) < 2:
        text += f" A single training does not tell how much luck there is: make at least {judgement.fewest} of each."
    return text


def more_seeds_commands(judgement: Judgement, code: str | None) -> list[str]:
    """Commands that train the seeds that are missing; none if seeds are not what is missing."""
    commands = []
    for contender, seeds in judgement.missing_seeds():
        several = len(seeds) > 1
        chosen = f"'range({seeds.start},{seeds.stop})'" if several else str(seeds.start)
        runs = word("runs", str(contender.runs[0].path.parent))
        commands.append(_train(contender, f"seed={chosen} {runs}", code, "-m " * several))
    return commands


def again_commands(judgement: Judgement, code: str | None) -> list[str]:
    """Commands that repeat the first training of each contender."""
    return [_train(contender, "overwrite=true", code) for contender in judgement.contenders]


def _train(contender: Contender, given: str, code: str | None, sweep: str = "") -> str:
    path = quote(str(contender.runs[0].path))
    with_code = "" if code is None else f" {word('code', code)}"
    return f"python -m genbench.train {sweep}--config-dir {path} --config-name config {given}{with_code}"


def not_judged(judgement: Judgement) -> str:
    """Who is left out of too many contenders; empty if nobody is."""
    if not judgement.left_out:
        return ""
    named = ", ".join(f"{inline(c.label)} ({len(c.runs)})" for c in judgement.left_out)
    return (
        f"Of {len(judgement.ranking.contenders)} settings the {len(judgement.contenders)} with the most seeds are"
        f" judged, of every model in turn. Not judged, but in the tables (seeds in brackets): {named}."
    )


def calibration_note(ranking: Ranking) -> str:
    """Why no score votes, and the command that changes it; empty if there is a calibration."""
    if not ranking.note:
        return ""
    return f"{ranking.note.rstrip('.')}, so that no score votes. Make one: {calibrate_command(ranking)}"


def calibrate_command(ranking: Ranking) -> str:
    """The command that calibrates the data set of a ranking."""
    run = ranking.contenders[0].runs[0]
    root = run.data.root if run.data is not None else run.told.data.root
    where = "" if root is None else f" {word('data.root', root)}"
    return f"python -m genbench.calibrate {word('data', run.told.data.name)}{where}"


def reasons(verdict: Verdict) -> list[str]:
    """Why a verdict is none."""
    return [_reason(verdict, reason) for reason in verdict.why]


def _reason(verdict: Verdict, reason: Reason) -> str:
    return REASONS[reason].format(fewest=verdict.fewest)


def _scores(found: Iterable[Verdict]) -> str:
    return ", ".join(verdict.score.label for verdict in found)


def _seeds(judgement: Judgement) -> str:
    counts = judgement.seeds
    if len(counts) > 2 and len(set(counts.values())) == 1:
        return f"{next(iter(counts.values()))} of each"
    named = [f"{n} of {inline(label)}" for label, n in counts.items()]
    return " and ".join(named) if len(named) == 2 else ", ".join(named)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
