"""How good the samples are while the model still learns, by two of the scorecard's scores."""

import lightning as L

from genbench.data.images import ImageData
from genbench.evaluation.extractors import FeatureSpaces
from genbench.evaluation.manifold import DENSITY_COVERAGE_K, share_covered, squared_radii
from genbench.evaluation.moments import frechet_distance_of_moments, moments
from genbench.evaluation.neighbours import nearest
from genbench.evaluation.scorecard import first
from genbench.training.health import SAMPLES, Health


class Quality(L.Callback):
    """Fréchet distance and coverage of the samples against as many validation images, at every validation.

    In the classifier's feature space, or where there are no labels the random network's. With so few images the
    distance's floor is high (scorecard: d^2/4 (1/N + 1/M)): good for a curve, not for a result.
    """

    def __init__(self, data: ImageData, spaces: FeatureSpaces, health: Health) -> None:
        self._health = health
        self._space = spaces.classifier or spaces.random
        self._real = self._space.features(first(data.validation, SAMPLES).images)  # (M, d)
        self._radii = squared_radii(self._real, DENSITY_COVERAGE_K)

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Score the samples that were drawn to look after the model's health."""
        features = self._space.features(self._health.samples)
        distance = frechet_distance_of_moments(moments(features), moments(self._real))
        covered = share_covered(nearest(self._real, features).squared_distances[:, 0], self._radii)
        pl_module.log("fast/fcd", distance, logger=False)
        pl_module.log("fast/coverage", covered, logger=False)
