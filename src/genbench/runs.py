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
        checkpoints/last.ckpt
        weights.safetensors  the networks, and in its metadata how to build them
        README.md            the model card
        scores.json          what the evaluation measured
        samples.png, and for a model with an encoder reconstructions.png, latent_grid.png, latent_scatter.png

Every file but the two logs is written whole or not at all.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

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
    finally:
        temporary.unlink(missing_ok=True)


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

    def create(self, config_yaml: str, *, overwrite: bool) -> None:
        """Make the directory anew, queued; a finished run is left as it is unless `overwrite` is true.

        Raises:
            UserError: it cannot be made, or something that is not a run stands there.
        """
        if self.is_finished and not overwrite:
            return
        if self.path.exists() and not (self.path / "status.json").is_file():
            raise UserError(f"{self.path} is in the way and is not a run: move it, or choose another runs=DIR")
        try:
            if self.path.exists():
                shutil.rmtree(self.path)
            self.path.mkdir(parents=True)
            self.set_status("queued")
            self.write_text("config.yaml", config_yaml)
        except OSError as error:
            raise UserError(f"{self.path} cannot be written ({error.strerror}): choose another runs=DIR") from error

    @property
    def status(self) -> Status:
        """The run's status.json.

        Raises:
            UserError: it cannot be read.
        """
        try:
            return Status(**json.loads((self.path / "status.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{self.path / 'status.json'} cannot be read ({error}): train the run again") from error

    def set_status(self, state: State, why: str = "") -> None:
        """Write status.json, as of now."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
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
