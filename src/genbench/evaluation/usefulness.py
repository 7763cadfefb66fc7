"""Are labelled samples good for anything? A classifier is trained on them and tried on real images."""

from dataclasses import replace

from genbench.config.train import EvaluationConfig
from genbench.data.images import ImageData, Split, evenly_spaced
from genbench.evaluation.classifier import Recipe, train_classifier
from genbench.evaluation.conditions import labels_to_draw
from genbench.models.model import Conditional
from genbench.models.sampling import draw
from genbench.runs.records import Absent, Estimate

_RECIPE = Recipe(epochs=1, min_steps=200)  # seconds, not minutes: it is the comparison that counts
_IMAGES = 10_000
_SEED = 2_000_000  # of the samples: those that are scored are others


def usefulness(model: Conditional, data: ImageData, level: EvaluationConfig) -> Estimate | Absent:
    """Accuracy on the test images of a classifier trained on samples alone (Ravuri & Vinyals 2019).

    Beside it, in the words on its method, that of one trained by the same recipe on as many real images.
    """
    n = min(_IMAGES, len(data.train))
    labels = labels_to_draw(model, data, n, _SEED)
    if labels is None:
        return Absent(absent="the model is not told classes")
    samples = Split(draw(model, n, _SEED, labels=labels).cpu(), labels)
    of_samples, of_real = (
        train_classifier(replace(data, train=split), _RECIPE, model.device).test_accuracy
        for split in (samples, evenly_spaced(data.train, n))
    )
    return Estimate(
        mean=of_samples,
        standard_error=(of_samples * (1 - of_samples) / len(data.test)) ** 0.5,
        n=len(data.test),
        method=f"a classifier trained on {n:,} samples; on as many real images {of_real:.1%}",
    )
