import torch
from torch import Tensor, nn

from genbench.evaluation.inversion import invert


def normal(rows: int, columns: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


BASIS = normal(5, 48, 1) / 10


def linear(z: Tensor) -> Tensor:
    return (z @ BASIS + 0.5).view(-1, 3, 4, 4)


def test_an_image_of_the_generator_is_found_again() -> None:
    latents = normal(6, 5, 2)
    found = invert(linear, linear(latents), 5, starts=2, steps=200, seed=0)
    assert found.errors.max() < 1e-8
    torch.testing.assert_close(found.latents, latents, rtol=0, atol=1e-2)
    assert found.images.shape == (6, 3, 4, 4)


def test_other_images_are_reconstructed_as_well_as_least_squares_can() -> None:
    images = torch.rand(8, 3, 4, 4, generator=torch.Generator().manual_seed(3))
    targets = images.flatten(1) - 0.5
    solution = torch.linalg.lstsq(BASIS.T, targets.T).solution.T
    best = (solution @ BASIS - targets).square().mean(1)
    found = invert(linear, images, 5, starts=3, steps=300, seed=0)
    torch.testing.assert_close(found.errors, best, rtol=1e-4, atol=0)
    torch.testing.assert_close(found.errors, (found.images - images).square().flatten(1).mean(1))


def test_the_best_start_is_kept_for_each_image() -> None:
    def two_valleys(z: Tensor) -> Tensor:  # z > 0 leads to 0.9 and z < 0 to 0.1 at best
        return torch.where(z > 0, 0.9, 0.1).view(-1, 1, 1, 1) + 0.01 * z.tanh().view(-1, 1, 1, 1)

    images = torch.tensor([0.9, 0.1] * 10).view(-1, 1, 1, 1)
    assert invert(two_valleys, images, 1, starts=16, steps=5, seed=0).errors.max() < 1e-3
    assert invert(two_valleys, images, 1, starts=1, steps=5, seed=0).errors.max() > 0.1


def test_no_image_feels_the_others_and_the_seed_decides() -> None:
    images = torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(3))
    whole = invert(linear, images, 5, starts=2, steps=20, seed=4)
    part = invert(linear, images[:2], 5, starts=2, steps=20, seed=4)
    torch.testing.assert_close(part.latents, whole.latents[:2])
    assert invert(linear, images, 5, starts=2, steps=20, seed=4).latents.equal(whole.latents)
    assert not invert(linear, images, 5, starts=2, steps=20, seed=5).latents.equal(whole.latents)


def test_the_generators_parameters_are_left_alone_even_without_gradients() -> None:
    network = nn.Sequential(nn.Linear(5, 16), nn.Sigmoid(), nn.Unflatten(1, (1, 4, 4)))
    before = [p.clone() for p in network.parameters()]
    with torch.no_grad():
        found = invert(network, torch.rand(3, 1, 4, 4), 5, starts=2, steps=5, seed=0)
    assert all(p.grad is None and p.equal(q) for p, q in zip(network.parameters(), before, strict=True))
    assert not found.latents.requires_grad
    assert not found.images.requires_grad
