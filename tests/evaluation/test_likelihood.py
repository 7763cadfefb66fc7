import math

import pytest
import torch
from scipy.stats import multivariate_normal
from torch import Tensor

import genbench.evaluation.likelihood as likelihood
from genbench.evaluation.likelihood import (
    active_units,
    bernoulli_log_likelihood,
    binarise,
    importance_sampled_nll,
)

NOISE = 0.5
LOADINGS = torch.tensor([[1.0, 0.3], [-0.4, 0.8], [0.2, 0.2]]).double()  # (pixels, latents)


def linear_log_likelihood(x: Tensor, z: Tensor, loadings: Tensor) -> Tensor:
    residual = (x - z @ loadings.T) / NOISE
    return -(residual.square() / 2 + math.log(NOISE) + math.log(2 * math.pi) / 2).sum(1)


def log_likelihood(x: Tensor, z: Tensor) -> Tensor:
    """p(x|z) = N(W z, noise^2): a linear Gaussian model, whose p(x) is N(0, W W' + noise^2)."""
    return linear_log_likelihood(x, z, LOADINGS)


def images(number: int) -> Tensor:
    return torch.randn(number, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def exact_nll(x: Tensor, loadings: Tensor = LOADINGS) -> Tensor:
    covariance = loadings @ loadings.T + NOISE**2 * torch.eye(3).double()
    return torch.from_numpy(-multivariate_normal(cov=covariance.numpy()).logpdf(x.numpy()))


def test_is_exact_with_one_sample_if_the_proposal_is_the_posterior() -> None:
    # Orthogonal loadings, so that the exact posterior factorises as the proposal does.
    loadings = torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]]).double()
    precision = 1 + (loadings**2).sum(0) / NOISE**2

    def posterior(x: Tensor) -> tuple[Tensor, Tensor]:
        return x @ loadings / NOISE**2 / precision, -precision.log().expand(len(x), 2)

    def likelihood_of(x: Tensor, z: Tensor) -> Tensor:
        return linear_log_likelihood(x, z, loadings)

    x = images(20)
    for samples in (1, 7):
        found = importance_sampled_nll(x, posterior, likelihood_of, samples, seed=0)
        torch.testing.assert_close(found, exact_nll(x, loadings), rtol=0, atol=1e-6)


def test_nears_the_true_value_from_above() -> None:
    def wide(x: Tensor) -> tuple[Tensor, Tensor]:
        return x @ LOADINGS, torch.full((len(x), 2), -0.5, dtype=x.dtype)

    x = images(40)
    few, many = (importance_sampled_nll(x, wide, log_likelihood, k, seed=1) for k in (1, 20_000))
    torch.testing.assert_close(many, exact_nll(x), rtol=0, atol=0.1)
    assert (few - exact_nll(x)).mean() > 0.1
    assert abs((many - exact_nll(x)).mean()) < 0.01


def test_depends_on_the_seed_and_on_no_batch_size(monkeypatch: pytest.MonkeyPatch) -> None:
    def encode(x: Tensor) -> tuple[Tensor, Tensor]:
        return x @ LOADINGS, torch.zeros(len(x), 2, dtype=x.dtype)

    def nll(number: int, seed: int) -> Tensor:
        return importance_sampled_nll(images(30)[:number], encode, log_likelihood, 50, seed)

    before = nll(30, 3)
    assert not nll(30, 4).equal(before)
    torch.testing.assert_close(nll(11, 3), before[:11], rtol=1e-12, atol=0)
    for rows in (1, 30, 100):
        monkeypatch.setattr(likelihood, "_ROWS", rows)
        torch.testing.assert_close(nll(30, 3), before, rtol=1e-12, atol=0)


def test_a_decoder_that_ignores_the_latents_gives_the_bernoulli_likelihood() -> None:
    x = binarise(torch.randint(0, 256, (5, 1, 4, 4), dtype=torch.uint8), seed=0)
    logits = torch.linspace(-3, 3, 16).view(1, 1, 4, 4)
    decoded = bernoulli_log_likelihood(lambda z: logits.expand(len(z), -1, -1, -1))
    expected = -torch.where(x == 1, logits.sigmoid(), 1 - logits.sigmoid()).log().sum((1, 2, 3))
    prior = torch.zeros(5, 2)
    found = importance_sampled_nll(x, lambda _: (prior, prior), decoded, 3, seed=0)
    torch.testing.assert_close(found.float(), expected, rtol=1e-5, atol=0)


def test_binarised_pixels_are_fixed_by_the_seed_and_right_on_average() -> None:
    grey = torch.arange(256, dtype=torch.uint8).view(1, 1, 1, 256).expand(4000, 1, 1, 256)
    binary = binarise(grey, seed=5)
    assert binary.equal(binarise(grey, seed=5))
    assert not binary.equal(binarise(grey, seed=6))
    assert ((binary == 0) | (binary == 1)).all()
    assert binary[..., 0].max() == 0
    assert binary[..., 255].min() == 1
    torch.testing.assert_close(binary.mean(0).flatten(), torch.arange(256) / 255, rtol=0, atol=0.04)


def test_a_unit_is_active_if_its_mean_varies_by_more_than_a_hundredth() -> None:
    unit = torch.tensor([-1.0, 1.0]).repeat(500)
    deviations = torch.tensor([0.0, 0.09, 0.11, 1.0])
    assert active_units(unit.unsqueeze(1) * deviations + 7) == 2


def test_the_estimate_is_in_nats_per_image() -> None:
    x = torch.ones(2, 1, 2, 2)
    coin = bernoulli_log_likelihood(lambda z: torch.zeros(len(z), 1, 2, 2))
    found = importance_sampled_nll(x, lambda _: (torch.zeros(2, 1), torch.zeros(2, 1)), coin, 4, seed=0)
    assert found.tolist() == pytest.approx([4 * math.log(2)] * 2)
