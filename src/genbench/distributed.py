"""Several processes that train one model together (DDP)."""

from collections.abc import Iterable

import torch.distributed as dist
from torch import Tensor


def processes() -> int:
    """How many processes train one model together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this one is, from 0."""
    return dist.get_rank() if processes() > 1 else 0


def mean_over_processes(tensors: Iterable[Tensor]) -> None:
    """Replace each tensor by its mean over the processes."""
    for tensor in tensors:
        dist.all_reduce(tensor)
        tensor.div_(processes())
