"""What `genbench VERB --help` prints: each value with its meaning, unit and range, as it stands with what was given.

The site's reference of the command (docs/conf.py) is made of the same.
"""

import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra._internal.utils import get_args_parser
from hydra.core.object_type import ObjectType
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from pydantic import BaseModel

from genbench.command.composition import (
    added,
    composed_job,
    for_hydra,
    known_keys,
    parsed_words,
    search_path,
    split_words,
)
from genbench.command.mistakes import in_one_line
from genbench.command.refusals import check_choices
from genbench.errors import UserError
from genbench.models.hyperparameters import Hyperparameter, hyperparameters, sample_options
from genbench.wording import field_at, in_words, shown, written

_LEFT = 34  # columns for key=value, before what it means
_FOOT = """\
--cfg job shows the values alone; --config-dir DIR adds a folder with choices of your own."""


@dataclass(frozen=True)
class Words:
    """What can be said to a verb."""

    choices: dict[str, dict[str, str]]  # by group its options, each with what it is
    values: list[tuple[str, Any, str]]  # key, value, and its meaning with unit and range


def words_of(verb: str, schema: type[BaseModel], given: Sequence[str] = ()) -> Words:
    """What can be said to a verb, beside the words that are given.

    Raises:
        UserError: one of these is wrong.
    """
    with search_path(None) as hydra, in_one_line(verb, given, lambda: known_keys(verb, given)):
        return _words(hydra, hydra.compose_config(verb, list(given), RunMode.RUN), schema)


def answer(verb: str, schema: type[BaseModel], text: str, asks: Any) -> None:
    """Print what is asked for: --help, --cfg, --info or --hydra-help.

    Args:
        verb: its name.
        schema: of its config.
        text: what the verb does, and examples.
        asks: Hydra's parsed words.

    Raises:
        UserError: a word is wrong.
    """
    name, overrides = asks.config_name or verb, [added(for_hydra(word), schema) for word in asks.overrides]
    passed_on: list[str] = []
    if "words" in schema.model_fields:
        overrides, passed_on = split_words(schema, overrides, None)
    if asks.multirun and not asks.help:
        raise UserError("-m shows nothing: leave it out")
    with search_path(asks.config_dir) as hydra, in_one_line(name, overrides, lambda: known_keys(name, overrides)):
        can_sweep = schema.__name__ == "TrainConfig"
        check_choices(parsed_words(overrides), can_sweep=can_sweep, sweep=bool(asks.multirun))
        if passed_on:
            _check_passed_on(passed_on, hydra.compose_config(name, overrides, RunMode.RUN))
        if asks.help:
            config = hydra.compose_config(name, overrides, RunMode.MULTIRUN if asks.multirun else RunMode.RUN)
            print("\n".join(_help(hydra, config, schema, text)))
        elif asks.hydra_help:
            hydra.hydra_help(name, get_args_parser(), asks)
        elif asks.cfg:
            hydra.show_cfg(name, overrides, asks.cfg, asks.package, asks.resolve)
        elif asks.info is not None:
            hydra.show_info(asks.info, name, overrides)
        else:
            raise UserError('--shell-completion: write eval "$(genbench completion bash)", or zsh, or fish')


def _check_passed_on(words: Sequence[str], config: DictConfig) -> None:
    """Refuse words that train would not take, as the verb itself does once it begins.

    Args:
        words: that the verb passes on.
        config: the verb's, which says of what models the trainings are.
    """
    if "models" in config:
        told, sweep = [f"model={','.join(map(str, config.models))}"], True
    else:  # of a search the first of each that it looks for
        space: Any = OmegaConf.to_container(config.search)
        firsts = {name: about.get("choices", [about.get("low")])[0] for name, about in space.items()}
        told, sweep = [f"{name}={written(value)}" for name, value in firsts.items()], False
    words = [word for word in (*told, *words) if not word.startswith(("hydra/", "hydra."))]
    with in_one_line("train", words, lambda: known_keys("train", words)):
        parsed = parsed_words(words)
        check_choices(parsed, can_sweep=True, sweep=sweep)
        for job in BasicSweeper.split_arguments(parsed, None)[0] if sweep else [words]:
            composed_job("train", job)


