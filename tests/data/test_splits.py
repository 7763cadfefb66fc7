import hashlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from genbench.data.splits import allocate, divided, held_out, hold_out, train_and_validation


def synthetic_labels() -> Tensor:
    """60,000 labels of ten classes of unequal size, by integer arithmetic alone."""
    i = torch.arange(60_000)
    return (i * i + i // 7) % 97 % 10


def digest(indices: Tensor) -> str:
    return hashlib.sha256(indices.numpy().astype("<i8").tobytes()).hexdigest()


labels_and_count = st.lists(st.integers(0, 6), min_size=1, max_size=200).flatmap(
    lambda labels: st.tuples(st.just(torch.tensor(labels)), st.integers(0, len(labels)))
)


@given(labels_and_count)
@settings(max_examples=100, deadline=None)
def test_held_out_is_stratified_exact_and_ascending(case: tuple[Tensor, int]) -> None:
    labels, count = case
    chosen = held_out(labels, count)
    assert len(chosen) == count
    assert bool((chosen.diff() > 0).all())
    for label in set(labels.tolist()):
        share = int((labels == label).sum()) * count / len(labels)
        assert abs(int((labels[chosen] == label).sum()) - share) < 1


@given(labels_and_count)
@settings(max_examples=50, deadline=None)
def test_hold_out_is_disjoint_complete_and_keeps_order(case: tuple[Tensor, int]) -> None:
    labels, count = case
    parts = hold_out(labels, count)
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(len(labels)))
    for part in parts:
        assert bool((part.diff() > 0).all())


def test_held_out_is_evenly_spaced_within_a_class() -> None:
    assert held_out(torch.zeros(20, dtype=torch.int64), 4).tolist() == [2, 7, 12, 17]
    alternating = torch.arange(20) % 2
    assert held_out(alternating, 4).tolist() == [4, 5, 14, 15]


@pytest.mark.parametrize(
    ("sizes", "total", "expected"),
    [
        ((55, 5, 10), 70_000, [55_000, 5_000, 10_000]),
        ((55, 5), 60_000, [55_000, 5_000]),
        ((55, 5, 10), 1_797, [1_412, 128, 257]),
        ((55, 5, 10), 20, [16, 1, 3]),
        ((1, 1, 1), 2, [1, 1, 0]),  # equal remainders: the first win
        ((2, 3, 5), 0, [0, 0, 0]),
    ],
)
def test_allocate_known_answers(sizes: tuple[int, ...], total: int, expected: list[int]) -> None:
    assert allocate(sizes, total) == expected


def test_divided_gives_the_proportions_and_every_image_once() -> None:
    labels = synthetic_labels()[:7_000]
    parts = divided(labels)
    assert [len(part) for part in parts] == [5_500, 500, 1_000]
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(7_000))
    for part in parts:
        assert bool((part.diff() > 0).all())
        proportion = torch.bincount(labels) * len(part) / 7_000
        assert float((torch.bincount(labels[part]) - proportion).abs().max()) <= 1


def test_without_classes_the_choice_is_evenly_spaced_over_all() -> None:
    train, validation, test = divided(torch.zeros(70, dtype=torch.int64))
    assert test.tolist() == [3, 10, 17, 24, 31, 38, 45, 52, 59, 66]
    assert len(train) == 55
    assert len(validation) == 5


def test_the_choice_is_the_same_everywhere() -> None:
    labels = synthetic_labels()
    assert digest(held_out(labels, 5_000)) == "00c748853459ef5bf2509abb91cefbe30774093f6a8c5125047ff4a15ff7544c"
    train, validation = train_and_validation(labels)
    assert digest(validation) == "00c748853459ef5bf2509abb91cefbe30774093f6a8c5125047ff4a15ff7544c"
    assert digest(train) == "4f156c29642e565b7a1f84e80bc2beea3392c5f2d65eea9f1b23d2958ea46b54"
