"""The exponential moving average of the weights (Polyak & Juditsky 1992; Yazıcı et al. 2019 for GANs)."""

from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

from genbench.data.batches import Chunk


class MovingAverage(WeightAveraging):
    """Validation, pictures and the finished model use averaged weights; training goes on with its own.

    Once a chunk of k steps: averaged += (1 - d^k) (current - averaged). A new stage of the training begins with the
    averaged weights, and a new average.
    """

    def __init__(self, decay: float) -> None:
        super().__init__()
        self._decay = decay
        self._steps = 0  # counted here: Lightning counts a step for each optimizer, and waits for the device
        self._pairs: list[tuple[Tensor, Tensor]] = []  # average and present value; the same tensors all along

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the average, integers (BatchNorm counts its batches) excepted: they are copied."""
        self._find_pairs(pl_module)
        steps = len(batch.images) if isinstance(batch, Chunk) else 1
        moved = [pair for pair in self._pairs if pair[0].is_floating_point()]
        kept = share_kept(self._decay, self._steps, steps)
        torch._foreach_lerp_([mean for mean, _ in moved], [value for _, value in moved], 1.0 - kept)
        for mean, value in self._pairs:
            if not mean.is_floating_point():
                mean.copy_(value)
        self._steps += steps

    @torch.no_grad()
    def adopt(self, pl_module: L.LightningModule) -> None:
        """Give the model its averaged weights, and begin a new average."""
        self._find_pairs(pl_module)
        for mean, value in self._pairs:
            value.copy_(mean)
        self._steps = 0

    @torch.no_grad()
    def restart(self, pl_module: L.LightningModule) -> None:
        """The average becomes what the model is now."""
        self._find_pairs(pl_module)
        for mean, value in self._pairs:
            mean.copy_(value)

    def _find_pairs(self, pl_module: L.LightningModule) -> None:
        if not self._pairs:
            if self._average_model is None:
                raise RuntimeError("there is no average before the training is set up")
            both = [[*part.parameters(), *part.buffers()] for part in (self._average_model.module, pl_module)]
            self._pairs = list(zip(*both, strict=True))

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps besides the averages."""
        return {**super().state_dict(), "steps": self._steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the count of a checkpoint."""
        super().load_state_dict(state_dict)
        self._steps = state_dict["steps"]


def share_kept(decay: float, steps: int, more: int) -> float:
    """What is left of an average after some steps when more were taken: the product of each one's decay.

    The average follows faster at first, with d = min(decay, (1 + n) / (10 + n)) after n steps, so that a short
    training is not judged by its first weights.
    """
    kept = 1.0
    for n in range(steps, steps + more):
        kept *= min(decay, (1 + n) / (10 + n))
    return kept
