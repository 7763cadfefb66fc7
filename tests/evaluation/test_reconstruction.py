import torch
from torch import Tensor, nn

from genbench.evaluation.reconstruction import invert, squared_errors


def normal(rows: int, columns: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


BASIS = normal(5, 48, 1) / 10


def linear(z: Tensor) -> Tensor:
    return (z @ BASIS + 0.5).view(-1, 3, 4, 4)


def test_an_image_of_the_generator_is_found_again() -> None:
    latents = normal(6, 5, 2)
    found = invert(linear, linear(latents), (5,), starts=2, scouting=10, steps=200, seed=0)
    assert squared_errors(linear(found), linear(latents)).max() < 1e-8
    torch.testing.assert_close(found, latents, rtol=0, atol=1e-2)


def test_the_search_works_inside_autocast() -> None:
    latents = normal(6, 5, 2)
    with torch.autocast("cpu", torch.bfloat16):
        found = invert(linear, linear(latents), (5,), starts=2, scouting=10, steps=200, seed=0)
    assert squared_errors(linear(found), linear(latents)).max() < 1e-4


def test_other_images_are_reconstructed_as_well_as_least_squares_can() -> None:
    images = torch.rand(8, 3, 4, 4, generator=torch.Generator().manual_seed(3))
    targets = images.flatten(1) - 0.5
    solution = torch.linalg.lstsq(BASIS.T, targets.T).solution.T
    best = (solution @ BASIS - targets).square().mean(1)
    found = invert(linear, images, (5,), starts=3, scouting=10, steps=300, seed=0)
    torch.testing.assert_close(squared_errors(linear(found), images), best, rtol=1e-4, atol=0)


def test_the_best_start_is_kept_for_each_image() -> None:
    def two_valleys(z: Tensor) -> Tensor:  # z > 0 leads to 0.9 and z < 0 to 0.1 at best
        return torch.where(z > 0, 0.9, 0.1).view(-1, 1, 1, 1) + 0.01 * z.tanh().view(-1, 1, 1, 1)

    def errors(starts: int) -> Tensor:
        return squared_errors(
            two_valleys(invert(two_valleys, images, (1,), starts=starts, scouting=2, steps=5, seed=0)), images
        )

    images = torch.tensor([0.9, 0.1] * 10).view(-1, 1, 1, 1)
    assert errors(starts=16).max() < 1e-3
    assert errors(starts=1).max() > 0.1


def test_no_image_feels_the_others_and_the_seed_decides() -> None:
    def found(n: int, seed: int) -> Tensor:
        return invert(linear, images[:n], (5,), starts=2, scouting=5, steps=20, seed=seed)

    images = torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(found(2, seed=4), found(6, seed=4)[:2])
    assert found(6, seed=4).equal(found(6, seed=4))
    assert not found(6, seed=4).equal(found(6, seed=5))


def test_the_generators_parameters_are_left_alone_even_without_gradients() -> None:
    network = nn.Sequential(nn.Linear(5, 16), nn.Sigmoid(), nn.Unflatten(1, (1, 4, 4)))
    before = [p.clone() for p in network.parameters()]
    with torch.no_grad():
        found = invert(network, torch.rand(3, 1, 4, 4), (5,), starts=2, scouting=2, steps=5, seed=0)
    assert all(p.grad is None and p.equal(q) for p, q in zip(network.parameters(), before, strict=True))
    assert not found.requires_grad


def test_squared_errors_are_means_over_the_pixels_of_each_image() -> None:
    errors = squared_errors(torch.tensor([[[[0.0, 0.5]]], [[[1.0, 1.0]]]]), torch.zeros(2, 1, 1, 2))
    torch.testing.assert_close(errors, torch.tensor([0.125, 1.0]))
