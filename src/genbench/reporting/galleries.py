"""The report's pictures as the page needs them; `exhibits` draws them, in a process of its own.

PyTorch and what comes with it take most of a gigabyte, and one data set some 100 MB more. A process for each ranking
gives that back before the page is put together, which needs a browser's engine to draw the charts.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from genbench.comparison.ranking import Contender, Ranking
from genbench.errors import UserError
from genbench.progress import advance, task
from genbench.reporting.gallery import Gallery, Picture


@dataclass(frozen=True)
class Wanted:
    """A ranking, and whose pictures are to be shown."""

    ranking: Ranking
    contenders: tuple[Contender, ...]


def galleries(wanted: Sequence[Wanted], code: str | None) -> list[Gallery]:
    """The pictures of each ranking.

    Args:
        wanted: whose they are.
        code: the folder whose modules the user allows to be run, for models that are neither genbench's nor installed.
    """
    found = []
    with task("drawing samples, and what is nearest to them", len(wanted)):
        for one in wanted:
            found.append(_drawn(one, code))
            advance()
    return found


# The process ends with its work. To tear down its libraries would first read 120 MB of them that nobody used.
_DRAW = """
import os, pickle, sys
from genbench.errors import UserError, refused_by_system
code = 0
try:
    with open(sys.argv[1], "rb") as file:
        wanted, code_folder = pickle.load(file)
    from genbench.reporting.exhibits import gallery
    found = gallery(wanted.ranking, wanted.contenders, code_folder)
    with open(sys.argv[1], "wb") as file:
        pickle.dump(found, file)
except Exception as error:
    said = str(error) if isinstance(error, UserError) else refused_by_system(error)
    if said is None:
        raise
    print(said, file=sys.stderr)
    code = 2
sys.stderr.flush()
os._exit(code)
"""


def _drawn(wanted: Wanted, code: str | None) -> Gallery:
    # Not multiprocessing: it would run the script of whoever calls genbench.compare() once more.
    with TemporaryDirectory() as folder:
        letter = Path(folder) / "gallery"
        letter.write_bytes(pickle.dumps((wanted, code)))
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        # -P: a file of the current folder is no module, whatever it is called.
        words = [sys.executable, "-P", "-c", _DRAW, str(letter)]
        done = subprocess.run(words, env=environment, stderr=subprocess.PIPE, text=True, errors="replace", check=False)
        if done.returncode == 1:  # a library that the environment keeps from being imported says so in this process
            import_module("genbench.reporting.exhibits")
        said = done.stderr.splitlines()
        why = said.pop() if done.returncode > 0 and said else ""
        for line in said:
            print(line, file=sys.stderr)
        if done.returncode:
            raise UserError(f"the pictures of the report could not be drawn: {_reason(done.returncode, why)}")
        drawn: Gallery = pickle.loads(letter.read_bytes())
        return drawn


def _reason(code: int, said: str) -> str:
    """Why a process ended as it did, from its exit code and what it said last."""
    if code == -9:  # as a rule the system's, which needs the memory for others
        return "their process was killed (signal 9): there is not enough memory, free some"
    return f"their process was ended by signal {-code}" if code < 0 else said or f"exit code {code}"


def all_pictures(galleries: Sequence[Gallery]) -> list[Picture]:
    """Every picture, for the files beside report.md."""
    found = []
    for shown in galleries:
        found += [shown.real] if shown.real is not None else []
        for exhibit in shown.exhibits:
            found += exhibit.pictures
    return found
