"""A sweep with overwrite=true begins every run anew once: what is noted of that in the run's directory, .sweep.

A job may be taken up again in another process, on another machine, where nobody knows how far it came. So the run
itself says it: noted as soon as the directory is emptied, before anything is trained, with a name that no other sweep
has. If the process is killed between the two, the directory is emptied once more, and nothing is lost.
"""

import secrets
from contextlib import suppress

from genbench.errors import UserError
from genbench.runs import files
from genbench.runs.directory import Run
from genbench.runs.ownership import TURN
from genbench.runs.records import Turn

KEPT = 8  # sweeps of a run; were it one, two that are given at once would take turns for ever


def new_sweep() -> str:
    """A name that no other sweep has."""
    return secrets.token_hex(8)


def note_begun(run: Run, sweep: str) -> None:
    """The run has nothing any more of what it was before the sweep."""
    _write(run, Turn(begun=(*_read(run).begun, sweep)[-KEPT:]))


def note_refused(run: Run, sweep: str, why: str) -> None:
    """The sweep cannot begin the run anew, which therefore stays as it is."""
    with suppress(OSError, UserError):  # where nothing can be written the sweep comes to it once more
        _write(run, Turn(begun=_read(run).begun, refused=sweep, why=files.one_line(why)))


def is_begun(run: Run, sweep: str) -> bool:
    """True if the run has nothing of what it was before the sweep."""
    return sweep in _read(run).begun


def refusal(run: Run, sweep: str) -> str:
    """Why the sweep could not begin the run anew; empty if it did not try, or could."""
    turn = _read(run)
    return turn.why if turn.refused == sweep else ""


def _read(run: Run) -> Turn:
    """Of a file that cannot be read nothing: then the run is begun anew once more."""
    try:
        return files.read_record(run.path / TURN, Turn)
    except (OSError, ValueError):
        return Turn()


def _write(run: Run, turn: Turn) -> None:
    with run.whole(TURN) as temporary:
        temporary.write_text(files.record_text(turn), encoding="utf-8")
