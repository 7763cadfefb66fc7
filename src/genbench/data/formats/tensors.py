"""Tensors as PyTorch saves them, .pt: one, images and labels, or several by their names; and .safetensors."""

import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from genbench.cache import regular_file
from genbench.data.found import Arrays, Sliceable
from genbench.data.memory import SHARE, memory
from genbench.data.names import pairs
from genbench.errors import UserError

_SAFE = ".safetensors"
_SUFFIXES = (".pt", ".pth", _SAFE)
_MOST = 32  # tensors: a model's weights have more, and are no data set
_SMALL = 2**20  # bytes
_UNREADABLE = (
    *(OSError, ValueError, EOFError, TypeError, KeyError, IndexError, AttributeError, ImportError, OverflowError),
    *(RuntimeError, AssertionError, MemoryError, pickle.UnpicklingError, struct.error, zipfile.BadZipFile),
    SafetensorError,
)


def takes(path: Path) -> bool:
    """By its name, and by the names in it: a model's weights are nobody's images. What cannot be read may be some."""
    if path.suffix.lower() not in _SUFFIXES:
        return False
    try:
        found = arrays(path)
    except UserError:
        return True
    return len(found) <= _MOST and bool(pairs(found))


def arrays(path: Path) -> Arrays:
    """The tensors by name, a dictionary's in another by names with a slash; they are mapped where they lie."""
    found: dict[str, Sliceable] = {}
    left_out: dict[str, str] = {}
    try:
        content = _of_safetensors(path) if path.suffix.lower() == _SAFE else _of_torch(path)
        for name, value in _named(content, ""):
            array = _array(value)
            if isinstance(array, str):
                left_out[name or path.stem] = array
            elif array.ndim:  # a number is about the others
                found[name or path.stem] = array
    except _UNREADABLE as error:  # RecursionError is one of them
        what = re.search(r"GLOBAL (\S+)", str(error))  # of many lines of advice
        reason = f"it holds a {what[1]}, which only pickle reads" if what else " ".join(str(error).split())[:200]
        raise _unreadable(path, reason) from error
    if not found:
        said = [f"{name}: {reason}" for name, reason in left_out.items()]
        raise _unreadable(path, said[0] if said else "there is no tensor in it")
    return Arrays(found, left_out=left_out)


def _unreadable(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path} is not a readable file of tensors ({reason}): save it anew,"
        ' torch.save({"images": images, "labels": labels}, "images.pt")'
    )


def _of_safetensors(path: Path) -> Any:
    with safe_open(regular_file(path), framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no dictionary)


def _of_torch(path: Path) -> Any:
    """What torch.save wrote, if nothing of it needs other code to be run."""
    with regular_file(path).open("rb") as file:
        mapped = file.read(4) == b"PK\3\4"
    if mapped:
        with zipfile.ZipFile(path) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise ValueError("it is packed, which torch.save does not do")
    elif path.stat().st_size > SHARE * memory():  # as PyTorch wrote before 1.6
        raise ValueError("it holds more than half of the memory, and is of a kind that cannot be mapped")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tensors that are not wanted here
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)


def _named(content: Any, before: str) -> Iterator[tuple[str, Any]]:
    """Tensors and what else there is, by name; a pair is images and labels, as of a TensorDataset."""
    if isinstance(content, Mapping):
        for name, value in content.items():
            yield from _named(value, f"{before}/{name}" if before else str(name))
    elif isinstance(content, list | tuple) and len(content) == 2 and all(isinstance(each, Tensor) for each in content):
        yield from zip((f"{before}/images".lstrip("/"), f"{before}/labels".lstrip("/")), content, strict=True)
    else:
        yield before, content


def _array(value: Any) -> npt.NDArray[Any] | str:
    """A tensor's values, or why they are none."""
    if isinstance(value, list | tuple):
        return "a list, torch.stack makes it a tensor"
    if not isinstance(value, Tensor):
        return np.empty(()) if isinstance(value, int | float) else f"{type(value).__name__}, no tensor"
    if value.layout is not torch.strided or value.is_quantized or value.is_complex():
        return "no plain tensor of numbers"
    if value.numel() * value.element_size() > max(_SMALL, value.untyped_storage().nbytes()):
        return "one value stands for many: .contiguous() writes them all"
    value = value.detach()
    numbers: npt.NDArray[Any] = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    return numbers
