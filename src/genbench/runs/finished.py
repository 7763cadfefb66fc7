"""A finished model, wherever it lies: a run's directory, a folder to share, weights alone, the Hub, the zoo.

A folder to share is what `genbench export format=hub` writes: model.safetensors, which says how to build the model;
scores.json; the model card and pictures. Such are the models that come with genbench (zoo/), and the Hub's.
"""

from dataclasses import dataclass
from pathlib import Path

from genbench.errors import UserError
from genbench.places import near
from genbench.runs import files, hub
from genbench.runs.directory import Run
from genbench.runs.records import Absent, Scorecard
from genbench.wording import nearest, word

WEIGHTS, SCORES = hub.LARGEST  # the names in a folder to share
ZOO_SCHEME = "zoo://"
_ZOO = Path(__file__).resolve().parents[1] / "zoo"


@dataclass(frozen=True)
class Finished:
    """Where a model's files are."""

    place: str  # as people write it
    path: Path  # of the folder, or of the weights alone
    weights: Path
    run: Run | None = None  # if it is a run's directory

    @property
    def name(self) -> str:
        """A short one, for files and lines: of hf://user/digits@main digits."""
        return self.path.name if self.run is not None else Path(self.place).name.partition("@")[0]

    def scores(self) -> Scorecard | Absent:
        """The model's scores, or why there are none.

        Raises:
            UserError: they cannot be read.
        """
        if self.run is not None:
            again = f"not scored yet: genbench evaluate {word('run', str(self.path))}"
            return self.run.scorecard() if self.run.has_scorecard else Absent(absent=again)
        path = self.path / SCORES
        if not path.is_file():
            return Absent(absent=f"{self.place} is weights alone: genbench.score scores samples")
        try:
            return files.read_record(path, Scorecard)
        except (OSError, ValueError) as error:
            raise UserError(f"{path} cannot be read ({files.reason(error)}): get it anew") from error


def find(place: str | Path) -> Finished:
    """A finished model.

    Args:
        place: a run's directory, a folder to share, a weights file, hf://USER/NAME[@REVISION] or zoo://NAME.

    Raises:
        UserError: there is none, or it cannot be had.
    """
    text = str(place)
    if text.startswith(hub.SCHEME):
        folder = hub.download(text)
        return Finished(text, folder, folder / WEIGHTS)
    if text.startswith(ZOO_SCHEME):
        folder = _of_zoo(text.removeprefix(ZOO_SCHEME))
        return Finished(text, folder, folder / WEIGHTS)
    path = Path(place).expanduser()
    if path.is_file():
        return Finished(str(path), path, path)
    run = Run(path)
    if not run.exists and run.has(WEIGHTS):
        return Finished(str(path), path, path / WEIGHTS)
    run = Run.open(path)
    check_trained(run)
    return Finished(str(path), path, run.weights, run)


def as_written(source: str) -> str:
    """A source of the command line as one writes it here: a place near, a repository as it is."""
    return source if source.startswith(hub.SCHEME) else str(near(source))


def zoo() -> list[str]:
    """The names of the models that come with genbench."""
    return sorted(path.parent.name for path in _ZOO.glob(f"*/{WEIGHTS}"))


def check_trained(run: Run) -> None:
    """Refuse a run that has no weights yet."""
    if run.has_weights:
        return
    if run.is_finished:
        raise UserError(f"{run.path} has no weights any more: get them (genbench report weights=true), or train anew")
    raise UserError(f"{run.path} has no weights yet: its training is {run.status.state}")


def check_replaceable(run: Run, protocol: int, otherwise: str = "") -> None:
    """Refuse to put the scores of evaluation=fast in the place of full ones.

    Raises:
        UserError: there are full ones; it ends with what else one may write.
    """
    try:
        full = run.is_scored("full", protocol)
    except UserError:  # damaged ones are no loss
        return
    if full:
        raise UserError(
            f"evaluation=fast: {run.path} has the full scores, which these would replace: leave it out{otherwise}"
        )


def _of_zoo(name: str) -> Path:
    if name not in zoo():
        raise UserError(f"zoo={name}: there is no such model; there are {', '.join(zoo())}{nearest(name, zoo())}")
    return _ZOO / name
