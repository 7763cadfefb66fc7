"""What a verb may be told: every value with its meaning, unit, type and range. The defaults stand in conf/*.yaml.

Nothing heavy is imported here, so that a mistake is answered at once.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from genbench.errors import UserError
from genbench.places import absolute, near
from genbench.wording import parse

_PACKAGE = Path(__file__).resolve().parent
# Inside a wheel conf/ is packaged; in a checkout it stands at the top.
CONF = next((path for path in (_PACKAGE / "conf", _PACKAGE.parents[1] / "conf") if path.is_dir()), _PACKAGE / "conf")

DEFAULT_EPOCHS = 20.0
_SEED = 2**32 - 1
_CODE = "a folder with Python modules of your own that model._target_ may name; they are run"
_OPTIONS = "the model's own ways to sample, +options.steps=50 say; the rest is as its YAML says"

Place = Annotated[str, AfterValidator(absolute)]


class Schema(BaseModel):
    """A group of values: an unknown key is refused, and so is "1" for 1 or true for 1."""

    model_config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())


class DataConfig(Schema):
    """Which images, and how many of them make a step."""

    load: str = Field(description="the function that reads the images: genbench.data.<file>.load")
    title: str = Field(default="", description="what tables and pages call the data set; null: the folder's name")
    root: Place | None = Field(description="where the images lie: see the choices of data")
    batch_size: int = Field(ge=1, le=65536, description="real images in one step")

    @model_validator(mode="before")
    @classmethod
    def _find_title(cls, content: Any) -> Any:
        if not isinstance(content, Mapping) or content.get("title") or not isinstance(content.get("load"), str):
            return content
        name = (content["load"].split(".")[-2:-1] or [""])[0]
        root = content.get("root")
        # The folder's last part as it is written; a path such as "." has none.
        folder = Path(root).stem if name == "folder" and isinstance(root, str) else ""
        return {**content, "title": folder or name}

    @field_validator("load")
    @classmethod
    def _check_load(cls, load: str) -> str:
        # A config may come with a run directory that somebody else made.
        parts = load.split(".")
        if len(parts) != 4 or parts[:2] != ["genbench", "data"] or parts[3] != "load" or not parts[2].isidentifier():
            raise ValueError("genbench.data.<file>.load")
        return load

    @property
    def name(self) -> str:
        """The module that loads the data set: mnist, fashion, optdigits, folder, ..."""
        return self.load.split(".")[-2]

    @property
    def absolute_root(self) -> str | None:
        """Where the images lie, without links."""
        return None if self.root is None else str(Path(self.root).resolve())


class TrainerConfig(Schema):
    """Where and how long to train; lengths in real images seen or in time."""

    accelerator: Literal["auto", "cpu", "gpu", "mps"] = Field(
        description="the device; auto: CUDA where present, else Apple's MPS, else the CPU"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        description="of the convolutions; auto: bfloat16 where the processor computes it natively"
    )
    max_epochs: float | None = Field(
        gt=0, le=1e6, description="passes over the training images; the first bound that is reached ends the training"
    )
    max_images: int | None = Field(ge=1, le=10**12, description="real images seen until the end")
    max_minutes: float | None = Field(
        gt=0, le=1e6, description="minutes of training alone; validations, scores and pictures are beside it"
    )
    ema_decay: float = Field(
        ge=0,
        le=0.999999,
        description="of the moving average of weights that samples come from; 0: the last weights",
    )
    validations: int = Field(
        ge=1,
        le=10_000,
        description="losses on validation images, samples and a checkpoint, evenly spaced; of a time within a tenth",
    )
    log_every_images: int = Field(ge=1, le=10**12, description="images between two rows of metrics.csv")
    devices: int = Field(default=1, ge=1, le=4096, description="processes on this machine that share every batch")
    num_nodes: int = Field(default=1, ge=1, le=4096, description="machines that do so")


class EvaluationConfig(Schema):
    """How much is scored at the end of training."""

    level: Literal["none", "fast", "full"] = Field(
        description="none; fast: one draw against validation images, to choose by; full: the protocol, on test images"
    )
    nll_samples: int = Field(
        ge=1, le=1_000_000, description="importance samples of an image's likelihood; 5000 for a final number"
    )
    nll_images: int = Field(
        ge=2, le=1_000_000, description="test images whose likelihood is estimated; 10000 for a final number"
    )


class TrainConfig(Schema):
    """conf/train.yaml: one training, whole."""

    model: dict[str, Any] = Field(description="the model's class, _target_, its title and its hyperparameters")
    data: DataConfig
    trainer: TrainerConfig
    logger: dict[str, Any] = Field(description="where curves and pictures go beside metrics.csv")
    evaluation: EvaluationConfig
    seed: int = Field(ge=0, le=_SEED, description="of the weights, the order of the images and the noise")
    runs: Place = Field(description="the folder in which each run gets a directory of its own")
    overwrite: bool = Field(description="train again although the run is finished")
    code: Place | None = Field(default=None, description=_CODE)

    @field_validator("model")
    @classmethod
    def _check_model(cls, model: dict[str, Any]) -> dict[str, Any]:
        target = model.get("_target_")
        if not isinstance(target, str) or "." not in target:
            raise ValueError("a model's values with its class, _target_: <module>.<class>")
        target = _RENAMED.get(target, target)
        return {**model, "_target_": target, **{k: v for k, v in _LATER.get(target, {}).items() if k not in model}}

    @field_validator("logger")
    @classmethod
    def _check_logger(cls, logger: dict[str, Any]) -> dict[str, Any]:
        if logger.get("_target_") is not None and logger["_target_"] != _LOGGER:
            raise ValueError(f"a logger's values with _target_: {_LOGGER} or null")
        return logger

    @property
    def model_name(self) -> str:
        """The module that holds the model: gan, vae, ..."""
        return str(self.model["_target_"]).split(".")[-2]

    @property
    def model_title(self) -> str:
        """What tables and pages call the model: GAN, VAE, ..."""
        return str(self.model.get("title") or self.model_name.upper())

    @property
    def run_name(self) -> str:
        """The run directory's name: data set, model, a hash of all that affects the result, and the seed.

        What cannot affect the result (titles, logger, evaluation, options of sampling, folder names of data whose
        bytes are checked) or should not (the device) stays out of the hash, so that the same command finds the same
        directory everywhere.
        """
        content = self._decisive()
        content["data"]["root"] = self.data.absolute_root if self.data.name == "folder" else None
        return f"{self.data.name}-{self.model_name}-{_digest(content)[:8]}-s{self.seed}"

    def _decisive(self) -> dict[str, dict[str, Any]]:
        """What can affect the result, but the seed and the place of the images."""
        trainer = self.trainer.model_dump(exclude={"accelerator", "log_every_images"})
        for key in ("devices", "num_nodes"):  # as many runs were named before there were several
            if trainer[key] == 1:
                del trainer[key]
        later = _LATER.get(self.model["_target_"], {}).items()
        model = {k: v for k, v in self.model.items() if k not in ("title", "sample") and (k, v) not in later}
        return {"model": model, "data": self.data.model_dump(exclude={"title", "root"}), "trainer": trainer}

    @property
    def identity(self) -> dict[str, Any]:
        """What makes this training that one, by dotted keys; but the images, which their fingerprint tells apart."""
        return {**_flat(self._decisive()), "seed": self.seed}

    @property
    def fingerprint(self) -> str:
        """16 hex digits of `identity`: the same wherever the images and the run lie."""
        return _digest(self.identity)[:16]

    @property
    def directory(self) -> Path:
        """The run's directory."""
        return near(Path(self.runs) / self.run_name)

    def to_yaml(self) -> str:
        """The whole configuration as a file for `--config-dir DIR --config-name config`, which trains it again."""
        # `code` is a word of whoever runs it: a directory that somebody else made does not bring its own.
        content = {"defaults": _HEADER} | self.model_dump() | {"code": None}
        return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


