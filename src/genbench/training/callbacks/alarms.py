"""Cheap figures at every validation that tell a collapse while there is time to stop, and an alarm in words."""

import logging
from collections.abc import Mapping
from typing import Any

import lightning as L
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.text import Text
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor

from genbench.data.datamodule import WATCHED
from genbench.data.images import ImageData, Split, evenly_spaced
from genbench.evaluation.conditions import labels_to_draw
from genbench.models.model import Model, Posterior
from genbench.models.sampling import draw, posteriors
from genbench.training.budget import Budget

log = logging.getLogger(__name__)

SAMPLES = 1000  # or as many as there are training images, if these are fewer
FEWEST_SAMPLES = 100
COMPARED = 500  # of them, all with all
# Nothing is expected of a model in a fifth of its training, nor before it has seen so many images: a DCGAN draws all
# classes of MNIST at 10,000.
EARLY, LEARNT = 0.2, 20_000
DEAD_NATS = 0.05  # a latent dimension with less KL than this carries nothing
DEAD_SHARE = 0.5  # of the latent dimensions: some that are left unused are healthy
LOW_DIVERSITY = 0.5  # mean distance between samples over that between real images
MISSING = 0.2  # of its share of real images: a class with fewer of the samples is missing
KNOWN = 0.5  # of a class's images must be known for what they are, before it can be said to be missing
LARGEST_SIDE, SHRUNK_SIDE = 32, 16  # pixels that the linear classifier of pixels looks at
CERTAIN = 0.995  # a discriminator with this accuracy teaches the generator nothing


