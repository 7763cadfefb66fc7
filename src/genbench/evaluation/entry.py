"""What a score is: its name, meaning and needs, and the function that measures it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from genbench.evaluation.floors import Range
from genbench.evaluation.protocol import ASKED


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
