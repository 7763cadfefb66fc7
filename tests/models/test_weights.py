"""Networks survive the way to a file and back; what is not such a file is refused."""

import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from genbench.data.images import ImageShape
from genbench.errors import UserError
from genbench.models.sampling import draw
from genbench.models.weights import LARGEST, build, check_effect, load, save

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
    save(model, VAE, shape, ("a", "b"), tmp_path / "weights.safetensors")
    save(model, VAE, shape, ("a", "b"), tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "weights.safetensors").read_bytes()
    state = torch.random.get_rng_state()
    again = load(tmp_path / "weights.safetensors")
    assert torch.equal(state, torch.random.get_rng_state())
    assert (again.shape, again.classes, again.about) == (shape, ("a", "b"), VAE)
    assert not again.model.training
    assert torch.equal(draw(model, 4, 0), draw(again.model, 4, 0))


PRIOR, FLOW, GAN = (
    {"_target_": f"genbench.models.{name}"} for name in ("vae_prior.VAEWithPrior", "flow.FlowMatching", "gan.DCGAN")
)
STYLE = {**GAN, "generator": "style", "loss": "r3", "latent_size": 4}


@pytest.mark.parametrize(
    ("told", "word", "value", "needs", "default"),
    [
        ({**PRIOR, "prior": "flow"}, "components", 50, "model.prior=mixture", "100"),
        ({**PRIOR, "prior": "normal"}, "components", 50, "model.prior=mixture", "100"),
        ({**PRIOR, "prior": "normal"}, "prior_learning_rate", 0.01, "model.prior=flow", "0.001"),
        (PRIOR, "prior_learning_rate", 0.01, "model.prior=flow", "0.001"),
        (FLOW, "label_dropout", 0.2, "model.conditional=true", "0.1"),
        (STYLE, "batch_norm_eps", 0.001, "BatchNorm, which neither network has", "1e-05"),
    ],
)
def test_a_word_of_no_effect_is_refused_for_a_new_training(
    told: dict[str, Any], word: str, value: Any, needs: str, default: str, tmp_path: Path
) -> None:
    """One training had two names, was trained twice, and searched for what changes nothing."""
    shape = ImageShape(1, 8, 8)
    check_effect(build(told, shape), told)
    other = {**told, word: value}
    model = build(other, shape)
    with pytest.raises(UserError) as caught:
        check_effect(model, other)
    assert str(caught.value) == f"model.{word}={value}: has no effect without {needs}: leave it at {default}"
    save(model, other, shape, (), tmp_path / "weights.safetensors")  # as of a run of before
    assert torch.equal(draw(load(tmp_path / "weights.safetensors").model, 2, 0), draw(model, 2, 0))


@pytest.mark.parametrize(
    "told",
    [
        {**PRIOR, "components": 50},
        {**PRIOR, "prior": "flow", "prior_learning_rate": 0.01, "components": 100},
        {**FLOW, "label_dropout": 0.2, "conditional": True},
        {**GAN, "batch_norm_eps": 0.001, "loss": "r3"},
        {**STYLE, "loss": "nonsaturating", "batch_norm_momentum": 0.01},
    ],
)
def test_a_word_that_has_its_effect_is_taken(told: dict[str, Any]) -> None:
    check_effect(build(told, ImageShape(1, 8, 8), 3), told)


def test_what_is_no_file_or_too_large_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(LARGEST + 1)
    for name, said in {"pipe": "it is not a file", "large": "it is larger than 4096 MiB"}.items():
        with pytest.raises(UserError, match=f"{name} cannot be read .{said}"):
            load(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", b"\x80\x04\x95pickle"])
def test_a_broken_file_is_a_users_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match="cannot be read"):
        load(path)


def test_a_value_that_the_class_does_not_take_is_a_users_error() -> None:
    with pytest.raises(UserError, match=r"model.colour: there is no such key"):
        build(VAE | {"colour": "red"}, ImageShape(1, 8, 8))
    with pytest.raises(UserError, match=r"model.latent_size=0: must be a whole number at least 1"):
        build(VAE | {"latent_size": 0}, ImageShape(1, 8, 8))


def test_every_flipped_bit_of_the_tensors_is_noticed(tmp_path: Path) -> None:
    shape, path = ImageShape(1, 8, 8), tmp_path / "weights.safetensors"
    save(build(VAE, shape), VAE, shape, (), path)
    content = path.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    places = torch.randint(header, len(content), (50,), generator=torch.Generator().manual_seed(0)).tolist()
    for place in places:
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        with pytest.raises(UserError, match="checksum is wrong"):
            load(path)


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"shape": [1, -8, 8]}, "there are no images of 1x-8x8"),
        ({"shape": [0, 8, 8]}, "there are no images of 0x8x8"),
        ({"shape": [1, 8, 9]}, "there are no images of 1x8x9"),
        ({"shape": [3, 8]}, "cannot be read"),
        ({"shape": [3, 40_000, 40_000]}, "its weights are not those of"),
        ({"model": {**VAE, "latent_size": 2**16}}, "its weights are not those of"),
        ({"shape": [3, 8, 8]}, "its weights are not those of"),
        ({"shape": [1, 12, 8]}, "its weights are not those of"),
    ],
)
def test_wrong_sizes_are_one_line_and_take_no_memory(about: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    state = {name: value.contiguous() for name, value in build(VAE, ImageShape(1, 8, 8)).state_dict().items()}
    save_file(state, path, {"genbench": json.dumps({"model": {**VAE}, "shape": [1, 8, 8], **about})})
    built = max_resident()
    with pytest.raises(UserError, match=said) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    assert max_resident() - built < 2**27


def max_resident() -> int:
    """Bytes of memory that this process had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_a_file_of_before_is_read(tmp_path: Path) -> None:
    about = {"model": {**VAE}, "shape": [1, 8, 8]}
    model = build(VAE, ImageShape(1, 8, 8))
    save_file(dict(model.state_dict()), tmp_path / "old.safetensors", {"genbench": json.dumps(about)})
    assert torch.equal(draw(model, 4, 0), draw(load(tmp_path / "old.safetensors").model, 4, 0))


STRANGER = """
from pathlib import Path

Path("ran").touch()

from genbench.models.vae import VAE


class Mine(VAE):
    pass
"""


def test_foreign_code_runs_only_on_the_users_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # importable, and still not imported
    (tmp_path / "strange.py").write_text(STRANGER, encoding="utf-8")
    shape, about = ImageShape(1, 8, 8), VAE | {"_target_": "strange.Mine"}
    save(build(VAE, shape), about, shape, (), tmp_path / "weights.safetensors")
    for call in (lambda: load(tmp_path / "weights.safetensors"), lambda: build(about, shape)):
        with pytest.raises(UserError, match=r"strange.Mine, which is not genbench's.*code=DIR"):
            call()
    assert not (tmp_path / "ran").exists()
    assert type(load(tmp_path / "weights.safetensors", code=str(tmp_path)).model).__name__ == "Mine"
    assert (tmp_path / "ran").exists()


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text("class Odd:\n    pass\n", encoding="utf-8")
    with pytest.raises(UserError, match="Odd is no genbench"):
        build({"_target_": "odd.Odd"}, ImageShape(1, 8, 8), code=str(tmp_path))
    with pytest.raises(UserError, match="there is no module os"):
        build({"_target_": "os.system"}, ImageShape(1, 8, 8), code=str(tmp_path))
