"""What a report is made of: every directory of a folder of runs, and the calibrations, read without trust.

Nothing is left out: a directory that cannot be ranked says why.
"""

import csv
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from genbench.config import TrainConfig, check
from genbench.errors import UserError
from genbench.runs import Run

_YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where it was built

Row = dict[str, float]


@dataclass(frozen=True)
class Score:
    """A score of one run: mean and sd over the draws (nan for a single draw)."""

    mean: float
    sd: float


@dataclass(frozen=True)
class Record:
    """One directory of the folder, as far as it can be read."""

    path: Path
    state: str  # as in status.json; "unreadable" if that or the config cannot be read
    when: str
    problems: tuple[str, ...]  # why it is not ranked; empty if it is
    notes: tuple[str, ...] = ()  # what else is wrong with it
    config: TrainConfig | None = None
    variant: str = ""  # hash of all settings but the seed
    environment: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)  # scores.json as it stands
    values: Mapping[str, Score] = field(default_factory=dict)  # "<space>.<score>" and "class.<score>"
    metrics: Sequence[Row] = ()
    timing: Sequence[Row] = ()

    @property
    def name(self) -> str:
        """The directory's name."""
        return self.path.name

    @property
    def data(self) -> str:
        """The data set's name; empty if unknown."""
        return str(self.scores.get("data", "")) or (self.config.data.name if self.config else "")

    @property
    def model(self) -> str:
        """The model's name; empty if unknown."""
        return self.config.model_name if self.config else ""

    @property
    def seed(self) -> int:
        """The training seed; -1 if unknown."""
        return self.config.seed if self.config else -1

    @property
    def parameters(self) -> int:
        """Trainable parameters of all networks."""
        return sum(self.summary.get("parameters", {}).values())


def read_records(folder: Path) -> list[Record]:
    """Every directory of a folder, in the order of the names.

    Raises:
        UserError: there is no such folder, or nothing in it.
    """
    if (folder / "status.json").is_file():
        raise UserError(f"runs={folder} is one run: give the folder that holds it")
    if not folder.is_dir():
        raise UserError(f"runs={folder}: there is no such folder")
    paths = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not paths:
        raise UserError(f"runs={folder}: there is no run in this folder; make one with python -m genbench.train")
    return [read_record(path) for path in paths]


