"""What people read of a time."""

import pytest

from genbench.console import duration


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.0722, "0.07 s"),
        (0.36, "0.4 s"),
        (0.99, "1 s"),
        (47.6, "48 s"),
        (185, "3 min 5 s"),
        (7800, "2 h 10 min"),
    ],
)
def test_a_duration_is_never_rounded_to_nothing(seconds: float, said: str) -> None:
    assert duration(seconds) == said
