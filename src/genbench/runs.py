"""What a run directory holds; reading and writing it.

    runs/<data>-<model>-<hash of what affects the result>-s<seed>/
        config.yaml          the whole configuration: --config-dir DIR --config-name config trains it again
        status.json          queued, running, finished, failed or interrupted; when; why
        environment.json     versions, device, commit
        summary.json         parameters, seconds, images, test losses
        metrics.csv          a row every so many real images
        timing.csv           when these were seen
        train.log            what was said
        events.out.*         TensorBoard
        checkpoints/         the last two states of the training, named by the images seen
        weights.safetensors  the networks, and in its metadata how to build them
        README.md            the model card
        scores.json          what the evaluation measured
        samples.png, and for a model with an encoder reconstructions.png, latent_grid.png, latent_scatter.png
        .lock                held by the process that trains the run

Every file but the two logs is written whole or not at all.
"""

import errno
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from genbench.errors import UserError

State = Literal["queued", "running", "finished", "failed", "interrupted"]


@dataclass(frozen=True)
class Status:
    """Where a run stands, since when (ISO 8601, UTC), and in case of failure why, in one line."""

    state: State
    when: str
    why: str = ""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name beside the path to write to; it is synced and renamed to the path if all went well."""
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a renaming last through a power failure, where the system can."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def is_disk_full(error: BaseException) -> bool:
    """True if an error, of whatever library, says that nothing more can be stored."""
    number = error.errno if isinstance(error, OSError) else None
    return number in (errno.ENOSPC, errno.EDQUOT) or "no space left" in str(error).lower()


@dataclass(frozen=True)
class Run:
    """One run directory."""

    path: Path

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """An existing run directory.

        Raises:
            UserError: there is none at the path.
        """
        run = cls(Path(path))
        if not (run.path / "status.json").is_file():
            raise UserError(f"{path} is not a run directory: give one that genbench.train made (it holds status.json)")
        return run

    @property
    def is_finished(self) -> bool:
        """True if there is a run at the path and it ended well."""
        return (self.path / "status.json").is_file() and self.status.state == "finished"

    def queue(self, config_yaml: str, *, overwrite: bool) -> None:
        """Announce the run: it will be trained. One that is finished or being trained is left as it is.

        Raises:
            UserError: see `held`.
        """
        if self.is_locked or (self.is_finished and not overwrite):
            return
        with self.held(config_yaml, overwrite=overwrite):
            pass

    @contextmanager
    def held(self, config_yaml: str, *, overwrite: bool) -> Iterator[None]:
        """The directory, for this process alone: made if need be, emptied if so wished, queued if not finished.

        The lock ends with the process, however it ends.

        Raises:
            UserError: another process trains the run, the directory cannot be made, or something that is not a run
                stands there.
        """
        strangers = [name for name in _names(self.path) if not name.startswith(".")]
        if strangers and "status.json" not in strangers:
            raise UserError(f"{self.path} is in the way and is not a run: move it, or choose another runs=DIR")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock", timeout=1)  # seconds: one who only looks holds it for a moment
            lock.acquire()
        except Timeout as error:
            owner = f" ({self.status.why})" if self.status.why else ""
            raise UserError(
                f"{self.path}: another process trains it{owner}: wait for it, or choose another runs=DIR"
            ) from error
        except OSError as error:
            raise UserError(f"{self.path} cannot be written ({error.strerror}): choose another runs=DIR") from error
        try:
            try:
                if overwrite:
                    self.set_status("queued")  # first, so that no half-deleted run looks finished
                    _empty(self.path, but=("status.json", ".lock"))
                for stray in self.path.rglob(".[0-9]*.*"):  # what a killed process was writing
                    stray.unlink()
                if not self.is_finished:
                    self.set_status("queued")
                    self.write_text("config.yaml", config_yaml)
            except OSError as error:
                raise UserError(f"{self.path} cannot be written ({error.strerror}): choose another runs=DIR") from error
            yield
        finally:
            lock.release()

    @property
    def is_locked(self) -> bool:
        """True if a process holds the run, this one included."""
        if not (self.path / ".lock").is_file():
            return False
        lock = FileLock(self.path / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            return True
        except OSError:  # a folder that can only be read: nothing is trained there
            return False
        lock.release()
        return False

    @property
    def status(self) -> Status:
        """The run's status.json; a run whose process is gone is interrupted, whatever it says.

        Raises:
            UserError: it cannot be read.
        """
        try:
            status = Status(**json.loads((self.path / "status.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{self.path / 'status.json'} cannot be read ({error}): train the run again") from error
        if status.state == "running" and not self.is_locked:
            return Status("interrupted", status.when, "its process is gone")
        return status

    @property
    def checkpoints(self) -> list[Path]:
        """The states of the training that are kept, the latest first."""
        return sorted((self.path / "checkpoints").glob("[0-9]*.ckpt"), reverse=True)

    def set_status(self, state: State, why: str = "") -> None:
        """Write status.json, as of now; who trains it is why it is running."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if state == "running":
            why = f"process {os.getpid()} on {socket.gethostname()}"
        self.write_json("status.json", asdict(Status(state, now, why)))

    def whole(self, name: str) -> AbstractContextManager[Path]:
        """`whole_file` for a file of the directory."""
        (self.path / name).parent.mkdir(exist_ok=True)
        return whole_file(self.path / name)

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write one JSON file of the directory, whole."""
        self.write_text(name, json.dumps(content, indent=2) + "\n")

    def write_text(self, name: str, content: str) -> None:
        """Write one text file of the directory, whole."""
        with self.whole(name) as temporary:
            temporary.write_text(content, encoding="utf-8")

    def read_json(self, name: str) -> dict[str, Any]:
        """One JSON file of the directory.

        Raises:
            UserError: it is absent or broken.
        """
        try:
            content: dict[str, Any] = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{self.path / name} cannot be read ({error}): train the run again") from error
        return content


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else [""] if folder.exists() else []


def _empty(folder: Path, but: tuple[str, ...]) -> None:
    for path in folder.iterdir():
        if path.name in but:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
