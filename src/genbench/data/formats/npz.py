"""Several NumPy arrays in a file: .npz."""

import struct
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError

import numpy as np

from genbench.cache import regular_file
from genbench.data.found import Sliceable
from genbench.data.memory import SHARE, memory
from genbench.errors import UserError


def takes(path: Path) -> bool:
    """By its name."""
    return path.suffix.lower() == ".npz"


def arrays(path: Path) -> dict[str, Sliceable]:
    """The arrays by name, but those of Python objects."""
    try:
        with zipfile.ZipFile(regular_file(path)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > SHARE * memory():
            raise UserError(
                f"{path} holds {size / 2**30:.1f} GiB, more than half of the memory: save the images as a .npy file,"
                ' which is mapped: np.save("images.npy", np.load(FILE)["images"])'
            )
        with np.load(path, allow_pickle=False) as archive:
            read = ((name, archive[name]) for name in archive.files)  # each once: it is unpacked each time
            # A member that is no array comes as bytes.
            found = ((name, array) for name, array in read if isinstance(array, np.ndarray) and array.dtype.kind != "O")
            return {name: array for name, array in found if array.ndim}  # a number is about the others
    except (OSError, ValueError, EOFError, SyntaxError, TypeError, KeyError, TokenError, NotImplementedError) as error:
        raise _unreadable(path, error) from error
    except (struct.error, zlib.error, zipfile.BadZipFile, RuntimeError) as error:  # RuntimeError: it is encrypted
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> UserError:
    reason = " ".join(str(error).split())
    return UserError(f"{path} is not a readable array file ({reason}): save it anew with numpy")
