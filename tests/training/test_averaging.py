"""The moving average of the weights has a closed form."""

import pytest
import torch

from genbench.training.averaging import averaging, moving_average


def test_each_update_moves_by_the_rest_of_the_decay_and_faster_at_first() -> None:
    update = moving_average(0.9)
    averaged = [torch.zeros(3), torch.full((2,), 5.0)]
    current = [torch.ones(3), torch.full((2,), 7.0)]
    update(averaged, current, 0)  # (1 + 0) / (10 + 0) = 0.1 is kept
    torch.testing.assert_close(averaged[0], torch.full((3,), 0.9))
    torch.testing.assert_close(averaged[1], torch.full((2,), 6.8))
    update(averaged, [torch.zeros(3), torch.zeros(2)], torch.tensor(1000))  # 0.9 is kept
    torch.testing.assert_close(averaged[0], torch.full((3,), 0.81))
    torch.testing.assert_close(averaged[1], torch.full((2,), 6.12))


def test_integers_are_copied() -> None:
    averaged = [torch.tensor(3)]
    moving_average(0.9)(averaged, [torch.tensor(8)], 50)
    assert averaged == [torch.tensor(8)]


@pytest.mark.parametrize(("decay", "callbacks"), [(0.0, 0), (0.999, 1)])
def test_a_decay_of_0_averages_nothing(decay: float, callbacks: int) -> None:
    assert len(averaging(decay)) == callbacks
