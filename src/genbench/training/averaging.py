"""The exponential moving average of the weights (Polyak & Juditsky 1992; Yazıcı et al. 2019 for GANs)."""

import lightning as L
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor
from torch.optim.swa_utils import PARAM_LIST


class MovingAverage(WeightAveraging):
    """Validation, pictures and the finished model use averaged weights; training goes on with its own.

    The average follows faster at first, decay min(decay, (1 + n) / (10 + n)) after n steps, so that a short training
    is not judged by its first weights.
    """

    def __init__(self, decay: float) -> None:
        def update(averaged: PARAM_LIST, current: PARAM_LIST, steps: Tensor | int) -> None:
            n = int(steps)
            if averaged[0].is_floating_point():
                torch._foreach_lerp_(averaged, current, 1.0 - min(decay, (1 + n) / (10 + n)))
            else:  # BatchNorm counts its batches
                for mean, value in zip(averaged, current, strict=True):
                    mean.copy_(value)

        super().__init__(multi_avg_fn=torch.no_grad()(update))

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:  # noqa: D102
        return step_idx is not None


def averaging(decay: float) -> list[L.Callback]:
    """The callback, or none if the decay is 0."""
    return [MovingAverage(decay)] if decay else []
