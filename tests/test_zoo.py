"""The models that come with genbench, and how they are packed."""

from pathlib import Path

import numpy as np
import pytest
import torch

import genbench
from benchmarks.zoo import LARGEST, pack
from genbench.cli import compose
from genbench.data.images import ImageShape
from genbench.errors import UserError
from genbench.models.vaegan import VAEGAN
from genbench.models.weights import build, load, save
from genbench.runs.finished import find, zoo
from genbench.runs.records import Scorecard
from genbench.verbs import export, sample

SHAPE = ImageShape(1, 28, 28)
NAMES = tuple("0123456789")
YAML = {"_target_": "genbench.models.vaegan.VAEGAN", "conditional": True, "latent_size": 4, "components": 20}


@pytest.mark.slow
def test_packed_weights_draw_the_same_and_do_nothing_else(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build(YAML, SHAPE, 10)
    save(model, YAML, SHAPE, NAMES, tmp_path / "whole.safetensors")
    path = pack(load(tmp_path / "whole.safetensors"), tmp_path / "packed")
    whole, packed = genbench.load(tmp_path / "whole.safetensors"), genbench.load(tmp_path / "packed")
    assert path.stat().st_size < (tmp_path / "whole.safetensors").stat().st_size / 4
    assert isinstance(packed.model, VAEGAN)
    assert {name for name, _ in packed.model.named_children()} == {"decoder", "prior"}
    assert next(packed.model.parameters()).dtype == torch.float32
    ours, theirs = (each.sample(20, seed=1).astype(int) for each in (whole, packed))
    assert np.abs(ours - theirs).max() <= 1
    for call in (packed.encode, packed.reconstruct):
        with pytest.raises(UserError, match="holds only the networks that draw"):
            call(ours.astype(np.uint8), label=3)
    (config,) = compose("export", [f"run={tmp_path / 'packed'}", "format=safetensors", f"out={tmp_path}"]).configs
    with pytest.raises(UserError, match="holds only the networks that draw"):
        export.run(config)


@pytest.mark.slow
def test_the_zoo_has_a_small_model_of_each_data_set() -> None:
    assert zoo() == ["fashion", "mnist", "optdigits"]
    for name in zoo():
        found = genbench.load(f"zoo://{name}")
        assert isinstance(found.scores, Scorecard)
        assert (found.scores.data, found.scores.level) == (name, "full")
        assert len(found.classes) == 10
        assert found.sample(2, label=found.classes[7]).shape == (2, 1, 28, 28)
        assert find(f"zoo://{name}").weights.stat().st_size < LARGEST
        assert (found.path / "README.md").read_text().startswith("---\nlibrary_name: genbench\n")


def draw_as_told(*words: str) -> None:
    (config,) = compose("sample", words).configs
    sample.run(config)


@pytest.mark.slow
def test_a_model_of_the_zoo_is_drawn_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    draw_as_told("zoo=mnist", "label=7", "n=4", "out=seven.npz")
    assert capsys.readouterr().out == "4 images of mnist, class 7, seed 0: seven.npz\n"
    (tmp_path / "seven.npz").unlink()
    for words, message in (
        (["zoo=minst"], "zoo=minst: there is no such model; there are fashion, mnist, optdigits; did you mean mnist?"),
        (["zoo=../models"], "zoo=../models: there is no such model"),
        (["zoo=mnist", "run=a"], "say what to draw from: run=DIR, or zoo=NAME with one of fashion, mnist, optdigits"),
        (["run=zoo://mnist"], "run=zoo://mnist: must be a file or folder of this machine"),
        (["run=hf://digits"], "run=hf://digits: must be hf://USER/NAME or hf://USER/NAME@REVISION"),
    ):
        with pytest.raises(UserError) as caught:
            draw_as_told(*words)
        assert message in str(caught.value)
    assert [*tmp_path.iterdir()] == []
