"""How `genbench train` takes a model's steps: several at once, counted once, on CUDA replayed from one graph."""

import logging
from collections.abc import Mapping
from typing import Any

import lightning as L
import torch
from rich.console import Console
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from genbench.data.batches import Batch, Chunk
from genbench.distributed import mean_over_processes, processes
from genbench.models.model import Model
from genbench.training.cost import forget_peak_memory

log = logging.getLogger(__name__)

STEPS_PER_CHUNK = {"cuda": 50}  # through Lightning's loop; elsewhere 1, for there the loop costs little beside a step
EAGER_STEPS = 3  # before a capture, as PyTorch asks: what is made at first use, such as Adam's moments, is there then


class Steps(L.Callback):
    """Stands before the model's `training_step` while it trains: takes the steps of a chunk, one after another.

    The first step is counted. On a GPU the fourth of each stage is captured, and from then on replayed: the captured
    kernels and nothing else, without Python and without launches one by one. A replay leaves weights, moments,
    BatchNorm's statistics and the random state as the step would have. Batches of another shape are launched as usual,
    and so are the steps that several processes take together.

    Attributes:
        flops_per_image: floating point operations of one step by PyTorch's own counter, over its images.
    """

    def __init__(self, console: Console) -> None:
        self.flops_per_image: float | None = None
        self._console = console
        self._stage = ""
        self._taken = 0  # in this stage
        self._graph: torch.cuda.CUDAGraph | None = None
        self._stream: Any = None
        self._batch = Batch(torch.empty(0))  # what the graph reads
        self._names: list[str] = []
        self._values = torch.empty(0)  # what the graph writes, by name

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take the model's place."""
        if not isinstance(pl_module, Model):
            raise TypeError(f"{type(pl_module).__name__} is no genbench.models.model.Model")
        forget_peak_memory(pl_module.device.type)
        self._model = pl_module
        pl_module.training_step = self.training_step  # type: ignore[method-assign]

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Give it back, with the graph's memory."""
        del pl_module.training_step, self._model
        self._graph = None

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"flops_per_image": self.flops_per_image}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """A training that goes on has its first step behind it."""
        self.flops_per_image = state_dict["flops_per_image"]

    def training_step(self, batch: Chunk, batch_idx: int) -> dict[str, Tensor]:
        """Steps on the batches of a chunk; returns the means of their scalars."""
        outputs = [self._step(part) for part in batch.batches()]
        means = {name: torch.stack([values[name] for values in outputs]).mean(0) for name in outputs[0]}
        if processes() > 1:
            mean_over_processes(means.values())
        return means

    def _step(self, batch: Batch) -> dict[str, Tensor]:
        if self._stage != self._model.stage:  # other losses, other kernels
            self._stage, self._taken, self._graph = self._model.stage, 0, None
        self._taken += 1
        if self.flops_per_image is None:
            with FlopCounterMode(display=False) as counter:
                outputs = self._eager(batch)
            self.flops_per_image = counter.get_total_flops() / len(batch.images)
            return outputs
        if batch.images.is_cuda and self._taken == EAGER_STEPS + 1 and processes() == 1:
            self._capture(batch)
        if self._graph is None or batch.images.shape != self._batch.images.shape:
            return self._eager(batch)
        self._batch.images.copy_(batch.images)
        if self._batch.labels is not None and batch.labels is not None:
            self._batch.labels.copy_(batch.labels)
        self._graph.replay()
        return dict(zip(self._names, self._values.clone().unbind(), strict=True))

    def _eager(self, batch: Batch) -> dict[str, Tensor]:
        if not batch.images.is_cuda or self._taken > EAGER_STEPS:
            return self._model.step(batch)
        # Autograd ties gradients to the stream of their first use, and the default stream cannot be captured.
        self._stream = self._stream or torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            outputs = self._model.step(batch)
        torch.cuda.current_stream().wait_stream(self._stream)
        return outputs

    def _capture(self, batch: Batch) -> None:
        """Record one step without taking it; if that fails, say so and go on without a graph."""
        self._batch = Batch(batch.images.clone(), None if batch.labels is None else batch.labels.clone())
        graph = torch.cuda.CUDAGraph()
        generator = torch.cuda.default_generators[batch.images.get_device()]
        before = generator.clone_state()
        torch.clear_autocast_cache()  # else weights as they were cast before would be read for ever
        try:
            with torch.cuda.graph(graph, stream=self._stream):
                outputs = self._model.step(self._batch)
                self._names, self._values = list(outputs), torch.stack([value.float() for value in outputs.values()])
        except RuntimeError as error:
            generator.graphsafe_set_state(before)  # else it takes itself for captured, and no number is drawn any more
            reason = str(error).strip().splitlines()[0]
            self._console.print(f"no CUDA graph ({reason}): every kernel is launched by itself", soft_wrap=True)
            log.warning("the CUDA graph could not be captured, training goes on without: %s", error)
        else:
            self._graph = graph
