"""A step of several optimizers, each down a loss of its own."""

from collections.abc import Iterable, Mapping
from contextlib import nullcontext

import lightning as L
import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor

from genbench.distributed import mean_over_processes, processes


def descend(
    module: L.LightningModule,
    optimizers: Mapping[str, LightningOptimizer],
    losses: Mapping[str, Tensor],
    is_counted: bool,
) -> None:
    """One step of every optimizer down its own loss.

    Of several processes the gradients are averaged here: Lightning and DDP do it within a backward pass, of which they
    expect one a step.

    Args:
        module: in a Trainer.
        optimizers: of it, by name.
        losses: by the optimizer's name.
        is_counted: whether `trainer.global_step` counts this one: Lightning would count a batch once for each.
    """
    stepping = [optimizers[name] for name in losses]
    for optimizer in stepping:
        optimizer.zero_grad()
    with module.trainer.strategy.block_backward_sync() if processes() > 1 else nullcontext():  # type: ignore[attr-defined]
        for left, (optimizer, loss) in zip(
            range(len(losses))[::-1], zip(stepping, losses.values(), strict=True), strict=True
        ):
            module.manual_backward(loss, inputs=_parameters(optimizer), retain_graph=left > 0)
    if processes() > 1:
        parameters = [parameter for optimizer in stepping for parameter in _parameters(optimizer)]
        mean_over_processes(parameter.grad for parameter in parameters if parameter.grad is not None)
    for optimizer in stepping:
        if is_counted:
            optimizer.step()
        else:
            module.trainer.strategy.optimizer_step(optimizer.optimizer, lambda: None, module)
        is_counted = False
    torch.clear_autocast_cache()  # it holds the weights of before the step


def set_rates(optimizers: Iterable[LightningOptimizer], factor: float) -> None:
    """The learning rates that they began with, times a factor.

    On CUDA a rate becomes a tensor, for a recorded step reads those alone anew.

    Raises:
        TypeError: an optimizer on CUDA that takes no tensors, and would go on with the rate that was recorded.
    """
    for group in (group for optimizer in optimizers for group in optimizer.optimizer.param_groups):
        rate = group.setdefault("initial_lr", float(group["lr"])) * factor
        device = group["params"][0].device
        if device.type != "cuda":
            group["lr"] = rate
        elif not group.get("capturable"):
            raise TypeError("on CUDA a learning rate that changes needs an optimizer with capturable=True: Model.adam")
        elif isinstance(group["lr"], Tensor) and group["lr"].device == device:
            group["lr"].fill_(rate)
        else:  # at the start, and from a checkpoint
            group["lr"] = torch.tensor(rate, device=device)


def _parameters(optimizer: LightningOptimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
