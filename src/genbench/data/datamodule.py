"""Whole batches of unsigned bytes for Lightning, in an order that seed and position alone determine."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import repeat
from typing import Protocol, overload

import lightning
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genbench.data.images import ImageData

WATCHED = 1000  # validation images whose losses are worked out while a model trains
EVALUATION_BATCH = 500  # images; validation and test sets are divided into batches of this size


class Schedule(Protocol):
    """Where a training stands, and what comes next."""

    images_seen: int

    def trips(self, images_seen: int) -> Iterator[int]:
        """Numbers of batches that are to come stacked, one after another, from so many images on."""
        ...


class Batches:
    """An endless stream of whole batches: epoch after epoch, each in an order of its own, joined end to end.

    No image is left out and no batch is short: after k batches exactly k * batch_size images were seen, and a
    stream that starts at that number goes on as if it had never stopped. `iter` does not rewind it. Batches come
    stacked, as many at a time as `trips` says; when it ends, so does the iteration, and the next one goes on.
    """

    def __init__(
        self,
        images: Tensor,
        batch_size: int,
        seed: int,
        start: int = 0,
        trips: Callable[[int], Iterator[int]] = lambda images_seen: repeat(1),
        part: tuple[int, int] = (0, 1),
    ) -> None:
        """Stream the images.

        Args:
            images: (N, C, H, W) uint8; the batches are made on the device where they are.
            batch_size: images in a batch; may exceed N.
            seed: of the order, not negative; the order is the same on every device.
            start: how many images of the stream were seen before; any number.
            trips: numbers of batches that come stacked, given how many images were seen.
            part: (i, n): of every batch only the i-th of n equal parts, for a training by n processes.
        """
        if batch_size % part[1]:
            raise ValueError(f"batch_size={batch_size} cannot be divided by {part[1]}")
        if len(images) == 0 or batch_size < 1 or start < 0:
            raise ValueError(f"{len(images)} images, batch_size={batch_size}, start={start}")
        self.images = images
        self.batch_size = batch_size
        self.seed = seed
        self.images_seen = start
        self.trips = trips
        self.part = part
        self._order: tuple[int, Tensor] | None = None  # the current epoch and its order

    def __iter__(self) -> Iterator[Tensor]:
        """Batches (K, batch_size, C, H, W), or the part of them that is wanted."""
        for batches in self.trips(self.images_seen):
            yield self._next(batches)

    def _next(self, batches: int) -> Tensor:
        indices = []
        missing = batches * self.batch_size
        while missing:
            epoch, position = divmod(self.images_seen, len(self.images))
            taken = self._epoch(epoch)[position : position + missing]
            indices.append(taken)
            missing -= len(taken)
            self.images_seen += len(taken)
        part, parts = self.part
        chosen = torch.cat(indices).view(batches, parts, -1)[:, part].flatten()
        # NumPy gathers in one thread: PyTorch's threads cost more than this copy where the cores are busy.
        cpu = self.images.is_cpu
        images = torch.from_numpy(self.images.numpy()[chosen.numpy()]) if cpu else self.images[chosen]
        return images.view(batches, -1, *images.shape[1:])

    def _epoch(self, epoch: int) -> Tensor:
        if self._order is None or self._order[0] != epoch:
            order = torch.from_numpy(epoch_order(len(self.images), self.seed, epoch))
            self._order = epoch, order.to(self.images.device)
        return self._order[1]


def epoch_order(n: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """The order of the n images in one epoch: (n,) int64, a permutation."""
    return np.random.default_rng([seed, epoch]).permutation(n)


class InOrder(Sequence[Tensor]):
    """All images in file order, in batches of which the last may be shorter."""

    # Not a list: Lightning takes a list for several loaders.
    def __init__(self, images: Tensor, batch_size: int = EVALUATION_BATCH) -> None:
        self._batches: tuple[Tensor, ...] = torch.split(images, batch_size)

    def __len__(self) -> int:
        return len(self._batches)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Tensor]: ...
    def __getitem__(self, index: int | slice) -> Tensor | Sequence[Tensor]:
        return self._batches[index]


class ImageDataModule(lightning.LightningDataModule):
    """Any data set under the protocol. All batches are uint8, without labels, and made on the training's device."""

    def __init__(self, load: Callable[[str | None], ImageData], root: str | None, batch_size: int, seed: int) -> None:
        """Describe the data; nothing is read yet.

        Args:
            load: what reads the data set, such as `genbench.data.mnist.load`.
            root: where it is to be read from, if the user said so.
            batch_size: training images in a batch.
            seed: of the order of the training images.
        """
        super().__init__()
        self.load = load
        self.root = root
        self.batch_size = batch_size
        self.seed = seed
        self.schedule: Schedule | None = None  # of the training; without one batches come singly, from the first

    @cached_property
    def data(self) -> ImageData:
        """The data set, read at the first use."""
        return self.load(self.root)

    def prepare_data(self) -> None:
        """Fetch what is not on this machine; Lightning calls this once a node."""
        _ = self.data

    def setup(self, stage: str) -> None:
        """Read the data into memory."""
        _ = self.data

    def train_dataloader(self) -> Batches:
        """The training images, endless, from where the training stands."""
        images = self.data.train.images.to(self._device)
        part = (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)
        if self.schedule is None:
            return Batches(images, self.batch_size, self.seed, part=part)
        return Batches(images, self.batch_size, self.seed, self.schedule.images_seen, self.schedule.trips, part)

    def val_dataloader(self) -> InOrder:
        """Up to 1,000 of the validation images, spread evenly over them, once: training is watched, not scored."""
        chosen = torch.linspace(0, len(self.data.validation) - 1, min(WATCHED, len(self.data.validation))).long()
        return InOrder(self.data.validation.images[chosen].to(self._device))

    @property
    def _device(self) -> torch.device:
        return torch.device("cpu") if self.trainer is None else self.trainer.strategy.root_device

    def test_dataloader(self) -> InOrder:
        """The test images, once."""
        return InOrder(self.data.test.images)
