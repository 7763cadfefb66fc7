"""What a logger is told: the same for all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from PIL import Image

from genbench.config.schema import flat
from genbench.config.train import TrainConfig
from genbench.runs.directory import Run
from genbench.runs.records import Row, State

SPEED = "train/images_per_second"


@dataclass(frozen=True)
class Subject:
    """The training that is told of."""

    run: Run
    config: TrainConfig
    resumed_at: int | None  # images of the checkpoint that it goes on from

    @property
    def name(self) -> str:
        """The run directory's."""
        return self.run.path.name

    @property
    def tags(self) -> dict[str, str]:
        """What runs are sorted by, and where this one's directory is."""
        place = str(self.run.path.absolute())
        config = self.config
        return {"data": config.data.name, "model": config.model_name, "seed": str(config.seed), "directory": place}

    @property
    def settings(self) -> dict[str, Any]:
        """The whole config by dotted keys."""
        return flat(self.config)


class Logger(Protocol):
    """A place for curves, pictures and scores. It is called in one thread alone, and may raise whatever it likes."""

    def begin(self) -> str:
        """Open the run there, a new one or the same as before; where it is to be seen, or nothing."""

    def rows(self, rows: Sequence[Row]) -> None:
        """Points of the curves, in the order of the images seen."""

    def catch_up(self, rows: Sequence[Row]) -> None:
        """All points from before a checkpoint, of which those are new that were not told when the training stopped."""

    def picture(self, name: str, picture: Image.Image, images_seen: int) -> None:
        """A picture at a point of the training."""

    def results(self, settings: Mapping[str, str | float], results: Mapping[str, float], images_seen: int) -> None:
        """The settings that runs are compared by, and the final numbers."""

    def end(self, state: State) -> None:
        """Close it; the training is finished, failed or interrupted."""
