from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import lightning
import numpy as np
import pytest
import torch
from torch import Tensor

from genbench.data.datamodule import Batches, ImageDataModule, InOrder, epoch_order
from genbench.data.images import ImageData, Split


def numbered(n: int) -> Tensor:
    """n one-pixel images that carry their own index."""
    return torch.arange(n, dtype=torch.uint8).reshape(n, 1, 1, 1)


def seen(batches: Sequence[Tensor] | Batches, k: int) -> list[list[int]]:
    return [batch.flatten().tolist() for batch in islice(batches, k)]


def flat(lists: list[list[int]]) -> list[int]:
    return [item for part in lists for item in part]


def fake_load(root: str | None) -> ImageData:
    train, validation, test = [Split(numbered(n), torch.zeros(n, dtype=torch.int64)) for n in (50, 7, 11)]
    return ImageData(f"fake {root}", train, validation, test, ("only",))


def test_stream_is_one_permutation_after_another() -> None:
    stream = flat(seen(Batches(numbered(30), 7, seed=3), 30))
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
def test_every_batch_is_whole_and_counted(batch_size: int) -> None:
    images = torch.randint(0, 256, (30, 3, 4, 8), dtype=torch.uint8)
    batches = Batches(images, batch_size, seed=0)
    for k, batch in enumerate(islice(batches, 20), start=1):
        assert batch.shape == (1, batch_size, 3, 4, 8)
        assert batch.dtype == torch.uint8
        assert batches.images_seen == k * batch_size


@pytest.mark.parametrize("batch_size", [7, 75])
@pytest.mark.parametrize("start", [0, 1, 7, 29, 30, 31, 93])
def test_start_anywhere_continues_the_same_stream(batch_size: int, start: int) -> None:
    whole = flat(seen(Batches(numbered(30), 1, seed=3), start + 4 * batch_size))
    assert flat(seen(Batches(numbered(30), batch_size, 3, start), 4)) == whole[start:]


def test_stacked_batches_are_the_same_stream() -> None:
    stacked = Batches(numbered(30), 7, seed=3, trips=lambda images_seen: iter([3, 1, 5]))
    stacks = list(stacked)
    assert [stack.shape[:2] for stack in stacks] == [(3, 7), (1, 7), (5, 7)]
    assert torch.cat(stacks).flatten(1).tolist() == seen(Batches(numbered(30), 7, seed=3), 9)


def test_when_the_trips_end_the_next_ones_go_on() -> None:
    asked = []

    def trips(images_seen: int) -> Iterator[int]:
        asked.append(images_seen)
        return iter([1, 1])

    batches = Batches(numbered(30), 7, seed=3, start=14, trips=trips)
    assert seen(batches, 99) + seen(batches, 99) == seen(Batches(numbered(30), 7, seed=3, start=14), 4)
    assert asked == [14, 28]


def test_iter_does_not_rewind() -> None:
    batches = Batches(numbered(30), 7, seed=3)
    assert seen(batches, 2) + seen(batches, 2) == seen(Batches(numbered(30), 7, seed=3), 4)


@pytest.mark.parametrize(("n", "batch_size", "start"), [(0, 1, 0), (5, 0, 0), (5, 1, -1)])
def test_batches_that_could_not_go_on_are_refused(n: int, batch_size: int, start: int) -> None:
    with pytest.raises(ValueError, match="images"):
        Batches(numbered(n), batch_size, 0, start)


def test_in_order_yields_all_images_once() -> None:
    images = torch.randint(0, 256, (1203, 1, 4, 4), dtype=torch.uint8)
    batches = InOrder(images)
    assert len(batches) == 3
    assert [len(batch) for batch in batches] == [500, 500, 203]
    assert torch.equal(torch.cat(list(batches)), images)
    assert torch.equal(batches[2], images[1000:])


def test_data_is_read_once_and_only_when_needed() -> None:
    roots = []

    def load(root: str | None) -> ImageData:
        roots.append(root)
        return fake_load(root)

    module = ImageDataModule(load, "somewhere", batch_size=4, seed=0)
    assert roots == []
    module.prepare_data()
    module.setup("fit")
    assert roots == ["somewhere"]
    assert module.data.name == "fake somewhere"
    assert sorted(flat(seen(module.train_dataloader(), 25))[:50]) == list(range(50))
    assert flat(seen(module.val_dataloader(), 9)) == list(range(7))
    assert flat(seen(module.test_dataloader(), 9)) == list(range(11))


def test_training_set_smaller_than_a_batch() -> None:
    (batch,) = seen(ImageDataModule(fake_load, None, batch_size=128, seed=0).train_dataloader(), 1)
    assert len(batch) == 128
    assert sorted(batch[:50]) == list(range(50))


class Recorder(lightning.LightningModule):
    """Notes which images each training step was given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.steps: list[list[int]] = []
        self.validated: list[list[int]] = []

    def training_step(self, batch: Tensor) -> Tensor:
        self.steps.append(batch.flatten().tolist())
        return self.weight.sum()

    def validation_step(self, batch: Tensor) -> None:
        self.validated.append(batch.flatten().tolist())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Calendar:
    """A schedule: it stands after 21 images, and an epoch has two trips of two batches."""

    images_seen = 21

    def trips(self, images_seen: int) -> Iterator[int]:
        return iter([2, 2])


# Lightning 2.6 under torch 2.14.
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
def test_lightning_takes_the_stream_up_where_the_schedule_stands_and_validates_when_trips_end(tmp_path: Path) -> None:
    module = Recorder()
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=3,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    data = ImageDataModule(fake_load, None, batch_size=7, seed=3)
    data.schedule = Calendar()
    trainer.fit(module, datamodule=data)
    assert flat(module.steps) == flat(seen(Batches(numbered(50), 7, seed=3, start=21), 12))
    assert len(module.steps) == 6
    assert module.validated == [list(range(7))] * 3
