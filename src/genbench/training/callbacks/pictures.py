"""Pictures while a model trains: samples from the same noise, in the run directory and for the loggers."""

import lightning as L
import torch
from PIL import Image
from torch import Tensor

from genbench.data.images import ImageData, evenly_spaced
from genbench.data.tiles import tiled
from genbench.models.model import LatentPlane, Model
from genbench.models.pictures import COLUMNS, class_rows, grid, latent_scatter
from genbench.models.sampling import decode
from genbench.runs.directory import Run
from genbench.runs.frames import drop_frames, write_frame
from genbench.training.budget import Budget
from genbench.training.loggers.opening import Loggers

SCATTERED = 1000
WIDEST_FRAME = 512  # pixels: ten frames of 256 x 256 images would be as large as the networks


class Pictures(L.Callback):
    """At every validation samples from the same noise, and for an encoder the validation images' latent means.

    Attributes:
        samples: the last validation's, (N, C, H, W) uint8, in rows of eight; None before the first.
    """

    def __init__(self, data: ImageData, budget: Budget, run: Run, loggers: Loggers) -> None:
        self._data = data
        self._budget = budget
        self._run = run
        self._loggers = loggers
        self.samples: Tensor | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Forget what was drawn after the checkpoint."""
        drop_frames(self._run, self._budget.images_seen)

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw and log."""
        if not isinstance(pl_module, Model):
            raise TypeError(f"{type(pl_module).__name__} is no genbench.models.Model")
        labels = class_rows(pl_module)
        noise = pl_module.noise(64 if labels is None else len(labels), torch.Generator().manual_seed(0))
        samples = self.samples = decode(pl_module, noise, labels=labels)
        write_frame(self._run, self._budget.images_seen, frame(samples))
        if not self._loggers:
            return
        self._loggers.picture("samples", grid(samples, COLUMNS), self._budget.images_seen)
        if isinstance(pl_module, LatentPlane):
            shown = evenly_spaced(self._data.validation, SCATTERED)
            figure = latent_scatter(pl_module, shown.images, shown.labels, self._data.classes)
            self._loggers.picture("latent_scatter", figure, self._budget.images_seen)


def frame(samples: Tensor) -> Image.Image:
    """Images (N, C, H, W) uint8 in rows of eight without a gap, pixel by pixel, or smaller if that is very wide."""
    cells = tiled(samples, COLUMNS)  # (3, h, w)
    picture = Image.fromarray(cells.permute(1, 2, 0).contiguous().numpy())
    if samples.shape[1] == 1:
        picture = picture.convert("L")  # of three equal channels: the same values
    if picture.width > WIDEST_FRAME:
        size = (WIDEST_FRAME, round(picture.height * WIDEST_FRAME / picture.width))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return picture
