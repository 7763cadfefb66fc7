"""Values, gradients and names are those of PyTorch's own layers."""

import pytest
import torch
from torch import nn

from genbench.models.layers import Conv2d, ConvTranspose2d, Dropout, Flatten, ReLU

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


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_dropped_values_are_a_share_of_all_wherever_they_stand(share: float) -> None:
    torch.manual_seed(0)
    ones = torch.ones(1000, 403, dtype=torch.bfloat16, requires_grad=True)  # four divide neither row
    values = Dropout(share)(ones)
    values.float().sum().backward()
    assert ones.grad is not None
    assert torch.equal(ones.grad, values)
    assert values.unique().tolist() == [0.0, torch.tensor(1.0).bfloat16().div_(1 - share).item()]
    dropped = (values == 0).double().flatten()
    sd = (share * (1 - share)) ** 0.5
    assert abs(dropped.mean() - share) < 4 * sd / len(dropped) ** 0.5
    for apart in (1, 2, 3, 4, 403):  # four come out of one number
        together = ((dropped[apart:] - share) * (dropped[:-apart] - share)).mean() / sd**2
        assert abs(together) < 4 / len(dropped) ** 0.5
    lanes = dropped[: len(dropped) // 4 * 4].view(-1, 4).mean(0)
    assert (lanes - share).abs().max() < 4 * sd / (len(dropped) / 4) ** 0.5


@pytest.mark.parametrize(
    ("dtype", "p", "training"), [(torch.float32, 0.3, True), (torch.bfloat16, 0.3, False), (torch.bfloat16, 0.0, True)]
)
def test_dropout_is_pytorchs_to_the_bit_elsewhere(dtype: torch.dtype, p: float, training: bool) -> None:
    values = torch.rand(64, 50, generator=torch.Generator().manual_seed(0)).to(dtype)
    found = []
    for layer in (nn.Dropout(p), Dropout(p)):
        torch.manual_seed(1)
        found += [layer.train(training)(values), torch.rand(3)]
    assert torch.equal(found[0], found[2])
    assert torch.equal(found[1], found[3])  # nor was anything drawn that PyTorch's does not draw


def test_dropout_in_bfloat16_is_a_function_of_the_seed() -> None:
    values = torch.ones(64, 51, dtype=torch.bfloat16)
    masks = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        masks.append(Dropout(0.5)(values))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_every_number_is_rectified_as_pytorchs(dtype: torch.dtype) -> None:
    every = torch.arange(-(2**15), 2**15, dtype=torch.int16).view(torch.bfloat16).to(dtype)  # there are no others
    rectified = ReLU()(every.clone())
    assert torch.equal(rectified.isnan(), every.isnan())  # what has gone wrong is not made 0
    numbers = ~every.isnan()
    assert torch.equal(rectified[numbers], nn.ReLU()(every[numbers]))  # of which a 0 may have a sign in PyTorch's
    assert rectified[numbers].min() == 0 and rectified[numbers].max() == torch.inf


def test_what_is_rectified_in_bfloat16_is_learnt_from_and_taken_in_place() -> None:
    given = torch.tensor([-1.0, 0.0, 2.0]).bfloat16().requires_grad_()
    layer = ReLU()
    layer(given * 1).sum().backward()
    assert given.grad is not None and given.grad.tolist() == [0.0, 0.0, 1.0]
    with torch.no_grad():
        values = given * 1
        assert layer(values).data_ptr() == values.data_ptr() and values.tolist() == [0.0, 0.0, 2.0]
