"""The DCGAN: the paper's sizes, the losses' formulas, and whose gradients go where."""

import lightning as L
import numpy as np
import pytest
import torch
from torch import Tensor

from genbench.data.batches import Batch
from genbench.data.datamodule import InOrder
from genbench.data.images import ImageShape, Split
from genbench.models.gan import DCGAN, discriminator_loss, generator_loss
from genbench.models.weights import parameters

GREY = ImageShape(1, 28, 28)


def gan(shape: ImageShape = GREY, label_smoothing: float = 0.0) -> DCGAN:
    torch.manual_seed(0)
    return DCGAN(shape, label_smoothing=label_smoothing)


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
