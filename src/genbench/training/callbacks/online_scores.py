"""How good the samples are while the model still learns, by two of the scorecard's scores."""

import lightning as L

from genbench.data.images import ImageData, evenly_spaced
from genbench.evaluation.catalogue import catalogue
from genbench.evaluation.extractors import FeatureSpaces
from genbench.evaluation.pair import Pair, Reference
from genbench.training.callbacks.alarms import SAMPLES, Alarms

ONLINE = ("fcd", "coverage")


class OnlineScores(L.Callback):
    """Fréchet distance and coverage of the samples against as many validation images, at every validation.

    In the classifier's feature space, or where there are no labels the random network's. With so few images the
    distance's floor is high (scorecard: d^2/4 (1/N + 1/M)): good for a curve, not for a result.
    """

    def __init__(self, data: ImageData, spaces: FeatureSpaces, alarms: Alarms) -> None:
        self._alarms = alarms
        self._space = spaces.classifier or spaces.random
        real = self._space.features(evenly_spaced(data.validation, SAMPLES).images)  # (M, d)
        self._real = Reference.of(real, real)  # neither score looks at training images

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Score the samples that were drawn to look for alarms."""
        pair = Pair(self._real, self._space.features(self._alarms.samples))
        for name in ONLINE:
            pl_module.log(f"fast/{name}", catalogue()[name].measure(pair), logger=False)
