"""The exponential moving average of the weights (Polyak & Juditsky 1992; Yazıcı et al. 2019 for GANs)."""

from collections.abc import Callable

import lightning as L
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor
from torch.optim.swa_utils import PARAM_LIST


def moving_average(decay: float) -> Callable[[PARAM_LIST, PARAM_LIST, Tensor | int], None]:
    """The update for torch's AveragedModel: averaged += (1 - d) (current - averaged), in place.

    The average follows faster at first, d = min(decay, (1 + n) / (10 + n)) after n steps, so that a short training is
    not judged by its first weights. Integers (BatchNorm counts its batches) are copied.
    """

    @torch.no_grad()
    def update(averaged: PARAM_LIST, current: PARAM_LIST, steps: Tensor | int) -> None:
        n = int(steps)
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(averaged, current, 1.0 - min(decay, (1 + n) / (10 + n)))
        else:
            for mean, value in zip(averaged, current, strict=True):
                mean.copy_(value)

    return update


class MovingAverage(WeightAveraging):
    """Validation, pictures and the finished model use averaged weights; training goes on with its own."""

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """After every step, and not once more at the end of the only epoch."""
        return step_idx is not None


def averaging(decay: float) -> list[L.Callback]:
    """The callback, or none if the decay is 0."""
    return [MovingAverage(multi_avg_fn=moving_average(decay))] if decay else []