# What Hydra needs beside a training's values to train it again.
_HEADER = [
    {"hydra": "verb"},
    {"override hydra/job_logging": "none"},
    {"override hydra/hydra_logging": "none"},
    "_self_",
]
_RENAMED = {"genbench.models.gan.GAN": "genbench.models.gan.DCGAN"}  # classes, in runs of before
# Hyperparameters that runs of before do not name, with what they mean there: such runs keep their names.
_LATER: dict[str, dict[str, Any]] = {
    "genbench.models.vae.VAE": {"likelihood": "bernoulli", "importance_samples": 1, "conditional": False}
    | {"width": 32, "hidden": 16},
    "genbench.models.gan.DCGAN": dict.fromkeys(("gamma", "critic_steps", "spectral_norm"))
    | {"loss": "nonsaturating", "generator": "dcgan", "conditional": False, "augment": 0.0},
}
_LOGGER = "torch.utils.tensorboard.SummaryWriter"


class Written(Schema):
    """A verb that writes where `out` says."""

    force: bool = Field(default=False, description="write out= over files that genbench did not make, or in a run")


class SampleConfig(Written):
    """conf/sample.yaml: new images from a finished run."""

    run: Place = Field(description="the run's directory")
    n: int = Field(ge=1, le=10_000_000, description="how many images")
    seed: int = Field(ge=0, le=_SEED, description="of the noise: the same seed, the same images")
    label: int | str | None = Field(
        description="the class, its number or name, of a model that can be told one; null: all in turn"
    )
    options: dict[str, Any] = Field(description=_OPTIONS)
    out: Place = Field(description='.png: one grid; .npz: the array "images", uint8, N x C x H x W')
    code: Place | None = Field(description=_CODE)


