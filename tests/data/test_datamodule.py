from collections.abc import Iterable, Iterator
from itertools import islice, repeat
from pathlib import Path
from types import SimpleNamespace

import lightning
import numpy as np
import pytest
import torch
from torch import Tensor

from genbench.data import datamodule
from genbench.data.batches import Batch, Chunk
from genbench.data.datamodule import Chunks, Epochs, ImageDataModule, InOrder, Stream, epoch_order
from genbench.data.images import ImageData, Split
from genbench.errors import UserError


def numbered(n: int) -> Split:
    """n one-pixel images that carry their own index, and it again as their label."""
    return Split(torch.arange(n, dtype=torch.uint8).reshape(n, 1, 1, 1), torch.arange(n))


def seen(batches: Iterable[Batch | Chunk] | Stream, k: int) -> list[list[int]]:
    """The first k batches' images; their labels must be theirs."""
    given = (batches.take(1) for _ in repeat(None)) if isinstance(batches, Stream) else batches
    found = []
    for images, labels in islice(given, k):
        assert labels is not None
        assert images.flatten().tolist() == labels.flatten().tolist()
        found.append(labels.flatten().tolist())
    return found


def flat(lists: list[list[int]]) -> list[int]:
    return [item for part in lists for item in part]


def fake(n: int = 50) -> ImageData:
    return ImageData("fake", numbered(n), numbered(7), numbered(11), ("only",))


def test_of_mapped_images_the_next_are_read_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = numbered(30)
    split = Split(plain.images, plain.labels, mapped=True)
    read: list[list[int]] = []
    gathered = datamodule._gathered

    def noted(values: Tensor, chosen: Tensor) -> Tensor:
        if values is split.images:
            read.append(chosen.tolist())
        return gathered(values, chosen)

    monkeypatch.setattr(datamodule, "_gathered", noted)
    stream = Stream(split, 7, seed=3)
    for _ in range(9):
        stream.take(1)
        assert stream._reading is not None
        stream._reading.join()
    taken, ahead = read[::2], read[1::2]
    assert taken == seen(Stream(plain, 7, seed=3), 9)
    for before, now in zip(ahead[:-1], taken[1:], strict=True):
        assert before
        assert before == now[: len(before)]  # fewer where an epoch ends


