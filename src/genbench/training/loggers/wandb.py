"""Weights & Biases: a run of a project, online or as files for `wandb sync`."""

import os
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from genbench.config.loggers import WandbConfig, wandb_mode
from genbench.runs.logged import Memory
from genbench.runs.records import Row, State
from genbench.training.loggers.logger import Subject

_SECONDS = 20  # for an answer, and for the last uploads
_ERRORS = "WANDB_ERROR_REPORTING"  # its own, to its makers


class Wandb:
    """One run of the project: config, curves over the images seen, images, summary."""

    def __init__(self, subject: Subject, config: WandbConfig) -> None:
        """Import the library, which must not happen beside a training: two imports at a time can break each other."""
        os.environ.setdefault(_ERRORS, "false")
        import wandb

        self._wandb: Any = wandb
        self._subject = subject
        self._config = config
        self._memory = Memory(subject.run, "wandb")

    def begin(self) -> str:
        """Go on with the run as it was begun before, or begin one."""
        known = self._memory.logged
        mode = wandb_mode(self._config)
        settings = self._wandb.Settings(
            **{"silent": True, "console": "off", "login_timeout": 1, "init_timeout": _SECONDS, "reinit": "create_new"},
            **{"finish_timeout": _SECONDS, "finish_timeout_raises": True, "disable_git": True, "save_code": False},
        )
        self._wandb.setup(settings=settings)  # before anything is said
        self._run = self._wandb.init(
            project=self._config.project,
            id=known.id if known is not None else secrets.token_hex(4),
            name=self._subject.name,
            group=self._subject.name.rpartition("-s")[0],  # the seeds of one setting
            config=self._subject.settings | {"directory": self._subject.tags["directory"]},
            dir=None if "WANDB_DIR" in os.environ else str(self._subject.run.path.absolute()),
            resume="allow",
            mode=mode,
            settings=settings,
        )
        self._run.define_metric("*", step_metric="images")
        place = self._run.url or f"{mode}: wandb sync {self._run.settings.sync_dir}"
        self._memory.begin(self._run.id, place)
        return str(place)

    def rows(self, rows: Sequence[Row]) -> None:
        """Points that were not told yet."""
        rows = self._memory.untold(rows)
        if not rows:
            return
        for images, values in rows:
            self._run.log({"images": images, **values})
        self._memory.told(rows)

    def catch_up(self, rows: Sequence[Row]) -> None:
        """As `rows`."""
        self.rows(rows)

    def picture(self, name: str, picture: Image.Image, images_seen: int) -> None:
        """An image at the images seen."""
        row = Row(images_seen, {name: 0.0})
        if self._memory.untold([row]):
            self._run.log({"images": images_seen, name: self._wandb.Image(picture)})
            self._memory.told([row])

    def results(self, settings: Mapping[str, str | float], results: Mapping[str, float], images_seen: int) -> None:
        """The summary; the settings are the run's config."""
        self._run.summary.update(dict(results))
        self._memory.told_results(results)

    def end(self, state: State) -> None:
        """Close it; what is not uploaded within the time stays in its files."""
        self._run.finish(exit_code=0 if state == "finished" else 1)
