"""How pixels are distributed: each likelihood is the formula, is normalised, and its mean is the mean."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from genbench.models.pixels import LARGEST_SERIES, Bernoulli, ContinuousBernoulli, Gaussian, Pixels, log_normaliser

LOGITS = [-9.0, -1.3, -LARGEST_SERIES, -0.02, 0.0, 1e-6, 0.299, 0.301, 2.0, 30.0]


def density(kind: Pixels, logit: float, x: float) -> float:
    with torch.no_grad():
        return math.exp(-float(kind.losses(torch.tensor([logit]).double(), torch.tensor([x], dtype=torch.float64))))


def test_the_gaussian_is_the_formula() -> None:
    generator = np.random.default_rng(0)
    logits, images = generator.normal(0, 2, (3, 4)), generator.random((3, 4))
    kind = Gaussian()
    sd = math.exp(float(kind.log_sd.detach()))
    expected = (images - 1 / (1 + np.exp(-logits))) ** 2 / (2 * sd**2) + np.log(sd * np.sqrt(2 * np.pi))
    found = kind.losses(torch.from_numpy(logits), torch.from_numpy(images)).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_gaussian_s_sd_cannot_vanish() -> None:
    kind = Gaussian()
    torch.nn.init.constant_(kind.log_sd, -100.0)
    assert torch.isfinite(kind.losses(torch.zeros(1), torch.ones(1))).all()


@pytest.mark.parametrize("logit", LOGITS)
def test_the_continuous_bernoulli_is_normalised_and_its_mean_is_the_mean(logit: float) -> None:
    kind = ContinuousBernoulli()
    assert quad(lambda x: density(kind, logit, x), 0, 1)[0] == pytest.approx(1, abs=1e-8)
    mean = quad(lambda x: x * density(kind, logit, x), 0, 1)[0]
    assert float(kind.mean(torch.tensor(logit))) == pytest.approx(mean, abs=2e-6)


def test_the_normaliser_is_that_of_the_paper_and_smooth_at_a_half() -> None:
    shares = np.array([0.02, 0.3, 0.45, 0.499, 0.51, 0.6, 0.97])
    expected = np.log(2 * np.arctanh(1 - 2 * shares) / (1 - 2 * shares))  # eq. 5
    found = log_normaliser(torch.from_numpy(np.log(shares / (1 - shares))))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-7)
    assert float(log_normaliser(torch.tensor(0.0))) == pytest.approx(math.log(2))
    logits = torch.linspace(-1, 1, 2001, requires_grad=True)  # float32, through the seams and 0
    (slope,) = torch.autograd.grad(log_normaliser(logits).sum(), [logits])
    exact = torch.func.grad(lambda x: log_normaliser(x).sum())(torch.linspace(-1, 1, 2001).double())
    torch.testing.assert_close(slope.double(), exact, atol=2e-6, rtol=0)
    assert torch.isfinite(log_normaliser(torch.tensor([-1e4, 1e4]))).all()


@pytest.mark.parametrize("kind", [Bernoulli(), ContinuousBernoulli(), Gaussian()])
def test_every_image_under_every_latent_is_what_the_pairs_are(kind: Pixels) -> None:
    logits, images = torch.randn(5, 7).double() * 3, torch.rand(3, 7).double()
    found = kind.log_likelihoods(logits, images)
    for k in range(5):
        pairs = -kind.losses(logits[k].expand(3, -1), images).sum(1)
        torch.testing.assert_close(found[:, k], pairs)
