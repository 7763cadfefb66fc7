"""What loaders give is taken as bytes, or refused with the reason."""

import pytest
import torch

from genbench.data.batches import Batch, Chunk, as_batch
from genbench.errors import UserError

BYTES = torch.randint(0, 256, (5, 3, 4, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(5)
SHAPE = (3, 4, 8)


@pytest.mark.parametrize(
    "given", [BYTES, [BYTES], (BYTES,), Batch(BYTES), BYTES.float() / 255, (BYTES.double() / 255,)]
)
def test_images_alone(given: object) -> None:
    batch = as_batch(given, SHAPE)
    assert torch.equal(batch.images, BYTES)
    assert batch.images.dtype == torch.uint8
    assert batch.labels is None


@pytest.mark.parametrize("labels", [LABELS, LABELS.int(), LABELS.tolist()])
def test_images_and_labels(labels: object) -> None:
    batch = as_batch([BYTES.float() / 255, labels], SHAPE)
    assert torch.equal(batch.images, BYTES)
    assert batch.labels is not None
    assert torch.equal(batch.labels, LABELS)
    assert batch.labels.dtype == torch.int64


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (BYTES.float(), "floats from 0 to 255: give uint8, or floats in"),
        (BYTES.float() / 127.5 - 1, "floats from -1 to 1: .*leave out Normalize"),
        (torch.full((1, 3, 4, 8), torch.nan), "floats from nan to nan"),
        (BYTES.long(), r"images are torch.int64: give uint8"),
        (BYTES[:, :1], r"images must be \(N, 3, 4, 8\), with labels or alone; got \(5, 1, 4, 8\)"),
        (BYTES[0], r"got \(3, 4, 8\)"),
        (["a.png"], "got str"),
    ],
)
def test_anything_else_is_refused_with_the_reason(given: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        as_batch(given, SHAPE)


def test_a_chunk_is_its_batches() -> None:
    images, labels = torch.arange(12).view(3, 2, 1, 1, 2).byte(), torch.arange(6).view(3, 2)
    batches = Chunk(images, labels).batches()
    assert [batch.images.tolist() for batch in batches] == images.tolist()
    assert [batch.labels.tolist() for batch in batches if batch.labels is not None] == labels.tolist()
    assert [batch.labels for batch in Chunk(images).batches()] == [None] * 3
