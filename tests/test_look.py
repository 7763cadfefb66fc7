"""`genbench data`: what it says of images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from genbench.cli import compose
from genbench.data.sources import load_data
from genbench.verbs.data import costs, levels
from tests.small import small_digits


class _Largest(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the most values of a tensor that is made, and is no view of another."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.place = images.untyped_storage().data_ptr()
        self.values = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, Tensor) and made.untyped_storage().data_ptr() != self.place:
            self.values = max(self.values, made.numel())
        return made


@pytest.mark.slow  # a dispatch mode takes long to import
def test_values_are_looked_at_some_images_at_a_time() -> None:
    """All pixels at once became floats, four times the bytes of images that lie on the disk for being too many."""
    pixels = np.random.default_rng(0).integers(3, 250, (500, 3, 32, 32), dtype=np.uint8)
    images = torch.from_numpy(pixels)
    with _Largest(images) as largest:
        found = levels(images)
    assert found[:2] == (3, 249)
    assert found[2] == pytest.approx(pixels.mean(), rel=1e-12)
    assert largest.values < images.numel() / 5


def test_one_image_is_looked_at_as_well() -> None:
    assert levels(torch.full((1, 1, 4, 4), 7, dtype=torch.uint8)) == (7, 7, 7.0)


@pytest.mark.slow
def test_a_model_that_takes_no_single_image_is_said_to(tmp_path: Path) -> None:
    """BatchNorm's error ended the verb in a traceback, with the picture written."""
    (config,) = compose("data", [*small_digits(tmp_path), "data.batch_size=1"]).configs
    table = costs(load_data(config.data), config)
    said = dict(zip(*(column.cells for column in table.columns), strict=True))
    assert "DCGAN cannot be trained on one image at a time" in str(said["gan"])
    assert {model for model, cost in said.items() if "one image" not in str(cost)} >= {"vae", "flow"}
