"""What is kept is read back as it was written, or not at all."""

import json
import random
from pathlib import Path

import pytest
import torch

from genbench.data.images import ImageData, Split
from genbench.errors import UserError
from genbench.evaluation.calibrations import SHIPPED, find_calibration, shipped, store
from genbench.evaluation.evaluator import make_evaluator
from genbench.evaluation.stored import read_tensors, write_tensors

FLIPS = 1000
CPU = torch.device("cpu")
SHIPPED_ONES = shipped()


def flipped(content: bytes, moments: random.Random) -> bytes:
    """One bit is another one."""
    place = moments.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << moments.randrange(8)]) + content[place + 1 :]


@pytest.mark.slow
def test_no_flipped_bit_is_read(tmp_path: Path) -> None:
    path, moments = tmp_path / "kept.safetensors", random.Random(0)
    tensors = {"mean": torch.arange(4.0), "network.weight": torch.ones(2, 2), "number": torch.tensor(3.0)}
    facts = {"hash": "0123456789abcdef", "test_accuracy": "0.98"}
    write_tensors(path, tensors, facts)
    found, about = read_tensors(path, CPU)
    assert about == facts
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())
    content = path.read_bytes()
    for _ in range(FLIPS):
        path.write_bytes(flipped(content, moments))
        try:
            found, about = read_tensors(path, CPU)
        except ValueError:
            continue
        # A blank of the header's padding, or the name of what was a checksum: what counts is as it was.
        assert {**about, "about": ""} | facts == {**about, "about": ""}
        assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())


def test_a_reference_that_is_damaged_is_made_again(tmp_path: Path) -> None:
    images = torch.randint(256, (40, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    data = ImageData("noise", Split(images, None), Split(images[:8], None), Split(images[:20], None), ())
    before = make_evaluator(data, tmp_path, CPU).measure(images[20:])
    for path in (tmp_path / "references").glob("*.safetensors"):
        content = path.read_bytes()
        path.write_bytes(content[:-5] + bytes([content[-5] ^ 64]) + content[-4:])  # of a covariance
    assert make_evaluator(data, tmp_path, CPU).measure(images[20:]) == before


def test_no_flipped_bit_of_a_calibration_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genbench.evaluation.calibrations.SHIPPED", tmp_path / "none")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    whole = SHIPPED_ONES[0].model_copy(update={"rows": {}, "doses": {}})
    path, moments = store(whole), random.Random(0)
    content = path.read_bytes()
    for _ in range(200):
        path.write_bytes(flipped(content, moments))
        found = find_calibration(whole.data, whole.protocol, whole.hashes)
        assert isinstance(found, str) or found == whole


def test_what_ships_has_its_checksum() -> None:
    written = [json.loads(path.read_text(encoding="utf-8"))["checksum"] for path in sorted(SHIPPED.glob("*.json"))]
    assert written == [each.digest for each in SHIPPED_ONES]


def test_few_real_images_are_refused_in_one_line(tmp_path: Path) -> None:
    few = Split(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), None)
    with pytest.raises(UserError, match="few has 3 test images, and scores need at least 6: add images"):
        make_evaluator(ImageData("few", few, few, few, ()), tmp_path, CPU)
