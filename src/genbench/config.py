"""What a verb may be told, of which type and in which range; checked before anything heavy is imported.

The values and their defaults stand in conf/*.yaml, the types and ranges here. `preflight` composes every job of
a command line exactly as Hydra will, so that a mistake is answered in one line before a directory exists.
"""

import difflib
import hashlib
import io
import json
import math
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from hydra import compose
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path, get_args
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from hydra.version import setbase
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from genbench.errors import UserError
from genbench.interruption import Interrupted

_PACKAGE = Path(__file__).resolve().parent
# Inside a wheel conf/ is packaged; in a checkout it stands at the top.
CONF = next((path for path in (_PACKAGE / "conf", _PACKAGE.parents[1] / "conf") if path.is_dir()), _PACKAGE / "conf")

DEFAULT_EPOCHS = 20.0


@dataclass(frozen=True)
class Range:
    """Numbers that make sense: low <= x <= high, or low < x with `above`."""

    low: float
    high: float = math.inf
    above: bool = False

    def holds(self, value: float) -> bool:
        """True if the number lies inside; NaN never does."""
        return (self.low < value if self.above else self.low <= value) and value <= self.high

    def __str__(self) -> str:
        low = f"above {self.low:g}" if self.above else f"at least {self.low:g}"
        return low if math.isinf(self.high) else f"{low} and at most {self.high:.12g}"


def within(low: float, high: float = math.inf, *, above: bool = False, default: Any = MISSING) -> Any:
    """A dataclass field whose number (if there is one) must lie in the range."""
    return field(metadata={"range": Range(low, high, above)}, default=default)


def one_of(*choices: str) -> Any:
    """A dataclass field whose text must be one of these."""
    return field(metadata={"choices": choices})


@dataclass
class DataConfig:
    """Which images, and how many of them make a step."""

    load: str
    root: str | None
    batch_size: int = within(1, 65536)

    @property
    def name(self) -> str:
        """The module that loads the data set: mnist, fashion, optdigits, folder, ..."""
        return self.load.split(".")[-2]


@dataclass
class TrainerConfig:
    """Where and how long to train; lengths in real images seen or in time."""

    accelerator: str = one_of("auto", "cpu", "gpu", "mps")
    precision: str = one_of("auto", "float32", "bfloat16")
    max_epochs: float | None = within(0, 1e6, above=True)
    max_images: int | None = within(1, 1e12)
    max_minutes: float | None = within(0, 1e6, above=True)
    ema_decay: float = within(0, 0.999999)
    validations: int = within(1, 10_000)
    log_every_images: int = within(1, 1e12)
    devices: int = within(1, 4096, default=1)  # the defaults are for the runs of before there were several
    num_nodes: int = within(1, 4096, default=1)


@dataclass
class EvaluationConfig:
    """How much is scored at the end of training."""

    level: str = one_of("none", "fast", "full")
    nll_samples: int = within(1, 1_000_000)
    nll_images: int = within(2, 1_000_000)


@dataclass
class TrainConfig:
    """conf/train.yaml: one training, whole."""

    model: dict[str, Any]  # checked by HYPERPARAMETERS
    data: DataConfig
    trainer: TrainerConfig
    logger: dict[str, Any]
    evaluation: EvaluationConfig
    runs: str
    overwrite: bool
    seed: int = within(0, 2**32 - 1)

    @property
    def model_name(self) -> str:
        """The module that holds the model: gan, vae, ..."""
        return str(self.model["_target_"]).split(".")[-2]

    @property
    def run_name(self) -> str:
        """The run directory's name: data set, model, a hash of all that affects the result, and the seed.

        What cannot affect the result (logger, evaluation, folder names of data whose bytes are checked) or should
        not (the device) stays out of the hash, so that the same command finds the same directory everywhere.
        """
        data = asdict(self.data)
        if data["root"] is not None:
            data["root"] = str(Path(os.path.expanduser(data["root"])).resolve()) if self.data.name == "folder" else None
        trainer = asdict(self.trainer)
        for key in ("accelerator", "log_every_images"):
            del trainer[key]
        for key in ("devices", "num_nodes"):  # as many runs were named before there were several
            if trainer[key] == 1:
                del trainer[key]
        content = json.dumps({"model": self.model, "data": data, "trainer": trainer}, sort_keys=True)
        digest = hashlib.sha256(content.encode()).hexdigest()[:8]
        return f"{self.data.name}-{self.model_name}-{digest}-s{self.seed}"

    def to_yaml(self) -> str:
        """The whole configuration as a file for `--config-dir DIR --config-name config`, which trains it again."""
        header = {
            "defaults": [
                {"hydra": "verb"},
                {"override hydra/job_logging": "none"},
                {"override hydra/hydra_logging": "none"},
                "_self_",
            ]
        }
        return OmegaConf.to_yaml(OmegaConf.create(header)) + OmegaConf.to_yaml(OmegaConf.create(asdict(self)))


