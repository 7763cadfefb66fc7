"""The DCGAN: the paper's sizes, the losses' formulas, and whose gradients go where."""

from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from torch import Tensor

from genbench.data.batches import Batch
from genbench.data.datamodule import InOrder
from genbench.data.images import ImageShape, Split
from genbench.errors import UserError
from genbench.models.adversarial import LOSSES, discriminator_loss, generator_loss, zero_centred_penalty
from genbench.models.gan import DCGAN
from genbench.models.weights import build, check_batch, parameters

GREY = ImageShape(1, 28, 28)


def gan(shape: ImageShape = GREY, label_smoothing: float = 0.0) -> DCGAN:
    torch.manual_seed(0)
    return DCGAN(shape, label_smoothing=label_smoothing)


def test_a_batch_is_large_enough_for_the_critic_s_steps() -> None:
    """Fewer were taken, and the config said otherwise."""
    train = Split(torch.zeros(64, 1, 8, 8, dtype=torch.uint8), None)
    check_batch(DCGAN(ImageShape(1, 8, 8), loss="wgan_gp"), train, 10)
    with pytest.raises(UserError, match="DCGAN needs 10 images a step in each process"):
        check_batch(DCGAN(ImageShape(1, 8, 8), loss="wgan_gp"), train, 9)


def test_the_papers_parameter_counts() -> None:
    model = gan()
    assert parameters(model) == {"generator": 2_318_209, "discriminator": 213_249}
    statistics = {
        name: sum(b.numel() for key, b in network.named_buffers() if "running" in key)
        for name, network in model.named_children()
    }
    assert statistics == {"generator": 25_472, "discriminator": 384}


@pytest.mark.parametrize("shape", [ImageShape(1, 28, 28), ImageShape(3, 32, 32), ImageShape(3, 16, 40)])
def test_networks_read_their_shapes_off_the_data(shape: ImageShape) -> None:
    model = gan(shape)
    images = model.sample(torch.randn(5, 100))
    assert images.shape == (5, *shape)
    assert images.min() >= 0
    assert images.max() <= 1
    assert model.discriminator(images).shape == (5,)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_losses_are_the_formulas(smoothing: float) -> None:
    generator = np.random.default_rng(0)
    real, fake = generator.normal(0, 3, 50), generator.normal(0, 3, 50)
    d_real, d_fake = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))
    target = 1 - smoothing
    on_real = -np.mean(target * np.log(d_real) + (1 - target) * np.log(1 - d_real))
    on_fake = -np.mean(np.log(1 - d_fake))
    logits = torch.from_numpy(real), torch.from_numpy(fake)
    assert float(discriminator_loss(*logits, smoothing)) == pytest.approx(on_real + on_fake, rel=1e-5)
    assert float(generator_loss(logits[1])) == pytest.approx(-np.mean(np.log(d_fake)), rel=1e-5)


def test_losses_stay_finite_for_a_certain_discriminator() -> None:
    certain = torch.tensor([200.0, -200.0])
    assert torch.isfinite(discriminator_loss(certain, certain, 0.0))
    assert torch.isfinite(generator_loss(certain))


class _Spy(DCGAN):
    """Notes which networks have gradients right after each of the two losses went backwards."""

    touched: list[set[str]]

    def manual_backward(self, loss: Tensor, *args: object, **kwargs: object) -> None:
        for parameter in self.parameters():
            parameter.grad = None
        super().manual_backward(loss, *args, **kwargs)
        self.touched.append({n.split(".")[0] for n, p in self.named_parameters() if p.grad is not None})


def test_each_losss_gradient_reaches_only_the_network_whose_turn_it_is() -> None:
    torch.manual_seed(0)
    model = _Spy(ImageShape(1, 8, 8), latent_size=4)
    object.__setattr__(model, "touched", [])
    images = torch.randint(0, 256, (6, 1, 8, 8), dtype=torch.uint8)
    batches = InOrder(Split(images, None), 6)
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=1,
        limit_train_batches=1,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    trainer.fit(model, batches, batches)
    assert model.touched == [{"generator"}, {"discriminator"}]
    assert any(not torch.equal(before[name], p) for name, p in model.named_parameters())


