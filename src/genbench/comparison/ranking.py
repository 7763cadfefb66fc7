"""What can be compared: runs on one data set that were scored alike, and among them those that differ in seed alone."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from genbench.comparison.sample import Sample
from genbench.comparison.settings import budget, differing, settings
from genbench.evaluation.calibrations import Calibration, find_calibration
from genbench.evaluation.protocol import SPACES
from genbench.runs.reading import RunRecord
from genbench.runs.records import Cost, Key, Score, Scorecard, Summary

_SAID = {"true": "{}", "false": "{} off", "null": "default {}"}  # settings of these values, by their names
LONGEST = 80  # letters of a ranking's name, to which its files' names add more
EVEN = 0.05  # on a loaded machine equal times are not equal trainings, and the scores follow the images seen


@dataclass(frozen=True)
class Contender:
    """Runs that differ in nothing but the seed."""

    label: str  # no two of a ranking have the same
    runs: tuple[RunRecord, ...]  # by seed; each with config, summary and scorecard

    @property
    def model(self) -> str:
        """The model's name."""
        return self.runs[0].model

    @property
    def variant(self) -> str:
        """The hash of all settings but the seed."""
        return self.runs[0].variant

    @property
    def budget(self) -> str:
        """The bounds of its trainings."""
        return budget(self.runs[0].told)

    @property
    def images_seen(self) -> tuple[int, int]:
        """The fewest and the most images that one of its trainings saw."""
        seen = [summary_of(run).images_seen for run in self.runs]
        return min(seen), max(seen)

    @property
    def unevenness(self) -> float:
        """By what share the training that saw the fewest images falls short of the one that saw the most."""
        fewest, most = self.images_seen
        return 1 - fewest / max(most, 1)

    @property
    def is_even(self) -> bool:
        """Its trainings saw equally many images, give or take 5 %: else the machine was not quiet."""
        return self.unevenness <= EVEN

    def values(self, key: Key) -> list[float]:
        """A score, one value a seed, of the seeds that have it."""
        scores = (scorecard_of(run).score(key) for run in self.runs)
        return [score.mean for score in scores if isinstance(score, Score)]

    def sample(self, key: Key) -> Sample | None:
        """Mean and sd of a score over the seeds; None if no seed has it."""
        values = self.values(key)
        return Sample.of(values) if values else None

    @cached_property
    def cost(self) -> "MeanCost":
        """What its trainings took in the mean."""
        summaries = [summary_of(run) for run in self.runs]
        costs = [card.cost for card in map(scorecard_of, self.runs) if isinstance(card.cost, Cost)]
        return MeanCost(
            self.runs[0].parameters,
            _mean([summary.train_seconds for summary in summaries]),
            _mean([summary.validation_seconds for summary in summaries]),
            _mean([float(summary.images_seen) for summary in summaries]),
            _mean([cost.seconds_for_10000_samples for cost in costs] if drawn_on_one_machine([self]) else []),
        )


@dataclass(frozen=True)
class MeanCost:
    """What a training and its samples took, in the mean over seeds."""

    parameters: int
    train_seconds: float
    validation_seconds: float  # beside the training, with pictures and checkpoints
    images_seen: float
    seconds_for_10000_samples: float  # nan if that was not measured, or on several machines


@dataclass(frozen=True)
class Ranking:
    """Runs on one data set that were scored alike, and the calibration that goes with them."""

    name: str  # of its files: the data set's, with a number if it has several rankings
    data: str
    title: str  # the data set's name as people write it
    protocol: int
    extractors: Mapping[str, str]
    contenders: tuple[Contender, ...]
    calibration: Calibration | None
    note: str  # why there is no calibration; empty if there is one

    @property
    def runs(self) -> list[RunRecord]:
        """All of them."""
        return [run for contender in self.contenders for run in contender.runs]

    @property
    def spaces(self) -> list[str]:
        """The feature spaces in which they were scored, in the order of trust; the first is judged."""
        return [space for space in SPACES if space in self.extractors]

    def key(self, score: str) -> Key:
        """A score in the space that is judged."""
        return Key(self.spaces[0] if self.spaces else "", score)

    def real(self, key: Key) -> Score | None:
        """The score of real images, if there is a calibration that has it."""
        return self.calibration.real(key) if self.calibration is not None else None


