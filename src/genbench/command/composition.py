"""From the words of a command line to checked configs: composed once, by Hydra, and no word does anything else.

What is checked here is what runs: a single run gets the very object, and a sweep's launcher (launching.py) these jobs.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar, get_origin

from hydra import compose as hydra_compose
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path, get_args_parser
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.version import setbase
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from genbench.command.mistakes import first_line, in_one_line
from genbench.command.refusals import check_choices, check_hydras
from genbench.command.sources import use_limits
from genbench.config.loggers import check_loggers
from genbench.config.schema import CONF, flat
from genbench.config.train import TrainConfig
from genbench.errors import UserError
from genbench.models.hyperparameters import check_hyperparameters, config_folders, hyperparameters, sample_options
from genbench.places import absolute, near
from genbench.runs.directory import Run
from genbench.wording import field_at, nearest, parse

Config = TypeVar("Config", bound=BaseModel)

_OF_THIS_MACHINE = ("basic", "joblib", "cores", "shared_gpu")  # launchers
_OF_FOLDERS = "genbench.data.folder.load"
_ELSEWHERE = ("mode", "sweeper.params", "job.chdir")  # in a YAML


@dataclass(frozen=True)
class CommandLine(Generic[Config]):
    """What a command line asks for."""

    configs: list[Config]  # one a job; empty if only information is asked for (--help, --cfg job, ...)
    sweep: bool = False  # -m
    asks: Any = None  # the parsed words, if only information is asked for
    name: str = ""  # of the root config
    jobs: list[list[str]] = field(default_factory=list)  # a sweep's, each with its words
    config_dir: str | None = None

    @property
    def is_remote(self) -> bool:
        """True if a sweep's jobs may run on other machines."""
        words = [word.partition("=") for word in self.jobs[0]] if self.jobs else []
        chosen = [value for name, _, value in words if name.lstrip("+~") == "hydra/launcher"]
        return bool(chosen) and chosen[-1] not in _OF_THIS_MACHINE


def compose(verb: str, schema: type[Config], words: Sequence[str]) -> CommandLine[Config]:
    """Compose and check every job of a command line.

    Args:
        verb: name of the root config, e.g. "train".
        schema: what the composed config must fit. Where it has `words`, it gets all words that are not its own.
        words: of the command line, after the verb.

    Raises:
        UserError: a key, choice, type or value is wrong; nothing was created.
    """
    args = parse_arguments(words)
    if args.help or args.hydra_help or args.cfg or args.info is not None or args.shell_completion:
        return CommandLine([], asks=args)
    if args.multirun and schema is not TrainConfig:
        raise UserError(f"{verb} takes one run at a time: leave out -m (only train sweeps)")
    name, overrides = args.config_name or verb, [added(for_hydra(word), schema) for word in args.overrides]
    if args.config_dir is not None:
        _check_stored(Path(args.config_dir), name)
    further: list[str] = []
    if "words" in schema.model_fields:
        overrides, further = split_words(schema, overrides, args.config_dir)
    with search_path(args.config_dir), in_one_line(name, overrides, lambda: known_keys(name, overrides)):
        parsed = parsed_words(overrides)
        check_hydras(parsed, sweep=args.multirun)
        check_choices(parsed, can_sweep=schema is TrainConfig, sweep=args.multirun)
        jobs = [overrides]
        if args.multirun:
            jobs = BasicSweeper.split_arguments(parsed, None)[0]
            if not jobs:
                raise UserError(f"{' '.join(overrides)}: makes no run, so that there is nothing to do")
        code = any(override.key_or_group == "code" for override in parsed)
        composed = [composed_job(name, job) for job in jobs]
        if further:
            for config in composed:
                config.words = further
        configs = [check(config, schema, code_given=code) for config in composed]
    return CommandLine(configs, args.multirun, None, name, jobs, args.config_dir)


def added(word: str, schema: type[BaseModel]) -> str:
    """A word for a key whose content is free, as Hydra wants it: what a config does not have is added with a +."""
    key = word.partition("=")[0].partition(".")[0]
    field = schema.model_fields.get(key)
    free = field is not None and get_origin(field.annotation) is dict and not (CONF / key).is_dir()
    return f"+{word}" if free else word


