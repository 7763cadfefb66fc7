"""Adversarial losses are their formulas, and their penalties' gradients are those of finite differences."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from genbench.models.adversarial import (
    LOSSES,
    Seen,
    gradient_norms,
    one_centred_penalty,
    zero_centred_penalty,
)

Logits = npt.NDArray[np.float64]
SHAPE = (1, 8, 8)


def log_d(logits: Logits) -> Logits:
    return np.log(1 / (1 + np.exp(-logits)))


def mean(values: Logits) -> float:
    return float(np.mean(values))


# Of the logits of real and generated images: the discriminator's loss and the generator's.
FORMULAS: dict[str, tuple[Callable[[Logits, Logits], float], Callable[[Logits, Logits], float]]] = {
    "nonsaturating": (lambda r, f: -mean(log_d(r)) - mean(log_d(-f)), lambda _, f: -mean(log_d(f))),
    "minimax": (lambda r, f: -mean(log_d(r)) - mean(log_d(-f)), lambda _, f: mean(log_d(-f))),
    "hinge": (lambda r, f: mean(np.maximum(0, 1 - r)) + mean(np.maximum(0, 1 + f)), lambda _, f: -mean(f)),
    "least_squares": (lambda r, f: mean((r - 1) ** 2) / 2 + mean(f**2) / 2, lambda _, f: mean((f - 1) ** 2) / 2),
    "wgan_gp": (lambda r, f: mean(f) - mean(r), lambda _, f: -mean(f)),
    "r3": (lambda r, f: mean(np.log1p(np.exp(-(r - f)))), lambda r, f: mean(np.log1p(np.exp(-(f - r))))),
}


def test_every_loss_has_a_formula_here() -> None:
    assert set(FORMULAS) == set(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_the_formulas(name: str) -> None:
    random = np.random.default_rng(0)
    real, fake = random.normal(0, 3, 50), random.normal(0, 3, 50)
    logits = torch.from_numpy(real), torch.from_numpy(fake)
    discriminator, generator = FORMULAS[name]
    assert float(LOSSES[name].discriminator(*logits)) == pytest.approx(discriminator(real, fake), rel=1e-5)
    assert float(LOSSES[name].generator(*logits)) == pytest.approx(generator(real, fake), rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_each_network_pulls_the_generated_images_logits_its_own_way(name: str) -> None:
    real, fake = torch.tensor([0.3, -0.2]), torch.tensor([0.1, -0.4], requires_grad=True)
    (down,) = torch.autograd.grad(LOSSES[name].generator(real, fake), fake)
    (up,) = torch.autograd.grad(LOSSES[name].discriminator(real, fake), fake)
    assert bool((down < 0).all())  # the generator goes up in what the discriminator says of its images
    if name != "least_squares":  # which has them at 0, not low
        assert bool((up > 0).all())


def test_settings_are_changed_or_refused() -> None:
    assert LOSSES["r3"].changed(gamma=0.1, betas=None).gamma == 0.1
    assert LOSSES["r3"].changed(betas=None) == LOSSES["r3"]
    assert not LOSSES["nonsaturating"].changed(spectral_norm=True).batch_norm
    with pytest.raises(ValueError, match="gamma is a setting of the losses wgan_gp, r3 alone"):
        LOSSES["hinge"].changed(gamma=1.0)
    with pytest.raises(ValueError, match="label_smoothing is a setting of the losses nonsaturating, minimax alone"):
        LOSSES["r3"].changed(label_smoothing=0.1)


def critic() -> nn.Sequential:
    """Smooth, so that finite differences hold, and in double precision."""
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 3, 3, stride=2, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(48, 1), nn.Flatten(0)
    return nn.Sequential(*layers).double()


def seen(judge: Callable[[Tensor], Tensor]) -> Seen:
    torch.manual_seed(1)
    real, fake = (torch.randn(4, *SHAPE, dtype=torch.float64, requires_grad=True) for _ in range(2))
    return Seen(real, fake, judge(real), judge(fake), judge)


def test_gradient_norms_are_those_of_finite_differences() -> None:
    judge, step = critic(), 1e-5
    x = torch.randn(2, *SHAPE, dtype=torch.float64, requires_grad=True)
    found = gradient_norms(judge(x), x)
    with torch.no_grad():
        moves = step * torch.eye(64, dtype=torch.float64).view(64, *SHAPE)
        for image, norm in zip(x, found, strict=True):
            slopes = (judge(image + moves) - judge(image - moves)) / (2 * step)
            assert float(norm) == pytest.approx(float(slopes.square().sum()), rel=1e-5)


@pytest.mark.parametrize("penalty", [zero_centred_penalty, one_centred_penalty])
def test_penalties_gradients_are_those_of_finite_differences(penalty: Callable[[Seen], Tensor]) -> None:
    judge, step = critic(), 1e-5

    def value() -> Tensor:
        of = seen(judge)
        torch.manual_seed(2)  # the same places on the lines
        return penalty(of)

    weights = [judge.get_parameter("0.weight"), judge.get_parameter("3.weight")]
    gradients = torch.autograd.grad(value(), weights)
    for weight, gradient in zip(weights, gradients, strict=True):
        for i in (0, 5, 11):
            flat = weight.detach().view(-1)
            ends = []
            for move in (step, -2 * step):
                flat[i] += move
                ends.append(float(value().detach()))
            flat[i] += step
            assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(float(gradient.reshape(-1)[i]), rel=1e-4, abs=1e-7)


def test_penalties_of_a_linear_discriminator_are_its_slope() -> None:
    slope = torch.randn(64, dtype=torch.float64)
    of = seen(lambda images: images.flatten(1) @ slope)
    square = float(slope.square().sum())
    assert float(zero_centred_penalty(of).detach()) == pytest.approx(
        square, rel=1e-5
    )  # (R1 + R2) / 2, and both are the same
    assert float(one_centred_penalty(of).detach()) == pytest.approx((square**0.5 - 1) ** 2, rel=1e-5)


def test_a_flat_discriminator_has_a_finite_penalty() -> None:
    flat = torch.zeros(64, dtype=torch.float64, requires_grad=True)
    penalty = one_centred_penalty(seen(lambda images: images.flatten(1) @ flat))
    (gradient,) = torch.autograd.grad(penalty, flat)
    assert float(penalty.detach()) == pytest.approx(1.0, rel=1e-4)
    assert bool(gradient.isfinite().all())
