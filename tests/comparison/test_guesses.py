"""The interval of a share of right guesses: known ones, and that it holds what it says."""

import math

import pytest

from genbench.comparison.guesses import exact_interval


@pytest.mark.parametrize(
    ("right", "of", "low", "high"),
    [(13, 20, 0.4078, 0.8461), (10, 20, 0.2720, 0.7280), (0, 20, 0.0, 1 - 0.025 ** (1 / 20)), (20, 20, 0.8316, 1.0)],
)
def test_known_intervals(right: int, of: int, low: float, high: float) -> None:
    assert exact_interval(right, of) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.84, 0.99])
def test_it_holds_the_true_share_in_95_of_100_cases_at_least(share: float) -> None:
    missed = sum(
        math.comb(20, right) * share**right * (1 - share) ** (20 - right)
        for right in range(21)
        if not exact_interval(right, 20)[0] <= share <= exact_interval(right, 20)[1]
    )
    assert missed <= 0.05
