"""Networks survive the way to a file and back; what is not such a file is refused."""

from pathlib import Path

import pytest
import torch

from genbench.data.images import ImageShape
from genbench.errors import UserError
from genbench.models.sampling import draw
from genbench.models.weights import build, load, save

VAE = {
    "_target_": "genbench.models.vae.VAE",
    "latent_size": 3,
    "learning_rate": 1e-3,
    "betas": [0.9, 0.999],
    "kl_weight": 1.0,
    "leak": 0.2,
}


def test_a_saved_model_draws_the_same_images(tmp_path: Path) -> None:
    shape = ImageShape(3, 16, 16)
    model = build(VAE, shape)
    save(model, VAE, shape, tmp_path / "weights.safetensors")
    save(model, VAE, shape, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "weights.safetensors").read_bytes()
    state = torch.random.get_rng_state()
    again, again_shape = load(tmp_path / "weights.safetensors")
    assert torch.equal(state, torch.random.get_rng_state())
    assert again_shape == shape
    assert not again.training
    assert torch.equal(draw(model, 4, 0), draw(again, 4, 0))


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", b"\x80\x04\x95pickle"])
def test_a_broken_file_is_a_users_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match="cannot be read"):
        load(path)


def test_a_value_that_the_class_does_not_take_is_a_users_error() -> None:
    with pytest.raises(UserError, match="unexpected"):
        build(VAE | {"colour": "red"}, ImageShape(1, 8, 8))
