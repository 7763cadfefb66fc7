"""Two models on one data set: which scores may vote, what they decide, and the answers to a buyer's questions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from shlex import quote
from typing import Any, Literal

from genbench.config import TrainConfig
from genbench.reporting.inputs import Contender, Ranking
from genbench.reporting.tables import duration
from genbench.reporting.verdicts import Question, Verdict, fewest_seeds, verdicts

SPACES = ("classifier", "random", "pixels")  # in the order of trust; the first that there is, is judged


@dataclass(frozen=True)
class Topic:
    """A question that somebody who needs images asks, and the scores that speak to it."""

    question: str
    scores: tuple[str, ...]


TOPICS = {
    "realism": Topic("More like real images?", ("fcd", "kcd", "c2st_linear", "c2st_1nn")),
    "fidelity": Topic("Better single images?", ("precision", "density", "ambiguous_share")),
    "diversity": Topic("More varied images?", ("recall", "coverage")),
    "classes": Topic("All classes, in the right shares?", ("class_kl", "classes_hit")),
    "memorisation": Topic("Copies its training images less?", ("auth_pct", "near_duplicates", "fcd_train_gap")),
}


@dataclass(frozen=True)
class About:
    """What a reader needs to know of a score."""

    label: str
    meaning: str
    lower_is_better: bool


SCORES = {
    "fcd": About("Fréchet distance", "distance between the features of samples and of real images", True),
    "kcd": About("kernel distance", "the same by another measure; 0 is perfect", True),
    "precision": About("precision", "share of samples that lie among the real images", False),
    "recall": About("recall", "share of real images that lie among the samples", False),
    "density": About("density", "how deep among the real images the samples lie; 1 is perfect", False),
    "coverage": About("coverage", "share of real images with a sample close by", False),
    "auth_pct": About(
        "authentic share",
        "share of samples that are no closer to a training image than training images are to each other",
        False,
    ),
    "near_duplicates": About("near-duplicate share", "share of samples that are nearly a training image", True),
    "fcd_train_gap": About(
        "distance to train minus to test", "negative if samples are closer to the training than to unseen images", False
    ),
    "c2st_linear": About(
        "told apart (linear)", "how often a linear classifier tells samples from real images; 0.5 is perfect", True
    ),
    "c2st_1nn": About("told apart (1-NN)", "the same by the nearest neighbour", True),
    "class_kl": About("class divergence", "how far the shares of the classes are from the real ones", True),
    "classes_hit": About("classes drawn", "how many of the classes are drawn at all", False),
    "ambiguous_share": About("ambiguous share", "share of samples that the classifier is not sure of", True),
}
LABELS = {score: about.label for score, about in SCORES.items()}
# The calibration's row of real images, by which the others are judged.
REAL = "real train vs test"


@dataclass(frozen=True)
class Duel:
    """Two contenders and the verdicts on the scores that vote."""

    data: str
    first: Contender
    second: Contender
    verdicts: tuple[Verdict, ...]
    fewest: int  # seeds of each, below which nothing can be decided
    left_out: tuple[str, ...]  # scores that vote but are not numbers for all seeds

    def label(self, winner: Literal["first", "second"] | None) -> str:
        """The winner's name."""
        return {"first": self.first.label, "second": self.second.label, None: "undecided"}[winner]

    def on(self, topic: str) -> list[Verdict]:
        """The verdicts that speak to a topic."""
        return [verdict for verdict in self.verdicts if verdict.score in TOPICS[topic].scores]

    def won(self, winner: Literal["first", "second"]) -> list[Verdict]:
        """The verdicts for one of the two."""
        return [verdict for verdict in self.verdicts if verdict.winner == winner]

    @property
    def undecided(self) -> list[Verdict]:
        """The verdicts that are none."""
        return [verdict for verdict in self.verdicts if verdict.winner is None]

    @property
    def seeds(self) -> tuple[int, int]:
        """How many seeds each has."""
        return len(self.first.runs), len(self.second.runs)

    @property
    def seeds_to_go(self) -> int | None:
        """Seeds of each that would be likely to decide all that seeds can decide; None if there is nothing to gain."""
        known = [verdict.seeds for verdict in self.verdicts if verdict.seeds is not None]
        return max(known) if known else None


def main_contenders(ranking: Ranking) -> list[Contender]:
    """One contender for each model, the one with the most seeds; of a single model all its variants."""
    by_model: dict[str, Contender] = {}
    for contender in ranking.contenders:
        best = by_model.get(contender.model)
        if best is None or len(contender.runs) > len(best.runs):
            by_model[contender.model] = contender
    return list(by_model.values()) if len(by_model) > 1 else list(ranking.contenders)


def duels(ranking: Ranking) -> list[Duel]:
    """Every pair of the main contenders, judged; corrected for their number."""
    pairs = list(combinations(main_contenders(ranking), 2))
    votes = voting_scores(ranking)
    return [_duel(ranking, first, second, votes, len(pairs)) for first, second in pairs]


