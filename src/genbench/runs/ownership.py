"""Whose a run directory is, and what in it: one process at a time writes there, and it deletes what a run writes alone.

Users keep things of their own in and beside a run. By its name alone is a file a run's, and only where a run puts it.
"""

import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from genbench.errors import UserError

LOCK, TURN = ".lock", ".sweep"  # see turns.py
_FILES = (
    *("config.yaml", "status.json", "environment.json", "data.json", "summary.json", "scores.json"),
    *("mlflow.json", "wandb.json"),
    *("metrics.csv", "timing.csv", "train.log", "weights.safetensors", "README.md"),
    *("samples.png", "reconstructions.png", "latent_grid.png", "latent_scatter.png", "style_mixing.png"),
)
_EVENTS = "events.out.tfevents."  # TensorBoard's
_NUMBERED = {"checkpoints": re.compile(r"\d{12,}\.ckpt"), "frames": re.compile(r"\d{12,}\.png")}  # by folder
_WANDB = re.compile(r"(offline-)?run-\d{8}_\d{6}-\w+|latest-run|debug[\w-]*\.log")  # W&B's, in the folder wandb
_HALF_WRITTEN = re.compile(r"\.\d+\.(.+)")  # as genbench.cache.whole_file names it: process, file


class Hold:
    """A run directory that this process has for itself, as long as it is the one that was taken."""

    def __init__(self, folder: Path) -> None:
        """See `hold`."""
        self._folder = folder
        self._lock = self._found()

    def check(self) -> None:
        """Make sure that the directory still is what was taken, before something is written there.

        Raises:
            UserError: it was moved or deleted, or its lock was.
        """
        if self._found() != self._lock or self._lock is None:
            raise UserError(
                f"{self._folder} was moved or deleted while this process was at work on it, which therefore stops:"
                " move it back and give the same command again, or give it to begin anew"
            )

    def _found(self) -> tuple[int, int] | None:
        try:
            found = (self._folder / LOCK).stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino  # no other file's while the lock is open


@contextmanager
def hold(folder: Path) -> Iterator[Hold]:
    """An existing directory, for this process alone, until the end of the context or of the process, however it ends.

    Raises:
        Timeout, OSError: another process has it, or it cannot be written.
    """
    lock = FileLock(folder / LOCK, timeout=1)  # seconds: one who only looks holds it for a moment
    lock.acquire()
    try:
        yield Hold(folder)
    finally:
        lock.release()


def is_held(folder: Path) -> bool:
    """True if a process holds the directory, this one included."""
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        if not (folder / LOCK).exists():
            return False
        lock.acquire()
    except Timeout:
        return True
    except OSError:  # a folder that cannot be read, or can only be: nothing is trained there
        return False
    lock.release()
    return False


def is_free(folder: Path) -> bool:
    """True if a run may begin at a place: there is nothing, or what a run leaves that was killed at its birth."""
    if not folder.is_dir():
        return not os.path.lexists(folder)
    return all(path.name == LOCK or _is_half_written(path) for path in folder.iterdir())


def obstacle(folder: Path, *, emptied: bool = False) -> Path | None:
    """Something in a run directory that stands where a run writes, and that it could not have put there.

    Args:
        folder: the directory.
        emptied: it is going to be, so that only what `empty` leaves is in the way.
    """
    log = folder / "train.log"  # written on at its end, through a link, to wherever that leads
    for path in (folder / name for name in (*_FILES, TURN)):
        if emptied and _is_file(path):
            continue
        if os.path.lexists(path) and (path == log or not path.is_symlink()) and not stat.S_ISREG(path.lstat().st_mode):
            return path
    below = (folder / name for name in _NUMBERED)
    return next((path for path in below if os.path.lexists(path) and not path.is_dir()), None)


def remove_half_written(folder: Path) -> None:
    """Delete what a killed process was writing."""
    for path in _own(folder):
        if _is_half_written(path):
            path.unlink()


def empty(folder: Path) -> None:
    """Delete what a run writes, but its status, its lock and whose turn it is."""
    for path in _own(folder):
        if path.name not in ("status.json", LOCK, TURN):
            path.unlink()
    if _is_folder(folder / "wandb"):
        for path in (folder / "wandb").iterdir():
            if _WANDB.fullmatch(path.name):
                shutil.rmtree(path) if _is_folder(path) else path.unlink()
    for name in (*_NUMBERED, "wandb"):
        if _is_folder(folder / name) and not any((folder / name).iterdir()):
            (folder / name).rmdir()


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run directory, that of the most images first."""
    return _numbered(folder / "checkpoints")[::-1]


def frames(folder: Path) -> list[Path]:
    """The samples of a run directory at every validation, that of the fewest images first."""
    return _numbered(folder / "frames")


def small_files(folder: Path, most: int | None) -> dict[str, Path]:
    """What a run directory tells a reader, by the names in it: without checkpoints, TensorBoard's files and the log.

    Links are left out: in a stranger's run they may lead to files that nobody means to hand on.

    Args:
        folder: of the run.
        most: bytes that its weights may have; None: whatever they have.
    """
    names = [folder / name for name in _FILES if name != "train.log"] + frames(folder)
    found = [path for path in names if path.is_file() and not path.is_symlink() and not path.parent.is_symlink()]
    return {
        path.relative_to(folder).as_posix(): path
        for path in found
        if most is None or path.suffix != ".safetensors" or path.stat().st_size <= most
    }


def _numbered(folder: Path) -> list[Path]:
    names = _NUMBERED[folder.name]
    own = [path for path in folder.iterdir() if names.fullmatch(path.name)] if folder.is_dir() else []
    return sorted(own, key=lambda path: int(path.stem))


def _own(folder: Path) -> list[Path]:
    """Everything in a run directory that a run has put there; nothing is looked for beyond a link."""
    found = [path for path in folder.iterdir() if _is_file(path) and _is_own(path.name)]
    for below in (folder / name for name in _NUMBERED):
        if _is_folder(below):
            found += [path for path in below.iterdir() if _is_file(path) and _is_numbered(path)]
    return found


def _is_own(name: str) -> bool:
    return _whole(name) in (*_FILES, TURN) or name.startswith(_EVENTS)


def _is_numbered(path: Path) -> bool:
    names = _NUMBERED.get(path.parent.name)
    return names is not None and names.fullmatch(_whole(path.name)) is not None


def _is_half_written(path: Path) -> bool:
    return _whole(path.name) != path.name and (_is_own(path.name) or _is_numbered(path)) and _is_file(path)


def _whole(name: str) -> str:
    """What a file is called once it is written."""
    half = _HALF_WRITTEN.fullmatch(name)
    return half[1] if half else name


def _is_file(path: Path) -> bool:
    return path.is_symlink() or not path.is_dir()


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
