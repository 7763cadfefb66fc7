"""The DCGAN's networks: spectral norms are 1, classes matter, and weights keep the signals' size."""

import numpy as np
import pytest
import torch
from torch import nn

from genbench.data.images import ImageShape
from genbench.models.convolutional import ClassBatchNorm, Discriminator, Generator, SpectralNorm

SHAPE = ImageShape(1, 8, 8)


@pytest.mark.parametrize("size", [(6, 4), (5, 3, 3, 3), (1, 40)])
def test_the_spectral_norm_is_numpys_largest_singular_value(size: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    weight = torch.randn(size)
    norm = SpectralNorm(weight)
    for _ in range(200):
        normed = norm(weight)
    largest = np.linalg.svd(weight.flatten(1).numpy(), compute_uv=False)[0]
    np.testing.assert_allclose(normed.numpy(), weight.numpy() / largest, rtol=1e-4)
    norm.eval()
    before = norm.u.clone()
    assert torch.equal(norm(weight), norm(weight))
    assert torch.equal(norm.u, before)
    norm.u.mul_(0.5)  # as an average of vectors is shorter than they are
    torch.testing.assert_close(norm(weight), normed)


def test_the_spectral_norms_gradient_is_of_the_quotient() -> None:
    torch.manual_seed(0)
    weight = torch.randn(3, 4, requires_grad=True)
    norm = SpectralNorm(weight.detach())
    for _ in range(200):
        norm(weight.detach())
    target = torch.randn(3, 4)
    (found,) = torch.autograd.grad((norm(weight) * target).sum(), weight)
    (expected,) = torch.autograd.grad((weight / torch.linalg.matrix_norm(weight, 2) * target).sum(), weight)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_a_discriminator_under_it_is_steep_nowhere() -> None:
    torch.manual_seed(0)
    network = Discriminator(SHAPE, 0.0, 3, batch_norm=False, spectral_norm=True)
    network.initialise()
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear | nn.Embedding)]
    assert len(layers) == 4
    network(torch.randn(2, *SHAPE), torch.tensor([0, 1])).sum().backward()
    for layer in layers:
        assert float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)) == pytest.approx(1, abs=0.1)
        assert layer.get_parameter("parametrizations.weight.original").grad is not None


def test_without_batch_norm_signals_keep_their_size() -> None:
    torch.manual_seed(0)
    network = Discriminator(ImageShape(1, 28, 28), 0.0, batch_norm=False)
    network.initialise()
    assert not [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    features = network.features(torch.randn(16, 1, 28, 28)).detach()
    assert 0.4 < float(features.square().mean().sqrt()) < 1.5


def test_class_batch_norm_is_one_batch_norm_for_each_class() -> None:
    torch.manual_seed(0)
    layer = ClassBatchNorm(nn.BatchNorm2d(3, affine=False), 2)
    layer.scale.weight.data.copy_(torch.tensor([[1.0, 1.0, 1.0], [2.0, 3.0, 4.0]]))
    layer.shift.weight.data.copy_(torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, -1.0]]))
    values, labels = torch.randn(6, 3, 4, 4), torch.tensor([0, 1, 0, 1, 1, 0])
    found = layer(values, labels)
    plain = nn.BatchNorm2d(3, affine=False)(values)
    torch.testing.assert_close(found[labels == 0], plain[labels == 0])
    expected = plain * layer.scale.weight[1].view(3, 1, 1) + layer.shift.weight[1].view(3, 1, 1)
    torch.testing.assert_close(found[labels == 1], expected[labels == 1])


def test_a_projection_is_a_product_with_the_class() -> None:
    torch.manual_seed(0)
    network = Discriminator(SHAPE, 0.0, 3).eval()
    network.initialise()
    images, labels = torch.randn(4, *SHAPE), torch.tensor([0, 1, 2, 0])
    assert network.classes is not None
    features = network.features(images)
    plain = network.body[8](features).squeeze(1)
    expected = plain + torch.stack(
        [network.classes.weight[label] @ f for label, f in zip(labels, features, strict=True)]
    )
    torch.testing.assert_close(network(images, labels), expected)
    assert not torch.allclose(network(images, labels), network(images, labels.flip(0)))


def test_a_generators_images_depend_on_the_class_once_it_has_learnt() -> None:
    torch.manual_seed(0)
    network = Generator(SHAPE, 5, 3).eval()
    network.initialise()
    z, labels = torch.randn(4, 5), torch.tensor([0, 1, 2, 0])
    for layer in network.modules():
        if isinstance(layer, ClassBatchNorm):
            nn.init.normal_(layer.shift.weight)
    assert not torch.allclose(network(z, labels), network(z, labels.flip(0)))
