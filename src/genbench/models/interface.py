"""What the rest of genbench needs of a model. A new one is one file here and one in conf/model/.

A model is a LightningModule whose constructor takes the images' shape and then the keys of its YAML:

    class Mine(L.LightningModule):
        def __init__(self, shape: ImageShape, *, latent_size: int, ...) -> None

Its training_step gets unsigned bytes (B, C, H, W) and returns a dict of scalar tensors: what is plotted (with key
"loss" under automatic optimization). Its networks are its direct submodules: their names and parameter counts are
reported.
"""

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Generative(Protocol):
    """A model that draws images from latent vectors z ~ N(0, I)."""

    latent_size: int

    def generate(self, z: Tensor) -> Tensor:
        """Images (N, C, H, W) in [0, 1] from latent vectors (N, latent_size)."""
        ...


@runtime_checkable
class Encoding(Protocol):
    """A model with Bernoulli pixels p(x|z) and a posterior q(z|x) = N(mean, diag(exp(log_variance)))."""

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance, each (N, latent_size), of images (N, C, H, W) in [0, 1]."""
        ...

    def decode(self, z: Tensor) -> Tensor:
        """Logits (N, C, H, W) of the pixels' probabilities p(x|z) for latent vectors (N, latent_size)."""
        ...
