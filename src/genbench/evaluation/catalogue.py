"""The catalogue of scores: what each is called, means, needs and must notice; and the function that measures it.

A score is one entry. Calibration, tables, charts, search, cards and page are made from it. An installed package adds
its own by an entry point of the group `genbench.scores` whose value is an `Entry`:

    [project.entry-points."genbench.scores"]
    energy = "mypackage.energy:ENTRY"

Importing this module imports no torch: the functions that measure are imported when they are called.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pkgutil import resolve_name
from typing import Any, Literal

from genbench.errors import UserError
from genbench.evaluation import floors
from genbench.evaluation.floors import Range
from genbench.evaluation.protocol import ASKED, BLURRED, COPIES, GAUSSIAN, MISSING, REPEATED, UNIFORM


@dataclass(frozen=True)
class Entry:
    """One score.

    Attributes:
        name: in files and tables; a word without dots.
        label: on the page.
        meaning: in one sentence, for somebody who has never heard of it.
        unit: of the number; empty for a bare number.
        better: which way is better; None if neither is.
        measure: the number of a `Pair` of real and generated features (needs "features", "classes" or
            "probabilities"); the `Estimate` of a model, its data and an evaluation's level (everything else).
        needs: "features": measured in every feature space. "classes": in every one too, of data with labels: the class
            of an image is the classifier's answer, and in the other spaces the label of the nearest training image.
            "probabilities": in the space that gives class probabilities. "model": the model itself; or a capability
            that the model must declare, by its class's name in lower case ("likelihood", "posterior",
            "reconstruction", "conditional").
        perfect: the value of a perfect model; None if there is no absolute scale.
        topic: the question of TOPICS to which it speaks; None: to none.
        flagged_by: the calibration's row that it is there to notice; a score of features without one never votes.
        real: where real images must lie when they are scored against real ones, in order that the score may vote: a
            range, or a function of the number of features and that of images that gives one. None: no absolute scale.
        doses: in which it must never look better at a larger dose, in order that it may vote; None: those of ASKED.
        capped: a model is no better than another for exceeding what real images have.
    """

    name: str
    label: str
    meaning: str
    better: Literal["lower", "higher"] | None
    measure: Callable[..., Any]
    unit: str = ""
    needs: str = "features"
    perfect: float | None = None
    topic: str | None = None
    flagged_by: str | None = None
    real: Range | Callable[[int, int], Range] | None = None
    doses: tuple[str, ...] | None = None
    capped: bool = False

    @property
    def of_images(self) -> bool:
        """Whether images are all that it needs; else it needs the model."""
        return self.needs in ("features", "classes", "probabilities")

    def is_measured(self, labels: bool, classifier: bool) -> bool:
        """Whether it is a score of images that a space can give: the data have labels, it is the classifier's."""
        return (
            self.needs == "features"
            or (labels and self.needs == "classes")
            or (classifier and self.needs == "probabilities")
        )

    @property
    def answers_to(self) -> tuple[str, ...]:
        """The doses in which it must never look better at a larger one."""
        return ASKED.get(self.topic or "", ()) if self.doses is None else self.doses

    @property
    def worse(self) -> int:
        """1 if a higher value is worse, -1 if a lower one is, 0 if neither."""
        return {"lower": 1, "higher": -1, None: 0}[self.better]

    def range_of_real(self, features: int, images: int) -> Range | None:
        """Where so many real images must lie in a space of so many features; None if there is no absolute scale."""
        return self.real(features, images) if callable(self.real) else self.real


@cache
def catalogue() -> Mapping[str, Entry]:
    """All scores by name: genbench's own, then those of installed packages.

    Raises:
        UserError: an installed package's entry cannot be loaded or is not an `Entry`, or its name is taken.
    """
    entries = {entry.name: entry for entry in _OURS}
    for point in sorted(entry_points(group="genbench.scores"), key=lambda point: point.name):
        try:
            entry = point.load()
        except Exception as error:  # whatever somebody else's module does when it is imported
            raise UserError(f"the score {point.name} of an installed package cannot be loaded: {error!r}") from error
        if not isinstance(entry, Entry):
            raise UserError(f"the score {point.name} of an installed package is {point.value}, which is not an Entry")
        if entry.name in entries:
            raise UserError(f"the score {entry.name} of {point.value} has the name of another: choose a new one")
        entries[entry.name] = entry
    return entries


def _later(function: str) -> Callable[..., Any]:
    """A function of genbench.evaluation that is imported when it is called, because torch comes with it."""

    def measure(*words: Any) -> Any:
        return resolve_name(f"genbench.evaluation.{function}")(*words)

    return measure


