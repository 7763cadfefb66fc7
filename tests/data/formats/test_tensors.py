import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from genbench.data import folder
from genbench.data.formats import format_of, tensors
from tests.data.formats.reading import broken, colour, grey, labels, load, pixels, png, read_or_refused, refusal

LABELS = [i % 3 for i in range(30)]


def images(n: int = 30, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(grey(n, seed=seed))


def saved(path: Path, content: Any, *, old: bool = False) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not old)
    return path


@pytest.mark.parametrize("name", ["a.pt", "a.PTH"])
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("kind", ["pair", "names", "list"])
def test_images_and_labels(tmp_path: Path, name: str, old: bool, kind: str) -> None:
    """MNIST's training.pt was a pair, in the format of before 1.6."""
    pair = (images(), torch.tensor(LABELS))
    content = {"pair": pair, "list": list(pair), "names": {"labels": pair[1], "x": pair[0], "epoch": 3}}[kind]
    found = load(saved(tmp_path / name, content, old=old))
    assert np.array_equal(pixels(found), grey(30))
    assert labels(found) == LABELS
    assert found.notes == ()


def test_one_tensor_is_the_images(tmp_path: Path) -> None:
    for tensor in (images(), images().unsqueeze(1), images() / 255, images().flatten(1).requires_grad_(False)):
        found = load(saved(tmp_path / "anything.pt", tensor))
        assert np.array_equal(pixels(found), grey(30))
    planes = torch.from_numpy(colour(30)).permute(0, 3, 1, 2)
    assert np.array_equal(pixels(load(saved(tmp_path / "b.pt", planes))), colour(30))


def test_half_precision_and_gradients(tmp_path: Path) -> None:
    bits = (images() > 127).to(torch.bfloat16)
    found = load(saved(tmp_path / "a.pt", {"images": bits.requires_grad_()}))
    assert np.array_equal(pixels(found), (grey(30) > 127) * 255)


def test_splits(tmp_path: Path) -> None:
    parts = {"train": (images(), torch.tensor(LABELS)), "test": {"images": images(20, 1), "y": torch.zeros(20)}}
    found = load(saved(tmp_path / "a.pt", parts))
    assert labels(found, "train") == LABELS
    assert np.array_equal(pixels(found, "test"), grey(20, seed=1))
    (tmp_path / "a.pt").unlink()
    saved(tmp_path / "training.pt", (images(), torch.tensor(LABELS)), old=True)
    saved(tmp_path / "test.pt", (images(20, 1), torch.tensor(LABELS[:20])))
    found = load(tmp_path)
    assert labels(found, "train") == LABELS
    assert np.array_equal(pixels(found, "test"), grey(20, seed=1))


def test_safetensors(tmp_path: Path) -> None:
    save_file({"train_images": images(), "train_labels": torch.tensor(LABELS)}, tmp_path / "a.safetensors")
    found = load(tmp_path / "a.safetensors")
    assert np.array_equal(pixels(found, "train"), grey(30))
    assert labels(found, "train") == LABELS


def test_weights_are_nobodys_images(tmp_path: Path) -> None:
    """Beside pictures they are other files, as ever."""
    weights = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Linear(3, 3)).state_dict()
    for content in (weights, {"state_dict": weights, "epoch": 1}):
        assert format_of(saved(tmp_path / "model.pt", content)) is None
    for i, image in enumerate(grey(30)):
        (tmp_path / f"{i}.png").write_bytes(png(image))
    found = load(tmp_path)
    assert len(found.parts["whole"].pictures) == 30
    assert found.notes == ("left out: 1 other file (.pt)",)


def test_samples_of_another_program(tmp_path: Path) -> None:
    read, notes = folder.read_images(str(saved(tmp_path / "samples.pt", images().unsqueeze(1))), 1)
    assert torch.equal(read, images().unsqueeze(1))
    assert notes == ()


class Trap:
    """Unpickled, it would leave a trace."""

    def __init__(self, at: Path) -> None:
        self.at = at

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.at),)


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    for old in (False, True):
        path = saved(tmp_path / "a.pt", {"images": images(), "trap": Trap(tmp_path / "sprung")}, old=old)
        assert "mkdir, which only pickle reads" in refusal(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (torch.utils.data.TensorDataset(torch.zeros(3, 8, 8)), "TensorDataset, which only pickle reads"),
        (torch.nn.Linear(2, 2), "Linear, which only pickle reads"),
        ([torch.zeros(8, 8)] * 3, "a list, torch.stack makes it a tensor"),
        ({"images": images()[:1].expand(40_000, 8, 8)}, "one value stands for many: .contiguous() writes them all"),
        ({"images": images().to_sparse()}, "no plain tensor of numbers"),
        ({"images": torch.zeros(3, 8, 8, dtype=torch.complex64)}, "no plain tensor of numbers"),
        ({"names": "abc"}, "names: str, no tensor"),
        ({}, "there is no tensor in it"),
        (3, "there is no tensor in it"),
    ],
)
def test_what_is_no_tensor_is_refused_in_a_line(tmp_path: Path, content: Any, words: str) -> None:
    said = refusal(saved(tmp_path / "a.pt", content))
    assert words in said
    assert "torch.save(" in said


def test_a_packed_file_is_refused(tmp_path: Path) -> None:
    """Its values would be read from where they are not."""
    path = saved(tmp_path / "a.pt", images())
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as packed:
        for name in archive.namelist():
            packed.writestr(name, archive.read(name))
    assert "it is packed" in refusal(tmp_path / "b.pt")


def test_more_than_the_memory_is_refused_where_it_cannot_be_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "a.pt", images(2000), old=True)
    monkeypatch.setattr(tensors, "memory", lambda: 100_000)
    assert "more than half of the memory" in refusal(path)
    assert len(load(saved(path, images(2000))).parts["whole"].pictures) == 2000


WHOLE = dict.fromkeys(("pt", "old.pt", "safetensors"), b"")


@pytest.fixture(scope="module", autouse=True)
def _whole(tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("whole")
    content = {"images": images(10), "labels": torch.tensor(LABELS[:10])}
    WHOLE["pt"] = saved(place / "a.pt", content).read_bytes()
    WHOLE["old.pt"] = saved(place / "b.pt", content, old=True).read_bytes()
    save_file(content, place / "c.safetensors")
    WHOLE["safetensors"] = (place / "c.safetensors").read_bytes()


@given(
    st.sampled_from(sorted(WHOLE)), st.integers(0, 4000), st.integers(0, 255), st.sampled_from([1000, 1000, 990, 500])
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_broken_bytes(tmp_path: Path, suffix: str, at: int, value: int, length: int) -> None:
    (tmp_path / f"a.{suffix}").write_bytes(broken(WHOLE[suffix], at, value, length))
    read_or_refused(tmp_path / f"a.{suffix}")