def test_stream_is_one_permutation_after_another() -> None:
    stream = flat(seen(Stream(numbered(30), 7, seed=3), 30))
    assert len(stream) == 210
    epochs = [stream[i : i + 30] for i in range(0, 210, 30)]
    assert all(sorted(epoch) == list(range(30)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 7
    assert epochs == [np.random.default_rng([3, e]).permutation(30).tolist() for e in range(7)]


def test_order_is_a_function_of_seed_and_epoch() -> None:
    assert np.array_equal(epoch_order(1000, 5, 2), epoch_order(1000, 5, 2))
    assert not np.array_equal(epoch_order(1000, 5, 2), epoch_order(1000, 5, 3))
    assert not np.array_equal(epoch_order(1000, 5, 2), epoch_order(1000, 6, 2))
    assert not np.array_equal(epoch_order(1000, 2, 5), epoch_order(1000, 5, 2))
    assert epoch_order(10, 0, 0).tolist() == [4, 6, 2, 7, 3, 5, 9, 0, 8, 1]


@pytest.mark.parametrize("batch_size", [1, 7, 10, 30, 31, 75])
@pytest.mark.parametrize("labels", [None, torch.arange(30)])
def test_every_batch_is_whole_and_counted(batch_size: int, labels: Tensor | None) -> None:
    stream = Stream(Split(torch.randint(0, 256, (30, 3, 4, 8), dtype=torch.uint8), labels), batch_size, seed=0)
    for k in range(1, 20):
        chunk = stream.take(1)
        assert chunk.images.shape == (1, batch_size, 3, 4, 8)
        assert chunk.images.dtype == torch.uint8
        assert (chunk.labels is None) == (labels is None)
        assert stream.images_seen == k * batch_size


@pytest.mark.parametrize("batch_size", [7, 75])
@pytest.mark.parametrize("start", [0, 1, 7, 29, 30, 31, 93])
def test_start_anywhere_continues_the_same_stream(batch_size: int, start: int) -> None:
    whole = flat(seen(Stream(numbered(30), 1, seed=3), start + 4 * batch_size))
    assert flat(seen(Stream(numbered(30), batch_size, 3, start), 4)) == whole[start:]


class Calendar:
    """A schedule: it stands after 21 images, and an epoch has two chunks of two batches."""

    images_seen = 21

    def __init__(self, *chunks: int) -> None:
        self._chunks = chunks or (2, 2)
        self.asked: list[int] = []

    def chunks(self, images_seen: int) -> Iterator[int]:
        self.asked.append(images_seen)
        return iter(self._chunks)


def test_chunks_are_the_same_stream() -> None:
    chunks = list(Chunks(Stream(numbered(30), 7, seed=3), Calendar(3, 1, 5)))
    assert [chunk.images.shape[:2] for chunk in chunks] == [(3, 7), (1, 7), (5, 7)]
    batches = [batch for chunk in chunks for batch in chunk.batches()]
    assert seen(batches, 99) == seen(Stream(numbered(30), 7, seed=3), 9)


def test_when_the_schedule_ends_the_next_iteration_goes_on() -> None:
    calendar = Calendar(1, 1)
    chunks = Chunks(Stream(numbered(30), 7, seed=3, start=14), calendar)
    assert seen(chunks, 99) + seen(chunks, 99) == seen(Stream(numbered(30), 7, seed=3, start=14), 4)
    assert calendar.asked == [14, 28]


def test_epochs_are_the_same_stream_and_each_can_be_had_again() -> None:
    due = 0
    epochs = Epochs(Stream(numbered(30), 7, seed=3), lambda: due)
    assert len(epochs) == 4
    first = seen(epochs, 99)
    assert seen(epochs, 99) == first
    due = 1
    assert first + seen(epochs, 99) == seen(Stream(numbered(30), 7, seed=3), 8)
    assert len(Epochs(Stream(numbered(5), 7, seed=3), lambda: 0)) == 1


@pytest.mark.parametrize(("n", "batch_size", "start"), [(0, 1, 0), (5, 0, 0), (5, 1, -1)])
def test_a_stream_that_could_not_go_on_is_refused(n: int, batch_size: int, start: int) -> None:
    with pytest.raises(ValueError, match="images"):
        Stream(numbered(n), batch_size, 0, start)


def test_in_order_yields_all_images_once() -> None:
    split = Split(torch.randint(0, 256, (1203, 1, 4, 4), dtype=torch.uint8), torch.arange(1203))
    batches = InOrder(split)
    assert len(batches) == 3
    assert [len(batch.images) for batch in batches] == [500, 500, 203]
    assert torch.equal(torch.cat([batch.images for batch in batches]), split.images)
    assert torch.equal(torch.cat([batch.labels for batch in batches if batch.labels is not None]), torch.arange(1203))
    assert InOrder(Split(split.images, None))[2].labels is None


def test_a_data_set_is_found_by_its_name_and_read_when_it_is_needed() -> None:
    module = ImageDataModule("optdigits", batch_size=4)
    assert "data" not in vars(module)
    assert tuple(module.shape) == (1, 28, 28)
    assert module.classes == 10
    assert module.data is module.data
    for name in ("minst", "no such thing", "images.ImageData"):
        with pytest.raises(UserError, match="there is no such data set"):
            _ = ImageDataModule(name).data


def test_the_splits_are_given_as_they_are() -> None:
    module = ImageDataModule(fake(), batch_size=4)
    module.prepare_data()
    module.setup("fit")
    trained = flat(seen(module.train_dataloader(), 99))
    assert len(set(trained)) == len(trained) == 48  # twelve whole batches of the 50
    assert flat(seen(module.val_dataloader(), 9)) == list(range(7))
    assert flat(seen(module.test_dataloader(), 9)) == list(range(11))


def test_images_that_fill_a_gpu_stay_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """They were copied there whole, and the advice was a smaller batch."""
    data = ImageDataModule(fake(), batch_size=4)
    data.trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device("cuda")))  # type: ignore[assignment]
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (data.data.train.images.nbytes, 10**12))
    assert data._on_device(data.data.train).images.device == torch.device("cpu")


def test_training_set_smaller_than_a_batch() -> None:
    (batch,) = seen(ImageDataModule(fake(), batch_size=128).train_dataloader(), 9)
    assert len(batch) == 128
    assert sorted(batch[:50]) == list(range(50))


class Recorder(lightning.LightningModule):
    """Notes which images each training step was given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.steps: list[list[int]] = []
        self.validated: list[list[int]] = []

    def training_step(self, batch: Batch | Chunk) -> Tensor:
        self.steps += seen([batch], 1)
        return self.weight.sum()

    def validation_step(self, batch: Batch) -> None:
        self.validated += seen([batch], 1)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def recorded(data: ImageDataModule, folder: Path) -> Recorder:
    """What three epochs of a Trainer see."""
    module = Recorder()
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=3,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    trainer.fit(module, datamodule=data)
    return module


def test_lightning_takes_the_stream_up_where_the_schedule_stands_and_validates_when_it_ends(tmp_path: Path) -> None:
    data = ImageDataModule(fake(), batch_size=7, seed=3)
    data.schedule = Calendar()
    module = recorded(data, tmp_path)
    assert flat(module.steps) == flat(seen(Stream(numbered(50), 7, seed=3, start=21), 12))
    assert len(module.steps) == 6
    assert module.validated == [list(range(7))] * 3


def test_without_a_schedule_its_epochs_are_lightnings(tmp_path: Path) -> None:
    module = recorded(ImageDataModule(fake(), batch_size=7, seed=3), tmp_path)
    assert module.steps == seen(Stream(numbered(50), 7, seed=3), 3 * 7)
    assert module.validated == [list(range(7))] * 3