_OURS = (
    Entry(
        name="fcd",
        label="Fréchet distance",
        meaning="distance between the features of samples and of real images",
        unit="squared features",
        better="lower",
        perfect=0.0,
        topic="realism",
        flagged_by=GAUSSIAN,
        real=floors.fcd,
        measure=_later("likeness:fcd"),
    ),
    Entry(
        name="kcd",
        label="kernel distance",
        meaning="the same by another measure; 0 is perfect",
        better="lower",
        perfect=0.0,
        topic="realism",
        flagged_by=GAUSSIAN,
        real=floors.kcd,
        measure=_later("likeness:kcd"),
    ),
    Entry(
        name="precision",
        label="precision",
        meaning="share of samples that lie among the real images",
        unit="share",
        better="higher",
        topic="fidelity",
        flagged_by=UNIFORM,
        measure=_later("manifold:precision"),
    ),
    Entry(
        name="recall",
        label="recall",
        meaning="share of real images that lie among the samples",
        unit="share",
        better="higher",
        topic="diversity",
        flagged_by=REPEATED,
        measure=_later("manifold:recall"),
    ),
    Entry(
        name="density",
        label="density",
        meaning="how deep among the real images the samples lie; 1 is perfect",
        better="higher",
        perfect=1.0,
        topic="fidelity",
        flagged_by=UNIFORM,
        real=(0.9, 1.1),
        measure=_later("manifold:density"),
    ),
    Entry(
        name="coverage",
        label="coverage",
        meaning="share of real images with a sample close by",
        unit="share",
        better="higher",
        perfect=1.0,
        topic="diversity",
        flagged_by=REPEATED,
        real=(0.93, 1.0),
        measure=_later("manifold:coverage"),
    ),
    Entry(
        name="within_class_variety",
        label="variety within classes",
        meaning="how much images of one class differ from each other, compared with real ones; 1 is as much",
        better="higher",
        needs="classes",
        perfect=1.0,
        topic="diversity",
        flagged_by=REPEATED,
        real=(0.95, 1.05),
        capped=True,
        measure=_later("classes:within_class_variety"),
    ),
    Entry(
        name="vendi",
        label="Vendi score",
        meaning="how many images that are nothing like each other are as varied, compared with real ones; 1 is as many",
        better="higher",
        perfect=1.0,
        topic="diversity",
        flagged_by=REPEATED,
        real=(0.97, 1.03),
        capped=True,
        measure=_later("variety:vendi"),
    ),
    Entry(
        name="auth_pct",
        label="authentic share",
        meaning="share of samples that are no closer to a training image than training images are to each other",
        unit="share",
        better="higher",
        topic="memorisation",
        flagged_by=COPIES,
        real=(0.4, 0.8),
        capped=True,
        measure=_later("memorisation:auth_pct"),
    ),
    Entry(
        name="near_duplicates",
        label="near-duplicate share",
        meaning="share of samples that are nearly a training image",
        unit="share",
        better="lower",
        perfect=0.0,
        topic="memorisation",
        flagged_by=COPIES,
        real=(0.0, 0.01),
        capped=True,
        measure=_later("memorisation:near_duplicates"),
    ),
    Entry(
        name="fcd_train_gap",
        label="distance to train minus to test",
        meaning="negative if samples are closer to the training than to unseen images",
        unit="squared features",
        better="higher",
        topic="memorisation",
        flagged_by=COPIES,
        capped=True,
        measure=_later("memorisation:fcd_train_gap"),
    ),
    Entry(
        name="c2st_linear",
        label="told apart (linear)",
        meaning="how often a linear classifier tells samples from real images; 0.5 is perfect",
        unit="share",
        better="lower",
        perfect=0.5,
        topic="realism",
        flagged_by=GAUSSIAN,
        real=floors.c2st,
        measure=_later("two_sample:c2st_linear"),
    ),
    Entry(
        name="c2st_1nn",
        label="told apart (1-NN)",
        meaning="the same by the nearest neighbour",
        unit="share",
        better="lower",
        perfect=0.5,
        topic="realism",
        flagged_by=GAUSSIAN,
        real=floors.c2st,
        measure=_later("two_sample:c2st_1nn"),
    ),
    Entry(
        name="class_kl",
        label="class divergence",
        meaning="how far the shares of the classes are from the real ones",
        unit="nats",
        better="lower",
        needs="classes",
        perfect=0.0,
        topic="classes",
        flagged_by=MISSING,
        real=floors.class_kl,
        measure=_later("classes:class_kl"),
    ),
    Entry(
        name="classes_hit",
        label="classes drawn",
        meaning="how many of the classes are drawn at all",
        unit="classes",
        better="higher",
        needs="classes",
        topic="classes",
        flagged_by=MISSING,
        measure=_later("classes:classes_hit"),
    ),
    Entry(
        name="ambiguous_share",
        label="ambiguous share",
        meaning="share of samples that the classifier is not sure of",
        unit="share",
        better="lower",
        needs="probabilities",
        topic="fidelity",
        flagged_by=BLURRED,
        measure=_later("classes:ambiguous_share"),
    ),
    Entry(
        name="nll",
        label="negative log-likelihood",
        meaning="how surprised the model is by test images of black and white pixels",
        unit="nats",
        better="lower",
        needs="likelihood",
        measure=_later("likelihood:nll"),
    ),
    Entry(
        name="usefulness",
        label="usefulness",
        meaning="how often a small classifier is right on real images that has seen samples alone",
        unit="share",
        better="higher",
        needs="conditional",
        perfect=1.0,
        measure=_later("usefulness:usefulness"),
    ),
    Entry(
        name="active_units",
        label="active units",
        meaning="how many latent dimensions carry something of the image",
        unit="dimensions",
        better=None,
        needs="posterior",
        measure=_later("likelihood:active_units"),
    ),
    Entry(
        name="mse",
        label="reconstruction error",
        meaning="mean squared error per pixel, in [0, 1], of test images as the model can best render them",
        unit="squared grey",
        better="lower",
        needs="model",
        perfect=0.0,
        measure=_later("reconstruction:mse"),
    ),
)