def read_record(path: Path) -> Record:
    """One directory."""
    if not (path / "status.json").is_file():
        if any(path.glob("*/status.json")):
            return Record(
                path, "unreadable", "", (f"a folder of runs of its own: report on it with runs={quote(str(path))}",)
            )
        return Record(path, "unreadable", "", ("no status.json: it is not a run, or its file is lost",))
    run = Run(path)
    try:
        status = run.status
        config = _config(path / "config.yaml")
    except UserError as error:
        return Record(path, "unreadable", "", (_without_path(str(error), path),))
    state, when = str(status.state), str(status.when)
    problems: list[str] = []
    notes: list[str] = []
    if state != "finished":
        problems.append(f"{state}: {status.why}" if status.why else state)
    parts: dict[str, Any] = {}
    for name in ("environment", "summary", "scores"):
        try:
            parts[name] = _json(path / f"{name}.json")
        except FileNotFoundError:
            if name == "scores" and state == "finished":
                problems.append(f"not scored yet: python -m genbench.evaluate run={quote(str(path))}")
            elif name == "summary" and state == "finished":
                problems.append("summary.json is missing")
        except (OSError, ValueError) as error:
            (notes if name == "environment" else problems).append(f"{name}.json cannot be read ({error})")
    tables: dict[str, Any] = {}
    for name in ("metrics", "timing"):
        try:
            tables[name] = _rows(path / f"{name}.csv")
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            notes.append(f"{name}.csv cannot be read ({error})")
    values: dict[str, Score] = {}
    if "scores" in parts:
        try:
            values = score_values(parts["scores"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problems.append(f"scores.json cannot be read ({type(error).__name__}: {error})")
            del parts["scores"]
        else:
            if parts["scores"]["level"] != "full":
                problems.append(
                    f"scored by evaluation={parts['scores']['level']}, against the validation images; such scores may"
                    f" not be reported: delete its scores.json, then python -m genbench.evaluate run={quote(str(path))}"
                )
    if "summary" in parts:
        try:
            _check_summary(parts["summary"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problems.append(f"summary.json cannot be read ({type(error).__name__}: {error})")
            del parts["summary"]
    variant = config.run_name.rsplit("-", 2)[1]
    return Record(path, state, when, tuple(problems), tuple(notes), config, variant, values=values, **parts, **tables)


def _config(path: Path) -> TrainConfig:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _YAML)
        composed = OmegaConf.create({key: value for key, value in content.items() if key != "defaults"})
        assert isinstance(composed, DictConfig)
        config = check(composed, TrainConfig)
        _ = config.run_name
    except (OSError, ValueError, yaml.YAMLError, AttributeError, KeyError, IndexError, TypeError, AssertionError) as e:
        raise UserError(f"config.yaml cannot be read ({_first_line(e)})") from e
    except UserError as error:
        raise UserError(f"config.yaml is not one of this version ({error})") from error
    return config


def _json(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError("it holds no object")
    return content


def _rows(path: Path) -> list[Row]:
    """The rows of a CSV file of numbers, without its empty cells."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [{k: float(v) for k, v in row.items() if k and v} for row in csv.DictReader(file)]
    if any("images" not in row for row in rows):
        raise ValueError("a row has no images")
    return rows


def score_values(scores: Mapping[str, Any]) -> dict[str, Score]:
    """All scores of a scores.json by "<space>.<score>"; KeyError, TypeError or ValueError if it is not one."""
    for key in ("protocol", "level", "data", "extractors", "cost"):
        if key not in scores:
            raise KeyError(key)
    groups = {**scores["spaces"], "class": scores["class"]}
    values: dict[str, Score] = {}
    for group, content in groups.items():
        if not isinstance(content, dict):  # a reason why there are none
            continue
        for name, score in content.items():
            sd = score["sd"]
            values[f"{group}.{name}"] = Score(float(score["mean"]), math.nan if sd is None else float(sd))
    if not values:
        raise ValueError("it holds no score")
    return values


def _check_summary(summary: Mapping[str, Any]) -> None:
    for name in ("train_seconds", "images_seen", "images_per_second"):
        float(summary[name])
    sum(summary["parameters"].values())


def _without_path(text: str, path: Path) -> str:
    return text.replace(f"{path}/", "")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@dataclass(frozen=True)
class Contender:
    """Runs that differ in nothing but the seed."""

    label: str
    model: str
    variant: str
    runs: tuple[Record, ...]  # by seed

    def of(self, key: str) -> list[float]:
        """A score, one value a seed."""
        return [run.values[key].mean for run in self.runs if key in run.values]


@dataclass(frozen=True)
class Ranking:
    """Runs on one data set that were scored alike, and the calibration that goes with them."""

    name: str  # of its files: the data set's, with a number if it has several rankings
    data: str
    protocol: int
    extractors: Mapping[str, str]
    contenders: tuple[Contender, ...]
    calibration: Mapping[str, Any] | None
    note: str  # why there is no calibration; empty if there is one

    @property
    def title(self) -> str:
        """The data set's name as people write it."""
        return titled(self.data)

    @property
    def seeds(self) -> int:
        """The number of scored runs."""
        return sum(len(contender.runs) for contender in self.contenders)


def rankings(records: Sequence[Record], calibration: Path) -> list[Ranking]:
    """The runs that can be ranked, by data set and by what they were scored with; the larger ranking first."""
    groups: dict[tuple[str, int, str], list[Record]] = {}
    for record in records:
        if not record.problems:
            key = (record.data, record.scores["protocol"], json.dumps(record.scores["extractors"], sort_keys=True))
            groups.setdefault(key, []).append(record)
    found = []
    for (data, protocol, extractors), members in groups.items():
        hashes = json.loads(extractors)
        matching, note = find_calibration(calibration, data, protocol, hashes)
        found.append(Ranking(data, data, protocol, hashes, _contenders(members), matching, note))
    found.sort(key=lambda ranking: (ranking.data, -ranking.seeds))
    data_sets = [ranking.data for ranking in found]
    numbers = [data_sets[:i].count(data) for i, data in enumerate(data_sets)]
    return [
        replace(ranking, name=re.sub(r"[^A-Za-z0-9_-]", "_", ranking.data) + (f"-{number + 1}" if number else ""))
        for ranking, number in zip(found, numbers, strict=True)
    ]


def titled(name: str) -> str:
    """A model's or data set's name as people write it."""
    return {"gan": "GAN", "vae": "VAE", "mnist": "MNIST", "fashion": "Fashion-MNIST"}.get(name, name)


def _contenders(records: Sequence[Record]) -> tuple[Contender, ...]:
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.model, record.variant), []).append(record)
    models = [model for model, _ in groups]
    return tuple(
        Contender(
            titled(model) if models.count(model) == 1 else f"{titled(model)} {variant}",
            model,
            variant,
            tuple(sorted(members, key=lambda record: (record.seed, record.name))),
        )
        for (model, variant), members in sorted(groups.items())
    )


def find_calibration(
    folder: Path, data: str, protocol: int, extractors: Mapping[str, str]
) -> tuple[Mapping[str, Any] | None, str]:
    """The calibration of a data set that was made with the same protocol and extractors, or why there is none."""
    command = f"python -m genbench.calibrate data={quote(data)} out={quote(str(folder))}.md"
    note = f"There is no calibration of {data} in {folder}, so that no score votes. Make one: {command}"
    for path in sorted(folder.glob("*.json")):
        try:
            content = _json(path)
            if content["data"] != data:
                continue
            if content["protocol"] != protocol:
                note = f"{path} was made by protocol {content['protocol']}, these scores by protocol {protocol}."
                note += f" It is not used, and no score votes. Make another: {command}"
                continue
            hashes = {name: facts["hash"] for name, facts in content["extractors"].items()}
            if hashes != dict(extractors):
                note = f"{path} was made with other feature extractors than these scores."
                note += f" It is not used, and no score votes. Make another: {command}"
                continue
            if not ({"rows", "votes", "n"} <= set(content)):
                raise ValueError("it is incomplete")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            note = f"{path} cannot be read ({error}), so that no score votes. Make another: {command}"
            continue
        return content, ""
    return None, note
