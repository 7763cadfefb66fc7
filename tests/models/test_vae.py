"""The VAE: the paper's sizes, the loss's formula, and gradients through the sampling."""

import math
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from genbench.data.batches import Batch
from genbench.data.images import ImageShape
from genbench.models.flow import FlowMatching
from genbench.models.pictures import latent_grid
from genbench.models.pixels import Bernoulli
from genbench.models.vae import VAE, importance_weighted_bound, kl_divergence
from genbench.models.vae_prior import VAEWithPrior
from genbench.models.weights import parameters

GREY = ImageShape(1, 28, 28)


def vae(shape: ImageShape = GREY, latent_size: int = 2, kl_weight: float = 1.0) -> VAE:
    torch.manual_seed(0)
    return VAE(shape, latent_size=latent_size, learning_rate=1e-3, kl_weight=kl_weight, leak=0.0)


def random_batch(n: int = 8) -> Batch:
    return Batch(torch.randint(0, 256, (n, 1, 28, 28), dtype=torch.uint8))


def test_the_papers_parameter_counts() -> None:
    assert parameters(vae()) == {"encoder": 69_076, "decoder": 65_089}


@pytest.mark.parametrize("shape", [ImageShape(1, 28, 28), ImageShape(3, 32, 32), ImageShape(3, 16, 40)])
def test_networks_read_their_shapes_off_the_data(shape: ImageShape) -> None:
    model = vae(shape, latent_size=5)
    assert model.sample(torch.randn(4, 5)).shape == (4, *shape)
    mean, log_variance = model.encode(torch.rand(4, *shape))
    assert mean.shape == log_variance.shape == (4, 5)


def test_reconstruction_loss_is_the_cross_entropy_summed_over_pixels() -> None:
    generator = np.random.default_rng(0)
    logits, images = generator.normal(0, 2, (3, 2, 4, 4)), generator.random((3, 2, 4, 4))
    p = 1 / (1 + np.exp(-logits))
    expected = -np.sum(images * np.log(p) + (1 - images) * np.log(1 - p), axis=(1, 2, 3))
    actual = Bernoulli().losses(torch.from_numpy(logits), torch.from_numpy(images))
    np.testing.assert_allclose(actual.flatten(1).sum(1).numpy(), expected, rtol=1e-10)


def test_kl_is_the_divergence_of_two_gaussians() -> None:
    mean, log_variance = torch.tensor([[0.5, -1.0]]), torch.tensor([[0.3, -2.0]])
    posterior = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    expected = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0))
    torch.testing.assert_close(kl_divergence(mean, log_variance), expected)
    assert float(kl_divergence(torch.zeros(1, 2), torch.zeros(1, 2)).sum()) == 0.0


def test_the_training_loss_is_reconstruction_plus_weighted_kl() -> None:
    model = vae(kl_weight=0.25)
    batch, noise = random_batch(), torch.randn(8, 2)
    (update,) = model.updates(batch, noise)
    expected = update.scalars["reconstruction"] + 0.25 * update.scalars["kl"]
    torch.testing.assert_close(update.losses["both"], expected)
    watched = model.losses(batch, noise)
    for name in ("loss", "reconstruction", "kl"):
        torch.testing.assert_close(watched[name], update.scalars[name])
    torch.testing.assert_close(watched["kl_0"] + watched["kl_1"], watched["kl"])


def test_the_gradient_reaches_the_encoder_through_the_sampled_z() -> None:
    model = vae(kl_weight=0.0)  # so that only the reconstruction pulls at the encoder
    (update,) = model.updates(random_batch(), torch.randn(8, 2))
    update.losses["both"].backward()  # type: ignore[no-untyped-call]
    for head in (model.encoder.mean, model.encoder.log_variance):
        assert head.weight.grad is not None
        assert float(head.weight.grad.abs().sum()) > 0