class ExportConfig(Written):
    """conf/export.yaml: a run's networks for other programs."""

    run: Place = Field(description="the run's directory")
    format: Literal["onnx", "torch_export", "safetensors"] = Field(
        description="onnx needs pip install 'genbench[export]'; docs/export.md shows how to load each"
    )
    out: Place = Field(description="the folder that the files are written to")
    code: Place | None = Field(description=_CODE)


class EvaluateConfig(Written):
    """conf/evaluate.yaml: the scorecard of a run, or of anybody's images."""

    run: Place | None = Field(description="a run directory: writes scores.json into it")
    runs: Place | None = Field(description="or a folder of runs: scores those that have none yet, and compares all")
    samples: Place | None = Field(description="or images: an .npz, an .npy, or a folder of PNG or JPEG files")
    data: DataConfig | None = Field(
        description="with samples: the data set that they imitate; with run or runs: where their images lie, if not"
        " where their config says, or if they hold no fingerprint of them"
    )
    evaluation: EvaluationConfig
    options: dict[str, Any] = Field(description=_OPTIONS)
    out: Place = Field(description="with samples: the .json file for the scores")
    code: Place | None = Field(description=_CODE)


class CalibrateConfig(Written):
    """conf/calibrate.yaml: the scores of images whose quality is known."""

    data: DataConfig
    out: Place | None = Field(description="a .md file for the tables, beside what genbench keeps; null: none")


class ReportConfig(Written):
    """conf/report.yaml: one page on a folder of runs."""

    runs: Place = Field(description="the folder of runs, scored by genbench evaluate runs=DIR")
    out: Place = Field(description="a folder: index.html, report.md and figures, results.csv, results.json")
    code: Place | None = Field(description=_CODE)


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
        ge=0, le=_SEED, description="of the proposals; with one worker the same seed proposes the same"
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
    seed: int = Field(ge=0, le=_SEED, description="of the choice of the images in the picture")
    out: Place = Field(description="a .png file for the picture of 64 images with their labels")


def parse_train(content: Mapping[str, Any]) -> TrainConfig:
    """One training's config from plain data, such as a run's config.yaml: nothing is interpolated, nothing imported.

    Whether the model's class may be built, and takes these hyperparameters, is checked where it is built.

    Raises:
        UserError: a key is unknown or missing, or a value has the wrong type or lies outside its range.
    """
    if content.get("defaults", _HEADER) != _HEADER:  # they would bring in other files, for Hydra to do more with
        raise UserError("defaults: must be left as genbench writes them")
    return parse(TrainConfig, {key: value for key, value in content.items() if key != "defaults"})


def flat(config: BaseModel) -> dict[str, Any]:
    """All values of a config by their dotted keys."""

    return _flat(config.model_dump())


def _flat(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
