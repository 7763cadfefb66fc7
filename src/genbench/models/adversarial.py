"""Losses of generative adversarial networks as functions of logits, and the settings that go with each."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Binary cross-entropy on real plus on generated images (Goodfellow et al. 2014, eq. 1), in nats.

    Args:
        real_logits: (B,), of real images; their target is 1 - label_smoothing (one-sided, Salimans et al. 2016).
        fake_logits: (B,), of generated images; their target is 0.
        label_smoothing: in [0, 0.5).
    """
    real_logits, fake_logits = real_logits.float(), fake_logits.float()
    target = torch.full_like(real_logits, 1.0 - label_smoothing)
    return F.binary_cross_entropy_with_logits(real_logits, target) + F.softplus(fake_logits).mean()


def generator_loss(fake_logits: Tensor) -> Tensor:
    """The non-saturating loss -log D(G(z)) (Goodfellow et al. 2014, section 3), in nats; fake_logits is (B,)."""
    return F.softplus(-fake_logits.float()).mean()


def saturating_loss(fake_logits: Tensor) -> Tensor:
    """The minimax game's log(1 - D(G(z))) (Goodfellow et al. 2014, eq. 1), in nats; fake_logits is (B,)."""
    return -F.softplus(fake_logits.float()).mean()


def hinge_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """max(0, 1 - D(x)) + max(0, 1 + D(G(z))) (Lim & Ye 2017; Miyato et al. 2018, eq. 16); logits (B,) each."""
    return F.relu(1.0 - real_logits.float()).mean() + F.relu(1.0 + fake_logits.float()).mean()


def least_squares_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """((D(x) - 1)^2 + D(G(z))^2) / 2 (Mao et al. 2017, eq. 9); logits (B,) each."""
    return 0.5 * ((real_logits.float() - 1.0).square().mean() + fake_logits.float().square().mean())


def wasserstein_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """D(G(z)) - D(x), minus the estimated distance (Arjovsky et al. 2017); logits (B,) each."""
    return fake_logits.float().mean() - real_logits.float().mean()


def relativistic_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """softplus(-(D(x) - D(G(z)))) of pairs (Jolicoeur-Martineau 2019; Huang et al. 2024, eq. 2); logits (B,) each."""
    return F.softplus(fake_logits.float() - real_logits.float()).mean()


def gradient_norms(logits: Tensor, images: Tensor) -> Tensor:
    """|dD/dx|^2 of each image, (B,), itself differentiable.

    Args:
        logits: (B,), each of its own image alone: of a discriminator without BatchNorm.
        images: (B, C, H, W), of which they were computed.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.to(torch.promote_types(gradient.dtype, torch.float32)).square().flatten(1).sum(1)


@dataclass(frozen=True)
class Seen:
    """Real and generated images (B, C, H, W) in [-1, 1], their logits (B,), and the discriminator that gave them.

    For a penalty the images need gradients.
    """

    real: Tensor
    fake: Tensor
    real_logits: Tensor
    fake_logits: Tensor
    judge: Callable[[Tensor], Tensor]


def zero_centred_penalty(seen: Seen) -> Tensor:
    """(R1 + R2) / 2: half the squared gradient at real and at generated images (Mescheder et al. 2018, eqs. 9, 10)."""
    at_real, at_fake = gradient_norms(seen.real_logits, seen.real), gradient_norms(seen.fake_logits, seen.fake)
    return 0.5 * (at_real.mean() + at_fake.mean())


def one_centred_penalty(seen: Seen) -> Tensor:
    """(|dD/dx| - 1)^2 on straight lines between real and generated images (Gulrajani et al. 2017, eq. 3)."""
    share = torch.rand(len(seen.real), 1, 1, 1, dtype=seen.real.dtype, device=seen.real.device)
    between = torch.lerp(seen.real, seen.fake.detach().to(seen.real.dtype), share)
    norms = (gradient_norms(seen.judge(between), between) + 1e-12).sqrt()  # a root has no gradient at 0
    return (norms - 1.0).square().mean()


def half_cosine(fraction: float) -> float:
    """From 1 to 0 while a training's budget is used up (Loshchilov & Hutter 2017, eq. 5, without restarts)."""
    return 0.5 * (1.0 + math.cos(math.pi * fraction))


@dataclass(frozen=True)
class Loss:
    """What both networks go down, and the settings that it works with."""

    discriminator: Callable[..., Tensor]  # of logits (B,) of real and of generated images, and of a label_smoothing
    generator: Callable[[Tensor, Tensor], Tensor]  # of the same logits
    generator_learning_rate: float
    discriminator_learning_rate: float
    betas: tuple[float, float]
    dropout: float = 0.0
    batch_norm: bool = False  # in the discriminator
    spectral_norm: bool = False  # there, in place of BatchNorm
    critic_steps: int = 1  # of the discriminator to one of the generator
    penalty: Callable[[Seen], Tensor] | None = None
    gamma: float | None = None  # its weight
    label_smoothing: float | None = None  # None for a loss that has no labels
    probability: bool = False  # D is the sigmoid of its logits
    boundary: float | None = None  # of logits, above which D takes an image for real
    differences: bool = False  # looks at those of logits, which grow smaller than steps of bfloat16: D ends in float32
    rate_at: Callable[[float], float] | None = None  # see `Model`

    def changed(self, **settings: Any) -> "Loss":
        """With other settings, of which None says nothing; ValueError for one that this loss does not have."""
        given = {name: value for name, value in settings.items() if value is not None}
        for name in given:
            if getattr(self, name) is None:
                others = ", ".join(other for other, loss in LOSSES.items() if getattr(loss, name) is not None)
                raise ValueError(f"{name} is a setting of the losses {others} alone: leave it out")
        changed = replace(self, **given)
        return replace(changed, batch_norm=changed.batch_norm and not changed.spectral_norm)


def _cross_entropy(generator: Callable[[Tensor, Tensor], Tensor]) -> Loss:
    """The settings of Radford et al. 2016."""
    return Loss(
        *(discriminator_loss, generator, 2e-4, 2e-4, (0.5, 0.999), 0.3),
        batch_norm=True,
        label_smoothing=0.0,
        probability=True,
        boundary=0.0,
    )


LOSSES = {
    "nonsaturating": _cross_entropy(lambda _, fake: generator_loss(fake)),
    "minimax": _cross_entropy(lambda _, fake: saturating_loss(fake)),
    # Learning rates of Zhang et al. 2019, with which one step of each network is enough.
    "hinge": Loss(
        *(hinge_loss, lambda _, fake: -fake.float().mean(), 1e-4, 4e-4, (0.0, 0.9)), spectral_norm=True, boundary=0.0
    ),
    "least_squares": Loss(
        *(least_squares_loss, lambda _, fake: 0.5 * (fake.float() - 1.0).square().mean(), 2e-4, 2e-4, (0.5, 0.999)),
        dropout=0.3,
        batch_norm=True,
        boundary=0.5,
    ),
    "wgan_gp": Loss(
        *(wasserstein_loss, lambda _, fake: -fake.float().mean(), 1e-4, 1e-4, (0.0, 0.9)),
        critic_steps=5,
        penalty=one_centred_penalty,
        gamma=10.0,
        differences=True,
    ),
    # Tuned for the networks of the DCGAN: the published rate of 2e-4 is for larger ones and longer trainings.
    "r3": Loss(
        *(relativistic_loss, lambda real, fake: relativistic_loss(fake, real), 5e-4, 5e-4, (0.0, 0.9)),
        penalty=zero_centred_penalty,
        gamma=0.3,
        differences=True,
        rate_at=half_cosine,
    ),
}
