"""Images depend on the seed and their place alone."""

import pytest
import torch

from genbench.models import sampling
from genbench.models.sampling import draw
from tests.models.test_gan import gan
from tests.models.test_vae import vae


def test_the_same_seed_gives_the_same_images_however_many_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sampling, "BLOCK", 8)
    for model in (gan(), vae()):
        few, many = draw(model, 5, seed=3), draw(model, 2 * sampling.BLOCK + 5, seed=3)
        assert few.dtype == torch.uint8
        assert few.shape == (5, 1, 28, 28)
        assert torch.equal(few, many[:5])
        assert not torch.equal(few, draw(model, 5, seed=4))


@pytest.mark.slow
def test_sampling_is_in_evaluation_mode_and_leaves_no_trace() -> None:
    model = gan().train()
    before = {name: b.clone() for name, b in model.named_buffers()}
    noise = torch.random.get_rng_state()
    draw(model, 3, seed=0)
    assert model.training
    assert torch.equal(noise, torch.random.get_rng_state())
    assert all(torch.equal(before[name], b) for name, b in model.named_buffers())


@pytest.mark.slow
def test_bfloat16_moves_pixels_by_few_levels_and_float32_is_the_default() -> None:
    for model in (gan(), vae()):
        exact = draw(model, 20, seed=0)
        rounded = draw(model, 20, seed=0, precision=torch.bfloat16)
        assert torch.equal(exact, draw(model, 20, seed=0, precision=torch.float32))
        levels = (exact.int() - rounded.int()).abs()
        assert 0 < levels.max() <= 8
        assert levels.float().mean() < 1


@pytest.mark.slow
def test_large_images_are_drawn_a_few_at_a_time_from_the_same_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    model = gan()
    whole, one = draw(model, sampling.BLOCK + 5, seed=3), draw(model, 1, seed=3)
    at_once: list[int] = []
    model.generator.register_forward_pre_hook(lambda _, given: at_once.append(len(given[0])))
    monkeypatch.setattr(sampling, "LARGE", 28 * 28 // 25)
    few = draw(model, sampling.BLOCK + 5, seed=3)
    assert max(at_once) == 9
    assert sum(at_once) < sampling.BLOCK + 2 * 9  # and no more of the last ones than must be
    assert (few.int() - whole.int()).abs().max() <= 1  # but for rounding
    assert torch.equal(draw(model, 1, seed=3), few[:1])
    assert torch.equal(one, whole[:1])