class Alarms(L.Callback):
    """Watches for posterior collapse in a model with an encoder, and for mode collapse in one without.

    An alarm of a kind is given once in a training.

    Attributes:
        alarms: what is wrong as of the last validation, in words, by its kind; empty if nothing is.
        samples: the last validation's, (N, C, H, W) uint8, from the same noise every time.
    """

    def __init__(self, data: ImageData, budget: Budget, console: Console, precision: torch.dtype) -> None:
        self.alarms: dict[str, str] = {}
        self.samples = torch.empty(0)
        self._precision = precision
        self._budget = budget
        self._console = console
        self._data = data
        self._real = data.validation
        self._classes = data.classes
        self._train = data.train
        self._given: list[str] = []  # kinds
        self._sorter: ClassSorter | None = None

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Measure, and say what is newly wrong."""
        if not isinstance(pl_module, Model):
            raise TypeError(f"{type(pl_module).__name__} is no genbench.models.model.Model")
        n = min(SAMPLES, max(FEWEST_SAMPLES, len(self._train)))
        labels = labels_to_draw(pl_module, self._data, n, seed=0)
        self.samples = draw(pl_module, n, seed=0, precision=self._precision, labels=labels)
        alarms = self._posterior(pl_module) if isinstance(pl_module, Posterior) else self._modes(trainer, pl_module)
        if self._budget.fraction < EARLY or self._budget.images_seen < LEARNT:
            return
        for kind, alarm in alarms.items():
            if kind not in self._given:
                self._given.append(kind)
                text = f" at {self._budget.images_seen:,} images: {alarm}"
                self._console.print(Text.assemble(("alarm", "bold red"), text), soft_wrap=True)
                log.warning("at %d images: %s", self._budget.images_seen, alarm)
        self.alarms = alarms

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"by_kind": self.alarms, "given": self._given}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """What was said is not said again."""
        self.alarms, self._given = state_dict.get("by_kind", {}), state_dict.get("given", [])

    def _posterior(self, model: Posterior) -> dict[str, str]:
        watched = evenly_spaced(self._real, WATCHED)
        means, log_variances = posteriors(model, watched.images, watched.labels)
        on_device = (value.to(model.device) for value in (means, log_variances))
        with torch.no_grad():
            carried = model.kl(*on_device).mean(0).tolist()  # nats, of each dimension
        dead = [str(dimension + 1) for dimension, kl in enumerate(carried) if kl < DEAD_NATS]
        if len(dead) < DEAD_SHARE * len(carried):
            return {}
        return {
            "posterior": f"posterior collapse: latent dimension {', '.join(dead)} of {len(carried)} carries nothing"
            f" (KL below {DEAD_NATS} nats)"
        }

    def _modes(self, trainer: L.Trainer, model: Model) -> dict[str, str]:
        alarms = {}
        samples = self.samples
        spread = mean_distance(evenly_spaced(self._real, COMPARED).images)
        if spread > 0:  # not of a single image, or of images that are all the same
            diversity = mean_distance(samples[:COMPARED]) / spread
            model.log("validation/diversity", diversity, logger=False)
            if diversity < LOW_DIVERSITY:
                alarms["diversity"] = (
                    f"mode collapse: samples differ from each other {diversity:.0%} as much as real images do"
                )
        self._sorter = self._sorter or ClassSorter.of(self._train, self._real)
        if self._sorter is not None:
            missing = [self._classes[label] for label in self._sorter.missing(samples)]
            model.log("validation/classes_hit", float(len(self._classes) - len(missing)), logger=False)
            if missing:
                alarms["classes"] = f"mode collapse: hardly any sample looks like class {', '.join(missing)}"
        accuracy = trainer.callback_metrics.get("validation/discriminator_accuracy")
        if accuracy is not None and float(accuracy) > CERTAIN:
            alarms["discriminator"] = (
                f"the discriminator is right about {float(accuracy):.1%} of images: it teaches nothing any more"
            )
        return alarms


def mean_distance(images: Tensor) -> float:
    """The mean Euclidean distance between two different images of (N, C, H, W) uint8, pixels in [0, 1]; 0 of one."""
    if len(images) < 2:
        return 0.0
    return float(torch.pdist(images.flatten(1).float().div(255.0)).mean())


class ClassSorter:
    """A linear classifier of pixels: crude, but made in a second, and enough to see that a class is missing.

    It puts some images of every class into others. How often it does with real images is known, and taken off
    (Lipton, Wang, Smola 2018: the shares of classes by a black box). With samples it errs otherwise than with real
    images, so that a class is missing only if it is both as counted and with that taken off.
    """

    def __init__(self, classifier: LinearDiscriminantAnalysis, real: Split) -> None:
        """With labelled real images that it has not learnt from."""
        if real.labels is None:
            raise ValueError("the real images have no labels")
        self._classifier = classifier
        classes = int(max(real.labels.max(), classifier.classes_.max())) + 1
        counts = torch.zeros(classes, classes, dtype=torch.float64)  # taken for, is
        counts.index_put_((self._predict(real.images), real.labels), torch.ones((), dtype=torch.float64), True)
        of_class = counts.sum(0)
        self._taken_for = counts / of_class.clamp(min=1.0)
        self._known = (self._taken_for.diag() >= KNOWN) & (of_class > 0)
        self._due = of_class / of_class.sum()
        self._taken_for[:, of_class == 0] = torch.eye(classes, dtype=torch.float64)[:, of_class == 0]

    @classmethod
    def of(cls, train: Split, real: Split) -> "ClassSorter | None":
        """One that has learnt from some training images; None if there is nothing to tell apart, or too little."""
        step = max(1, len(train) // 5000)
        if train.labels is None or real.labels is None:
            return None
        labels = train.labels[::step]
        classes = len(set(labels.tolist()))
        if not 1 < classes < len(labels):
            return None
        classifier = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1)
        return cls(classifier.fit(_pixels(train.images[::step]), labels.numpy()), real)

    def shares(self, images: Tensor) -> Tensor:
        """About the share of images (N, C, H, W) uint8 that are of each class: (classes,); some may be below 0."""
        found: Tensor = torch.linalg.pinv(self._taken_for) @ self._counted(images)
        return found

    def missing(self, images: Tensor) -> list[int]:
        """The classes that hardly any of images (N, C, H, W) uint8 is of, of those that it knows well enough."""
        largest = torch.maximum(self.shares(images), self._counted(images))
        return ((largest < MISSING * self._due) & self._known).nonzero().flatten().tolist()

    def _counted(self, images: Tensor) -> Tensor:
        return self._predict(images).bincount(minlength=len(self._taken_for)).double() / len(images)

    def _predict(self, images: Tensor) -> Tensor:
        return torch.from_numpy(self._classifier.predict(_pixels(images)))


def _pixels(images: Tensor) -> npt.NDArray[np.float32]:
    """(N, D), in [0, 1]: images (N, C, H, W) uint8, large ones averaged down; a covariance has the square of D."""
    shrunk = images.float().div(255.0)
    if max(images.shape[2:]) > LARGEST_SIDE:
        shrunk = F.adaptive_avg_pool2d(shrunk, (min(images.shape[2], SHRUNK_SIDE), min(images.shape[3], SHRUNK_SIDE)))
    pixels: npt.NDArray[np.float32] = shrunk.flatten(1).numpy()
    return pixels
