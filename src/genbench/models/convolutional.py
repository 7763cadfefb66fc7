"""The networks of the DCGAN (Radford et al. 2016), which may be told a class, and spectral normalisation."""

from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization

from genbench.data.images import ImageShape
from genbench.models.layers import Conv2d, ConvTranspose2d, Dropout, Flatten, ReLU


class ClassBatchNorm(nn.Module):
    """BatchNorm whose scale and shift are of an image's class (Dumoulin et al. 2017; Miyato & Koyama 2018)."""

    def __init__(self, batch_norm: nn.BatchNorm1d | nn.BatchNorm2d, classes: int) -> None:
        """With a BatchNorm that has no scale and shift of its own."""
        super().__init__()
        self.batch_norm = batch_norm
        self.scale = nn.Embedding(classes, batch_norm.num_features)
        self.shift = nn.Embedding(classes, batch_norm.num_features)
        nn.init.ones_(self.scale.weight)
        nn.init.zeros_(self.shift.weight)

    def forward(self, values: Tensor, labels: Tensor) -> Tensor:
        """Of values (B, F, ...) and labels (B,)."""
        normalised: Tensor = self.batch_norm(values)
        one_each = (-1, normalised.shape[1], *(1,) * (normalised.ndim - 2))  # (B, F, 1, 1)
        scale, shift = (table(labels).view(one_each).to(normalised.dtype) for table in (self.scale, self.shift))
        found: Tensor = normalised * scale + shift
        return found


class Generator(nn.Module):
    """Latent vectors, and labels if there are classes, to images in [-1, 1]."""

    def __init__(self, shape: ImageShape, latent_size: int, classes: int = 0) -> None:
        super().__init__()
        self.noise_size = latent_size
        height, width = shape.height // 4, shape.width // 4
        self.body = nn.Sequential(
            nn.Linear(latent_size, 256 * height * width),
            _batch_norm(nn.BatchNorm1d, 256 * height * width, classes),
            ReLU(),
            nn.Unflatten(1, (256, height, width)),
            ConvTranspose2d(256, 128, 5, stride=2, padding=2, output_padding=1),  # (B, 128, H/2, W/2)
            _batch_norm(nn.BatchNorm2d, 128, classes),
            ReLU(),
            ConvTranspose2d(128, 64, 5, stride=2, padding=2, output_padding=1),  # (B, 64, H, W)
            _batch_norm(nn.BatchNorm2d, 64, classes),
            ReLU(),
            Conv2d(64, shape.channels, 5, padding=2),  # (B, C, H, W)
            nn.Tanh(),
        )

    def initialise(self) -> None:
        """See `initialise`."""
        self.apply(initialise)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] of latent vectors (B, latent_size)."""
        values = z
        for layer in self.body:
            values = layer(values, labels) if isinstance(layer, ClassBatchNorm) else layer(values)
        return values


class Discriminator(nn.Module):
    """Images in [-1, 1], and labels if there are classes, to the logit of being real."""

    def __init__(
        self,
        shape: ImageShape,
        dropout: float,
        classes: int = 0,
        *,
        batch_norm: bool = True,
        spectral_norm: bool = False,
        float32_logits: bool = False,
    ) -> None:
        super().__init__()
        size = 128 * (shape.height // 4) * (shape.width // 4)
        self.body = nn.Sequential(
            Conv2d(shape.channels, 64, 5, stride=2, padding=2),  # (B, 64, H/2, W/2)
            nn.BatchNorm2d(64) if batch_norm else nn.Identity(),
            nn.LeakyReLU(0.2, inplace=True),
            Conv2d(64, 128, 5, stride=2, padding=2),  # (B, 128, H/4, W/4)
            nn.BatchNorm2d(128) if batch_norm else nn.Identity(),
            nn.LeakyReLU(0.2, inplace=True),
            Flatten(),
            Dropout(dropout),
            nn.Linear(size, 1),
        )
        self.classes = nn.Embedding(classes, size) if classes else None
        self.batch_norm, self.spectral_norm, self.float32_logits = batch_norm, spectral_norm, float32_logits

    def initialise(self) -> None:
        """As `initialise`; without BatchNorm with weights by which signals keep their size (He et al. 2015)."""
        self.apply(initialise)
        if not self.batch_norm:
            for layer in self.body:
                if isinstance(layer, nn.Conv2d):
                    nn.init.kaiming_normal_(layer.weight, a=0.2)
        if self.classes is not None:
            nn.init.normal_(self.classes.weight, 0.0, self.classes.embedding_dim**-0.5)
        if self.spectral_norm:
            for layer in list(self.modules()):
                if isinstance(layer, nn.Conv2d | nn.Linear | nn.Embedding):
                    register_parametrization(layer, "weight", SpectralNorm(layer.weight.detach()))

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits (B,) of images (B, C, H, W)."""
        return self.judge(self.features(images), labels)

    def features(self, images: Tensor) -> Tensor:
        """What the last layer looks at, (B, D), of images (B, C, H, W)."""
        features: Tensor = self.body[:7](images)
        return features

    def judge(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits (B,) of features (B, D); with a class its projection is added (Miyato & Koyama 2018, eq. 3)."""
        with torch.autocast(features.device.type, enabled=False) if self.float32_logits else nullcontext():
            features = self.body[7](features.float() if self.float32_logits else features)
            logits: Tensor = self.body[8](features).squeeze(1)
            if self.classes is None:
                return logits
            projection: Tensor = (self.classes(labels) * features).sum(1)
            return logits + projection


class SpectralNorm(nn.Module):
    """A weight over its largest singular value, by one step of the power iteration a forward pass (Miyato et al. 2018).

    PyTorch's own mixes precisions under autocast on a GPU, and its vectors are not of length 1 in averaged weights.
    """

    u: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("u", torch.randn(len(weight), device=weight.device))
        for _ in range(15):
            self.forward(weight)

    def forward(self, weight: Tensor) -> Tensor:
        """The weight (out, in, ...) as an (out, in * ...) matrix of norm 1."""
        with torch.autocast(weight.device.type, enabled=False):
            matrix = weight.flatten(1)
            with torch.no_grad():
                u = F.normalize(self.u, dim=0)
                v = F.normalize(matrix.T @ u, dim=0)
                if self.training:
                    u = F.normalize(matrix @ v, dim=0)
                    self.u.copy_(u)
            return weight / (u @ matrix @ v)


def _batch_norm(
    kind: type[nn.BatchNorm1d] | type[nn.BatchNorm2d], features: int, classes: int
) -> nn.BatchNorm1d | nn.BatchNorm2d | ClassBatchNorm:
    return ClassBatchNorm(kind(features, affine=False), classes) if classes else kind(features)


def initialise(layer: nn.Module) -> None:
    """Convolutions from N(0, 0.02) (Radford et al. 2016); linear layers Glorot-uniform; no bias at the start."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
    else:
        return
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