def test_the_losses_are_those_of_the_update() -> None:
    model = gan().eval()  # without dropout, and with the same statistics
    batch = Batch(torch.randint(0, 256, (8, 1, 28, 28), dtype=torch.uint8))
    noise = torch.randn(8, 100)
    (update,) = model.updates(batch, noise)
    losses = model.losses(batch, noise)
    assert list(update.losses) == ["generator", "discriminator"]
    assert set(losses) == {*update.scalars, "discriminator_accuracy"}
    for name, value in update.scalars.items():
        torch.testing.assert_close(losses[name], value)


def test_initialisation() -> None:
    model = gan()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            assert float(parameter.detach().abs().max()) == 0.0
    convolution = model.generator.get_parameter("body.4.weight")
    assert float(convolution.detach().std()) == pytest.approx(0.02, rel=0.01)


SMALL = ImageShape(1, 8, 8)
CRITIC_STEPS = {"wgan_gp": 5}


def batch_of(shape: ImageShape, n: int = 10) -> Batch:
    torch.manual_seed(1)
    return Batch(torch.randint(0, 256, (n, *shape), dtype=torch.uint8), torch.arange(n) % 3)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("more", [{}, {"generator": "style", "conditional": True, "augment": 1.0}])
def test_every_loss_teaches_both_networks_and_sees_every_image_once(loss: Any, more: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = DCGAN(SMALL, 3, latent_size=4, loss=loss, **more)
    seen: list[int] = []
    model.discriminator.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    steps = CRITIC_STEPS.get(loss, 1)
    updates = list(model.updates(batch_of(SMALL), torch.randn(10, *model.noise_shape)))
    assert [set(update.losses) for update in updates] == (
        [{"generator", "discriminator"}] if steps == 1 else [{"discriminator"}] * steps + [{"generator"}]
    )
    of_critic = seen if steps == 1 else seen[:-2]
    assert len(of_critic) / steps == (3 if loss == "wgan_gp" else 2)  # real, generated, and between them
    assert sum(of_critic) == 10 * len(of_critic) / steps
    for update in updates:
        for name, value in update.losses.items():
            network = getattr(model, name)
            found = torch.autograd.grad(value, list(network.parameters()), retain_graph=True, allow_unused=True)
            assert all(bool(gradient.isfinite().all()) for gradient in found if gradient is not None)
            assert any(bool((gradient != 0).any()) for gradient in found if gradient is not None)
    scalars = {name for update in updates for name in update.scalars}
    assert ("penalty" in scalars) == (loss in ("wgan_gp", "r3"))
    assert {"generator_loss", "discriminator_loss", "d_real", "d_fake"} <= scalars


def test_r3s_penalty_is_a_part_of_the_discriminators_loss_alone() -> None:
    torch.manual_seed(0)
    model = DCGAN(SMALL, latent_size=4, loss="r3", gamma=3.0)
    (update,) = model.updates(batch_of(SMALL), torch.randn(10, 4))
    seen = model._see(batch_of(SMALL), torch.randn(10, 4))
    assert float(model._penalty(seen)["penalty"].detach()) == pytest.approx(
        3.0 * float(zero_centred_penalty(seen).detach()), rel=1e-5
    )
    expected = update.scalars["discriminator_loss"] + update.scalars["penalty"]
    torch.testing.assert_close(update.losses["discriminator"], expected)
    torch.testing.assert_close(update.losses["generator"], update.scalars["generator_loss"])


@pytest.mark.parametrize(
    ("loss", "dtype"), [("r3", torch.float32), ("wgan_gp", torch.float32), ("hinge", torch.bfloat16)]
)
def test_a_loss_of_differences_sees_those_that_bfloat16_has_no_steps_for(loss: Any, dtype: torch.dtype) -> None:
    """Of a long training of r3 nothing was left to learn by: differences of 0.02 beside logits that are 0.004 apart."""
    torch.manual_seed(0)
    model = DCGAN(SMALL, latent_size=4, loss=loss)
    features = torch.randn(2, 512).mul(1 + 1e-4 * torch.arange(2)[:, None])[[0, 0]] + torch.tensor([[0.0], [1e-5]])
    with torch.autocast("cpu", torch.bfloat16):
        logits = model.discriminator.judge(features)
    assert logits.dtype == dtype
    assert bool(logits[0] == logits[1]) == (dtype == torch.bfloat16)


@pytest.mark.parametrize("loss", LOSSES)
def test_validation_losses_draw_nothing_and_need_no_gradient(loss: Any) -> None:
    torch.manual_seed(0)
    model = DCGAN(SMALL, latent_size=4, loss=loss, augment=1.0).eval()
    batch, noise = batch_of(SMALL), torch.randn(10, 4)
    state = torch.random.get_rng_state()
    with torch.inference_mode():
        found = model.losses(batch, noise)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert ("discriminator_accuracy" in found) == (loss not in ("wgan_gp", "r3"))


@pytest.mark.parametrize("loss", ["hinge", "wgan_gp", "r3"])
def test_losses_that_forbid_batch_norm_have_none_in_the_discriminator(loss: Any) -> None:
    model = DCGAN(SMALL, loss=loss)
    assert not [layer for layer in model.discriminator.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    assert [layer for layer in model.generator.modules() if isinstance(layer, torch.nn.BatchNorm2d)]


@pytest.mark.parametrize("shape", [ImageShape(3, 64, 64), ImageShape(3, 32, 32)])
@pytest.mark.parametrize("generator", ["dcgan", "style"])
def test_colour_and_64_pixels(shape: ImageShape, generator: Any) -> None:
    torch.manual_seed(0)
    model = DCGAN(shape, 3, latent_size=4, generator=generator, loss="r3", conditional=True)
    (update,) = model.updates(batch_of(shape, 2), torch.randn(2, *model.noise_shape))
    assert bool(update.losses["discriminator"].isfinite())
    images = model.eval().sample(torch.randn(2, *model.noise_shape), torch.tensor([0, 2]))
    assert images.shape == (2, *shape)
    assert images.min() >= 0 and images.max() <= 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"conditional": True}, "conditional=true needs images with classes"),
        ({"loss": "hinge", "gamma": 1.0}, "gamma is a setting of the losses wgan_gp, r3 alone"),
        ({"loss": "r3", "label_smoothing": 0.1}, "label_smoothing is a setting of the losses nonsaturating, minimax"),
    ],
)
def test_what_does_not_go_together_is_refused(words: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DCGAN(SMALL, **words)


def test_a_data_set_without_labels_is_answered_in_one_line() -> None:
    about = {"_target_": "genbench.models.gan.DCGAN", "conditional": True}
    with pytest.raises(UserError, match=r"model.conditional=true: these images have no classes: leave it out$"):
        build(about, SMALL, classes=0)
    assert build(about, SMALL, classes=3).classes == 3
    assert build({"_target_": "genbench.models.gan.DCGAN"}, SMALL, classes=3).classes == 0


def test_settings_of_the_loss_can_be_overridden() -> None:
    model = DCGAN(SMALL, loss="wgan_gp", critic_steps=2, betas=(0.1, 0.2), discriminator_learning_rate=0.5)
    optimizers = model.make_optimizers()
    assert [group["lr"] for of in optimizers.values() for group in of.param_groups] == [1e-4, 0.5]
    assert optimizers["generator"].param_groups[0]["betas"] == (0.1, 0.2)
    assert len(list(model.updates(batch_of(SMALL), torch.randn(10, 100)))) == 3
