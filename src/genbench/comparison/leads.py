"""A question on which nothing may be decided: who leads on it all the same, and why no score of it votes."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from genbench.comparison.judgement import Judgement
from genbench.evaluation.calibrations import VOTES
from genbench.evaluation.catalogue import catalogue
from genbench.evaluation.entry import Entry
from genbench.runs.records import Key


class Silence(Enum):
    """Why a score does not vote."""

    NO_CALIBRATION = "nobody knows how it judges images whose quality is known"
    MISJUDGES = "it misjudges images whose quality is known"
    AS_REAL = "no contender falls short of real images in it"
    NOT_ALL_HAVE_IT = "not every training has it"


@dataclass(frozen=True)
class Lead:
    """A score that does not vote."""

    score: Entry
    means: Mapping[str, float]  # over seeds, by contender; the best first
    why: Silence
    failed: tuple[str, ...]  # the questions of the calibration to which the answer is no

    @property
    def leader(self) -> str:
        """Who has the best mean."""
        return next(iter(self.means))


def leads(judgement: Judgement, topic: str) -> list[Lead]:
    """The scores of a topic that do not vote, in the space that is judged."""
    entries = [entry for entry in catalogue().values() if entry.topic == topic and entry.better is not None]
    silent = [entry for entry in entries if all(verdict.score.name != entry.name for verdict in judgement.verdicts)]
    found = [_lead(judgement, entry) for entry in silent]
    return [lead for lead in found if lead is not None]


def _lead(judgement: Judgement, entry: Entry) -> Lead | None:
    key = judgement.ranking.key(entry.name)
    samples = {contender.label: contender.sample(key) for contender in judgement.contenders}
    means = {label: sample.mean for label, sample in samples.items() if sample is not None}
    if len(means) < 2:
        return None
    ordered = dict(sorted(means.items(), key=lambda item: item[1] * entry.worse))
    why, failed = _why(judgement, key)
    return Lead(entry, ordered, why, failed)


def _why(judgement: Judgement, key: Key) -> tuple[Silence, tuple[str, ...]]:
    calibration = judgement.ranking.calibration
    if calibration is None:
        return Silence.NO_CALIBRATION, ()
    if not calibration.may_vote(key):
        answers = calibration.votes.get(key.space, {}).get(key.score, {})
        return Silence.MISJUDGES, tuple(name for name, good in answers.items() if good is False and name != VOTES)
    return (Silence.NOT_ALL_HAVE_IT if key in judgement.votes else Silence.AS_REAL), ()
