"""Images side by side in one, as torchvision's make_grid lays them out; torchvision takes longer to import than all of
this package."""

from torch import Tensor


def tiled(images: Tensor, columns: int, gap: int = 0, empty: int = 0) -> Tensor:
    """Images row by row in one, (3, h, w); one image alone is that image.

    Args:
        images: (N, C, H, W) uint8, N at least 1, of one channel or three.
        columns: of the grid, if there are so many images.
        gap: pixels around every image.
        empty: the value of the gaps and of a last row's rest.
    """
    images = images.expand(-1, 3, -1, -1)
    if len(images) == 1:
        return images[0]
    columns = min(columns, len(images))
    height, width = images.shape[2] + gap, images.shape[3] + gap
    whole = images.new_full((3, -(-len(images) // columns) * height + gap, columns * width + gap), empty)
    for i, image in enumerate(images):
        top, left = i // columns * height + gap, i % columns * width + gap
        whole[:, top : top + images.shape[2], left : left + images.shape[3]] = image
    return whole
