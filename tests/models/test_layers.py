"""Values, gradients and names are those of PyTorch's own layers."""

import pytest
import torch
from torch import nn

from genbench.models.layers import Conv2d, ConvTranspose2d, Flatten

PAIRS = [
    (Conv2d(3, 8, 5, stride=2, padding=2), nn.Conv2d(3, 8, 5, stride=2, padding=2)),
    (Conv2d(3, 1, 3, padding=1, bias=False), nn.Conv2d(3, 1, 3, padding=1, bias=False)),
    (
        ConvTranspose2d(3, 8, 5, stride=2, padding=2, output_padding=1),
        nn.ConvTranspose2d(3, 8, 5, stride=2, padding=2, output_padding=1),
    ),
    (ConvTranspose2d(3, 1, 3, padding=1, bias=False), nn.ConvTranspose2d(3, 1, 3, padding=1, bias=False)),
]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_equal_in_values_gradients_and_names(ours: nn.Module, theirs: nn.Module) -> None:
    ours.load_state_dict(theirs.state_dict())
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    inputs = [images.clone().requires_grad_(), images.clone().requires_grad_()]
    outputs = [layer(x) for layer, x in zip((ours, theirs), inputs, strict=True)]
    torch.testing.assert_close(outputs[0], outputs[1])
    for output in outputs:
        output.square().sum().backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layer", [Conv2d(3, 8, 5), ConvTranspose2d(3, 8, 5)])
def test_autocast_keeps_bfloat16(layer: nn.Module) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.rand(2, 3, 8, 8)).dtype == torch.bfloat16


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_images_drawn_in_bfloat16_are_rounded_once_and_in_float32_as_in_training(
    ours: nn.Module, theirs: nn.Module
) -> None:
    ours.load_state_dict(theirs.state_dict())
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)).bfloat16().float()
    trained = ours(images).detach()
    with torch.no_grad():
        assert torch.equal(ours(images), trained)
        with torch.autocast("cpu", torch.bfloat16):
            drawn, expected = ours(images), theirs(images)
    assert torch.equal(drawn, expected)


@pytest.mark.parametrize("format", [torch.channels_last, torch.contiguous_format])
def test_flattened_images_have_their_gradient_in_their_own_order_of_memory(format: torch.memory_format) -> None:
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=format)
    weights = torch.rand(3 * 8 * 8, generator=torch.Generator().manual_seed(1))
    gradients: list[torch.Tensor] = []
    for layer in (nn.Flatten(), Flatten()):
        given = images.clone().requires_grad_()
        activated = given.sin()
        flat = layer(activated)
        activated.register_hook(gradients.append)  # type: ignore[no-untyped-call]  # after the layer's own
        (flat * weights).square().sum().backward()
        assert given.grad is not None
        gradients.append(given.grad)
    assert torch.equal(gradients[0], gradients[2])
    assert torch.equal(gradients[1], gradients[3])
    assert not gradients[0].is_contiguous(memory_format=torch.channels_last)
    assert gradients[2].is_contiguous(memory_format=format)
