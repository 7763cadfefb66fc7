"""Does a conditional model draw the class that it is told?"""

from genbench.cache import feature_cache
from genbench.config.train import EvaluationConfig
from genbench.data.images import ImageData
from genbench.evaluation.conditions import labels_to_draw
from genbench.evaluation.extractors import load_spaces
from genbench.models.model import Conditional
from genbench.models.sampling import draw
from genbench.runs.records import Absent, Estimate

_IMAGES = 5_000
_SEED = 3_000_000  # of the samples: no others are among them


def class_accuracy(model: Conditional, data: ImageData, level: EvaluationConfig) -> Estimate | Absent:
    """Share of samples in which the protocol's classifier finds the class that was asked for.

    The classifier errs on real images too: its accuracy on the test images stands in the words on the method.
    """
    spaces = load_spaces(data, feature_cache(), model.device)
    labels = labels_to_draw(model, data, _IMAGES, _SEED)
    if spaces.classifier is None:
        return Absent(absent=spaces.no_classifier)
    if labels is None:
        return Absent(absent="the model is not told classes")
    found = spaces.classifier.embed(draw(model, _IMAGES, _SEED, labels=labels)).probabilities
    if found is None:
        raise RuntimeError("the classifier gives no probabilities")
    right = (found.argmax(1).cpu() == labels).double().mean().item()
    of_real = float(spaces.classifier.facts["test_accuracy"])
    return Estimate(
        mean=right,
        standard_error=(right * (1 - right) / _IMAGES) ** 0.5,
        n=_IMAGES,
        method=f"a classifier that is right on {of_real:.1%} of the real test images, on {_IMAGES:,} samples",
    )
