"""The catalogue of scores: what each is called, means, needs and must notice; and the function that measures it.

A score is one entry. Calibration, tables, charts, search, cards and page are made from it. An installed package adds
its own by an entry point of the group `genbench.scores` whose value is an `Entry`:

    [project.entry-points."genbench.scores"]
    energy = "mypackage.energy:ENTRY"

Importing this module imports no torch: the functions that measure are imported when they are called.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import entry_points
from pkgutil import resolve_name
from typing import Any

from genbench.errors import UserError
from genbench.evaluation import floors
from genbench.evaluation.entry import Entry
from genbench.evaluation.protocol import BLURRED, COPIES, GAUSSIAN, MISSING, REPEATED, UNIFORM


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
        name="class_accuracy",
        label="class accuracy",
        meaning="how often the classifier finds in a sample the class that was asked for",
        unit="share",
        better="higher",
        needs="conditional",
        perfect=1.0,
        measure=_later("class_accuracy:class_accuracy"),
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