@pytest.mark.slow
def test_the_sampled_z_has_the_posteriors_moments() -> None:
    model = vae()
    torch.nn.init.constant_(model.encoder.get_parameter("log_variance.bias"), -2.0)  # so that sd and variance differ
    seen: list[torch.Tensor] = []

    def decoded(_: torch.nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        seen.append(inputs[0].detach())
        return (inputs[0][:1],)  # decoding what was seen takes seconds

    model.decoder.register_forward_pre_hook(decoded)
    model.decoder.register_forward_hook(lambda *given: given[-1].expand(4_000, -1, -1, -1))
    images = torch.randint(0, 256, (1, 1, 28, 28), dtype=torch.uint8).expand(4_000, -1, -1, -1)
    with torch.no_grad():
        model.losses(Batch(images), torch.randn(4_000, 2, generator=torch.Generator().manual_seed(0)))
        mean, log_variance = model.encode(images[:1].float() / 255)
    z = seen[0]
    torch.testing.assert_close(z.mean(0), mean[0], atol=0.1, rtol=0)
    torch.testing.assert_close(z.std(0), (0.5 * log_variance[0]).exp(), atol=0.0, rtol=0.06)


def test_log_likelihood_and_prior_are_the_distributions() -> None:
    model, z = vae(), torch.randn(5, 2)
    binary = (torch.rand(5, 1, 28, 28) < 0.5).float()
    with torch.no_grad():
        pixels = torch.distributions.Bernoulli(logits=model.decode(z)).log_prob(binary)  # type: ignore[no-untyped-call]
        found = model.log_likelihood(binary, z)
    torch.testing.assert_close(found.float(), pixels.flatten(1).sum(1), rtol=1e-5, atol=1e-3)
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(model.log_prior(z).float(), normal)
    assert float(model.log_prior(torch.zeros(1, 2))) == pytest.approx(-math.log(2 * math.pi))


def test_a_reconstruction_is_the_decoded_posterior_mean() -> None:
    model, images = vae(), torch.rand(3, 1, 28, 28)
    with torch.no_grad():
        assert torch.equal(model.reconstruct(images), model.sample(model.encode(images)[0]))


def test_glorot_weights_and_zero_biases() -> None:
    for name, parameter in vae().named_parameters():
        if name.endswith("bias"):
            assert float(parameter.detach().abs().max()) == 0.0
    weight = vae().encoder.get_parameter("body.5.weight")  # (16, 3136)
    assert float(weight.detach().abs().max()) <= (6 / (16 + 3136)) ** 0.5
    assert float(weight.detach().var()) == pytest.approx(2 / (16 + 3136), rel=0.03)


def test_the_importance_weighted_bound_is_the_formula() -> None:
    generator = np.random.default_rng(0)
    reconstruction, divergence = generator.normal(90, 3, (7, 5)), generator.normal(10, 3, (7, 5))
    expected = -np.log(np.mean(np.exp(-reconstruction - divergence), axis=0))
    found = importance_weighted_bound(torch.from_numpy(reconstruction), torch.from_numpy(divergence))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10)
    one = importance_weighted_bound(torch.from_numpy(reconstruction[:1]), torch.from_numpy(divergence[:1]))
    np.testing.assert_allclose(one.numpy(), (reconstruction + divergence)[0], rtol=1e-10)


