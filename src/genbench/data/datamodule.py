"""Whole batches of unsigned bytes for Lightning, in an order that seed and position alone determine."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from threading import Thread
from typing import Any, Protocol, overload

import lightning
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genbench.config.data import DataConfig
from genbench.config.schema import CONF
from genbench.data.batches import Batch, Chunk
from genbench.data.images import ImageData, ImageShape, Split
from genbench.data.sources import load_data
from genbench.errors import UserError
from genbench.wording import parse

WATCHED = 1000  # validation images whose losses are worked out while a model trains
RESIDENT = 0.5  # of a GPU's free memory: what is larger stays on the processor's side
EVALUATION_BATCH = 500  # images; validation and test sets are divided into batches of this size


class Schedule(Protocol):
    """Where a training stands, and what comes next."""

    images_seen: int

    def chunks(self, images_seen: int) -> Iterator[int]:
        """Numbers of batches that are to come together, one after another, from so many images on."""
        ...


class Stream:
    """Endless whole batches: epoch after epoch, each in an order of its own, joined end to end.

    No image is left out and no batch is short: after k batches exactly k * batch_size images were seen, and a
    stream that starts at that number goes on as if it had never stopped.
    """

    def __init__(
        self, split: Split, batch_size: int, seed: int, start: int = 0, part: tuple[int, int] = (0, 1)
    ) -> None:
        """Stream the images.

        Args:
            split: the batches are made on the device where its images are.
            batch_size: images in a batch; may exceed their number.
            seed: of the order, not negative; the order is the same on every device.
            start: how many images of the stream were seen before; any number.
            part: (i, n): of every batch only the i-th of n equal parts, for a training by n processes.
        """
        if batch_size % part[1]:
            raise ValueError(f"batch_size={batch_size} cannot be divided by {part[1]}")
        if len(split) == 0 or batch_size < 1 or start < 0:
            raise ValueError(f"{len(split)} images, batch_size={batch_size}, start={start}")
        self.split = split
        self.batch_size = batch_size
        self.seed = seed
        self.images_seen = start
        self.part = part
        self._order: tuple[int, Tensor] | None = None  # the current epoch and its order
        self._reading: Thread | None = None

    def take(self, batches: int) -> Chunk:
        """The next batches, or the part of them that is wanted."""
        indices = []
        missing = batches * self.batch_size
        while missing:
            epoch, position = divmod(self.images_seen, len(self.split))
            taken = self._epoch(epoch)[position : position + missing]
            indices.append(taken)
            missing -= len(taken)
            self.images_seen += len(taken)
        part, parts = self.part
        chosen = torch.cat(indices).view(batches, parts, -1)[:, part].flatten()
        images = _gathered(self.split.images, chosen)
        labels = None if self.split.labels is None else _gathered(self.split.labels, chosen).view(batches, -1)
        if self.split.mapped:
            self._read_ahead(batches * self.batch_size)
        return Chunk(images.view(batches, -1, *images.shape[1:]), labels)

    def _read_ahead(self, count: int) -> None:
        """Have the next images read while these are trained on: then nobody waits for the disk."""
        epoch, position = divmod(self.images_seen, len(self.split))
        due = self._epoch(epoch)[position : position + count]
        if self._reading is not None:
            self._reading.join()
        self._reading = Thread(target=_gathered, args=(self.split.images, due), daemon=True)
        self._reading.start()

    def _epoch(self, epoch: int) -> Tensor:
        if self._order is None or self._order[0] != epoch:
            order = torch.from_numpy(epoch_order(len(self.split), self.seed, epoch))
            self._order = epoch, order.to(self.split.images.device)
        return self._order[1]


def _gathered(values: Tensor, chosen: Tensor) -> Tensor:
    # NumPy gathers in one thread: PyTorch's threads cost more than this copy where the cores are busy.
    return torch.from_numpy(values.numpy()[chosen.numpy()]) if values.is_cpu else values[chosen]


def epoch_order(n: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """The order of the n images in one epoch: (n,) int64, a permutation."""
    return np.random.default_rng([seed, epoch]).permutation(n)


class Chunks:
    """A stream by the training engine's schedule: when it ends, so does the iteration, and the next one goes on."""

    def __init__(self, stream: Stream, schedule: Schedule) -> None:
        self.stream = stream
        self.schedule = schedule

    def __iter__(self) -> Iterator[Chunk]:
        """Chunks of as many batches as the schedule says."""
        for batches in self.schedule.chunks(self.stream.images_seen):
            yield self.stream.take(batches)


