"""hf://USER/NAME: what is downloaded, and what is said when it cannot be. The Hub is one on 127.0.0.1."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.torch import save_file

import genbench
from genbench.data.images import ImageShape
from genbench.errors import UserError
from genbench.models import VAE
from genbench.models.weights import save
from genbench.runs import files, finished
from genbench.runs import hub as hub_module
from genbench.runs.records import Absent
from tests.conftest import Command
from tests.runs.example import SCORECARD
from tests.runs.hub import COMMIT, Hub, hub

SHAPE = ImageShape(1, 28, 28)
VAE_YAML = {"_target_": "genbench.models.vae.VAE"}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save(VAE(SHAPE), VAE_YAML, SHAPE, tuple("0123456789"), path)
    return path


@pytest.fixture(scope="module")
def listening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub, and a client that looks there: it reads the environment when it is imported."""
    home = str(tmp_path_factory.mktemp("home"))
    with hub() as found, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in sys.modules if name.partition(".")[0] == "huggingface_hub"]:
            patch.delitem(sys.modules, name)
        for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING"))]:
            patch.delenv(name)
        for name, value in {"HF_ENDPOINT": found.url, "HF_HOME": home, "HF_HUB_DISABLE_XET": "1"}.items():
            patch.setenv(name, value)
        yield found


@pytest.fixture
def there(listening: Hub, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A hub with user/digits, and an empty cache."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    others = {"README.md": b"# A card", "config.json": b"{}", "samples.png": b"", "model.py": b"raise SystemExit"}
    scores = {"scores.json": files.record_text(SCORECARD).encode()}
    listening.files.clear()
    listening.sizes.clear()
    listening.asked.clear()
    listening.silent = False
    listening.files["user/digits"] = {"model.safetensors": weights.read_bytes(), **scores, **others}
    return listening


@pytest.mark.slow
def test_a_repository_is_loaded_as_the_file_is_and_nothing_else_is_asked_for(there: Hub, weights: Path) -> None:
    found = genbench.load("hf://user/digits")
    assert np.array_equal(found.sample(3, seed=1), genbench.load(weights).sample(3, seed=1))
    assert found.scores == SCORECARD
    assert found.classes == tuple("0123456789")
    assert repr(found) == "<VAE of hf://user/digits, images 1x28x28>"
    asked = [path.rpartition("/")[2] for _, path in there.asked]
    assert set(asked) == {"model.safetensors", "scores.json"}
    assert sum(method == "GET" for method, _ in there.asked) == 2
    assert all(f"/resolve/{COMMIT}/" in path for _, path in there.asked if path.endswith("scores.json"))
    with pytest.raises(UserError, match="hf://user/digits is weights alone, without config"):
        _ = found.config


def test_a_revision_is_asked_for(there: Hub) -> None:
    for revision in ("v1", COMMIT):
        assert genbench.load(f"hf://user/digits@{revision}").shape == SHAPE
        assert f"/user/digits/resolve/{revision}/model.safetensors" in [path for _, path in there.asked]


def test_scores_need_not_be_there(there: Hub) -> None:
    del there.files["user/digits"]["scores.json"]
    assert isinstance(genbench.load("hf://user/digits").scores, Absent)


def test_what_was_downloaded_is_there_without_a_network(there: Hub) -> None:
    genbench.load("hf://user/digits")
    there.silent = True
    assert genbench.load("hf://user/digits").scores == SCORECARD
    with pytest.raises(UserError, match=r"^hf://user/other: the Hub cannot be reached, and .* is not in its cache"):
        genbench.load("hf://user/other")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("hf://digits", "hf://digits: must be hf://USER/NAME or hf://USER/NAME@REVISION"),
        ("hf://user/../digits", "hf://user/../digits: must be hf://USER/NAME"),
        ("hf://user/none", "hf://user/none: there is no such repository, or it is private: hf auth login"),
        ("hf://user/private", "hf://user/private: there is no such repository, or it is private: hf auth login"),
        ("hf://user/digits@v9", "hf://user/digits@v9: the repository has no such revision: leave out @v9"),
        ("hf://user/empty", "hf://user/empty: has no model.safetensors: genbench export format=hub writes"),
        ("hf://user/broken", "model.safetensors cannot be read"),
        ("hf://user/pickle", "model.safetensors cannot be read"),
        ("hf://user/foreign", "the model is os.system, which is not genbench's: if you trust it, say where"),
        pytest.param(  # the client tries again for seconds
            *("hf://user/short", "hf://user/short: model.safetensors cannot be downloaded"), marks=pytest.mark.slow
        ),
    ],
)
def test_what_cannot_be_had_is_said_in_one_line(reference: str, message: str, there: Hub, tmp_path: Path) -> None:
    whole = there.files["user/digits"]["model.safetensors"]
    there.private.add("user/private")
    there.files["user/empty"] = {}
    there.files["user/broken"] = {"model.safetensors": whole[:-100]}
    there.files["user/pickle"] = {"model.safetensors": b"\x80\x04cos\nsystem\n(S'touch executed'\ntR."}
    there.files["user/foreign"] = {"model.safetensors": foreign(tmp_path)}
    there.files["user/short"] = {"model.safetensors": whole}
    if reference == "hf://user/short":
        there.sizes["model.safetensors"] = len(whole) + 1000
    with pytest.raises(UserError) as caught:
        genbench.load(reference)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_oversized_file_is_not_downloaded(there: Hub) -> None:
    there.sizes["model.safetensors"] = hub_module.LARGEST["model.safetensors"] + 1
    with pytest.raises(UserError, match=r"model.safetensors is larger than 4096 MiB, and is not downloaded"):
        genbench.load("hf://user/digits")
    assert [method for method, _ in there.asked] == ["HEAD"]


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs huggingface_hub: pip install 'genbench\[hub\]'"):
        finished.find("hf://user/digits")


@pytest.mark.slow
def test_the_command_takes_the_repository_from_where_hf_endpoint_says(
    there: Hub, command: Command, tmp_path: Path
) -> None:
    env = os.environ | {"HF_ENDPOINT": there.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
    out = tmp_path / "samples.png"
    done = command("genbench", "sample", "run=hf://user/digits@main", "n=4", f"out={out}", env=env)
    assert (done.returncode, done.stdout) == (0, f"4 images of digits, seed 0: {out}\n"), done.stderr
    assert (tmp_path / "home" / "hub").is_dir()
    done = command("genbench", "sample", "run=hf://user/none", f"out={out}", env=env)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("or it is private: hf auth login")


def foreign(folder: Path) -> bytes:
    """Weights whose class is not genbench's."""
    source, target = folder / "model.safetensors", folder / "foreign.safetensors"
    with safe_open(source, framework="pt") as file:
        about = json.loads(file.metadata()["genbench"])
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    about["model"] = {"_target_": "os.system", "command": "touch executed"}
    del about["about"]  # as old files had none
    save_file(state, target, {"genbench": json.dumps(about)})
    return target.read_bytes()
