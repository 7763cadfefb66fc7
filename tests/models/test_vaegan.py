"""The VAE-GAN: its losses' formulas, its stages, and which way each term pulls which network."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from genbench.data.batches import Batch
from genbench.data.images import ImageShape
from genbench.errors import UserError
from genbench.models.vae import kl_divergence
from genbench.models.vaegan import VAEGAN, feature_loss, gan_loss
from genbench.models.weights import build

SMALL = ImageShape(1, 8, 8)


def vaegan(shape: ImageShape = SMALL, classes: int = 0, stage: str = "adversarial", **words: Any) -> VAEGAN:
    torch.manual_seed(0)
    model = VAEGAN(shape, classes, latent_size=4, components=5, width=8, hidden=16, conditional=classes > 0, **words)
    model.stage = stage
    return model


def batch_of(shape: ImageShape = SMALL, n: int = 6) -> Batch:
    torch.manual_seed(1)
    return Batch(torch.randint(0, 256, (n, *shape), dtype=torch.uint8), torch.arange(n) % 3)


def test_losses_are_the_formulas() -> None:
    random = np.random.default_rng(0)
    features, restored = random.normal(0, 1, (2, 5, 7))
    found = feature_loss(torch.from_numpy(features), torch.from_numpy(restored))
    constant = 7 / 2 * np.log(2 * np.pi)
    density = torch.distributions.Normal(torch.from_numpy(restored), 1.0).log_prob(torch.from_numpy(features))  # type: ignore[no-untyped-call]
    np.testing.assert_allclose(found.numpy(), -density.sum(1).numpy() - constant, rtol=1e-5)
    logits = random.normal(0, 2, (3, 9))
    d_real, d_restored, d_drawn = 1 / (1 + np.exp(-logits))
    expected = -np.mean(np.log(d_real)) - np.mean(np.log(1 - d_restored)) - np.mean(np.log(1 - d_drawn))
    assert float(gan_loss(*torch.from_numpy(logits))) == pytest.approx(expected, rel=1e-5)


def test_the_first_stage_goes_down_the_evidence_bound() -> None:
    model, batch, noise = vaegan(stage="autoencoder"), batch_of(), torch.randn(6, 5)
    (update,) = model.updates(batch, noise)
    images = batch.images.double() / 255
    mean, log_variance = (value.double() for value in model.encode(images.float()))
    made = model.decode((mean + (0.5 * log_variance).exp() * noise[:, :4]).float()).double()
    expected = F.binary_cross_entropy(made, images, reduction="sum") / 6 + kl_divergence(mean, log_variance).sum() / 6
    assert tuple(update.losses) == ("both",)
    torch.testing.assert_close(update.losses["both"].double(), expected, rtol=1e-5, atol=1e-3)


def test_each_network_goes_down_its_own_sum() -> None:
    (update,) = vaegan(gamma=0.25).updates(batch_of(), torch.randn(6, 5))
    of = update.scalars
    assert tuple(update.losses) == ("decoder", "discriminator")
    torch.testing.assert_close(update.losses["decoder"], 0.25 * of["feature_loss"] + of["generator_loss"])
    torch.testing.assert_close(update.losses["discriminator"], of["discriminator_loss"])


def test_in_the_second_stage_the_encoder_stays() -> None:
    model = vaegan()
    (update,) = model.updates(batch_of(), torch.randn(6, 5))
    for loss in update.losses.values():
        found = torch.autograd.grad(loss, list(model.encoder.parameters()), retain_graph=True, allow_unused=True)
        assert all(gradient is None for gradient in found)


def slope(model: VAEGAN, network: str, of: str) -> float:
    """How fast a term changes as a network takes its step: below 0 it is gone down."""
    (update,) = model.updates(batch_of(), torch.randn(6, 5))
    parameters = list(getattr(model, network).parameters())
    loss, term = (
        torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
        for value in (update.losses[network], update.scalars[of])
    )
    pairs = [(a, b) for a, b in zip(loss, term, strict=True) if a is not None and b is not None]
    return -sum(float((a * b).sum()) for a, b in pairs)


def test_the_discriminator_goes_down_what_the_decoder_goes_up() -> None:
    model = vaegan(gamma=0.0)
    assert slope(model, "discriminator", "discriminator_loss") < 0
    assert slope(model, "decoder", "discriminator_loss") > 0


def test_the_feature_loss_is_gone_down_by_the_decoder_alone() -> None:
    assert slope(vaegan(gamma=100.0), "decoder", "feature_loss") < 0
    gradients = []
    for model in (vaegan(gamma=0.0), vaegan(gamma=1e6)):
        torch.manual_seed(2)
        (update,) = model.updates(batch_of(), torch.randn(6, 5))
        gradients.append(torch.autograd.grad(update.losses["discriminator"], list(model.discriminator.parameters())))
    for ours, theirs in zip(*gradients, strict=True):
        assert torch.equal(ours, theirs)


def test_the_mixture_is_fitted_between_the_stages_and_drawn_from() -> None:
    model = vaegan(stage="autoencoder").eval()
    z = torch.randn(7, 5)
    before = model.sample(z)
    images = [batch_of(n=40)]
    assert model.advance(0.5, lambda: iter(images))
    assert model.stage == "adversarial"
    with torch.no_grad():
        mean, log_variance = model.encode(images[0].images.float() / 255)
        drawn = model.prior.draw(torch.randn(20_000, 5))
    torch.testing.assert_close(drawn.mean(0), mean.mean(0), rtol=0.05, atol=0.05)
    spread = (mean.var(0, correction=0) + log_variance.exp().mean(0)).sqrt()
    torch.testing.assert_close(drawn.std(0), spread, rtol=0.05, atol=0.05)
    assert not torch.equal(model.sample(z), before)
    assert torch.equal(model.sample(z, temperature=1.0), model.decode(model.prior.draw(z)))
    assert torch.equal(model.sample(z), model.sample(torch.cat([0.85 * z[:, :-1], z[:, -1:]], 1), temperature=1.0))


@pytest.mark.parametrize("shape", [ImageShape(1, 28, 28), ImageShape(3, 64, 64), ImageShape(3, 16, 40)])
def test_it_encodes_reconstructs_and_samples_images_of_any_shape(shape: ImageShape) -> None:
    model, images = vaegan(shape).eval(), torch.rand(3, *shape)
    with torch.no_grad():
        mean, log_variance = model.encode(images)
        assert mean.shape == log_variance.shape == model.kl(mean, log_variance).shape == (3, 4)
        assert torch.equal(model.reconstruct(images), model.decode(mean))
        samples = model.sample(torch.randn(3, 5))
    assert samples.shape == (3, *shape)
    assert samples.min() >= 0 and samples.max() <= 1


@pytest.mark.parametrize("stage", ["autoencoder", "adversarial"])
def test_validation_losses_are_the_updates_and_draw_nothing(stage: str) -> None:
    model = vaegan(stage=stage).eval()
    batch, noise = batch_of(), torch.randn(6, 5)
    state = torch.random.get_rng_state()
    with torch.inference_mode():
        found = model.losses(batch, noise)
    assert torch.equal(torch.random.get_rng_state(), state)
    (update,) = model.updates(batch, noise)
    assert set(found) == set(update.scalars)
    if stage == "autoencoder":
        torch.testing.assert_close(found["loss"], update.scalars["loss"].detach())


def test_a_conditional_model_is_told_the_class_everywhere() -> None:
    model = vaegan(classes=3)
    (update,) = model.updates(batch_of(), torch.randn(6, 5))
    assert all(bool(loss.isfinite()) for loss in update.losses.values())
    model.eval()
    images, labels, z = torch.rand(3, *SMALL), torch.tensor([0, 1, 2]), torch.randn(3, 5)
    with torch.no_grad():
        assert not torch.allclose(model.sample(z, labels), model.sample(z, labels.flip(0)))
        assert not torch.allclose(model.encode(images, labels)[0], model.encode(images, labels.flip(0))[0])
    about = {"_target_": "genbench.models.vaegan.VAEGAN", "conditional": True}
    with pytest.raises(UserError, match="these images have no classes"):
        build(about, SMALL, classes=0)
