"""What a run's JSON and CSV files hold, as types; runs/directory.py is the only code that reads or writes them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0, lt=2**63)]
Amount = Annotated[float, Field(ge=0, le=1e18)]  # of seconds, images a second, operations: sums of them are finite
State = Literal["queued", "running", "finished", "failed", "interrupted"]


class Record(BaseModel):
    """A file's content: what is not in the schema is refused, what was read is not changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class Status(Record):
    """status.json: where a run stands, since when (ISO 8601, UTC), and in case of failure why, in one line."""

    state: State
    when: str
    why: str = ""


class Turn(Record):
    """.sweep: by which sweeps with overwrite=true the run was begun anew, the latest last; and which could not, why."""

    begun: tuple[str, ...] = ()
    refused: str = ""
    why: str = ""


class DataRecord(Record):
    """data.json: the images that a run was trained on and is scored against."""

    name: str
    root: str | None  # absolute, where the user named a place
    fingerprint: str  # of all images and labels of all splits
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    images: dict[str, Count]  # by split

    def differences(self, other: "DataRecord") -> str:
        """In what other images differ from these, for people."""
        found = []
        if other.name != self.name:
            found.append(f"{other.name}, not {self.name}")
        if other.shape != self.shape:
            there, here = ("x".join(map(str, shape)) for shape in (other.shape, self.shape))
            found.append(f"{there}, not {here}")
        for split in dict.fromkeys([*self.images, *other.images]):
            there, here = (str(images.get(split, 0)) for images in (other.images, self.images))
            if there != here:
                found.append(f"{there} {split} images, not {here}")
        if len(other.classes) != len(self.classes):
            found.append(f"of {len(other.classes)} classes, not of these {len(self.classes)}")
        elif other.classes != self.classes:
            pairs = zip(other.classes, self.classes, strict=True)
            there, here = next((there, here) for there, here in pairs if there != here)
            found.append(f"of class {there}, not {here}")
        return "; ".join(found) or "as many and as large, but other images or labels"


class Environment(Record):
    """environment.json: versions, device and commit, and what a training was told."""

    genbench: str
    commit: str | None
    python: str
    system: str
    packages: dict[str, str]
    accelerator: str
    device: str
    precision: str
    threads: Count | None = None
    config: str = ""  # TrainConfig.fingerprint, so that another config.yaml shows; empty in runs of before
    changes: tuple[str, ...] = ()  # after interruptions, of what changes the result's bytes

    def after(self, before: "Environment") -> "Environment":
        """This one, with a note of all in which it is another than that in which the training began."""
        pairs = {name: (getattr(before, name), getattr(self, name)) for name in _CHANGING}
        pairs |= {name: (before.packages.get(name), version) for name, version in self.packages.items()}
        found = [f"{name} {now}, before {was}" for name, (was, now) in pairs.items() if was != now]
        return self.model_copy(update={"changes": (*before.changes, *found)})


_CHANGING = ("genbench", "python", "accelerator", "device", "precision", "threads")


class Summary(Record):
    """summary.json: what a training cost, its last training losses and its losses on the test images."""

    version: Literal[3] = 3
    parameters: dict[str, Count]  # by network
    images_seen: Count
    train_seconds: Amount  # wall clock, of training alone
    validation_seconds: Amount = 0.0  # beside it: validations with their scores, pictures and checkpoints
    images_per_second: Amount
    training_flops_per_image: Amount | None = None
    peak_memory_bytes: Count = 0
    train: dict[str, float]
    test: dict[str, float]
    alarms: tuple[str, ...] = ()
    files: dict[str, str] = {}  # sha256 by name, of those that have no checksum of their own


class Key(NamedTuple):
    """A score in one feature space."""

    space: str
    score: str


class Score(Record):
    """A score over the draws of one run, or of images whose quality is known."""

    mean: float
    sd: float | None  # over draws; None for a single one
    n: Count  # images in a draw
    draws: Count


