"""Pictures while a model trains, for TensorBoard."""

import lightning as L
import torch
from torch.utils.tensorboard import SummaryWriter

from genbench.data.images import ImageData
from genbench.models.interface import Encoding, Model
from genbench.models.sampling import decode
from genbench.reporting.pictures import grid, latent_scatter
from genbench.training.budget import Budget
from genbench.training.metrics import add_picture


class Pictures(L.Callback):
    """At every validation samples from the same noise, and for an encoder the validation images' latent means."""

    def __init__(self, data: ImageData, budget: Budget, writer: SummaryWriter) -> None:
        self._data = data
        self._budget = budget
        self._writer = writer

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw and log."""
        assert isinstance(pl_module, Model)
        z = torch.randn(64, pl_module.latent_size, generator=torch.Generator().manual_seed(0))
        add_picture(self._writer, "samples", grid(decode(pl_module, z), 8), self._budget.images_seen)
        if isinstance(pl_module, Encoding):
            shown = self._data.validation
            labels = None if shown.labels is None else shown.labels[:1000]
            figure = latent_scatter(pl_module, shown.images[:1000], labels, self._data.classes)
            add_picture(self._writer, "latent_scatter", figure, self._budget.images_seen)
