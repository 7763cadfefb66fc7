"""Pictures while a model trains, for TensorBoard."""

import lightning as L
import torch
from torch.utils.tensorboard import SummaryWriter

from genbench.data.images import ImageData
from genbench.models.model import LatentPlane, Model
from genbench.models.pictures import COLUMNS, class_rows, grid, latent_scatter
from genbench.models.sampling import decode
from genbench.training.budget import Budget
from genbench.training.callbacks.metrics import add_picture


class Pictures(L.Callback):
    """At every validation samples from the same noise, and for an encoder the validation images' latent means."""

    def __init__(self, data: ImageData, budget: Budget, writer: SummaryWriter) -> None:
        self._data = data
        self._budget = budget
        self._writer = writer

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw and log."""
        if not isinstance(pl_module, Model):
            raise TypeError(f"{type(pl_module).__name__} is no genbench.models.Model")
        labels = class_rows(pl_module)
        noise = pl_module.noise(64 if labels is None else len(labels), torch.Generator().manual_seed(0))
        samples = decode(pl_module, noise, labels=labels)
        add_picture(self._writer, "samples", grid(samples, COLUMNS), self._budget.images_seen)
        if isinstance(pl_module, LatentPlane):
            shown = self._data.validation
            labels = None if shown.labels is None else shown.labels[:1000]
            figure = latent_scatter(pl_module, shown.images[:1000], labels, self._data.classes)
            add_picture(self._writer, "latent_scatter", figure, self._budget.images_seen)
