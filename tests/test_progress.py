"""What takes long is shown to whoever looks, and to nobody else."""

import io
import time

import pytest
from rich.console import Console

from genbench.progress import advance, shown, task


def in_lines(seconds: float, monkeypatch: pytest.MonkeyPatch, terminal: bool = False) -> str:
    """What is said of a task of four parts, each of which takes so long."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=terminal, get_time=lambda: now[0])
    with shown(console), task("scoring", 4):
        for _ in range(4):
            now[0] += seconds
            advance()
    return out.getvalue()


def test_a_file_gets_a_line_now_and_then_with_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    assert in_lines(1.0, monkeypatch) == ""
    assert in_lines(11.0, monkeypatch).splitlines() == [
        "  25%  33 s left  scoring",
        "  50%  22 s left  scoring",
        "  75%  11 s left  scoring",
        " 100%  0 s left  scoring",
    ]


def test_a_terminal_gets_a_bar_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "scoring" in in_lines(1.0, monkeypatch, terminal=True)


def test_the_innermost_task_advances_and_the_outer_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    out = io.StringIO()
    with shown(Console(file=out, width=80, force_terminal=False, get_time=lambda: now[0])), task("outer", 2):
        with task("inner", 2):
            now[0] += 11.0
            advance()
        now[0] += 11.0
        advance()
    assert [line.split("  ")[-1] for line in out.getvalue().splitlines()] == ["inner", "outer"]


def test_nobody_who_does_not_look_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with task("scoring", 1):
        advance()
    out = io.StringIO()
    with shown(Console(file=out, force_terminal=True)), shown(None), task("scoring", 1):
        advance()
    advance()
    assert out.getvalue() == ""
    assert capsys.readouterr() == ("", "")


def test_an_error_in_a_task_leaves_no_bar_behind() -> None:
    out = io.StringIO()
    with shown(Console(file=out, force_terminal=True, width=80)):
        with pytest.raises(ValueError), task("scoring", 2):
            raise ValueError
        with task("drawing", 1):
            advance()
    assert "drawing" in out.getvalue().split("scoring")[-1]
