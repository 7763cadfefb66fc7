"""Several NumPy arrays in a file: .npz."""

import struct
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt

from genbench.cache import regular_file
from genbench.data.found import Arrays, Sliceable
from genbench.data.memory import SHARE, memory
from genbench.errors import UserError


def takes(path: Path) -> bool:
    """By its name."""
    return path.suffix.lower() == ".npz"


def arrays(path: Path) -> Arrays:
    """The arrays by name, but those of Python objects."""
    found: dict[str, Sliceable] = {}
    left_out: dict[str, str] = {}
    try:
        with zipfile.ZipFile(regular_file(path)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > SHARE * memory():
            raise UserError(
                f"{path} holds {size / 2**30:.1f} GiB, more than half of the memory: save the images as a .npy file,"
                ' which is mapped: np.save("images.npy", np.load(FILE)["images"])'
            )
        with np.load(path, allow_pickle=False) as archive:
            for name in archive.files:
                array = _member(archive, name)  # once: it is unpacked each time
                if isinstance(array, str):
                    left_out[name] = array
                elif array.ndim:  # a number is about the others
                    found[name] = array
            return Arrays(found, left_out=left_out)
    except (OSError, ValueError, EOFError, SyntaxError, TypeError, KeyError, TokenError, NotImplementedError) as error:
        raise _unreadable(path, error) from error
    except (struct.error, zlib.error, zipfile.BadZipFile, RuntimeError) as error:  # RuntimeError: it is encrypted
        raise _unreadable(path, error) from error


def _member(archive: Any, name: str) -> npt.NDArray[Any] | str:
    """An array, or why it is none."""
    try:
        member = archive[name]
    except ValueError as error:
        if "Object arrays" not in str(error):
            raise
        return "Python objects, which only pickle reads"
    return member if isinstance(member, np.ndarray) else "no array"  # anything else comes as bytes


def _unreadable(path: Path, error: Exception) -> UserError:
    reason = " ".join(str(error).split())
    return UserError(f"{path} is not a readable array file ({reason}): save it anew with numpy")
