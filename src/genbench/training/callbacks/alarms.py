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
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor

from genbench.data.datamodule import WATCHED
from genbench.data.images import ImageData, Split, evenly_spaced
from genbench.models.model import Model, Posterior
from genbench.models.sampling import draw, posteriors
from genbench.training.budget import Budget

log = logging.getLogger(__name__)

SAMPLES = 1000  # or as many as there are training images, if these are fewer
FEWEST_SAMPLES = 100
COMPARED = 500  # of them, all with all
EARLY = 0.2  # of the training, during which nothing is expected of a model
DEAD_NATS = 0.05  # a latent dimension with less KL than this carries nothing
LOW_DIVERSITY = 0.5  # mean distance between samples over that between real images
MISSING_SHARE = 0.01  # a class with fewer of the samples than this is missing
LARGEST_SIDE, SHRUNK_SIDE = 32, 16  # pixels that the linear classifier of pixels looks at
CERTAIN = 0.995  # a discriminator with this accuracy teaches the generator nothing


class Alarms(L.Callback):
    """Watches for posterior collapse in a model with an encoder, and for mode collapse in one without.

    Attributes:
        alarms: what is wrong as of the last validation, in words; empty if nothing is.
        samples: the last validation's, (N, C, H, W) uint8, from the same noise every time.
    """

    def __init__(self, data: ImageData, budget: Budget, console: Console, precision: torch.dtype) -> None:
        self.alarms: list[str] = []
        self.samples = torch.empty(0)
        self._precision = precision
        self._budget = budget
        self._console = console
        self._real = data.validation
        self._classes = data.classes
        self._train = data.train
        self._sorter: LinearDiscriminantAnalysis | None = None

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Measure, and say what is newly wrong."""
        if not isinstance(pl_module, Model):
            raise TypeError(f"{type(pl_module).__name__} is no genbench.models.model.Model")
        n = min(SAMPLES, max(FEWEST_SAMPLES, len(self._train)))
        self.samples = draw(pl_module, n, seed=0, precision=self._precision)
        alarms = self._posterior(pl_module) if isinstance(pl_module, Posterior) else self._modes(trainer, pl_module)
        if self._budget.fraction < EARLY:
            return
        for alarm in alarms:
            if alarm not in self.alarms:
                self._console.print(
                    f"[bold red]alarm[/] at {self._budget.images_seen:,} images: {alarm}", soft_wrap=True
                )
                log.warning("at %d images: %s", self._budget.images_seen, alarm)
        self.alarms = alarms

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"alarms": self.alarms}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """What was said is not said again."""
        self.alarms = state_dict["alarms"]

    def _posterior(self, model: Posterior) -> list[str]:
        watched = evenly_spaced(self._real, WATCHED)
        means, log_variances = posteriors(model, watched.images, watched.labels)
        on_device = (value.to(model.device) for value in (means, log_variances))
        with torch.no_grad():
            carried = model.kl(*on_device).mean(0).tolist()  # nats, of each dimension
        dead = [str(dimension + 1) for dimension, kl in enumerate(carried) if kl < DEAD_NATS]
        if not dead:
            return []
        return [
            f"posterior collapse: latent dimension {', '.join(dead)} of {len(carried)} carries nothing"
            f" (KL below {DEAD_NATS} nats)"
        ]

    def _modes(self, trainer: L.Trainer, model: Model) -> list[str]:
        alarms = []
        samples = self.samples
        spread = mean_distance(self._real.images[:COMPARED])
        if spread > 0:  # not of a single image, or of images that are all the same
            diversity = mean_distance(samples[:COMPARED]) / spread
            model.log("validation/diversity", diversity, logger=False)
            if diversity < LOW_DIVERSITY:
                alarms.append(
                    f"mode collapse: samples differ from each other {diversity:.0%} as much as real images do"
                )
        self._sorter = self._sorter or class_sorter(self._train)
        if self._sorter is not None:
            shares = class_shares(self._sorter, samples, len(self._classes))
            missing = [
                name for name, share in zip(self._classes, shares.tolist(), strict=True) if share < MISSING_SHARE
            ]
            model.log("validation/classes_hit", float(len(self._classes) - len(missing)), logger=False)
            if missing:
                alarms.append(f"mode collapse: hardly any sample looks like class {', '.join(missing)}")
        accuracy = trainer.callback_metrics.get("validation/discriminator_accuracy")
        if accuracy is not None and float(accuracy) > CERTAIN:
            alarms.append(
                f"the discriminator is right about {float(accuracy):.1%} of images: it teaches nothing any more"
            )
        return alarms


def mean_distance(images: Tensor) -> float:
    """The mean Euclidean distance between two different images of (N, C, H, W) uint8, pixels in [0, 1]; 0 of one."""
    if len(images) < 2:
        return 0.0
    return float(torch.pdist(images.flatten(1).float().div(255.0)).mean())


def class_sorter(train: Split) -> LinearDiscriminantAnalysis | None:
    """A linear classifier of pixels: crude, but made in a second, and enough to see that a class is missing.

    None if there is nothing to tell apart, or too little to learn it by.
    """
    step = max(1, len(train) // 5000)
    if train.labels is None:
        return None
    labels = train.labels[::step]
    classes = len(set(labels.tolist()))
    if not 1 < classes < len(labels):
        return None
    sorter = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1)
    return sorter.fit(_pixels(train.images[::step]), labels.numpy())


def _pixels(images: Tensor) -> npt.NDArray[np.float32]:
    """(N, D), in [0, 1]: images (N, C, H, W) uint8, large ones averaged down; a covariance has the square of D."""
    shrunk = images.float().div(255.0)
    if max(images.shape[2:]) > LARGEST_SIDE:
        shrunk = F.adaptive_avg_pool2d(shrunk, (min(images.shape[2], SHRUNK_SIDE), min(images.shape[3], SHRUNK_SIDE)))
    pixels: npt.NDArray[np.float32] = shrunk.flatten(1).numpy()
    return pixels


def class_shares(sorter: LinearDiscriminantAnalysis, images: Tensor, classes: int) -> Tensor:
    """The share of images (N, C, H, W) uint8 that the classifier puts into each class: (classes,)."""
    predicted = torch.from_numpy(sorter.predict(_pixels(images)))
    return predicted.bincount(minlength=classes).double() / len(images)
