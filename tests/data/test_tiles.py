import pytest
import torch
from torchvision.utils import make_grid

from genbench.data.tiles import tiled


@pytest.mark.parametrize("shape", [(1, 1, 3, 5), (1, 3, 4, 4), (2, 1, 4, 6), (7, 3, 5, 4), (8, 1, 4, 4), (64, 3, 8, 8)])
@pytest.mark.parametrize(("gap", "empty"), [(0, 0), (2, 255)])
@pytest.mark.parametrize("columns", [1, 3, 8])
def test_tiles_are_torchvisions_grid(shape: tuple[int, ...], gap: int, empty: int, columns: int) -> None:
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    expected = make_grid(images, nrow=columns, padding=gap, pad_value=empty)
    assert torch.equal(tiled(images, columns, gap, empty), expected)
