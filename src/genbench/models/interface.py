"""What the rest of genbench needs of a model. A new one is one file here and one in conf/model/.

The class's constructor takes the images' shape and then the keys of its YAML:

    class Mine(Model):
        def __init__(self, shape: ImageShape, *, latent_size: int, ...) -> None

Its networks are its direct submodules: their names and parameter counts are reported.
"""

from typing import Protocol, runtime_checkable

import lightning as L
import torch
from torch import Tensor


class Model(L.LightningModule):
    """A model that learns images and draws new ones from latent vectors z ~ N(0, I)."""

    latent_size: int

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def generate(self, z: Tensor) -> Tensor:
        """Images (N, C, H, W) in [0, 1] from latent vectors (N, latent_size)."""
        raise NotImplementedError

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        """One whole optimisation step on bytes (B, C, H, W); returns scalars to plot, detached.

        It never waits for the device (no float(), no branch on a value), so that a GPU can record and replay it.
        """
        raise NotImplementedError

    def training_step(self, batches: Tensor, index: int) -> dict[str, Tensor]:
        """Steps on bytes (K, B, C, H, W), one batch after another; returns the means of what they return."""
        outputs = []
        for batch in batches:
            outputs.append(self.step(batch))
            torch.clear_autocast_cache()  # it holds the weights of before the step
        return {name: torch.stack([values[name] for values in outputs]).mean(0) for name in outputs[0]}


@runtime_checkable
class Encoding(Protocol):
    """A model with Bernoulli pixels p(x|z) and a posterior q(z|x) = N(mean, diag(exp(log_variance)))."""

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance, each (N, latent_size), of images (N, C, H, W) in [0, 1]."""
        ...

    def decode(self, z: Tensor) -> Tensor:
        """Logits (N, C, H, W) of the pixels' probabilities p(x|z) for latent vectors (N, latent_size)."""
        ...
