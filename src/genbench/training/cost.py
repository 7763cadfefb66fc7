"""What a training step costs."""

import resource
import sys
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

COUNTED_BATCH = 2  # the third: what is done only once at the start is over


class Cost(L.Callback):
    """Counts the floating point operations of one step, forward, backward and all, with PyTorch's own counter.

    Attributes:
        flops_per_image: of training, per real image; None if no step was counted.
    """

    def __init__(self) -> None:
        self.flops_per_image: float | None = None
        self._counter: FlopCounterMode | None = None

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Tensor, batch_idx: int
    ) -> None:
        """Begin to count at one early step."""
        if batch_idx == COUNTED_BATCH:
            self._counter = FlopCounterMode(display=False)
            self._counter.__enter__()  # type: ignore[no-untyped-call]

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Tensor, batch_idx: int
    ) -> None:
        """Stop counting after that step."""
        if self._counter is not None:
            self._counter.__exit__(None, None, None)  # type: ignore[no-untyped-call]
            self.flops_per_image = self._counter.get_total_flops() / len(batch)
            self._counter = None


def peak_memory_bytes(accelerator: str) -> int:
    """The most memory so far: of the GPU where one trains, else of the process."""
    if accelerator == "cuda":
        return torch.cuda.max_memory_allocated()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes there, kibibytes on Linux
