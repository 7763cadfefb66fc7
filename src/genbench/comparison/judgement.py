"""All contenders of a ranking, judged in pairs; how they stand on each question, and what would decide the rest."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from genbench.comparison.ranking import Contender, Ranking
from genbench.comparison.verdicts import Question, Verdict, fewest_seeds, verdicts
from genbench.evaluation.catalogue import catalogue
from genbench.evaluation.protocol import TOPICS
from genbench.runs.records import Key

MOST = 8  # contenders that are judged: with each one more all pairs take more seeds, and a page can show no more apart
COPIES = "memorisation"  # the topic whose question is not who is better, but whether anybody copies


@dataclass(frozen=True)
class Standing:
    """How the contenders stand by some verdicts: the scores of a topic, say, or one of them."""

    contenders: tuple[str, ...]
    verdicts: tuple[Verdict, ...]

    @cached_property
    def beaten(self) -> dict[str, set[str]]:
        """By contender whom it beats: it is better on at least one score, and worse on none."""
        better = {(verdict.better, verdict.worse) for verdict in self.verdicts if verdict.better is not None}
        return {
            label: {loser for winner, loser in better if winner == label and (loser, winner) not in better}  # type: ignore[misc]
            for label in self.contenders
        }

    @cached_property
    def tiers(self) -> tuple[tuple[str, ...], ...]:
        """The contenders that can be placed: those that nobody beats, then those that only these beat, and so on.

        Within a tier nobody beats anybody, unless some beat each other in a circle. A contender of which every pair is
        undecided is in no tier: it may be as good as the best, or as bad as the worst.
        """
        left = [label for label in self.contenders if label not in self.unplaced]
        tiers = []
        while left:
            above = {label: self._above(label, left) for label in left}
            # Of those who beat each other in a circle all are best.
            best = [label for label in left if all(label in above[other] for other in above[label])]
            tiers.append(tuple(best))
            left = [label for label in left if label not in best]
        return tuple(tiers)

    def _above(self, label: str, among: Sequence[str]) -> set[str]:
        """Who of some beats a contender, or beats one who does, and so on."""
        found: set[str] = set()
        below = {label}
        while below:
            below = {other for other in among if self.beaten[other] & below} - found
            found |= below
        return found

    @cached_property
    def unplaced(self) -> tuple[str, ...]:
        """Those of which nothing is decided; empty if nothing is decided at all."""
        placed = {label for winner, losers in self.beaten.items() if losers for label in (winner, *losers)}
        return tuple(label for label in self.contenders if label not in placed) if placed else ()

    @cached_property
    def split(self) -> tuple[tuple[str, str], ...]:
        """Pairs of which each is better on some score."""
        pairs = dict.fromkeys(verdict.pair for verdict in self.verdicts)
        winners = {pair: {v.better for v in self.verdicts if v.pair == pair and v.better} for pair in pairs}
        return tuple(pair for pair, found in winners.items() if len(found) == 2)

    @cached_property
    def open(self) -> tuple[Verdict, ...]:
        """The undecided verdicts on pairs that may yet be decided: nobody is better on any score.

        Where each is better on some score, the others may be decided and the pair is as split as before.
        """
        settled = {frozenset(verdict.pair) for verdict in self.verdicts if verdict.better is not None}
        return tuple(verdict for verdict in self.verdicts if frozenset(verdict.pair) not in settled)

    @property
    def decided(self) -> int:
        """How many pairs are decided."""
        return sum(len(losers) for losers in self.beaten.values())

    @property
    def pairs(self) -> int:
        """How many pairs there are."""
        return len({verdict.pair for verdict in self.verdicts})


@dataclass(frozen=True)
class Judgement:
    """Every pair of a ranking's contenders on every score that votes."""

    ranking: Ranking
    contenders: tuple[Contender, ...]
    left_out: tuple[Contender, ...]  # of too many contenders; they are in the tables alone
    votes: tuple[Key, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The contenders' labels."""
        return tuple(contender.label for contender in self.contenders)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Every pair of contenders."""
        return list(combinations(self.labels, 2))

    @property
    def fewest(self) -> int:
        """Trainings of each contender below which nothing can be decided."""
        return fewest_seeds(len(self.contenders))

    @property
    def seeds(self) -> dict[str, int]:
        """How many trainings each contender has."""
        return {contender.label: len(contender.runs) for contender in self.contenders}

    @property
    def seeds_to_go(self) -> int | None:
        """Seeds of each that would be likely to decide all that seeds can decide; None if there is nothing to gain."""
        return max((verdict.seeds for verdict in self.verdicts if verdict.seeds is not None), default=None)

    def between(self, one: str, other: str) -> list[Verdict]:
        """The verdicts on a pair."""
        return [verdict for verdict in self.verdicts if set(verdict.pair) == {one, other}]

    def on(self, topic: str) -> Standing:
        """How the contenders stand on a topic."""
        return Standing(self.labels, tuple(verdict for verdict in self.verdicts if verdict.score.topic == topic))

    def topics(self) -> dict[str, Standing]:
        """The topics that somebody can win and on which a score votes."""
        standings = {topic: self.on(topic) for topic in TOPICS if topic != COPIES}
        return {topic: standing for topic, standing in standings.items() if standing.verdicts}

    def best(self, key: Key) -> set[str]:
        """Who beats somebody on a score in a space, and is beaten by nobody."""
        found = [verdict for verdict in self.verdicts if (verdict.space, verdict.score.name) == key]
        return {verdict.better for verdict in found if verdict.better} - {verdict.worse for verdict in found}

    def missing_seeds(self) -> list[tuple[Contender, range]]:
        """The seeds to train if more trainings are what is missing."""
        wanted = self.seeds_to_go or (self.fewest if min(self.seeds.values()) < self.fewest else 0)
        found = []
        for contender in self.contenders:
            first = max(run.seed for run in contender.runs) + 1
            if wanted > len(contender.runs):
                found.append((contender, range(first, first + wanted - len(contender.runs))))
        return found if self.verdicts else []


def judge(ranking: Ranking) -> Judgement:
    """Judge all pairs of at most 8 contenders; of more, those with the most seeds of every model in turn."""
    chosen = _chosen(ranking.contenders)
    votes = voting_scores(ranking, chosen)
    questions = [q for one, other in combinations(chosen, 2) for q in _questions(ranking, one, other, votes)]
    labels = {contender.label for contender in chosen}
    left_out = tuple(contender for contender in ranking.contenders if contender.label not in labels)
    return Judgement(ranking, tuple(chosen), left_out, tuple(votes), tuple(verdicts(questions)))


def _chosen(contenders: Sequence[Contender]) -> list[Contender]:
    by_model: dict[str, list[Contender]] = {}
    for contender in sorted(contenders, key=lambda contender: -len(contender.runs)):
        by_model.setdefault(contender.model, []).append(contender)
    turns = {c.label: turn for of_model in by_model.values() for turn, c in enumerate(of_model)}
    order = sorted(contenders, key=lambda contender: (-len(contender.runs), turns[contender.label]))
    first = {contender.label for contender in order[:MOST]}
    return [contender for contender in contenders if contender.label in first]


def voting_scores(ranking: Ranking, contenders: Sequence[Contender]) -> list[Key]:
    """The scores that vote, in the most trusted space that there is.

    A score that is no better beyond real images' value can be won by nobody but against one who is short of that: it
    votes if there is such a one.
    """
    keys = [ranking.key(score.name) for score in catalogue().values() if score.better is not None]
    return [key for key in keys if _may_vote(ranking, key) and not _is_pointless(ranking, contenders, key)]


def _may_vote(ranking: Ranking, key: Key) -> bool:
    return ranking.calibration is not None and ranking.calibration.may_vote(key)


def _is_pointless(ranking: Ranking, contenders: Sequence[Contender], key: Key) -> bool:
    score, real = catalogue()[key.score], ranking.real(key)
    if not score.capped or real is None:
        return False
    means = [sample.mean for contender in contenders if (sample := contender.sample(key)) is not None]
    allowed = 2 * (real.sd or 0.0)
    return all((mean - real.mean) * score.worse <= allowed for mean in means)


def _questions(ranking: Ranking, one: Contender, other: Contender, votes: Sequence[Key]) -> list[Question]:
    """What is asked of a pair: every score that votes and is a number for all of their seeds."""
    questions = []
    for key in votes:
        values = {
            space: {contender.label: contender.values(Key(space, key.score)) for contender in (one, other)}
            for space in ranking.spaces
        }
        # A space has a say in the sign only where the score has earned its vote in it.
        values = {
            space: of
            for space, of in values.items()
            if _may_vote(ranking, Key(space, key.score)) and _is_whole(of, one) and _is_whole(of, other)
        }
        if key.space in values:
            known = {space: ranking.real(Key(space, key.score)) for space in values}
            real = {space: score.mean for space, score in known.items() if score is not None}
            judged = known[key.space]
            sd = judged.sd if judged is not None and judged.sd is not None else 0.0
            questions.append(Question(catalogue()[key.score], values, real, sd, one.is_even and other.is_even))
    return questions


def _is_whole(values: dict[str, list[float]], contender: Contender) -> bool:
    found = values[contender.label]
    return len(found) == len(contender.runs) and all(map(math.isfinite, found))


@dataclass(frozen=True)
class Copying:
    """Who copies: has fewer authentic samples than real images would give."""

    authentic: dict[str, float]  # share by contender
    real: float
    copying: tuple[str, ...]
    misjudged: bool  # the score failed on images whose quality is known: nobody copies by it, and nobody is cleared


def copying(judgement: Judgement) -> Copying | None:
    """Whether anybody copies, by more than twice the sd of real images; None if that was not measured."""
    key = judgement.ranking.key("auth_pct")
    real = judgement.ranking.real(key)
    samples = {contender.label: contender.sample(key) for contender in judgement.contenders}
    authentic = {label: sample.mean for label, sample in samples.items() if sample is not None}
    if real is None or not authentic:
        return None
    limit = real.mean - 2 * (real.sd or 0.0)
    misjudged = not _may_vote(judgement.ranking, key)
    below = () if misjudged else tuple(label for label, share in authentic.items() if share < limit)
    return Copying(authentic, real.mean, below, misjudged)
