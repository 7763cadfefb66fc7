"""Where the curves, pictures and scores of a training go beside its directory."""

import netrc
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from genbench.config.schema import Schema
from genbench.errors import UserError

_WRITER = "torch.utils.tensorboard.SummaryWriter"
# Libraries that are looked up by their own variables, as MLflow's and W&B's users are used to.
MLFLOW_ADDRESS = "MLFLOW_TRACKING_URI"
_WANDB_KEYS = ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE")


class MLflowConfig(Schema):
    """An MLflow server."""

    tracking_uri: str | None = Field(
        default=None, min_length=1, description=f"the server's address, http://host:5000 say; null: {MLFLOW_ADDRESS}"
    )
    experiment: str = Field(default="genbench", min_length=1, description="the MLflow experiment that the run is in")


class WandbConfig(Schema):
    """Weights & Biases."""

    project: str = Field(default="genbench", min_length=1, description="the W&B project that the run is in")
    mode: Literal["online", "offline"] | None = Field(
        default=None, description="offline: into the run's directory, for wandb sync; null: WANDB_MODE, or online"
    )


class LoggerConfig(Schema):
    """The loggers of a training; each that is not named is not told anything."""

    tensorboard: bool = Field(default=False, description="event files in the run's directory")
    mlflow: MLflowConfig | None = Field(default=None, description="an MLflow server")
    wandb: WandbConfig | None = Field(default=None, description="Weights & Biases")

    @model_validator(mode="before")
    @classmethod
    def _of_before(cls, content: Any) -> Any:
        """Runs of before name TensorBoard's class, or null."""
        if isinstance(content, dict) and content.get("_target_", "") in (None, _WRITER):
            return {"tensorboard": content["_target_"] is not None}
        return content


def check_loggers(logger: LoggerConfig) -> None:
    """Refuse what a person would have to mend before a training; whatever fails later does not stop it.

    Raises:
        UserError: a library, an address or a login is missing, or config.yaml would keep a secret.
    """
    for name, wanted in (("mlflow", logger.mlflow), ("wandb", logger.wandb)):
        if wanted is not None and find_spec(name) is None:
            raise UserError(f"logger={name}: needs a library: pip install 'genbench[{name}]'")
    if logger.mlflow is not None:
        _check_address(logger.mlflow.tracking_uri)
    if logger.wandb is not None and wandb_mode(logger.wandb) == "online" and not _has_wandb_key():
        raise UserError("logger=wandb: you are not logged in: wandb login, or logger.wandb.mode=offline")


def mlflow_address(config: MLflowConfig) -> str | None:
    """Where the server is, by the config or the environment."""
    return config.tracking_uri or os.environ.get(MLFLOW_ADDRESS) or None


def wandb_mode(config: WandbConfig) -> str:
    """online, offline, or another that W&B knows from the environment."""
    return config.mode or os.environ.get("WANDB_MODE") or "online"


def _check_address(address: str | None) -> None:
    if address is None:
        if not os.environ.get(MLFLOW_ADDRESS):
            raise UserError(
                f"logger=mlflow: where is the server? Add logger.mlflow.tracking_uri=http://host:5000, or set"
                f" {MLFLOW_ADDRESS}"
            )
        return
    try:
        parts = urlsplit(address)
        secret = "@" in parts.netloc or bool(parts.query)
    except ValueError as error:
        raise UserError("logger.mlflow.tracking_uri: is no address; write http://host:5000, say") from error
    if secret:  # the value is not repeated here either
        raise UserError(
            "logger.mlflow.tracking_uri: has a name or password in it, which config.yaml would keep: set"
            f" {MLFLOW_ADDRESS}, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, instead"
        )


def _has_wandb_key() -> bool:
    """Whether W&B has something to log in with; if it is right shows when it is asked."""
    if any(os.environ.get(name) for name in _WANDB_KEYS):
        return True
    places = [os.environ.get("NETRC"), "~/.netrc", "~/_netrc"]
    for place in filter(None, places):
        try:
            if netrc.netrc(Path(place).expanduser()).hosts:
                return True
        except (OSError, netrc.NetrcParseError, RuntimeError):
            continue
    return False
