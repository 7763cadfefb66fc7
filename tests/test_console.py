"""What people read of a time."""

import pytest
from rich.table import Table

from genbench.console import duration, stdout, warn


def test_square_brackets_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """`data.classes=[cat,dog]` lost its classes where a search printed the best words, and [/x] was a traceback."""
    table = Table(title="photos [old]")
    table.add_column("[a]")
    table.add_row("data.classes=[cat,dog] [/x]")
    stdout().print(table)
    stdout().print("runs/[exp]/x")
    warn(stdout(), "[b]")
    said = capsys.readouterr().out
    for text in ("photos [old]", "[a]", "data.classes=[cat,dog] [/x]", "runs/[exp]/x", "warning: [b]"):
        assert text in said


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
