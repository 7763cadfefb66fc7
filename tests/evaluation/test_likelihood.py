"""Likelihoods against models whose p(x) is known."""

import math
from collections.abc import Callable, Iterator, Mapping

import pytest
import torch
from scipy.stats import multivariate_normal
from torch import Tensor
from torch.optim import Optimizer

import genbench.evaluation.likelihood as likelihood
from genbench.data.batches import Batch
from genbench.data.images import ImageShape
from genbench.evaluation.likelihood import binarise, count_active, importance_sampled_nll, integrated_nll
from genbench.models.model import Integrable, Update
from genbench.models.vae import VAE

NOISE = 0.5
LOADINGS = torch.tensor([[1.0, 0.3], [-0.4, 0.8], [0.2, 0.2]]).double()  # (pixels, latents)

Encode = Callable[[Tensor], tuple[Tensor, Tensor]]


class Linear(Integrable):
    """p(z) = N(shift, scale^2), p(x|z) = N(W z, noise^2) on 3 pixels, so that p(x) is a Gaussian too."""

    def __init__(self, encode: Encode, loadings: Tensor = LOADINGS, shift: float = 0.0, scale: float = 1.0) -> None:
        super().__init__((1, 1, 3), noise_shape=(2,))
        self._posterior, self._loadings, self._shift, self._scale = encode, loadings, shift, scale

    def encode(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._posterior(images.flatten(1))

    def log_likelihood(self, images: Tensor, z: Tensor, labels: Tensor | None = None) -> Tensor:
        residual = (images.flatten(1) - z @ self._loadings.T) / NOISE
        return -(residual.square() / 2 + math.log(NOISE) + math.log(2 * math.pi) / 2).sum(1)

    def log_likelihoods(self, images: Tensor, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return torch.stack([self.log_likelihood(image.expand(len(z), -1, -1, -1), z) for image in images])

    def log_prior(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        standard = (z - self._shift) / self._scale
        return -(standard.square() / 2 + math.log(self._scale) + math.log(2 * math.pi) / 2).sum(1)

    def exact_nll(self, images: Tensor) -> Tensor:
        w = self._loadings
        mean = w.sum(1) * self._shift
        covariance = self._scale**2 * w @ w.T + NOISE**2 * torch.eye(3).double()
        return torch.from_numpy(
            -multivariate_normal(mean.numpy(), covariance.numpy()).logpdf(images.flatten(1).numpy())
        )

    def kl(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        raise NotImplementedError

    def make_optimizers(self) -> dict[str, Optimizer]:
        return {}

    def updates(self, batch: Batch, noise: Tensor) -> Iterator[Update]:
        raise NotImplementedError

    def losses(self, batch: Batch, noise: Tensor) -> Mapping[str, Tensor]:
        raise NotImplementedError

    def sample(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        return noise


def images(number: int) -> Tensor:
    return torch.randn(number, 1, 1, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_is_exact_with_one_sample_if_the_proposal_is_the_posterior() -> None:
    # Orthogonal loadings, so that the exact posterior factorises as the proposal does.
    loadings = torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]]).double()
    precision = 1 + (loadings**2).sum(0) / NOISE**2

    def posterior(x: Tensor) -> tuple[Tensor, Tensor]:
        return x @ loadings / NOISE**2 / precision, -precision.log().expand(len(x), 2)

    model, x = Linear(posterior, loadings), images(20)
    for samples in (1, 7):
        found = importance_sampled_nll(model, x, samples, seed=0)
        torch.testing.assert_close(found, model.exact_nll(x), rtol=0, atol=1e-6)


def wide(x: Tensor) -> tuple[Tensor, Tensor]:
    return x @ LOADINGS, torch.full((len(x), 2), -0.5, dtype=x.dtype)


def test_nears_the_true_value_from_above() -> None:
    model, x = Linear(wide), images(40)
    few, many = (importance_sampled_nll(model, x, k, seed=1) for k in (1, 20_000))
    exact = model.exact_nll(x)
    torch.testing.assert_close(many, exact, rtol=0, atol=0.1)
    assert (few - exact).mean() > 0.1
    assert abs((many - exact).mean()) < 0.01


def test_the_prior_is_the_models_own() -> None:
    def posterior(x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.full((len(x), 2), 2.0, dtype=x.dtype), torch.full((len(x), 2), 1.0, dtype=x.dtype)

    model, x = Linear(posterior, shift=2.0, scale=1.5), images(40)
    found = importance_sampled_nll(model, x, 20_000, seed=1)
    assert abs((found - model.exact_nll(x)).mean()) < 0.02
    assert abs((found - Linear(posterior).exact_nll(x)).mean()) > 0.5


@pytest.mark.slow
def test_the_integral_is_exact_wherever_the_encoder_looks() -> None:
    def astray(x: Tensor) -> tuple[Tensor, Tensor]:
        return x @ LOADINGS + 3.0, torch.full((len(x), 2), -4.0, dtype=x.dtype)

    x = images(10)
    for model in (Linear(wide), Linear(astray), Linear(wide, shift=2.0, scale=0.8)):
        found = integrated_nll(model, x, likelihood._axes(model, x, None))
        torch.testing.assert_close(found, model.exact_nll(x), rtol=0, atol=1e-6)
    # Where importance sampling is far off.
    assert (importance_sampled_nll(Linear(astray), x, 500, seed=0) - Linear(astray).exact_nll(x)).mean() > 0.5


def test_a_vae_s_likelihood_of_every_image_under_every_latent_is_that_of_the_pairs() -> None:
    torch.manual_seed(0)
    vae, x, z = VAE(ImageShape(1, 8, 8)), (torch.rand(3, 1, 8, 8) < 0.5).float(), torch.randn(5, 2)
    with torch.no_grad():
        found = vae.log_likelihoods(x, z)
        for i in range(3):
            torch.testing.assert_close(found[i], vae.log_likelihood(x[i].expand(5, -1, -1, -1), z), rtol=1e-6, atol=0)


class Told(Linear):
    """The same, with a prior of its own for each class: N(3 class, 1)."""

    def log_prior(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        assert labels is not None
        return super().log_prior(z - 3.0 * labels.unsqueeze(1), None)


@pytest.mark.slow
def test_each_image_is_judged_in_its_class() -> None:
    def broad(x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.full((len(x), 2), 1.5, dtype=x.dtype), torch.full((len(x), 2), 2.0, dtype=x.dtype)

    x, labels = images(12), torch.arange(12) % 2
    for samples in (20_000, 10):  # one image at a time, and several
        found = importance_sampled_nll(Told(broad), x, samples, seed=1, labels=labels)
        integrated = integrated_nll(Told(broad), x, likelihood._axes(Told(broad), x, labels), labels)
        for label in (0, 1):
            exact = Linear(broad, shift=3.0 * label).exact_nll(x)
            other = Linear(broad, shift=3.0 * (1 - label)).exact_nll(x)
            own = labels == label
            torch.testing.assert_close(integrated[own], exact[own], rtol=0, atol=1e-6)
            if samples > 1000:
                torch.testing.assert_close(found[own], exact[own], rtol=0, atol=0.2)
            assert (found - exact)[own].abs().mean() < (found - other)[own].abs().mean()


def test_depends_on_the_seed_and_on_no_batch_size(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Linear(lambda x: (x @ LOADINGS, torch.zeros(len(x), 2, dtype=x.dtype)))

    def nll(number: int, seed: int) -> Tensor:
        return importance_sampled_nll(model, images(30)[:number], 50, seed)

    before = nll(30, 3)
    assert not nll(30, 4).equal(before)
    torch.testing.assert_close(nll(11, 3), before[:11], rtol=1e-12, atol=0)
    for rows in (1, 30, 100):
        monkeypatch.setattr(likelihood, "_ROWS", rows)
        torch.testing.assert_close(nll(30, 3), before, rtol=1e-12, atol=0)


class Watched(Linear):
    """The same, which notes in which of its methods bfloat16 is on."""

    def __init__(self) -> None:
        super().__init__(wide)
        self.low: dict[str, bool] = {}

    def encode(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        self.low["encode"] = torch.is_autocast_enabled("cpu")
        return super().encode(images, labels)

    def log_likelihood(self, images: Tensor, z: Tensor, labels: Tensor | None = None) -> Tensor:
        self.low["log_likelihood"] = torch.is_autocast_enabled("cpu")
        return super().log_likelihood(images, z, labels)

    def log_prior(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        self.low["log_prior"] = torch.is_autocast_enabled("cpu")
        return super().log_prior(z, labels)


@pytest.mark.parametrize("native", [True, False])
def test_where_bfloat16_is_native_decoding_is_in_it_and_nothing_else(
    native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likelihood, "fast_bfloat16", lambda device: native)
    x, expected = images(4), {"encode": False, "log_likelihood": native, "log_prior": False}
    sampled, integrated = Watched(), Watched()
    importance_sampled_nll(sampled, x, 5, seed=0)
    integrated_nll(integrated, x, likelihood._axes(integrated, x, None))
    assert sampled.low == integrated.low == expected


def test_decoding_in_bfloat16_moves_no_likelihood_by_a_thousandth(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    x, vae = binarise(torch.randint(0, 256, (20, 1, 28, 28), dtype=torch.uint8), seed=0), VAE(ImageShape(1, 28, 28))
    with torch.no_grad():
        for parameter in vae.decoder.parameters():
            parameter.mul_(6)  # else every pixel is grey, and costs log 2: 543 nats
    found = []
    for native in (False, True):
        monkeypatch.setattr(likelihood, "fast_bfloat16", lambda device, native=native: native)
        found.append(importance_sampled_nll(vae, x, 50, seed=0))
    assert found[0].mean() > 580 and not found[1].equal(found[0])
    torch.testing.assert_close(found[1], found[0], rtol=1e-3, atol=0)
    torch.testing.assert_close(found[1].mean(), found[0].mean(), rtol=1e-4, atol=0)


def test_a_decoder_that_ignores_the_latents_gives_the_bernoulli_likelihood(monkeypatch: pytest.MonkeyPatch) -> None:
    """The paper's VAE, in nats per image."""
    x = binarise(torch.randint(0, 256, (5, 1, 4, 4), dtype=torch.uint8), seed=0)
    logits = torch.linspace(-3, 3, 16).view(1, 1, 4, 4)
    vae = VAE(ImageShape(1, 4, 4), latent_size=2)
    monkeypatch.setattr(vae, "decode", lambda z, labels=None: logits.expand(len(z), -1, -1, -1))
    monkeypatch.setattr(vae, "encode", lambda images, labels=None: (torch.zeros(len(images), 2),) * 2)
    expected = -torch.where(x == 1, logits.sigmoid(), 1 - logits.sigmoid()).log().sum((1, 2, 3))
    found = importance_sampled_nll(vae, x, 3, seed=0)
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
    assert count_active(unit.unsqueeze(1) * deviations + 7) == 2
