"""What each verb but train may be told."""

from typing import Any, Literal

from pydantic import Field

from genbench.config.data import DataConfig
from genbench.config.schema import CODE, LARGEST_SEED, Place, Schema, Source
from genbench.config.train import EvaluationConfig

_RUN = "the run's directory, what export format=hub made of one, or a repository of the Hub: hf://USER/NAME[@REVISION]"
_OPTIONS = "the model's own ways to sample, options.steps=50 say; the rest is as its YAML says"


class Written(Schema):
    """A verb that writes where `out` says."""

    force: bool = Field(default=False, description="write out= over files that genbench did not make, or in a run")


class SampleConfig(Written):
    """conf/sample.yaml: new images from a finished run."""

    run: Source | None = Field(description=_RUN)
    zoo: str | None = Field(description="or a model that comes with genbench: mnist, fashion, optdigits (docs/zoo.md)")
    n: int = Field(ge=1, le=10_000_000, description="how many images")
    seed: int = Field(ge=0, le=LARGEST_SEED, description="of the noise: the same seed, the same images")
    label: int | str | None = Field(
        description="the class, its number or name, of a model that can be told one; null: all in turn"
    )
    options: dict[str, Any] = Field(description=_OPTIONS)
    out: Place = Field(description='.png: one grid; .npz: the array "images", uint8, N x C x H x W')
    code: Place | None = Field(description=CODE)


class ExportConfig(Written):
    """conf/export.yaml: a run's networks for other programs, or the run for the Hugging Face Hub."""

    run: Source = Field(description=_RUN)
    format: Literal["onnx", "torch_export", "safetensors", "hub"] = Field(
        description="onnx needs pip install 'genbench[export]'; docs/export.md shows how to load each; hub: a"
        " repository for the Hugging Face Hub (docs/sharing.md)"
    )
    out: Place = Field(description="the folder that the files are written to; format=hub makes it")
    code: Place | None = Field(description=CODE)


class EvaluateConfig(Written):
    """conf/evaluate.yaml: the scorecard of a run, or of anybody's images."""

    run: Place | None = Field(description="a run directory: writes scores.json into it")
    runs: Place | None = Field(description="or a folder of runs: scores those that have none yet, and compares all")
    samples: Place | None = Field(description="or images: a folder, an archive, or a file of arrays")
    data: DataConfig | None = Field(
        description="with samples: the data set that they imitate; with run or runs: where their images lie, if not"
        " where their config says, or if they hold no fingerprint of them"
    )
    evaluation: EvaluationConfig
    options: dict[str, Any] = Field(description=_OPTIONS)
    out: Place | None = Field(description="with samples: the .json file for the scores; null: scores.json")
    code: Place | None = Field(description=CODE)


class CalibrateConfig(Written):
    """conf/calibrate.yaml: the scores of images whose quality is known."""

    data: DataConfig
    out: Place | None = Field(description="a .md file for the tables, beside what genbench keeps; null: none")


class ReportConfig(Written):
    """conf/report.yaml: one page on a folder of runs."""

    runs: Place = Field(description="the folder of runs, scored by genbench evaluate runs=DIR")
    out: Place = Field(
        description="a folder: index.html, report.md and figures, results.csv, results.json; or a .zip file of these"
        " and the runs"
    )
    weights: bool = Field(default=False, description="out=FILE.zip: with all weights, also those above 4 MiB")
    code: Place | None = Field(description=CODE)


class SearchConfig(Written):
    """conf/search.yaml: where to look for good settings, and what good means."""

    search: dict[str, dict[str, Any]] = Field(
        description="words of train, each with choices, or with low and high; log for numbers of which the size counts"
    )
    objectives: list[str] = Field(
        description="what to be good at: fcd, coverage, seconds, ...; with one, hopeless trainings are stopped early"
    )
    trials: int = Field(ge=1, le=1_000_000, description="trainings in all; the same command with more goes on")
    workers: int = Field(ge=1, le=1024, description="trainings at a time; they share the processor's cores")
    out: Place = Field(description="the study's folder; whoever gives the same one, on whatever machine, joins in")
    sampler_seed: int = Field(
        ge=0, le=LARGEST_SEED, description="of the proposals; with one worker the same seed proposes the same"
    )
    words: list[str] = Field(description="every other word: train's, the same for all trials")


class CompareConfig(Written):
    """conf/compare.yaml: models against each other on a data set, from the first training to the page."""

    models: list[str] = Field(description="choices of model, separated by commas")
    seeds: int = Field(ge=1, le=1000, description="trainings of each model on each data set, seeds 0, 1, ...")
    minutes: float | None = Field(gt=0, le=1e6, description="of each training: the same time for all")
    images: int | None = Field(ge=1, le=10**12, description="or real images seen by each training")
    epochs: float | None = Field(gt=0, le=1e6, description="or epochs of each training")
    out: Place = Field(description="the folder for the page: index.html and what belongs to it")
    runs: Place = Field(description="the folder for the trainings; finished ones and their scores are kept")
    words: list[str] = Field(description="every other word: train's; data=mnist,fashion compares on both")


class LookConfig(Written):
    """conf/data.yaml: a data set's images, without training."""

    data: DataConfig
    seed: int = Field(ge=0, le=LARGEST_SEED, description="of the choice of the images in the picture")
    out: Place = Field(description="a .png file for the picture of 64 images with their labels")