def voting_scores(ranking: Ranking) -> list[str]:
    """The scores "<space>.<score>" that vote, in the most trusted space that there is."""
    if ranking.calibration is None:
        return []
    votes: dict[str, dict[str, dict[str, bool]]] = ranking.calibration["votes"]
    judged = next((space for space in SPACES if space in votes and space in ranking.extractors), None)
    groups = [group for group in (judged, "class") if group in votes]
    return [f"{group}.{score}" for group in groups for score, answers in votes[group].items() if answers["votes"]]


def _duel(ranking: Ranking, first: Contender, second: Contender, votes: Sequence[str], pairs: int) -> Duel:
    assert ranking.calibration is not None or not votes
    questions, left_out = [], []
    for key in votes:
        group, _, score = key.partition(".")
        spaces = [group] if group == "class" else [group, *(space for space in SPACES if space != group)]
        values = {s: (first.of(f"{s}.{score}"), second.of(f"{s}.{score}")) for s in spaces if s in ranking.extractors}
        if group == "class":
            values = {group: (first.of(key), second.of(key))}
        values = {
            space: (a, b)
            for space, (a, b) in values.items()
            if (len(a), len(b)) == (len(first.runs), len(second.runs)) and all(map(math.isfinite, a + b))
        }
        if group not in values:
            left_out.append(score)
            continue
        real: dict[str, Any] = (
            ranking.calibration["rows"][REAL][key] if ranking.calibration else {"mean": math.nan, "sd": None}
        )
        questions.append(
            Question(
                score,
                SCORES[score].lower_is_better,
                {space: a for space, (a, _) in values.items()},
                {space: b for space, (_, b) in values.items()},
                real["mean"],
                float(real["sd"] or 0.0),
                capped=score in TOPICS["memorisation"].scores,
            )
        )
    found = tuple(verdicts(questions, pairs))
    return Duel(ranking.title, first, second, found, fewest_seeds(pairs), tuple(left_out))


@dataclass(frozen=True)
class Answer:
    """A row of the first screen."""

    question: str
    winner: str  # a contender's label, "undecided", "both" or "" where there is nothing to win
    text: str
    sure: str


def answers(duel: Duel, ranking: Ranking) -> list[Answer]:
    """The questions of somebody who needs images, answered by the verdicts; cost last."""
    rows = [_answer(duel, topic) for topic in TOPICS if topic != "memorisation" and duel.on(topic)]
    return [*rows, _copies(duel, ranking), cost_answer(duel)] if duel.verdicts else [cost_answer(duel)]


def _answer(duel: Duel, topic: str) -> Answer:
    found = duel.on(topic)
    decided = {verdict.winner for verdict in found if verdict.winner}
    numbers = f"{duel.first.label} against {duel.second.label}: " + ", ".join(
        f"{LABELS[v.score]} {number(v.compared.mean_first)} against {number(v.compared.mean_second)}" for v in found
    )
    settled = sum(v.winner is not None for v in found)
    if len(decided) == 1:
        winner = duel.label(next(iter(decided)))
        which = "every score" if settled == len(found) else f"{settled} of {len(found)} scores"
        return Answer(TOPICS[topic].question, winner, numbers, f"sure, on {which}" if len(found) > 1 else "sure")
    if len(decided) == 2:
        split = " and ".join(
            f"{duel.label(side)} on {_names([v for v in found if v.winner == side])}"
            for side in ("first", "second")
            if any(v.winner == side for v in found)
        )
        return Answer(TOPICS[topic].question, "both", f"{split}. {numbers}", "sure, but the scores disagree")
    # The last reason is about the number of trainings, which a reader can change; the others are about the scores.
    reasons = list(dict.fromkeys(v.why[-1] for v in found))
    leads = {v.signs[v.space] for v in found}
    leader = duel.first.label if leads == {1} else duel.second.label if leads == {-1} else ""
    return Answer(
        TOPICS[topic].question, "undecided", numbers, (f"{leader} leads, but " if leader else "") + "; ".join(reasons)
    )


def _names(found: Sequence[Verdict]) -> str:
    return ", ".join(LABELS[verdict.score] for verdict in found)


def _copies(duel: Duel, ranking: Ranking) -> Answer:
    """Not who copies less, but whether anybody copies: fewer authentic samples than real images would give."""
    assert ranking.calibration is not None
    space = next((s for s in SPACES if s in ranking.extractors), "")
    key = f"{space}.auth_pct"
    real = ranking.calibration["rows"][REAL].get(key)
    if real is None:
        return Answer("Does one copy its training images?", "", "not measured", "")
    limit = real["mean"] - 2 * (real["sd"] or 0.0)
    shares = {c.label: sum(c.of(key)) / max(1, len(c.of(key))) for c in (duel.first, duel.second)}
    copying = [label for label, share in shares.items() if share < limit]
    numbers = ", ".join(f"{label} {share:.0%}" for label, share in shares.items())
    text = f"authentic samples: {numbers}; unseen real images {real['mean']:.0%}"
    return Answer("Does one copy its training images?", " and ".join(copying) or "no", text, "")


