import pytest
import torch
from torch import Tensor

from genbench.evaluation.memorisation import auth_pct, near_duplicates
from genbench.evaluation.pair import Pair, Reference


def normal(rows: int, columns: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pair(generated: Tensor, train: Tensor) -> Pair:
    return Pair(Reference.of(normal(6, train.shape[1], 9), train), generated)


def test_auth_pct_is_the_brute_force() -> None:
    train, generated = normal(300, 6), normal(200, 6, 1)
    distances = (generated.unsqueeze(1) - train).norm(dim=2)
    among_train = (train.unsqueeze(1) - train).norm(dim=2).fill_diagonal_(torch.inf)
    authentic = sum(distances[i].min() > among_train[distances[i].argmin()].min() for i in range(len(generated)))
    assert 0 < authentic < 200
    assert auth_pct(pair(generated, train)) == int(authentic) / 200


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_copies_are_neither_authentic_nor_new(dtype: torch.dtype) -> None:
    train = normal(500, 32).to(dtype)
    train[1] = train[0]  # an image that the training set holds twice
    copies = pair(train[:100].clone(), train)
    assert auth_pct(copies) == 0
    assert near_duplicates(copies) == 1


def test_a_copy_is_within_half_and_an_authentic_sample_beyond_the_whole_way_to_the_next_image() -> None:
    train = torch.tensor([0.0, 2.0, 100.0, 102.0]).double().unsqueeze(1)  # 2 apart
    shifts = torch.tensor([0.9, 1.0, 1.1, 1.9, 2.1]).double().unsqueeze(1)
    shifted = pair(train[1] + shifts, train)
    assert near_duplicates(shifted) == 2 / 5
    assert auth_pct(shifted) == 1 / 5


def test_new_samples_of_the_same_distribution_are_no_near_duplicates() -> None:
    new = pair(normal(500, 16, 1), normal(2000, 16))
    assert near_duplicates(new) == 0
    # The sample's nearest is an image with near neighbours of its own: over a half, not a half.
    assert 0.5 < auth_pct(new) < 0.9
