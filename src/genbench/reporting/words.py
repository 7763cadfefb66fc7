"""What was found, in words: the headline with its conditions, and what would decide the rest."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from genbench.comparison.judgement import Judgement, Standing, copying
from genbench.comparison.ranking import EVEN, Contender, Ranking
from genbench.comparison.scales import scales
from genbench.comparison.verdicts import Reason, Verdict
from genbench.console import duration
from genbench.evaluation.protocol import BLURRED, TOPICS
from genbench.reporting.commands import calibrate_command
from genbench.reporting.formats import inline, listed

REASONS = {
    Reason.BOTH_REAL: "neither falls short of real images in this",
    Reason.SMALL: "the difference is as small as between two sets of real images",
    Reason.ONE_SPACE: "seen by one kind of features only, and a verdict takes two",
    Reason.SPACES_DISAGREE: "the kinds of features disagree about who is better",
    Reason.UNEVEN: "the trainings of one saw more images than others of it: the machine was not quiet",
    Reason.FEW_TRAININGS: "fewer than {fewest} trainings of each can decide nothing",
    Reason.LUCK: "the trainings differ too much among themselves to tell",
}


def titles(judgements: Sequence[Judgement]) -> list[str]:
    """What each ranking is called: its data set, and as much more as tells it from the others."""
    rankings = [judgement.ranking for judgement in judgements]
    found = []
    for ranking in rankings:
        alike = [other for other in rankings if other.title == ranking.title and other is not ranking]
        more = [ranking.data] if any(other.data != ranking.data for other in alike) else []
        same = [other for other in alike if other.data == ranking.data]
        if any(other.protocol != ranking.protocol for other in same):
            more.append(f"protocol {ranking.protocol}")
        if any(other.protocol == ranking.protocol for other in same):
            more.append(f"extractors {', '.join(ranking.extractors.values())}")
        found.append(f"{ranking.title} ({', '.join(more)})" if more else ranking.title)
    return found


def heading(judgement: Judgement) -> str:
    """What is asked: "GAN or VAE?"."""
    if len(judgement.contenders) <= 3:
        *others, last = map(inline, judgement.labels)
        return f"{', '.join(others)} or {last}?" if others else last
    titles = list(dict.fromkeys(contender.runs[0].model_title for contender in judgement.contenders))
    *others, last = titles
    models = f"{', '.join(others)} and {last}" if others else last
    return f"which of {len(judgement.contenders)} settings of {models}?"


def headline(judgement: Judgement) -> str:
    """The answer with its conditions."""
    return f"{conditions(judgement)}: {' '.join(outcome(judgement))}"


def outcome(judgement: Judgement) -> tuple[str, ...]:
    """The answer, after its conditions and a colon; of more than two contenders then a sentence for each need."""
    if not judgement.verdicts:
        missing = judgement.ranking.calibration is None
        why = "there is no calibration that belongs to these scores" if missing else "each fails for these models"
        return (f"not decided: no score may vote, because {why}.",)
    first, *needs = (_of_two(judgement),) if len(judgement.contenders) == 2 else _of_many(judgement)
    return f"{first}{_caution(judgement)}{_copies(judgement)}", *needs


def _caution(judgement: Judgement) -> str:
    """That the best is not good either: whoever reads the answer alone would take it for a recommendation."""
    scale = next(iter(scales(judgement)), None)
    if scale is None or not scale.all_worse_than(BLURRED):
        return ""
    who = "Neither" if len(judgement.contenders) == 2 else "None of them"
    return f" {who} is good yet: by {scale.score.label} all are worse than blurred real images."


def _copies(judgement: Judgement) -> str:
    """That the model which is best for a need copies: whoever reads the answer alone would not know."""
    found = copying(judgement)
    best = {label for standing in judgement.topics().values() if standing.decided for label in standing.tiers[0]}
    if found is None:
        return ""
    said = [
        f"{inline(label)} copies training images ({found.authentic[label]:.0%} of its samples are authentic, of unseen"
        f" real images {found.real:.0%})"
        for label in found.copying
        if label in best
    ]
    return f" But {'; '.join(said)}." if said else ""


def _of_two(judgement: Judgement) -> str:
    one, other = judgement.labels
    total = len(judgement.verdicts)
    won = {label: [v for v in judgement.verdicts if v.better == label] for label in judgement.labels}
    for label, loser in ((one, other), (other, one)):
        if won[label] and not won[loser]:
            n = len(won[label])
            rest = f"; {total - n} {'is' if total - n == 1 else 'are'} undecided" if total > n else ""
            return (
                f"take the {inline(label)}. It is better on {n} of {total} scores, the {inline(loser)} on none{rest}."
            )
    if won[one]:
        needs = (f"{inline(label)} for {scores_of(found)}" for label, found in won.items())
        return f"it depends on what you need: {'; '.join(needs)}."
    leads = Counter(verdict.leader for verdict in judgement.verdicts)
    text = f"{inline(one)} leads on {leads[one]} and {inline(other)} on {leads[other]} of {total} scores"
    if min(judgement.seeds.values()) < judgement.fewest:
        few = f"so few trainings ({_seeds(judgement)}) may be luck"
        return f"not decided yet. {text}, but {few}: it takes {judgement.fewest} of each{_even_ones(judgement)}."
    return f"not decided. {text}, but every lead may be luck or too small to matter."


def _of_many(judgement: Judgement) -> tuple[str, ...]:
    standings = judgement.topics()
    decided = {topic: standing for topic, standing in standings.items() if standing.decided}
    if not decided:
        if min(judgement.seeds.values()) < judgement.fewest:
            few = f"so few trainings ({_seeds(judgement)}) may be luck"
            return (f"not decided yet: {few}, it takes {judgement.fewest} of each{_even_ones(judgement)}.",)
        return ("not decided: every lead may be luck or too small to matter.",)
    beaten = {loser for standing in decided.values() for losers in standing.beaten.values() for loser in losers}
    winning = {label for standing in decided.values() for label in standing.tiers[0]}
    unbeaten = [f"the {inline(label)}" for label in judgement.labels if label in winning and label not in beaten]
    text = f"take {' or '.join(unbeaten)}: nobody is better for any need." if unbeaten else ""
    answers = [f"For {TOPICS[topic]} {placed(standing)}." for topic, standing in decided.items()]
    answers += [f"For {TOPICS[topic]} undecided." for topic in standings if topic not in decided]
    return text or "it depends on what you need.", *answers


def _even_ones(judgement: Judgement) -> str:
    """That more trainings alone would not do, where those of a contender were not equally long."""
    uneven = [contender for contender in judgement.contenders if not contender.is_even]
    return ", equally long (images=N, or a quiet machine)" if uneven else ""


def placed(standing: Standing) -> str:
    """The contenders by their place: "best: A, B; then C"."""
    text = "best: " + "; then ".join(listed(tier, standing.contenders) for tier in standing.tiers)
    return text + (f"; not to be placed: {listed(standing.unplaced, standing.contenders)}" if standing.unplaced else "")


def conditions(judgement: Judgement) -> str:
    """What the answer is about: how much training, where, how often, and of what images."""
    contenders = judgement.contenders
    images = _each(contenders, lambda c: round(c.cost.images_seen), lambda images: f"{images:,}", " images seen")
    time = _each(contenders, lambda c: c.cost.train_seconds, _about, "")
    seeds = _each(contenders, lambda c: len(c.runs), str, f" seed{'s' * (max(judgement.seeds.values()) > 1)}")
    text = f"After {images}, in about {time} of training{_hardware(judgement)}, with {seeds}"
    known = [c for c in contenders if c.runs[0].data is not None]
    data = known[0].runs[0].data if known else None
    if data is None:
        return text
    channels, height, width = data.shape
    colour = "grey" if channels == 1 else "colour"
    trained = _each(known, _to_train_on, lambda images: f"{images:,}", " to train on").removesuffix(" each")
    return f"{text}, for {height}x{width} {colour} images ({trained})"


def _to_train_on(contender: Contender) -> float:
    data = contender.runs[0].data
    return 0 if data is None else data.images.get("train", 0)


def _each(
    contenders: Sequence[Contender], of: Callable[[Contender], float], text: Callable[[float], str], unit: str
) -> str:
    """A quantity of each contender: once if it is the same for all, of more than three from the least to the most."""
    values = [of(contender) for contender in contenders]
    texts = [text(value) for value in values]
    if len(set(texts)) == 1:
        return f"{texts[0]}{unit} each"
    if len(values) > 3:
        return f"{text(min(values))} to {text(max(values))}{unit} each"
    first, *others = [f"{text} ({inline(c.label)})" for text, c in zip(texts, contenders, strict=True)]
    return f"{texts[0]}{unit} {first.removeprefix(texts[0]).strip()}{_and(others)}"


def _and(texts: Sequence[str]) -> str:
    *most, last = texts
    return "".join(f", {text}" for text in most) + f" and {last}"


def _about(seconds: float) -> str:
    """Seconds as nobody needs them more exactly."""
    if seconds < 100:
        return duration(seconds if seconds < 10 else 5 * round(seconds / 5)).replace("1 min 0 s", "60 s")
    return duration(60 * round(seconds / 60)).removesuffix(" 0 s")


def _hardware(judgement: Judgement) -> str:
    known = [run.environment for run in judgement.ranking.runs if run.environment is not None]
    devices = {environment.device.removesuffix(f", {environment.threads} threads") for environment in known}
    if not devices:
        return ""
    if len(devices) > 1:
        return " on several machines"
    threads = sorted({environment.threads for environment in known if environment.threads is not None})
    if not threads or known[0].accelerator != "cpu":
        return f" on {devices.pop()}"
    number = f"{threads[0]}" if len(threads) == 1 else f"{threads[0]} to {threads[-1]}"
    return f" on {number} core{'s' * (threads[-1] > 1)} of {devices.pop()}"


def trainings(judgement: Judgement) -> str:
    """How many trainings were compared, and how equal those of one contender were."""
    counts = judgement.seeds
    n = next(iter(counts.values()))
    if len(counts) > 2 and len(set(counts.values())) == 1:
        text = f"{n} training{'s' * (n > 1)} of each"
    else:
        first, *others = counts.items()
        named = [f"{first[1]} training{'s' * (first[1] > 1)} of {inline(first[0])}"]
        text = ", ".join([*named, *(f"{n} of {inline(label)}" for label, n in others)])
    return f"{text}, which differ in nothing but the random seed.{_evenness(judgement)}"


def _evenness(judgement: Judgement) -> str:
    if max(judgement.seeds.values()) < 2:
        return ""
    least_even = max(judgement.contenders, key=lambda contender: contender.unevenness)
    if least_even.unevenness == 0.0:
        return " Those of one setting saw equally many images."
    text = f" Those of one setting saw equally many images but for {100 * least_even.unevenness:.1f} % at most"
    uneven = [inline(contender.label) for contender in judgement.contenders if not contender.is_even]
    limit = f"{100 * EVEN:g} %"
    if not uneven:
        return f"{text}; above {limit} nothing would be decided by them."
    return (
        f"{text}. That is more than {limit}: the machine was not quiet, and nothing is decided of {', '.join(uneven)}."
    )


def remaining(judgement: Judgement) -> str:
    """What is undecided and what would decide it; empty if nothing is."""
    by_reason: dict[str, list[Verdict]] = {}
    for verdict in judgement.verdicts:
        if verdict.better is None:
            by_reason.setdefault(reason_of(verdict, verdict.why[0]), []).append(verdict)
    if not by_reason:
        return ""
    if len(judgement.contenders) == 2:
        text = "Undecided: " + "; ".join(f"{scores_of(found)} ({reason})" for reason, found in by_reason.items()) + "."
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
    command = calibrate_command(ranking)
    return f"{ranking.note.rstrip('.')}, so that no score votes. On the machine that scored them make one: {command}"


def reasons(verdict: Verdict) -> list[str]:
    """Why a verdict is none."""
    return [reason_of(verdict, reason) for reason in verdict.why]


def reason_of(verdict: Verdict, reason: Reason) -> str:
    """A reason for which a verdict is none."""
    return REASONS[reason].format(fewest=verdict.fewest)


def scores_of(found: Iterable[Verdict]) -> str:
    """The scores of some verdicts, by label."""
    return ", ".join(verdict.score.label for verdict in found)


def _seeds(judgement: Judgement) -> str:
    counts = judgement.seeds
    if len(counts) > 2 and len(set(counts.values())) == 1:
        return f"{next(iter(counts.values()))} of each"
    named = [f"{n} of {inline(label)}" for label, n in counts.items()]
    return " and ".join(named) if len(named) == 2 else ", ".join(named)