def cost_answer(duel: Duel) -> Answer:
    """What each cost: time, images, parameters."""
    parts = []
    for contender in (duel.first, duel.second):
        run = contender.runs[0]
        seconds = _mean([r.summary["train_seconds"] for r in contender.runs])
        images = _mean([r.summary["images_seen"] for r in contender.runs])
        sampling = _mean([float(r.scores["cost"].get("seconds_for_10000_samples", math.nan)) for r in contender.runs])
        parts.append(
            f"{contender.label}: {run.parameters:,} parameters, trained {duration(seconds)} on {images:,.0f} images"
            + ("" if math.isnan(sampling) else f", 10,000 samples in {duration(sampling)}")
        )
    return Answer("What does it cost?", "", "; ".join(parts), budget_words(duel))


def budget_words(duel: Duel) -> str:
    """Whether the two were trained at equal cost."""
    first, second = (budget(c.runs[0].config) for c in (duel.first, duel.second))
    return f"same budget: {first}" if first == second else f"budgets differ: {first} against {second}"


def budget(config: TrainConfig | None) -> str:
    """The bounds of a training, in words."""
    assert config is not None
    trainer = config.trainer
    words = []
    if trainer.max_minutes is not None:
        words.append(f"{trainer.max_minutes:g} min")
    if trainer.max_images is not None:
        words.append(f"{trainer.max_images:,} images")
    if trainer.max_epochs is not None:
        words.append(f"{trainer.max_epochs:g} epochs")
    return " or ".join(words) or "20 epochs"


def headline(duel: Duel) -> str:
    """The answer in one or two sentences."""
    if not duel.verdicts:
        return "Not decided: no score may vote, because there is no calibration that belongs to these scores."
    total = len(duel.verdicts)
    sides = [(duel.label(side), duel.won(side), duel.won(other)) for side, other in (_SIDES, _SIDES[::-1])]
    for label, won, lost in sides:
        if won and not lost:
            rest = f"; {total - len(won)} are undecided" if total > len(won) else ""
            return f"Take the {label}. It is better on {len(won)} of {total} scores, the other model on none{rest}."
    if all(won for _, won, _ in sides):
        return (
            "It depends on what you need: " + "; ".join(f"{label} for {_names(won)}" for label, won, _ in sides) + "."
        )
    signs = [verdict.signs[verdict.space] for verdict in duel.verdicts]
    first, second = signs.count(1), signs.count(-1)
    leads = f"{duel.first.label} leads on {first} and {duel.second.label} on {second} of {total} scores"
    if min(duel.seeds) < duel.fewest:
        n = " and ".join(
            f"{count} of {contender.label}"
            for count, contender in zip(duel.seeds, (duel.first, duel.second), strict=True)
        )
        return f"Not decided yet. {leads}, but so few trainings ({n}) may be luck: it takes {duel.fewest} of each."
    return f"Not decided. {leads}, but every lead may be luck or too small to matter."


_SIDES: tuple[Literal["first"], Literal["second"]] = ("first", "second")


def remaining(duel: Duel) -> str:
    """What is undecided and what would decide it; empty if nothing is."""
    by_reason: dict[str, list[Verdict]] = {}
    for verdict in duel.undecided:
        by_reason.setdefault(verdict.why[0], []).append(verdict)
    if not by_reason:
        return ""
    text = "Undecided: " + "; ".join(f"{_names(found)} ({reason})" for reason, found in by_reason.items()) + "."
    if duel.seeds_to_go is not None:
        text += (
            f" {duel.seeds_to_go} trainings of each would be likely (80 %) to decide what more trainings can decide,"
            " if the differences seen so far are the true ones."
        )
    elif min(duel.seeds) < 2:
        text += f" A single training does not tell how much luck there is: make at least {duel.fewest} of each."
    return text


def more_seeds_commands(duel: Duel) -> list[str]:
    """Commands that train the seeds that are missing; none if seeds are not what is missing."""
    wanted = duel.seeds_to_go or (duel.fewest if min(duel.seeds) < duel.fewest else 0)
    commands = []
    for contender in (duel.first, duel.second):
        missing = wanted - len(contender.runs)
        if missing <= 0:
            continue
        run = contender.runs[0]
        first = max(record.seed for record in contender.runs) + 1
        seeds = str(first) if missing == 1 else f"'range({first},{first + missing})'"
        sweep = "-m " if missing > 1 else ""
        commands.append(
            f"python -m genbench.train {sweep}--config-dir {quote(str(run.path))} --config-name config"
            f" seed={seeds} runs={quote(str(run.path.parent))}"
        )
    return commands


def _mean(values: Sequence[Any]) -> float:
    return sum(map(float, values)) / len(values)


def number(value: float) -> str:
    """Four significant digits at most; a dash for what there is not."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}".replace("-", "−") if abs(value) >= 0.001 else f"{value:.1g}".replace("-", "−")