def parse_arguments(words: Sequence[str]) -> Any:
    """Hydra's flags, and the rest as `overrides`.

    Raises:
        UserError: a flag is unknown, or one that would have something else run than what was checked.
    """
    with redirect_stderr(io.StringIO()) as said:
        try:
            args = get_args_parser().parse_intermixed_args(list(words))  # flags between words as well
        except SystemExit as error:  # argparse's way to complain, with the usage before it
            if not error.code:
                raise
            complaint = said.getvalue().strip().splitlines()[-1].partition("error: ")[2]
            raise UserError(f"{complaint}; write key=value") from error
    if args.cfg is None and (args.resolve or args.package is not None):
        raise UserError("--resolve, --package: are for what --cfg shows: add --cfg job, or leave them out")
    if args.config_path is not None or args.experimental_rerun is not None:
        raise UserError("--config-path, --experimental-rerun: not taken; --config-dir DIR adds a folder of your own")
    if args.config_dir is not None:
        try:
            found = Path(absolute(args.config_dir))
        except ValueError as error:
            raise UserError(f"--config-dir {args.config_dir}: must be {error}") from error
        if not found.is_dir():
            raise UserError(f"--config-dir {args.config_dir}: there is no such folder")
        args.config_dir = str(found)
    return args


def _check_stored(folder: Path, name: str) -> None:
    """Refuse a run's own config that would do more than be read, or be read for ever: it may be a stranger's.

    Raises:
        UserError: its config.yaml is not as runs write it.
    """
    run = Run(folder)
    if name != "config" or not run.exists:
        return
    if looked_up := [key for key, value in flat(run.config()).items() if "${" in str(value)]:
        raise UserError(f"--config-dir {folder}: {looked_up[0]} would be looked up here: write its value there")


def split_words(schema: type[BaseModel], words: Sequence[str], config_dir: str | None) -> tuple[list[str], list[str]]:
    """A verb's own words, and those that it passes on to train.

    For a list of the verb's, models=gan,vae is as good as models=[gan,vae].
    """
    own: list[str] = []
    others: list[str] = ["--config-dir", str(Path(config_dir).resolve())] if config_dir is not None else []
    for word in words:
        key, sign, value = word.partition("=")
        name = key.lstrip("+~").partition(".")[0]
        if name not in schema.model_fields or name == "words":
            others.append(word)
        elif get_origin(schema.model_fields[name].annotation) is list and not value.startswith(("[", "$")):
            own.append(f"{key}{sign}[{value}]")
        else:
            own.append(word)
    return own, others


def for_hydra(word: str) -> str:
    """A word as Hydra needs it: places below ~ quoted (runs=~/photos, data.root=~/a,~/b), several loggers as a list.

    logger=tensorboard,mlflow is no sweep: the loggers of a training do not make it another.
    """
    key, sign, value = word.partition("=")
    if key == "logger" and "," in value and not value.startswith("["):
        return f"{key}=[{value}]"
    if "~" not in value or any(mark in value for mark in "'\"[]{}()"):
        return word
    return key + sign + ",".join(f"'{each}'" if each.startswith("~") else each for each in value.split(","))


@contextmanager
def search_path(config_dir: str | None) -> Iterator[Hydra]:
    """Hydra as its main function sets it up, which its compose API cannot: with a folder before the program's own."""
    setbase("1.3")
    use_limits()
    path = create_config_search_path(str(CONF))
    # Where several have a file of one name, the user's own comes before genbench's, and that before a package's.
    if config_dir is not None:
        path.prepend("command-line", f"file://{Path(config_dir).resolve()}", SearchPathQuery(provider="main"))
    for folder in config_folders():  # of installed packages that bring models
        path.prepend("package", f"file://{folder}", SearchPathQuery(provider="schema"))
    hydra = Hydra.create_main_hydra2("genbench", path)
    try:
        yield hydra
    finally:
        GlobalHydra.instance().clear()


def check(composed: DictConfig, schema: type[Config], *, code_given: bool = True) -> Config:
    """The composed config as the schema's model.

    Args:
        composed: with interpolations that can be resolved.
        schema: the verb's.
        code_given: whether `code` is the user's own word, not a file's.

    Raises:
        UserError: a value has the wrong type or lies outside its range, or would run code that nobody allowed.
    """
    try:
        missing = sorted(OmegaConf.missing_keys(composed))
        if missing:
            raise UserError(f"{missing[0]} must be given: add {missing[0]}=...")
        content = OmegaConf.to_container(composed, resolve=True)
    except OmegaConfBaseException as error:
        raise UserError(f"{error.full_key or 'config'}: {first_line(error)}") from error
    config = parse(schema, content)
    code = getattr(config, "code", None)
    if code is not None and not code_given:
        raise UserError(f"code={code}: is taken from the command line alone: add code={code} if you trust it")
    if code is not None and not Path(code).is_dir():
        raise UserError(f"code={near(code)}: there is no such folder")
    if isinstance(config, TrainConfig):
        _check_train(config)
    return config


