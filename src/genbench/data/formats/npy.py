"""One NumPy array in a file: .npy."""

from pathlib import Path
from tokenize import TokenError

import numpy as np

from genbench.cache import regular_file
from genbench.data.found import Sliceable
from genbench.errors import UserError


def takes(path: Path) -> bool:
    """By its name."""
    return path.suffix.lower() == ".npy"


def arrays(path: Path) -> dict[str, Sliceable]:
    """The one array, which is mapped: what is not needed is not read."""
    try:
        # np.load would take a zip, or a pickle, for what it is.
        return {path.stem: np.lib.format.open_memmap(regular_file(path), mode="r")}
    except (OSError, ValueError, EOFError, SyntaxError, TypeError, TokenError, OverflowError) as error:
        reason = " ".join(str(error).split())
        if "Object arrays" in reason or "object" in reason:
            reason = "it holds Python objects, which are not read"
        raise UserError(
            f"{path} is not a readable array file ({reason}): save it anew as numbers,"
            ' np.save("images.npy", np.stack(list(images)).astype("uint8"))'
        ) from error