@dataclass
class SampleConfig:
    """conf/sample.yaml: new images from a finished run."""

    run: str
    out: str
    n: int = within(1, 10_000_000)
    seed: int = within(0, 2**32 - 1)


@dataclass
class ExportConfig:
    """conf/export.yaml: a run's networks for other programs."""

    run: str
    out: str
    format: str = one_of("onnx", "torch_export", "safetensors")


@dataclass
class SearchConfig:
    """conf/search.yaml: where to look for good settings, and what good means."""

    search: dict[str, dict[str, Any]]
    objectives: list[str]
    out: str
    trials: int = within(1, 1_000_000)
    workers: int = within(1, 1024)
    sampler_seed: int = within(0, 2**32 - 1)


@dataclass
class EvaluateConfig:
    """conf/evaluate.yaml: the scorecard of a run, or of anybody's images."""

    run: str | None
    runs: str | None
    samples: str | None
    out: str
    data: DataConfig | None
    evaluation: EvaluationConfig


@dataclass
class CalibrateConfig:
    """conf/calibrate.yaml: the scores of images whose quality is known."""

    data: DataConfig
    out: str


@dataclass
class ReportConfig:
    """conf/report.yaml: one page on a folder of runs."""

    runs: str
    out: str
    calibration: str


def flat(config: Any) -> dict[str, Any]:
    """All values of a config by their dotted keys."""

    def walk(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
        for key, value in node.items():
            if isinstance(value, dict):
                yield from walk(value, f"{prefix}{key}.")
            else:
                yield prefix + key, value

    return dict(walk(asdict(config), ""))


_Positive = Range(0, 1e3, above=True)
# A model's hyperparameters by their standard names: type and range go with the name, for every model alike. A name
# that is not here is checked by the model itself.
HYPERPARAMETERS: dict[str, tuple[type, Range]] = {
    "latent_size": (int, Range(1, 65536)),
    "learning_rate": (float, _Positive),
    "generator_learning_rate": (float, _Positive),
    "discriminator_learning_rate": (float, _Positive),
    "betas": (list, Range(0, 0.999999)),
    "kl_weight": (float, Range(0, 1e6)),
    "leak": (float, Range(0, 0.99)),
    "dropout": (float, Range(0, 0.99)),
    "label_smoothing": (float, Range(0, 0.49)),
}

Verb = TypeVar("Verb")


class CommandLine(NamedTuple, Generic[Verb]):
    """What a command line asks for."""

    configs: list[Verb]  # one a job, in Hydra's order; empty if only information is asked for (--help, --cfg job, ...)
    sweep: bool  # -m


def preflight(verb: str, schema: type[Verb], argv: Sequence[str] | None = None) -> CommandLine[Verb]:
    """Compose and check every job of the command line, as Hydra is going to.

    Args:
        verb: name of the root config, e.g. "train".
        schema: the dataclass that the composed config must fit.
        argv: the command line's words; those of this process by default.

    Raises:
        UserError: a key, choice, type or value is wrong; nothing was created.
    """
    with redirect_stderr(io.StringIO()) as said:
        try:
            args = get_args(list(argv) if argv is not None else None)
        except SystemExit as error:  # argparse's way to complain, with the usage before it
            if not error.code:
                raise
            complaint = said.getvalue().strip().splitlines()[-1].partition("error: ")[2]
            raise UserError(f"{complaint}; write key=value") from error
    if args.help or args.hydra_help or args.cfg or args.info is not None or args.shell_completion:
        return CommandLine([], False)
    if args.multirun and schema is not TrainConfig:
        raise UserError(f"{verb} takes one run at a time: leave out -m (only train sweeps)")
    if args.config_dir is not None and not Path(args.config_dir).is_dir():
        raise UserError(f"--config-dir {args.config_dir}: there is no such folder")
    name, overrides = args.config_name or verb, list(args.overrides)
    with _search_path(args.config_dir), _one_line(name, overrides):
        parsed = OverridesParser.create().parse_overrides(overrides)
        jobs = BasicSweeper.split_arguments(parsed, None)[0] if args.multirun else [overrides]
        return CommandLine([check(compose(name, overrides=list(job)), schema) for job in jobs], args.multirun)


@contextmanager
def _search_path(config_dir: str | None) -> Iterator[None]:
    """Hydra as its main function sets it up; the compose API cannot put a folder before the program's own."""
    setbase("1.3")
    path = create_config_search_path(str(CONF))
    if config_dir is not None:
        path.prepend("command-line", f"file://{Path(config_dir).resolve()}", SearchPathQuery(provider="schema"))
    Hydra.create_main_hydra2("genbench", path)
    try:
        yield
    finally:
        GlobalHydra.instance().clear()


def check(composed: DictConfig, schema: type[Verb]) -> Verb:
    """The composed config as the schema's dataclass.

    Raises:
        UserError: a value has the wrong type or lies outside its range.
    """
    try:
        merged = OmegaConf.merge(OmegaConf.structured(schema), composed)
        missing = sorted(OmegaConf.missing_keys(merged))
    except OmegaConfBaseException as error:
        key = error.full_key or "?"
        if type(error).__name__ == "ConfigKeyError":
            raise UserError(f"{key}: there is no such key") from error
        kind = _type_in_words(schema, key)
        value = OmegaConf.select(composed, key)
        raise UserError(f"{key}={_shown(value)}: must be {kind}") from error
    if missing:
        raise UserError(f"{missing[0]} must be given: add {missing[0]}=...")
    try:
        config = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise UserError(f"{error.full_key or 'config'}: {_first_line(error)}") from error
    assert isinstance(config, schema)
    _check_ranges(config, "")
    data = getattr(config, "data", None)
    if data is not None and not _LOAD.fullmatch(data.load):
        raise UserError(f"data.load={_shown(data.load)}: must be genbench.data.<file>.load")
    if isinstance(config, TrainConfig):
        _check_targets(config)
        _check_model(config.model)
        processes = config.trainer.devices * config.trainer.num_nodes
        if config.data.batch_size % processes:
            raise UserError(
                f"data.batch_size={config.data.batch_size}: {processes} processes cannot share it; take a multiple"
            )
    return config


def _check_ranges(config: Any, prefix: str) -> None:
    for item in fields(config):
        key, value = prefix + item.name, getattr(config, item.name)
        if is_dataclass(value):
            _check_ranges(value, key + ".")
        limits: Range | None = item.metadata.get("range")
        if limits is not None and value is not None and not limits.holds(value):
            raise UserError(f"{key}={value}: must be {limits}")
        choices: tuple[str, ...] | None = item.metadata.get("choices")
        if choices is not None and value not in choices:
            raise UserError(f"{key}={value}: must be one of {', '.join(choices)}{_nearest(str(value), choices)}")


# What a config may name to be called: it may come with a run directory that somebody else made.
MODEL_TARGET = re.compile(r"genbench\.models\.[a-z0-9_]+\.[A-Za-z0-9_]+")
_LOAD = re.compile(r"genbench\.data\.[a-z0-9_]+\.load")
_LOGGERS = (None, "torch.utils.tensorboard.SummaryWriter")


def _check_targets(config: TrainConfig) -> None:
    target = config.model.get("_target_")
    if not MODEL_TARGET.fullmatch(str(target)):
        raise UserError(f"model._target_={_shown(target)}: must be genbench.models.<file>.<class>")
    if config.logger.get("_target_") not in _LOGGERS:
        raise UserError(f"logger._target_={_shown(config.logger['_target_'])}: must be {_LOGGERS[1]} or null")


def _check_model(model: dict[str, Any]) -> None:
    for name, value in model.items():
        if name not in HYPERPARAMETERS:
            continue
        kind, limits = HYPERPARAMETERS[name]
        values = value if kind is list and isinstance(value, list) and len(value) == 2 else [value]
        number = int if kind is int else (int, float)
        right = len(values) == (2 if kind is list else 1) and all(
            isinstance(v, number) and not isinstance(v, bool) and limits.holds(v) for v in values
        )
        if not right:
            words = {int: "a whole number", float: "a number", list: "two numbers [a, b], each"}[kind]
            raise UserError(f"model.{name}={_shown(value)}: must be {words} {limits}")


def _shown(value: Any) -> str:
    return (
        json.dumps(OmegaConf.to_container(value))
        if OmegaConf.is_config(value)
        else "null"
        if value is None
        else str(value)
    )


def _type_in_words(schema: type, key: str) -> str:
    kind: Any = schema
    limits = ""
    for part in key.split("."):
        if not is_dataclass(kind):
            break
        found = next((item for item in fields(kind) if item.name == part), None)
        if found is None:
            break
        kind = found.type
        limits = f" {found.metadata['range']}" if "range" in found.metadata else ""
    words = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}
    name = kind.__name__ if isinstance(kind, type) else str(kind)
    optional = " or null" if "None" in name else ""
    return words.get(name.split(" ")[0], "a group of values") + limits + optional


