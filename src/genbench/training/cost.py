"""What a training needs of the machine."""

import resource
import sys

import torch


def peak_memory_bytes(accelerator: str) -> int:
    """The most memory so far: of the GPU where one trains, else of the process."""
    if accelerator == "cuda":
        return torch.cuda.max_memory_allocated()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes there, kibibytes on Linux