def _check_train(config: TrainConfig) -> None:
    check_loggers(config.logger)
    try:
        check_hyperparameters(config.model, config.code)
    except UserError as error:
        key, _, rest = str(error).partition(":")
        if "there is no such key" not in rest:
            raise
        known = [f"model.{name}" for name in hyperparameters(str(config.model["_target_"]), config.code)]
        raise UserError(f"{key}: there is no such key{nearest(key, known)}") from error
    check_outside_data(config, "runs", config.runs)
    processes = config.trainer.devices * config.trainer.num_nodes
    if config.data.batch_size % processes:
        raise UserError(
            f"data.batch_size={config.data.batch_size}: {processes} processes cannot share it; take a multiple"
        )


def field_of(config: TrainConfig, key: str) -> FieldInfo | None:
    """What a value of a training may be, by its dotted key; None if there is none."""
    target = str(config.model["_target_"])
    known = {f"model.{name}": about for name, about in hyperparameters(target, config.code).items()} | {
        f"model.sample.{name}": about for name, about in sample_options(target, config.code).items()
    }
    return known[key].field if key in known else field_at(TrainConfig, key.split("."))


def check_outside_data(config: TrainConfig, key: str, place: str | Path) -> None:
    """Refuse a folder to write into that is read as a folder of images: what is written would be trained on.

    Raises:
        UserError: it is the data's root, or lies in it.
    """
    root = config.data.root
    if root is None or config.data.load != _OF_FOLDERS or not Path(root).expanduser().is_dir():
        return
    if near(place).resolve().is_relative_to(Path(root).expanduser().resolve()):
        raise UserError(
            f"{key}={place}: lies in data.root={root}, whose files are read as images; choose another folder"
        )


def parsed_words(overrides: Sequence[str]) -> list[Override]:
    """Words as Hydra reads them; within `search_path`."""
    return OverridesParser.create(config_loader=GlobalHydra.instance().config_loader()).parse_overrides(list(overrides))


def composed_job(name: str, words: list[str]) -> DictConfig:
    """One job's config, without Hydra's own part."""
    config = hydra_compose(name, overrides=list(words), return_hydra_config=True)
    for key in _ELSEWHERE:
        if OmegaConf.select(config.hydra, key):
            raise UserError(f"hydra.{key} is set in a YAML: genbench starts the runs itself; take it out")
    _check_recipe(config.hydra.runtime.choices)
    with open_dict(config):
        del config["hydra"]
    return config


def _check_recipe(choices: DictConfig) -> None:
    """Refuse an experiment that has a recipe for other models, and none for the one that was chosen."""
    experiment, model = choices.get("experiment"), choices.get("model")
    if experiment is None:
        return
    recipes = GlobalHydra.instance().config_loader().get_group_options("recipe")
    models = [name.removeprefix(f"{experiment}_") for name in recipes if name.startswith(f"{experiment}_")]
    if models and model not in models:
        raise UserError(
            f"experiment={experiment} says nothing of model={model}: there is no conf/recipe/{experiment}_{model}.yaml;"
            f" choose model={' or model='.join(sorted(models))}"
        )


def known_keys(name: str, overrides: Sequence[str]) -> list[str]:
    """Every key that could have been meant: the config's own with the chosen options, and the groups."""

    def walk(node: Any, prefix: str) -> Iterator[str]:
        for key, value in node.items():
            yield prefix + str(key)
            if isinstance(value, dict):
                yield from walk(value, f"{prefix}{key}.")

    groups = [group for group in GlobalHydra.instance().config_loader().list_groups("") if group not in _NOT_CHOSEN]
    chosen = [word for word in overrides if word.split("=")[0] in groups]
    try:
        composed = OmegaConf.to_container(hydra_compose(name, overrides=chosen))
    except (HydraException, OmegaConfBaseException):
        composed = OmegaConf.to_container(hydra_compose(name))
    return [*walk(composed, ""), *groups]


_NOT_CHOSEN = ("hydra", "recipe")  # groups that nobody names by themselves
