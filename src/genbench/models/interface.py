"""What the rest of genbench needs of a model. A new one is one file here and one in conf/model/.

The class's constructor takes the images' shape and then the keys of its YAML:

    class Mine(Model):
        def __init__(self, shape: ImageShape, *, latent_size: int, ...) -> None

Its networks are its direct submodules: their names and parameter counts are reported.
"""

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from typing import Protocol, runtime_checkable

import lightning as L
import torch
import torch.distributed as dist
from torch import Tensor
from torch.optim import Optimizer


class Model(L.LightningModule):
    """A model that learns images and draws new ones from latent vectors z ~ N(0, I)."""

    latent_size: int

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def generate(self, z: Tensor) -> Tensor:
        """Images (N, C, H, W) in [0, 1] from latent vectors (N, latent_size)."""
        raise NotImplementedError

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        """One whole optimisation step on bytes (B, C, H, W); returns scalars to plot, detached.

        It never waits for the device (no float(), no branch on a value), so that a GPU can record and replay it.
        With `noise` and `descend` it is the same step when several processes share a batch.
        """
        raise NotImplementedError

    def training_step(self, batches: Tensor, index: int) -> dict[str, Tensor]:
        """Steps on bytes (K, B, C, H, W), one batch after another; returns the means of what they return."""
        outputs = []
        for batch in batches:
            outputs.append(self.step(batch))
            torch.clear_autocast_cache()  # it holds the weights of before the step
        means = {name: torch.stack([values[name] for values in outputs]).mean(0) for name in outputs[0]}
        if processes() > 1:
            mean_over_processes(means.values())
        return means

    def noise(self, images: int) -> Tensor:
        """z ~ N(0, I), (images, latent_size): of several processes each gets its part of what one would draw."""
        z = torch.randn(images * processes(), self.latent_size, device=self.device)
        return z if processes() == 1 else z.chunk(processes())[dist.get_rank()]

    def descend(self, losses: Mapping[Optimizer, Tensor]) -> None:
        """One step of every optimizer down its own loss, and of no parameter down another's.

        All gradients are taken before the first step. Of several processes the gradients are averaged here: Lightning
        and DDP do it within a backward pass, of which they expect one a step.
        """
        for optimizer in losses:
            optimizer.zero_grad()
        with self.trainer.strategy.block_backward_sync() if processes() > 1 else nullcontext():  # type: ignore[attr-defined]
            for left, (optimizer, loss) in zip(range(len(losses))[::-1], losses.items(), strict=True):
                self.manual_backward(loss, inputs=_parameters(optimizer), retain_graph=left > 0)
        if processes() > 1:
            parameters = [parameter for optimizer in losses for parameter in _parameters(optimizer)]
            mean_over_processes(parameter.grad for parameter in parameters if parameter.grad is not None)
        for optimizer in losses:
            optimizer.step()


def processes() -> int:
    """How many processes train one model together (DDP)."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def mean_over_processes(tensors: Iterable[Tensor]) -> None:
    """Replace each tensor by its mean over the processes."""
    for tensor in tensors:
        dist.all_reduce(tensor)
        tensor.div_(processes())


def _parameters(optimizer: Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


@runtime_checkable
class Encoding(Protocol):
    """A model with Bernoulli pixels p(x|z) and a posterior q(z|x) = N(mean, diag(exp(log_variance)))."""

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance, each (N, latent_size), of images (N, C, H, W) in [0, 1]."""
        ...

    def decode(self, z: Tensor) -> Tensor:
        """Logits (N, C, H, W) of the pixels' probabilities p(x|z) for latent vectors (N, latent_size)."""
        ...