class Epochs:
    """A stream by epochs, for an ordinary Trainer: as many whole batches as the images make, at least one.

    What an epoch leaves over comes first in the next one: the batches are those of the endless stream.
    """

    def __init__(self, stream: Stream, epoch: Callable[[], int]) -> None:
        self.stream = stream
        self.epoch = epoch  # which one is due

    def __len__(self) -> int:
        return max(1, len(self.stream.split) // self.stream.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """The batches of the epoch that is due."""
        self.stream.images_seen = self.epoch() * len(self) * self.stream.batch_size
        for _ in range(len(self)):
            yield self.stream.take(1).batches()[0]


class InOrder(Sequence[Batch]):
    """All images in file order, in batches of which the last may be shorter."""

    # Not a list: Lightning takes a list for several loaders.
    def __init__(self, split: Split, batch_size: int = EVALUATION_BATCH) -> None:
        images = torch.split(split.images, batch_size)
        labels = [None] * len(images) if split.labels is None else list(torch.split(split.labels, batch_size))
        self._batches = [Batch(*pair) for pair in zip(images, labels, strict=True)]

    def __len__(self) -> int:
        return len(self._batches)

    @overload
    def __getitem__(self, index: int) -> Batch: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Batch]: ...
    def __getitem__(self, index: int | slice) -> Batch | Sequence[Batch]:
        return self._batches[index]


class ImageDataModule(lightning.LightningDataModule):
    """Any data set under the protocol, in an ordinary Trainer or under `genbench train`.

    Its batches are (images, labels): uint8 (B, C, H, W) and int64 (B,), made on the training's device. An epoch has
    as many whole batches as the training images make.
    """

    def __init__(
        self,
        source: str | ImageData,
        batch_size: int = 64,
        root: str | None = None,
        seed: int = 0,
        **reading: Any,
    ) -> None:
        """Describe the data; nothing is read yet.

        Args:
            source: the name of a data set (mnist, cifar10, folder, ...), or its images.
            batch_size: training images in a batch.
            root: where a named data set is to be read from; for "folder" it must be given.
            seed: of the order of the training images.
            reading: how a named data set is read, as the words of the command line: size=32, limit=500, ...
        """
        super().__init__()
        self.source = source
        self.batch_size = batch_size
        self.root = root
        self.seed = seed
        self.reading = reading
        self.schedule: Schedule | None = None  # of the training engine; without one the batches come by epochs

    @cached_property
    def data(self) -> ImageData:
        """The data set, read at the first use.

        Raises:
            UserError: there is none of this name, or its images cannot be had.
        """
        if isinstance(self.source, ImageData):
            return self.source
        if not self.source.isidentifier() or not (CONF / "data" / f"{self.source}.yaml").is_file():
            known = ", ".join(sorted(path.stem for path in (CONF / "data").glob("*.yaml")))
            raise UserError(f"{self.source}: there is no such data set; take one of {known}")
        given = {"load": f"genbench.data.{self.source}.load", "root": self.root, "batch_size": self.batch_size}
        return load_data(parse(DataConfig, given | self.reading))

    @property
    def shape(self) -> ImageShape:
        """Channels, height and width of an image."""
        return self.data.shape

    @property
    def classes(self) -> int:
        """How many classes the images have; 0 without labels."""
        return len(self.data.classes)

    def prepare_data(self) -> None:
        """Fetch what is not on this machine; Lightning calls this once a node."""
        _ = self.data

    def setup(self, stage: str) -> None:
        """Read the data into memory."""
        _ = self.data

    def train_dataloader(self) -> Chunks | Epochs:
        """The training images, in the order of the seed."""
        split = self._on_device(self.data.train)
        part = (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)
        if self.schedule is not None:
            stream = Stream(split, self.batch_size, self.seed, self.schedule.images_seen, part)
            return Chunks(stream, self.schedule)
        trainer = self.trainer
        return Epochs(
            Stream(split, self.batch_size, self.seed, part=part),
            lambda: 0 if trainer is None else trainer.current_epoch,
        )

    def val_dataloader(self) -> InOrder:
        """Up to 1,000 of the validation images, spread evenly over them, once: training is watched, not scored."""
        validation = self.data.validation
        chosen = torch.linspace(0, len(validation) - 1, min(WATCHED, len(validation))).long()
        labels = None if validation.labels is None else validation.labels[chosen]
        return InOrder(self._on_device(Split(validation.images[chosen], labels)))

    def test_dataloader(self) -> InOrder:
        """The test images, once."""
        return InOrder(self.data.test)

    def predict_dataloader(self) -> InOrder:
        """The test images: a model predicts as many samples."""
        return InOrder(self.data.test)

    def _on_device(self, split: Split) -> Split:
        device = torch.device("cpu") if self.trainer is None else self.trainer.strategy.root_device
        if device.type == "cuda" and split.images.nbytes > RESIDENT * torch.cuda.mem_get_info(device)[0]:
            device = torch.device("cpu")  # from where Lightning moves every chunk
        labels = None if split.labels is None else split.labels.to(device)
        return Split(split.images.to(device), labels, mapped=split.mapped and device.type == "cpu")
