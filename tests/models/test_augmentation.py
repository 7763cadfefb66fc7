"""DiffAugment: nothing at strength 0, what it says at 1, and a gradient through it."""

import pytest
import torch

from genbench.models import augmentation
from genbench.models.augmentation import augmented

IMAGES = torch.rand(64, 3, 16, 24, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_at_strength_0_images_are_what_they_were() -> None:
    torch.testing.assert_close(augmented(IMAGES, 0.0), IMAGES)


@pytest.mark.slow
def test_it_is_differentiable_twice() -> None:
    torch.manual_seed(0)
    images = IMAGES[:2, :, :6, :6].double().requires_grad_()
    taken = torch.random.get_rng_state()

    def again(given: torch.Tensor) -> torch.Tensor:
        torch.random.set_rng_state(taken)  # the same draws
        return augmented(given, 1.0).square()

    assert torch.autograd.gradcheck(again, images, nondet_tol=0.0)
    assert torch.autograd.gradgradcheck(again, images)


def test_images_are_moved_whole_and_what_comes_in_is_0() -> None:
    torch.manual_seed(0)
    moved = augmentation._translated(IMAGES, 1.0)
    seen = set()
    for before, after in zip(IMAGES, moved, strict=True):
        found = []
        for down in range(-2, 3):
            for right in range(-3, 4):
                expected = torch.zeros_like(before)
                rows = slice(max(0, down), 16 + min(0, down)), slice(max(0, -down), 16 + min(0, -down))
                columns = slice(max(0, right), 24 + min(0, right)), slice(max(0, -right), 24 + min(0, -right))
                expected[:, rows[0], columns[0]] = before[:, rows[1], columns[1]]
                if torch.allclose(expected, after):
                    found.append((down, right))
        assert len(found) == 1
        seen |= set(found)
    assert {down for down, _ in seen} == {-2, -1, 0, 1, 2}
    assert {right for _, right in seen} == {-3, -2, -1, 0, 1, 2, 3}


def test_half_the_height_and_width_is_cut_out_at_most() -> None:
    torch.manual_seed(0)
    share = (augmentation._cut_out(torch.ones(500, 1, 16, 24), 1.0) == 0).float().mean((1, 2, 3))
    assert float(share.max()) == 0.25
    assert float(share.min()) >= 0.0625  # in a corner
    assert len(set(share.tolist())) > 10


def test_colours_are_changed_about_their_means() -> None:
    torch.manual_seed(0)
    coloured = augmentation._coloured(IMAGES, 1.0)
    moved = coloured.mean((1, 2, 3)) - IMAGES.mean((1, 2, 3))  # by the brightness alone
    assert 0.35 < float(moved.abs().max()) <= 0.5
    spread = coloured.mean(1).std((1, 2)) / IMAGES.mean(1).std((1, 2))  # by the contrast alone
    assert 0.5 <= float(spread.min()) < 0.7
    assert 1.3 < float(spread.max()) <= 1.5
    assert float((augmented(IMAGES, 1.0)[0] - augmented(IMAGES, 1.0)[0]).abs().max()) > 0  # drawn each time