def _help(hydra: Hydra, config: DictConfig, schema: type[BaseModel], text: str) -> Iterator[str]:
    yield from (f"  {line}" if line.startswith("genbench ") else line for line in text.splitlines())
    words = _words(hydra, config, schema)
    if words.choices:
        yield "\nChoices (group=option):\n"
    for group, options in words.choices.items():
        yield f"  {group}"
        for option, comment in options.items():
            yield from _entry(f"  {option}", comment)
    yield "\nValues (key=value), as they stand with what you gave:\n"
    for key, value, meaning in words.values:
        yield from _entry(f"{key}={shown(value)}", meaning)
    yield f"\n{_FOOT}"


def _words(hydra: Hydra, config: DictConfig, schema: type[BaseModel]) -> Words:
    groups = [str(key) for key in reversed(list(config.hydra.runtime.choices)) if _is_choice(str(key))]
    if schema.__name__ == "TrainConfig":
        groups.append("hydra/launcher")  # of a sweep
    choices: dict[str, dict[str, str]] = {}
    for group in groups:
        options = sorted(hydra.config_loader.get_group_options(group, ObjectType.CONFIG))
        comments = {option: _comment(hydra, group, option) for option in options}
        choices[group] = {option: c for option, c in comments.items() if c or not group.startswith("hydra")}
    with open_dict(config):
        del config["hydra"]
    return Words(choices, list(_values(config, schema)))


def _is_choice(group: str) -> bool:
    return not group.startswith(("hydra", "recipe"))


def _values(config: DictConfig, schema: type[BaseModel]) -> Iterator[tuple[str, Any, str]]:
    """Key, value, and its meaning with unit and range."""
    plain: Any = OmegaConf.to_container(config, resolve=True)
    model = _hyperparameters(plain)
    for key, value in _leaves(plain, schema, ""):
        field = field_at(schema, key.split("."))
        if key in model:
            about = model[key]
            yield key, value, "; ".join(filter(None, (about.meaning, in_words(about.field))))
        elif field is not None:
            limits = "" if "dict" in str(field.annotation) else in_words(field)
            yield key, value, "; ".join(filter(None, (field.description, limits)))


def _leaves(node: Mapping[Any, Any], schema: type[BaseModel], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        whole = field_at(schema, f"{prefix}{key}".split("."))
        described_as_one = whole is not None and prefix == "" and key in ("search", "options")
        if key == "words" and not prefix:
            continue
        if isinstance(value, dict) and value and not described_as_one:
            yield from _leaves(value, schema, f"{prefix}{key}.")
        elif not (prefix == "model." and key in ("_target_", "title")):
            yield f"{prefix}{key}", value


def _hyperparameters(plain: Mapping[Any, Any]) -> dict[str, Hyperparameter]:
    """Those of the chosen model, and its options of sampling, by their keys."""
    model = plain.get("model")
    if not isinstance(model, dict) or "_target_" not in model:
        return {}
    target, code = str(model["_target_"]), plain.get("code")
    return {f"model.{name}": about for name, about in hyperparameters(target, code).items()} | {
        f"model.sample.{name}": about for name, about in sample_options(target, code).items()
    }


def _comment(hydra: Hydra, group: str, option: str) -> str:
    """The first line of comment in a choice's YAML."""
    for place in hydra.config_loader.get_search_path().get_path():
        path = Path(place.path.removeprefix("file://")) / group / f"{option}.yaml"
        if path.is_file():
            lines = path.read_text(encoding="utf-8").splitlines()
            comments = [line.lstrip("# ") for line in lines if line.startswith("#") and "@package" not in line]
            return comments[0] if comments else ""
    return ""


def _entry(left: str, right: str) -> Sequence[str]:
    """Two columns; a long left one has a line of its own."""
    width = max(60, min(120, shutil.get_terminal_size((120, 24)).columns))
    lines = textwrap.wrap(right, width - _LEFT - 4) or [""]
    if len(left) > _LEFT:
        return [f"  {left}", *(f"  {'':{_LEFT}}  {line}" for line in lines)]
    return [f"  {left:{_LEFT}}  {lines[0]}".rstrip(), *(f"  {'':{_LEFT}}  {line}" for line in lines[1:])]