# Launchers that presets in conf/hydra/launcher build upon, and the extra that brings them.
_EXTRAS = {"hydra/launcher/ray": "ray", "hydra/launcher/submitit_slurm": "slurm"}


@contextmanager
def _one_line(name: str, overrides: list[str]) -> Iterator[None]:
    """Hydra's own complaints, many lines each, as one line that names the nearest right word."""
    try:
        yield
    except MissingConfigException as error:
        missing, options = error.missing_cfg_file or "", list(error.options or [])
        group, _, choice = missing.rpartition("/")
        if not group:
            raise UserError(f"--config-name {name}: there is no such config") from error
        if missing in _EXTRAS:
            raise UserError(f"this launcher needs more: pip install 'genbench[{_EXTRAS[missing]}]'") from error
        raise UserError(
            f"{group}={choice}: there is no such {group}{_nearest(choice, options)}; choose one of {', '.join(options)}"
        ) from error
    except OverrideParseException as error:
        key, _, value = (error.override or "").partition("=")
        quoted = f" (quoted twice: \"{key}='{value}'\")" if value and "'" not in value else ""
        raise UserError(
            f"{error.override}: cannot be read; write key=value, and quote a value with odd characters{quoted}"
        ) from error
    except ConfigCompositionException as error:
        text = str(error)
        unknown = re.search(r"Could not (?:override|delete|find).*?'([^']+)'", text)
        ambiguous = re.search(r"Ambiguous value for argument '([^']+)'", text)
        if ambiguous:
            raise UserError(f"{ambiguous[1]}: several values; add -m to train one run for each") from error
        if unknown:
            key = unknown[1].lstrip("+~").split("@")[0].split("=")[0]
            raise UserError(f"{key}: there is no such key{_nearest(key, _known_keys(name, overrides))}") from error
        raise UserError(_first_line(error)) from error
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(_first_line(error)) from error
    except (TypeError, ValueError, AttributeError, KeyError, IndexError, AssertionError) as error:
        # Hydra's own, where it takes a word for granted: data=1.5, or hydra/launcher=0.
        raise UserError(f"{' '.join(overrides)}: cannot be understood ({_first_line(error)})") from error


