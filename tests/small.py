"""Images so small that a training on them takes a second: most of what happens to a training does not ask for more."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits


def small_digits(folder: Path, number: int = 400) -> tuple[str, str]:
    """Words for some of the embedded digits as they are, 8x8, which are put into a folder if they are not there."""
    path = folder / "digits.npz"
    if not path.exists():
        digits = load_digits()
        images = (digits.images * (255 / 16)).round().astype(np.uint8)
        np.savez(path, images=images[:number], labels=digits.target[:number])
    return "data=folder", f"data.root={path}"
