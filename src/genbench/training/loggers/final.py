"""What a finished run came to, as loggers are told it."""

from dataclasses import dataclass

from PIL import Image

from genbench.models.hyperparameters import NOT_THE_CLASS
from genbench.runs.directory import Run
from genbench.runs.files import read_picture
from genbench.runs.records import Estimate

_PICTURES = ("samples", "reconstructions", "latent_grid", "latent_scatter", "style_mixing")


@dataclass(frozen=True)
class Final:
    """Settings that runs are compared by, final numbers and pictures by their tags, and the images seen."""

    settings: dict[str, str | float]
    results: dict[str, float]
    pictures: dict[str, Image.Image]
    images_seen: int


def final(run: Run) -> Final:
    """Of a finished run.

    Raises:
        UserError: a file of it cannot be read.
    """
    config, summary = run.config(), run.summary()
    model = {name: value for name, value in config.model.items() if name not in NOT_THE_CLASS}
    settings: dict[str, str | float] = {
        "data": config.data.name,
        "model": config.model_name,
        "batch_size": config.data.batch_size,
        "seed": config.seed,
        **{name: value if isinstance(value, int | float) else str(value) for name, value in model.items()},
    }
    names = ("images_seen", "train_seconds", "validation_seconds", "images_per_second")
    results = {name: float(getattr(summary, name)) for name in names}
    results |= {f"train_{name}": value for name, value in summary.train.items()}
    results |= {f"test_{name}": value for name, value in summary.test.items()}
    if run.has_scorecard:
        scorecard = run.scorecard()
        results |= {f"{key.space}_{key.score}": score.mean for key, score in scorecard.values().items()}
        results |= {name: each.mean for name, each in scorecard.model.items() if isinstance(each, Estimate)}
    results = {f"when_finished/{name}": value for name, value in results.items()}
    found = {name: read_picture(run.picture(f"{name}.png")) for name in _PICTURES if run.has(f"{name}.png")}
    pictures = {f"when_finished_pictures/{name}": picture for name, picture in found.items() if picture is not None}
    return Final(settings, results, pictures, summary.images_seen)
