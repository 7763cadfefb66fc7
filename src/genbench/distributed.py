"""Several processes that train one model together (DDP), or one that is alone."""

import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch.distributed as dist
from torch import Tensor

# By these Lightning takes a process for one of several, or its Trainer for another than it was told to be. Any shell
# inside an allocation has some of them.
_OF_SEVERAL = re.compile(
    r"((GLOBAL|LOCAL|GROUP|NODE)_)?RANK|(LOCAL_|GROUP_)?WORLD_SIZE|TORCHELASTIC_RUN_ID|SLURM_(PROCID|LOCALID|NODEID)"
    r"|SLURM_NTASKS(_PER_NODE)?|(JSM_NAMESPACE|PMI|PMIX|OMPI_COMM_WORLD)_.*|LSB_JOBID|PL_TRAINER_.*"
)


@contextmanager
def alone() -> Iterator[None]:
    """A process that is to train by itself: what the environment says of others is not looked at."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if _OF_SEVERAL.fullmatch(name)}
    known = sys.modules.get("lightning_utilities.core.rank_zero")
    if known is not None:  # imported while they were there
        known.rank_zero_only.rank = 0
    try:
        yield
    finally:
        os.environ.update(hidden)


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