class Estimate(Record):
    """A number that needs the model itself."""

    mean: float
    standard_error: float | None = None
    n: Count  # images
    method: str = ""


class Absent(Record):
    """A score that there cannot be, and why."""

    absent: str


class Cost(Record):
    """What the training and the sampling took."""

    parameters: dict[str, Count]
    train_seconds: Amount
    images_seen: Count
    images_per_second: Amount
    training_flops_per_image: Amount | None
    peak_memory_bytes: Count
    seconds_for_10000_samples: Amount
    device: str = ""  # that drew them, as `Environment.device`; empty in old files: the training's
    network_evaluations: Amount | None = None  # calls of a network for one sample
    sample_options: dict[str, bool | int | float | str | None] = {}


class Scorecard(Record):
    """scores.json: all scores of one run, or of images that any tool made."""

    version: Literal[2] = 2
    protocol: int
    level: Literal["fast", "full"]
    data: str
    fingerprint: str = ""  # of the data that it was scored against; empty in old files
    extractors: dict[str, str]  # hash by space
    spaces: dict[str, dict[str, Score] | Absent]  # those that need a classifier's probabilities stand in its space
    model: dict[str, Estimate | Absent]  # nll, active_units, mse, ...
    cost: Cost | Absent
    precision: str = ""
    samples: str | None = None  # where the images came from, if not from a run
    notes: tuple[str, ...] = ()  # what the reader of the scores has to know
    evaluation_seconds: Amount = 0.0
    nll_samples: Count | None = None  # None in old files
    nll_images: Count | None = None

    def is_of(self, level: str, protocol: int, wanted: Mapping[str, Any]) -> bool:
        """True if these are the scores by a protocol, all if the level is full, and none of another thing than wanted.

        Args:
            level: "fast" or "full".
            protocol: its number.
            wanted: options of the sampling, and nll_samples and nll_images, of which more will do; what an old file
                does not say is taken to be so.
        """
        if self.protocol != protocol or level not in (self.level, "fast"):
            return False
        told: dict[str, Any] = dict(self.cost.sample_options) if isinstance(self.cost, Cost) else {}
        if isinstance(self.model.get("nll"), Estimate) and self.nll_samples is not None:
            least = {"nll_samples": self.nll_samples, "nll_images": self.nll_images or 0}
            if any(wanted.get(name, 0) > value for name, value in least.items()):
                return False
        return all(told.get(name, value) == value for name, value in wanted.items())

    def score(self, key: Key) -> Score | Absent:
        """A score, or why there is none."""
        space = self.spaces.get(key.space, Absent(absent="not measured"))
        return space if isinstance(space, Absent) else space.get(key.score, Absent(absent="not measured"))

    def values(self) -> Mapping[Key, Score]:
        """Every score that there is."""
        return {
            Key(space, name): score
            for space, scores in self.spaces.items()
            if not isinstance(scores, Absent)
            for name, score in scores.items()
        }


class Logged(Record):
    """mlflow.json, wandb.json: as what a logger knows the run, and what it was told, so that nothing is told twice."""

    id: str  # of the run there
    place: str  # where it is to be seen, for people
    address: str  # of the server, without secrets; empty where there is none
    images: dict[str, Count] = Field(default_factory=dict)  # up to which a curve or picture was told
    results: dict[str, float] = Field(default_factory=dict)  # the final numbers that were told


class Row(NamedTuple):
    """A row of metrics.csv or timing.csv."""

    images: Count
    values: Mapping[str, float]


class Metrics(Record):
    """metrics.csv, or timing.csv: rows in the order of the images seen."""

    rows: tuple[Row, ...]

    def curve(self, name: str) -> list[tuple[int, float]]:
        """(images, value) of every row that has the metric."""
        return [(row.images, row.values[name]) for row in self.rows if name in row.values]

    @property
    def names(self) -> list[str]:
        """All metrics, in the order of their first row."""
        return list(dict.fromkeys(name for row in self.rows for name in row.values))