@pytest.mark.slow
def test_with_one_sample_it_is_the_usual_bound_on_average_and_more_samples_are_never_worse() -> None:
    model = VAE(ImageShape(1, 8, 8), latent_size=2)
    torch.nn.init.constant_(model.encoder.get_parameter("log_variance.bias"), 1.0)  # a posterior far off
    many = Batch(random_batch(1).images[..., :8, :8].expand(1_000, -1, -1, -1))
    noise = torch.randn(20, 1_000, 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        usual = model.losses(many, noise[0])
        found = [model._importance_weighted(many, noise[:k]) for k in (1, 4, 20)]
    assert float(found[0]["loss"]) == pytest.approx(float(usual["loss"]), abs=0.2)
    torch.testing.assert_close(found[0]["reconstruction"], usual["reconstruction"])
    assert found[0]["loss"] > found[1]["loss"] + 0.05 > found[2]["loss"] + 0.1


def test_a_model_of_several_samples_trains_on_their_bound_and_watches_it_without_drawing() -> None:
    model = VAE(GREY, latent_size=2, importance_samples=5)
    batch, noise = random_batch(), torch.randn(8, 2)
    (update,) = model.updates(batch, noise)
    torch.autograd.backward(update.losses["both"])
    assert all(parameter.grad is not None for parameter in model.parameters())
    state = torch.get_rng_state()
    first, second = model.losses(batch, noise), model.losses(batch, noise)
    assert torch.equal(state, torch.get_rng_state())
    assert first == second
    assert set(first) == set(update.scalars)


def test_its_further_latents_are_none_of_the_batch_s_own() -> None:
    """Both were drawn from the seed 0, and of the first images the bound of two latents was that of one."""
    torch.manual_seed(0)
    one, two = (VAE(ImageShape(1, 8, 8), latent_size=2, importance_samples=n) for n in (1, 2))
    torch.nn.init.constant_(one.encoder.get_parameter("log_variance.bias"), 1.0)  # a posterior far off
    two.load_state_dict(one.state_dict())
    batch = Batch(torch.randint(0, 256, (500, 1, 8, 8), dtype=torch.uint8))
    for seed in range(3):  # as many batches have
        noise = one.noise(500, torch.Generator().manual_seed(seed))
        with torch.no_grad():
            differ = float(two.losses(batch, noise)["loss"]) - float(one.losses(batch, noise)["loss"])
        assert abs(differ) > 1e-3  # twice the same latent is that latent


def test_a_model_that_is_to_be_told_classes_is_given_some() -> None:
    for kind in (VAE, VAEWithPrior, FlowMatching):
        with pytest.raises(ValueError, match="conditional=true needs images with classes"):
            kind(GREY, conditional=True)


@pytest.mark.parametrize("likelihood", ["bernoulli", "continuous_bernoulli", "gaussian"])
def test_every_likelihood_trains_draws_and_is_told_the_class(likelihood: Literal["bernoulli", "gaussian"]) -> None:
    torch.manual_seed(0)
    model = VAE(ImageShape(3, 8, 8), 3, latent_size=2, likelihood=likelihood, conditional=True)
    assert model.classes == 3
    assert model.binary == (likelihood == "bernoulli")
    images = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8)
    labels = torch.arange(6) % 3
    (update,) = model.updates(Batch(images, labels), torch.randn(6, 2))
    torch.autograd.backward(update.losses["both"])
    assert all(parameter.grad is not None for parameter in model.parameters())
    z = torch.zeros(3, 2)
    with torch.no_grad():
        drawn = model.sample(z, torch.arange(3))
        assert drawn.min() >= 0
        assert drawn.max() <= 1
        assert (drawn[0] - drawn[1]).abs().max() > 1e-3
        means = [model.encode(images.float() / 255, of)[0] for of in (labels, (labels + 1) % 3)]
        assert not torch.equal(*means)
        pairs = model.log_likelihood(images.float() / 255, torch.zeros(6, 2), labels)
        every = model.log_likelihoods(images.float() / 255, z, labels)
    torch.testing.assert_close(every[:, 0], pairs, rtol=1e-5, atol=1e-3)


def test_the_latent_plane_of_a_conditional_model_is_that_of_its_first_class() -> None:
    torch.manual_seed(0)
    model = VAE(ImageShape(1, 8, 8), 3, latent_size=2, conditional=True)
    first = model.decode
    told: list[Tensor] = []

    def spy(z: Tensor, labels: Tensor | None = None) -> Tensor:
        assert labels is not None
        told.append(labels)
        return first(z, labels)

    model.decode = spy  # type: ignore[method-assign]
    latent_grid(model, side=3)
    assert torch.equal(told[0], torch.zeros(9, dtype=torch.int64))


def test_the_classes_are_told_only_where_that_is_wanted() -> None:
    assert VAE(GREY, 10).classes == 0
    assert parameters(VAE(GREY, 10)) == parameters(VAE(GREY))
    told = parameters(VAE(GREY, 10, conditional=True))
    assert told == {"encoder": 69_076 + 2 * 2 * 10, "decoder": 65_089 + 10 * 64 * 49}
