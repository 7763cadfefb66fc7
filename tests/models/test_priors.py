"""Fitted priors: their densities are the distributions', and their samples have them."""

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture
from torch import Tensor

from genbench.models import priors
from genbench.models.priors import Mixture, Normal, RealNVP, fit_mixture, tempered


def two_rings(n: int = 4000, seed: int = 0) -> Tensor:
    """Latents (n, 2) that are far from normal."""
    generator = torch.Generator().manual_seed(seed)
    angle = 2 * math.pi * torch.rand(n, generator=generator)
    radius = torch.where(torch.arange(n) % 2 == 0, 1.0, 3.0) + 0.2 * torch.randn(n, generator=generator)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], 1)


def fitted(classes: int = 0) -> Mixture:
    mixture = Mixture(3, 4, classes)
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(600, 3, generator=generator) @ torch.randn(3, 3, generator=generator)
    z[:300] += 4.0
    mixture.fit(z, torch.arange(600) % classes if classes else None)
    return mixture


def by_scipy(mixture: Mixture, z: Tensor, group: int = 0) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    parts = [
        float(mixture.log_weights[group, k])
        + multivariate_normal(mixture.means[group, k].numpy(), (factor @ factor.T).numpy()).logpdf(z.numpy())
        for k, factor in enumerate(mixture.factors[group].double())
    ]
    found: np.ndarray[tuple[int], np.dtype[np.float64]] = logsumexp(parts, axis=0)
    return found


def test_a_mixture_s_density_is_scipy_s() -> None:
    mixture, z = fitted(), 3 * torch.randn(20, 3, dtype=torch.float64)
    np.testing.assert_allclose(mixture.log_density(z).numpy(), by_scipy(mixture, z), rtol=1e-5)
    told, labels = fitted(classes=2), torch.arange(20) % 2
    found = told.log_density(z, labels).numpy()
    for group in (0, 1):
        np.testing.assert_allclose(found[group::2], by_scipy(told, z[group::2], group), rtol=1e-5)
    assert not np.allclose(found[::2], told.log_density(z, 1 - labels).numpy()[::2], rtol=0.01)


def test_em_climbs_as_high_as_scikit_learn_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(priors, "ENOUGH", 1e-3)  # as there
    z = two_rings().double()
    weights, means, factors = fit_mixture(z, 12)
    assert float(weights.sum()) == pytest.approx(1)
    mixture = Mixture(2, 12)
    mixture.fit(z)
    theirs = GaussianMixture(12, random_state=0).fit(z.numpy()).score(z.numpy())
    assert float(mixture.log_density(z).mean()) > theirs - 0.03
    torch.testing.assert_close(mixture.means[0], means.float())
    torch.testing.assert_close(mixture.factors[0], factors.float())


def test_em_s_one_component_is_the_latents_moments() -> None:
    z = two_rings(500).double()
    weights, means, factors = fit_mixture(z, 1)
    torch.testing.assert_close(weights, torch.ones(1).double())
    torch.testing.assert_close(means[0], z.mean(0))
    torch.testing.assert_close(factors[0] @ factors[0].T, torch.cov(z.T, correction=0), rtol=0, atol=1e-5)


def test_a_mixture_of_fewer_latents_than_components_is_finite() -> None:
    for z in (torch.randn(3, 4), torch.ones(10, 4)):
        mixture = Mixture(4, 20)
        mixture.fit(z)
        assert torch.isfinite(mixture.log_density(z)).all()
        assert torch.isfinite(mixture.draw(torch.randn(50, 5))).all()
        assert all(torch.isfinite(buffer).all() for buffer in mixture.buffers())
    told = Mixture(4, 20, classes=3)
    told.fit(torch.randn(30, 4), torch.zeros(30, dtype=torch.int64))  # two classes have no image
    torch.testing.assert_close(
        told.log_density(torch.zeros(1, 4), torch.tensor([2])), Normal(4).log_density(torch.zeros(1, 4))
    )


