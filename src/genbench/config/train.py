"""One training, whole."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, field_validator

from genbench.config.data import DataConfig
from genbench.config.loggers import LoggerConfig
from genbench.config.schema import CODE, LARGEST_SEED, Place, Schema, by_dotted_keys
from genbench.errors import UserError
from genbench.places import near
from genbench.wording import parse

DEFAULT_EPOCHS = 20.0


class TrainerConfig(Schema):
    """Where and how long to train; lengths in real images seen or in time."""

    accelerator: Literal["auto", "cpu", "gpu", "mps"] = Field(
        description="the device; auto: CUDA where present, else Apple's MPS, else the CPU"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        description="of the convolutions; auto: bfloat16 where the processor is faster by it"
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

    @property
    def values(self) -> dict[str, Any]:
        """What the scores depend on beside the level."""
        return self.model_dump(exclude={"level"}) if self.level == "full" else {}


class TrainConfig(Schema):
    """conf/train.yaml: one training, whole."""

    model: dict[str, Any] = Field(description="the model's class, _target_, its title and its hyperparameters")
    data: DataConfig
    trainer: TrainerConfig
    logger: LoggerConfig = Field(
        default=LoggerConfig(), description="where curves, pictures and scores go beside the run's directory"
    )
    evaluation: EvaluationConfig
    seed: int = Field(ge=0, le=LARGEST_SEED, description="of the weights, the order of the images and the noise")
    runs: Place = Field(description="the folder in which each run gets a directory of its own")
    overwrite: bool = Field(description="train again although the run is finished")
    code: Place | None = Field(default=None, description=CODE)

    @field_validator("model")
    @classmethod
    def _check_model(cls, model: dict[str, Any]) -> dict[str, Any]:
        target = model.get("_target_")
        if not isinstance(target, str) or "." not in target:
            raise ValueError("a model's values with its class, _target_: <module>.<class>")
        target = _RENAMED.get(target, target)
        return {**model, "_target_": target, **{k: v for k, v in _LATER.get(target, {}).items() if k not in model}}

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
        # Runs from before there was a choice keep their names.
        data = {"load": self.data.load, "batch_size": self.data.batch_size} | self.data.reading
        later = _LATER.get(self.model["_target_"], {}).items()
        model = {k: v for k, v in self.model.items() if k not in ("title", "sample") and (k, v) not in later}
        return {"model": model, "data": data, "trainer": trainer}

    @property
    def sample_options(self) -> dict[str, Any]:
        """model.sample: how samples are drawn, which is no part of the training."""
        return dict(self.model.get("sample") or {})

    @property
    def scored_by(self) -> dict[str, Any]:
        """What its scores are to be of: options of the sampling, and of the evaluation."""
        return self.evaluation.values | self.sample_options

    @property
    def identity(self) -> dict[str, Any]:
        """What makes this training that one, by dotted keys; but the images, which their fingerprint tells apart."""
        return {**by_dotted_keys(self._decisive()), "seed": self.seed}

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
        # `code` is a word of whoever runs it: a directory that somebody else made does not bring its own. Nor is a run
        # trained anew a second time because it was once.
        content = {"defaults": _HEADER} | self.model_dump() | {"code": None, "overwrite": False}
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


def parse_train(content: Mapping[str, Any]) -> TrainConfig:
    """One training's config from plain data, such as a run's config.yaml: nothing is interpolated, nothing imported.

    Whether the model's class may be built, and takes these hyperparameters, is checked where it is built.

    Raises:
        UserError: a key is unknown or missing, or a value has the wrong type or lies outside its range.
    """
    if content.get("defaults", _HEADER) != _HEADER:  # they would bring in other files, for Hydra to do more with
        raise UserError("defaults: must be left as genbench writes them")
    return parse(TrainConfig, {key: value for key, value in content.items() if key != "defaults"})


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