def _known_keys(name: str, overrides: list[str]) -> list[str]:
    """Every key that could have been meant: the config's own with the chosen options, and the groups."""

    def walk(node: Any, prefix: str) -> Iterator[str]:
        for key, value in node.items():
            yield prefix + str(key)
            if isinstance(value, dict):
                yield from walk(value, f"{prefix}{key}.")

    groups = sorted(path.name for path in CONF.iterdir() if path.is_dir() and path.name not in ("hydra", "recipe"))
    chosen = [word for word in overrides if word.split("=")[0] in groups]
    try:
        composed = OmegaConf.to_container(compose(name, overrides=chosen))
    except (HydraException, OmegaConfBaseException):
        composed = OmegaConf.to_container(compose(name))
    return [*walk(composed, ""), *groups]


def _nearest(word: str, options: Sequence[str]) -> str:
    # A key is often right but for its group (batch_size for data.batch_size): compare the last parts as well.
    by_leaf = {option.rpartition(".")[2]: option for option in reversed(options)}
    close = difflib.get_close_matches(word, options, n=1, cutoff=0.6)
    close = close or [by_leaf[leaf] for leaf in difflib.get_close_matches(word.rpartition(".")[2], by_leaf, n=1)]
    return f"; did you mean {close[0]}?" if close else ""


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextmanager
def user_errors() -> Iterator[None]:
    """A user's mistake ends the process with one line on stderr and exit code 2, a signal with 128 + its number."""
    try:
        yield
    except UserError as error:
        print(f"genbench: {error}", file=sys.stderr)
        sys.exit(2)
    except Interrupted as error:
        print(f"genbench: interrupted by {error}; the same command goes on from here", file=sys.stderr)
        sys.exit(128 + error.number)
