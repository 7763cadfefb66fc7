"""What takes long is shown to whoever looks, and to nobody else."""

import io
import time
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from genbench import progress
from genbench.progress import advance, notebook_cell, shown, shown_in_notebook, task


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


def test_a_notebook_has_a_bar_below_its_cell_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    import IPython.display

    below: list[str] = []

    class Handle:
        def update(self, line: Any) -> None:
            below.append(line._repr_html_())

    monkeypatch.setattr(IPython.display, "display", lambda line, display_id: Handle())
    monkeypatch.setattr(progress, "CELL_SECONDS", -1.0)
    monkeypatch.setattr(progress, "Console", lambda **told: SimpleNamespace(is_jupyter=True, is_terminal=False, **told))
    monkeypatch.setattr(progress, "Progress", lambda *columns, console, **told: Progress(disable=True))
    with shown_in_notebook(), task("scoring <all>", 4):
        assert notebook_cell() is not None
        advance()
    assert below[0] == '<progress value="0.000"></progress> scoring &lt;all&gt;'
    assert below[1].startswith('<progress value="0.250"></progress> scoring &lt;all&gt;')
    assert below[-1] == ""
    assert notebook_cell() is None


def test_a_script_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_in_notebook(), task("scoring", 1):
        assert notebook_cell() is None
        advance()
    assert capsys.readouterr() == ("", "")