def rankings(records: Sequence[RunRecord]) -> list[Ranking]:
    """The runs that can be ranked, by data set and by what they were scored with; the larger ranking first."""
    groups: dict[tuple[str, int, str], list[RunRecord]] = {}
    for record in records:
        if not record.problems:
            card = scorecard_of(record)
            hashes = json.dumps(card.extractors, sort_keys=True)
            groups.setdefault((record.data_name, card.protocol, hashes), []).append(record)
    found = []
    for (data, protocol, hashes), members in groups.items():
        extractors: dict[str, str] = json.loads(hashes)
        calibration = find_calibration(data, protocol, extractors)
        known = calibration if isinstance(calibration, Calibration) else None
        note = calibration if isinstance(calibration, str) else ""
        title = members[0].data_title
        found.append(Ranking(data, data, title, protocol, extractors, contenders(members), known, note))
    found.sort(key=lambda ranking: (ranking.data, -len(ranking.runs)))
    named: dict[str, Ranking] = {}
    for ranking in found:
        name = _unused(re.sub(r"[^A-Za-z0-9_-]", "_", ranking.data)[:LONGEST], named, "{}-{}")
        named[name] = replace(ranking, name=name)
    return list(named.values())


def contenders(records: Sequence[RunRecord]) -> tuple[Contender, ...]:
    """The contenders that some rankable runs are, in the order of models and of the settings in which they differ.

    A label is the model's title. Where several contenders have the same one, every setting in which these differ is
    added to each: "VAE, latent size 2".
    """
    groups: dict[tuple[str, str, str], list[RunRecord]] = {}
    for record in records:
        cost = scorecard_of(record).cost
        options = json.dumps(cost.sample_options, sort_keys=True) if isinstance(cost, Cost) else ""
        groups.setdefault((record.model, record.variant, options), []).append(record)
    by_title: dict[str, list[list[RunRecord]]] = {}
    for _, members in sorted(groups.items()):
        members.sort(key=lambda record: (record.seed, record.name))
        by_title.setdefault(members[0].model_title, []).append(members)
    labelled: dict[str, tuple[RunRecord, ...]] = {}
    for title, of_title in by_title.items():
        values = list(differing([settings(members[0]) for members in of_title]).items())
        names = [
            ", ".join([title, *(_named(key, of[i]) for key, of in values if of[i] is not None)])
            for i in range(len(of_title))
        ]
        for name, members in sorted(zip(names, of_title, strict=True), key=lambda pair: _natural(pair[0])):
            labelled[_unused(name, labelled)] = tuple(members)
    return tuple(Contender(label, runs) for label, runs in labelled.items())


def on_one_machine(contenders: Sequence[Contender]) -> bool:
    """Whether all were trained on one device in one precision, on a CPU by as many threads: then seconds compare.

    What is not known of older runs is taken to be so.
    """
    known = [run.environment for contender in contenders for run in contender.runs if run.environment is not None]
    return len({(of.device, of.precision, of.threads if of.accelerator == "cpu" else None) for of in known}) < 2


def drawn_on_one_machine(contenders: Sequence[Contender]) -> bool:
    """Whether all samples were drawn on one device, which scored them: it need not be the one that trained."""
    devices = set()
    for run in (run for contender in contenders for run in contender.runs):
        cost = scorecard_of(run).cost
        told = cost.device if isinstance(cost, Cost) else ""
        devices |= {told or (run.environment.device if run.environment is not None else "")} - {""}
    return len(devices) < 2


def scorecard_of(record: RunRecord) -> Scorecard:
    """The scorecard of a run that can be ranked; ValueError for another."""
    if record.scorecard is None:
        raise ValueError(f"{record.path} has no scores")
    return record.scorecard


def summary_of(record: RunRecord) -> Summary:
    """The summary of a run that can be ranked; ValueError for another."""
    if record.summary is None:
        raise ValueError(f"{record.path} has no summary")
    return record.summary


def _named(key: str, value: str | None) -> str:
    """A setting with its value: "latent size 2", "r3 loss", "conditional", "default betas"."""
    if key == "budget":
        return f"{value}"
    name = {"model._target_": "class"}.get(key, key.rpartition(".")[2].replace("_", " "))
    if value in _SAID:
        return _SAID[value].format(name)
    is_word = name != "class" and value is not None and value.isidentifier()
    return f"{value} {name}".replace("_", " ") if is_word else f"{name} {value}"


def _natural(text: str) -> list[tuple[float, str]]:
    """A key to sort by in which 8 comes before 16."""
    parts = re.split(r"(\d+(?:\.\d+)?(?:e-?\d+)?)", text)
    return [(float(part), "") if i % 2 else (math.inf, part) for i, part in enumerate(parts)]


def _unused(label: str, taken: Mapping[str, object], form: str = "{} ({})") -> str:
    number = 2
    name = label
    while name in taken:
        name, number = form.format(label, number), number + 1
    return name


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
