"""Tensors that are worked out once and kept: a safetensors file with a checksum of all that it holds."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from genbench.cache import whole_file
from genbench.models.weights import checksum


def write_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> None:
    """Write tensors and what is to be known of them; OSError if that cannot be."""
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    about = {**facts, "checksum": checksum(kept)}
    with whole_file(path) as temporary:
        save_file(kept, temporary, {**about, "about": _digest(about)})


def read_tensors(path: Path, device: torch.device) -> tuple[dict[str, Tensor], dict[str, str]]:
    """What was written, without its checksums.

    Raises:
        OSError: there is no such file, or it cannot be read.
        ValueError: it is not as it was written.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is not a dict)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    whole = about.pop("about", None)  # files of before have none
    if whole not in (None, _digest(about)) or about.pop("checksum", None) != checksum(tensors):
        raise ValueError("its checksum is wrong")
    return {name: tensor.to(device) for name, tensor in tensors.items()}, about


def _digest(about: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
