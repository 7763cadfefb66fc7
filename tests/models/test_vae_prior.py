"""The VAE with a prior: its stages, its density and its samples are those of the prior that was fitted."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from scipy.special import ndtri

from genbench.data.batches import Batch
from genbench.data.images import ImageShape
from genbench.errors import UserError
from genbench.evaluation.likelihood import _axes, importance_sampled_nll, integrated_nll
from genbench.models.hyperparameters import hyperparameters
from genbench.models.model import LatentPlane, Model
from genbench.models.priors import Mixture, Normal
from genbench.models.sampling import draw, network_evaluations
from genbench.models.vae_prior import VAEWithPrior
from genbench.models.weights import build, load, parameters, save

SMALL = ImageShape(1, 8, 8)
TARGET = "genbench.models.vae_prior.VAEWithPrior"


def model(prior: str, shape: ImageShape = SMALL, classes: int = 0, latent_size: int = 4) -> VAEWithPrior:
    torch.manual_seed(0)
    made = build(
        {
            "_target_": TARGET,
            "latent_size": latent_size,
            "prior": prior,
            "components": 6,
            "conditional": classes > 0,
        },
        shape,
        classes,
    )
    assert isinstance(made, VAEWithPrior)
    return made


def batch(n: int = 32, shape: ImageShape = SMALL, classes: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=generator)
    return Batch(images, torch.arange(n) % classes if classes else None)


def begun(prior: str, classes: int = 0, latent_size: int = 4) -> VAEWithPrior:
    """One whose prior has been fitted."""
    made = model(prior, classes=classes, latent_size=latent_size)
    made.advance(1.0, lambda: iter([batch(classes=classes)]))
    return made


def test_its_words_are_the_vae_s_and_its_own() -> None:
    own = {"prior", "components", "prior_learning_rate"}
    vae = hyperparameters("genbench.models.vae.VAE")
    found = hyperparameters(TARGET)
    assert set(found) == {*vae, *own}
    assert found["latent_size"].default == 16


def test_what_it_can_do() -> None:
    made = model("mixture")
    assert not isinstance(made, LatentPlane)  # its noise is not z
    assert parameters(made).keys() == {"encoder", "decoder"}
    assert parameters(model("flow")).keys() == {"encoder", "decoder", "prior"}
    assert [network_evaluations(model(prior)) for prior in ("normal", "mixture", "flow")] == [1, 1, 2]


@pytest.mark.parametrize("shape", [ImageShape(3, 32, 32), ImageShape(3, 64, 64), ImageShape(3, 16, 40)])
def test_networks_read_their_shapes_off_the_data(shape: ImageShape) -> None:
    made = model("mixture", shape)
    assert made(made.noise(3)).shape == (3, *shape)


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("prior", ["normal", "mixture", "flow"])
def test_each_stage_moves_its_own_networks(prior: str, classes: int) -> None:
    made, given = model(prior, classes=classes), batch(classes=classes)
    assert made.stage == "autoencoder"
    (update,) = made.updates(given, made.noise(32))
    assert update.losses.keys() == {"both"}
    assert made.losses(given, made.noise(32)).keys() >= {"loss", "reconstruction", "kl", "kl_0"}
    if prior == "normal":
        assert not made.advance(1.0, lambda: iter([given]))
        return
    assert (
        made.stages
        == {"mixture": {"autoencoder": 1.0, "prior": 0.0}, "flow": {"autoencoder": 0.8, "prior": 0.2}}[prior]
    )
    assert made.advance(1.0, lambda: iter([given]))
    found = made.losses(given, made.noise(32))
    torch.testing.assert_close(found["loss"], found["reconstruction"] + found["kl"])
    if prior == "flow":
        (update,) = made.updates(given, made.noise(32))
        torch.autograd.backward(update.losses["prior"])
        assert all(p.grad is not None for p in made.prior.parameters())
        assert all(p.grad is None for network in (made.encoder, made.decoder) for p in network.parameters())


@pytest.mark.slow
def test_the_bound_with_a_normal_prior_is_the_usual_one_on_average() -> None:
    usual = model("normal")
    given = batch(2)
    noise = torch.randn(4000, 4)
    many = Batch(given.images[:1].expand(4000, -1, -1, -1))
    with torch.no_grad():
        expected = usual.losses(many, noise)
        usual.stage = "prior"
        found = usual.losses(many, noise)
    torch.testing.assert_close(found["kl"], expected["kl"], atol=0.02, rtol=0.05)
    torch.testing.assert_close(found["reconstruction"], expected["reconstruction"])


def test_begin_stage_fits_the_latents_of_all_images_and_draws_nothing() -> None:
    made = model("mixture")
    torch.nn.init.constant_(made.encoder.get_parameter("mean.bias"), 5.0)
    state = torch.get_rng_state()
    parts: Iterator[Batch] = iter([batch(20), Batch(batch(32).images[20:])])
    made.advance(1.0, lambda: parts)
    assert torch.equal(state, torch.get_rng_state())
    assert isinstance(made.prior, Mixture)
    whole = begun("mixture")
    for prior in (made.prior, whole.prior):
        assert isinstance(prior, Mixture)
        assert float(prior.log_weights.exp().sum()) == pytest.approx(1, abs=1e-5)
    mean, log_variance = made.encode(batch(32).images.float() / 255)
    drawn = made.prior.draw(made.noise(20_000))
    torch.testing.assert_close(drawn.mean(0), mean.mean(0).detach(), atol=0.05, rtol=0)
    variance = mean.var(0, correction=0) + log_variance.exp().mean(0)
    torch.testing.assert_close(drawn.var(0), variance.detach(), atol=0.05, rtol=0.05)


@pytest.mark.parametrize("prior", ["mixture", "flow"])
def test_samples_are_decoded_latents_of_the_prior(prior: str) -> None:
    made = begun(prior)
    noise = made.noise(5)
    z = made.prior.draw(noise)
    torch.testing.assert_close(made.sample(noise), made.decode(z).sigmoid())
    torch.testing.assert_close(made.log_prior(z.double()), made.prior.log_density(z).double(), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_the_nll_with_a_known_prior_is_the_integral() -> None:
    """One latent, p(z) an even mixture of N(-2, 0.5^2) and N(3, 1), worked out on quantiles of it."""
    made = model("mixture", latent_size=1)
    prior = Mixture(1, 2)
    prior.log_weights.copy_(torch.tensor([[math.log(0.5)] * 2]))
    prior.means.copy_(torch.tensor([[[-2.0], [3.0]]]))
    prior.factors.copy_(torch.tensor([[[[0.5]], [[1.0]]]]))
    made.prior = prior
    torch.nn.init.constant_(made.encoder.get_parameter("log_variance.bias"), 2.0)  # both modes are reached
    x = (torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    made.eval()
    with torch.no_grad():
        quantiles = torch.from_numpy(ndtri((torch.arange(1000).numpy() + 0.5) / 1000)).float().unsqueeze(1)
        z = torch.cat([-2 + 0.5 * quantiles, 3 + quantiles])
        likelihood = made.log_likelihoods(x, z)
        expected = -(likelihood.logsumexp(1) - math.log(len(z)))
        integrated = integrated_nll(made, x, _axes(made, x, None))
        sampled = importance_sampled_nll(made, x, 5_000, seed=0)
    torch.testing.assert_close(integrated, expected, atol=2e-3, rtol=0)
    torch.testing.assert_close(sampled, expected, atol=0.05, rtol=0)
    made.prior = Normal(1)
    assert float((integrated_nll(made, x, _axes(made, x, None)) - expected).abs().max()) > 0.01


@pytest.mark.parametrize("prior", ["normal", "mixture", "flow"])
def test_samples_of_a_class_differ(prior: str) -> None:
    made = begun(prior, classes=3)
    zeros, ones = (draw(made, 6, 0, labels=torch.full((6,), label)) for label in (0, 1))
    assert not torch.equal(zeros, ones)
    mixed = draw(made, 6, 0, labels=torch.tensor([0, 1] * 3))
    assert torch.equal(mixed[::2], zeros[::2])
    assert torch.equal(mixed[1::2], ones[1::2])
    images, z = torch.rand(4, *SMALL), torch.randn(5, 4)
    labels = torch.tensor([0, 2, 0, 1])
    with torch.no_grad():
        found = made.log_likelihoods(images, z, labels)
        for i, label in enumerate(labels):
            pairs = made.log_likelihood(images[i].expand(5, -1, -1, -1), z, label.expand(5))
            torch.testing.assert_close(found[i], pairs, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("prior", ["mixture", "flow"])
def test_weights_carry_the_prior(prior: str, tmp_path: Path) -> None:
    made, path = begun(prior), tmp_path / "weights.safetensors"
    told = {"_target_": TARGET, "latent_size": 4, "prior": prior, "components": 6}
    save(made, told, SMALL, (), path)
    again: Model = load(path).model
    assert again.stage == "prior"
    assert torch.equal(draw(again, 3, 0), draw(made, 3, 0))


def test_images_without_classes_are_refused_in_one_line() -> None:
    for target in (TARGET, "genbench.models.vae.VAE", "genbench.models.flow.FlowMatching"):
        with pytest.raises(UserError, match=r"^model.conditional=true: these images have no classes: leave it out$"):
            build({"_target_": target, "conditional": True}, SMALL, 0)
        assert build({"_target_": target}, SMALL, 10).classes == 0
        assert build({"_target_": target, "conditional": True}, SMALL, 10).classes == 10