def test_a_mixture_draws_what_it_was_fitted_to() -> None:
    mixture, z = Mixture(2, 40), two_rings()
    mixture.fit(z)
    drawn = mixture.draw(torch.randn(20_000, 3, generator=torch.Generator().manual_seed(1)))
    radius = drawn.norm(dim=1)
    assert float(((radius - 1).abs() < 0.7).float().mean()) == pytest.approx(0.5, abs=0.03)
    assert float(((radius - 3).abs() < 0.7).float().mean()) == pytest.approx(0.5, abs=0.03)
    torch.testing.assert_close(torch.cov(drawn.T), torch.cov(z.T), rtol=0.05, atol=0.15)


def test_temperature_scales_how_far_latents_lie_from_their_component() -> None:
    prior, noise = Mixture(3, 5), torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    prior.means.normal_(std=10.0)
    cold, half, whole = (prior.draw(tempered(noise, 3, temperature)) for temperature in (0.0, 0.5, 1.0))
    assert len({tuple(z) for z in cold.tolist()}) == 5
    assert torch.equal(whole, prior.draw(noise))
    torch.testing.assert_close(half - cold, (whole - cold) / 2)


def test_priors_are_normal_before_they_are_fitted() -> None:
    z, noise = torch.randn(9, 5), torch.randn(9, 6)
    for prior in (Normal(5), Mixture(5, 7), RealNVP(5)):
        torch.testing.assert_close(prior.log_density(z), Normal(5).log_density(z))
        torch.testing.assert_close(prior.draw(noise[:, : prior.noise_size]), noise[:, :5])


def moved(size: int, classes: int = 0) -> RealNVP:
    """One whose couplings do something."""
    torch.manual_seed(0)
    flow = RealNVP(size, classes).double()
    flow.fit(3 * torch.randn(50, size).double() + 1)
    for parameter in flow.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    return flow


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_flow_s_density_is_by_the_change_of_variables(size: int) -> None:
    flow, z = moved(size), torch.randn(4, size).double()

    def noise_of(z: Tensor) -> Tensor:
        x = (z - flow.shift) / flow.scale
        for coupling in flow.couplings:
            log_scale, shift = coupling(x, None)
            x = x * log_scale.exp() + shift
        return x

    with torch.no_grad():
        torch.testing.assert_close(flow.draw(noise_of(z)), z)  # the inverse
    for i in range(4):
        jacobian = torch.func.jacrev(lambda z: noise_of(z.unsqueeze(0))[0])(z[i])
        expected = Normal(size).log_density(noise_of(z[i : i + 1])) + torch.linalg.slogdet(jacobian)[1]
        torch.testing.assert_close(flow.log_density(z[i : i + 1]), expected)


@pytest.mark.slow
def test_a_flow_s_density_integrates_to_one() -> None:
    flow, axis = moved(2), torch.linspace(-30, 30, 201).double()
    with torch.no_grad():
        density = flow.log_density(torch.cartesian_prod(axis, axis)).exp()
    assert float(density.sum() * 0.3**2) == pytest.approx(1, abs=1e-3)


def test_every_dimension_of_a_flow_hears_of_every_other() -> None:
    flow = moved(16)
    jacobian = torch.func.jacrev(lambda u: flow.draw(u.unsqueeze(0))[0])(torch.randn(16).double())
    assert (jacobian != 0).all()


def test_a_flow_is_told_the_class() -> None:
    flow, z = moved(3, classes=2), torch.randn(4, 3).double()
    zeros, ones = torch.zeros(4, dtype=torch.int64), torch.ones(4, dtype=torch.int64)
    assert not torch.allclose(flow.log_density(z, zeros), flow.log_density(z, ones))
    assert not torch.allclose(flow.draw(z, zeros), flow.draw(z, ones))


@pytest.mark.slow
def test_a_flow_learns_what_is_not_normal() -> None:
    torch.manual_seed(1)
    flow, z = RealNVP(2), two_rings()
    flow.fit(z)
    adam = torch.optim.Adam(flow.parameters(), 3e-3)
    before = float(flow.log_density(z).mean().detach())
    for i in range(800):  # after half as many the processor's rounding decides
        loss = -flow.log_density(z[i % 8 :: 8]).mean()
        adam.zero_grad()
        torch.autograd.backward(loss)
        adam.step()
    assert float(flow.log_density(two_rings(seed=1)).mean().detach()) > before + 0.2
