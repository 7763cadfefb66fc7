"""The style generator: modulation is of the weights, demodulation gives unit variance, all noise comes from outside."""

import pytest
import torch
import torch.nn.functional as F

from genbench.data.images import ImageShape
from genbench.models.gan import DCGAN
from genbench.models.pictures import style_mixing
from genbench.models.style import ModulatedConv2d, StyleGenerator


def test_a_modulated_convolution_is_an_ordinary_one_with_each_images_own_weights() -> None:
    torch.manual_seed(0)
    layer = ModulatedConv2d(4, 6, 3, 5)
    values, w = torch.randn(3, 4, 7, 7), torch.randn(3, 5)
    scales = layer.style(w)
    for demodulate in (True, False):
        layer.demodulate = demodulate
        for i, found in enumerate(layer(values, w)):
            weight = layer.weight * scales[i][None, :, None, None]  # eq. 1
            if demodulate:
                weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()  # eq. 3
            expected = F.conv2d(values[i : i + 1], weight, layer.bias, padding=1)[0]
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_demodulation_gives_unit_variance_whatever_the_style() -> None:
    torch.manual_seed(0)
    layer = ModulatedConv2d(16, 32, 3, 5)
    values, scales = torch.randn(4, 16, 32, 32), 10.0 * torch.rand(4, 16)
    inner = layer.convolve(values, scales).detach()[:, :, 1:-1, 1:-1]  # without the border's zeros
    torch.testing.assert_close(inner.std((2, 3)).mean(1), torch.ones(4), atol=0.03, rtol=0)


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        (ImageShape(1, 28, 28), [(7, 7), (14, 14), (28, 28)]),
        (ImageShape(3, 64, 64), [(4, 4), (8, 8), (16, 16), (32, 32), (64, 64)]),
        (ImageShape(3, 16, 40), [(4, 10), (8, 20), (16, 40)]),
        (ImageShape(1, 4, 4), [(4, 4)]),
    ],
)
def test_sizes_are_read_off_the_images(shape: ImageShape, sizes: list[tuple[int, int]]) -> None:
    torch.manual_seed(0)
    network = StyleGenerator(shape, 8)
    network.initialise()
    assert list(dict.fromkeys(network.sizes)) == sizes
    images = network(torch.randn(2, network.noise_size)).detach()
    assert images.shape == (2, *shape)
    assert 0.1 < float(images.std()) < 3.0


def test_images_depend_on_the_noise_alone_and_on_all_of_it() -> None:
    torch.manual_seed(0)
    network = StyleGenerator(ImageShape(1, 8, 8), 6)
    network.initialise()
    for name, parameter in network.named_parameters():
        if name.endswith("strength"):
            torch.nn.init.constant_(parameter, 0.5)
    noise = torch.randn(3, network.noise_size, requires_grad=True)
    images = network(noise)
    assert torch.equal(images, network(noise))
    torch.testing.assert_close(network(noise[1:2]), images[1:2], rtol=1e-4, atol=1e-5)
    (gradient,) = torch.autograd.grad(images.sum(), noise)
    assert bool((gradient != 0).all())


def test_the_latents_length_says_nothing() -> None:
    torch.manual_seed(0)
    network = StyleGenerator(ImageShape(1, 8, 8), 6)
    z = torch.randn(3, 6)
    torch.testing.assert_close(network.map(3.0 * z), network.map(z), rtol=1e-4, atol=1e-5)


def test_mixed_with_itself_an_image_is_what_it_was() -> None:
    torch.manual_seed(0)
    model = DCGAN(ImageShape(1, 8, 8), latent_size=6, generator="style").eval()
    assert model.mixes
    noise, other = torch.randn(2, 3, *model.noise_shape)
    with torch.no_grad():
        torch.testing.assert_close(model.mix(noise, noise), model.sample(noise))
        mixed = model.mix(noise, other)
    assert not torch.allclose(mixed, model.sample(noise)) and not torch.allclose(mixed, model.sample(other))
    with pytest.raises(ValueError, match="no styles to mix"):
        DCGAN(ImageShape(1, 8, 8)).mix(noise, other)


def test_the_picture_of_mixed_styles_has_a_row_and_a_column_of_what_is_mixed() -> None:
    torch.manual_seed(0)
    model = DCGAN(ImageShape(3, 8, 8), 4, latent_size=6, generator="style", conditional=True)
    picture = style_mixing(model)
    assert model.training
    scale = round(900 / (9 * 10 + 2))
    assert picture.size == ((9 * 10 + 2) * scale, (6 * 10 + 2) * scale)
    assert picture.getpixel((5 * scale, 5 * scale)) == (255, 255, 255)  # the corner


def test_it_is_told_the_class() -> None:
    torch.manual_seed(0)
    network = StyleGenerator(ImageShape(1, 8, 8), 6, 3)
    network.initialise()
    noise, labels = torch.randn(3, network.noise_size), torch.tensor([0, 1, 2])
    assert not torch.allclose(network(noise, labels), network(noise, labels.flip(0)))
