"""Words that Hydra would take, and of which nobody would hear that they did something else than they say."""

import re
from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.types import ChoiceSweep, Override

from genbench.config.schema import CONF
from genbench.errors import UserError

# Hydra's own words that a sweep can use. The rest would have Hydra run something else than what was composed here.
_OF_SWEEPS = re.compile(r"hydra/launcher|hydra\.launcher\..+|hydra\.sweep\.dir")
_OF_SEVERAL = ("logger",)  # groups of which a training has several choices
_MAKE_RUNS = ("model", "data", "experiment")  # those of which each choice makes another training


def check_hydras(parsed: Sequence[Override], *, sweep: bool) -> None:
    """Refuse Hydra's own words but those of a sweep.

    Raises:
        UserError: a word is another one, or is given without -m.
    """
    for override in parsed:
        key = override.key_or_group
        if not re.match(r"hydra\b", key):
            continue
        if not _OF_SWEEPS.fullmatch(key):
            raise UserError(
                f"{key}: genbench starts the runs itself; of Hydra's own words it takes hydra/launcher=,"
                " hydra.launcher.*= and hydra.sweep.dir="
            )
        if override.is_sweep_override():
            raise UserError(f"{key}: a sweep has one launcher; give one value")
        if not sweep:
            raise UserError(f"{key}: is for the runs of a sweep; add -m, or leave it out")


def check_choices(parsed: Sequence[Override], *, can_sweep: bool, sweep: bool) -> None:
    """Refuse a list where one is chosen: Hydra takes each of it in turn, so that the last replaces the others.

    Args:
        parsed: the words.
        can_sweep: whether -m may be given.
        sweep: whether it is.

    Raises:
        UserError: a word is such a list.
    """
    for override in parsed:
        key, value = override.key_or_group, override.value()
        if key in _OF_SEVERAL or not (CONF / key).is_dir():
            continue
        given = value.list if isinstance(value, ChoiceSweep) else [value]
        lists = [each for each in given if isinstance(each, list)]
        if not lists:
            continue
        named = list(dict.fromkeys(_plain(given)))
        one, several = f"{key}={(_plain(lists) or ['NAME'])[0]}", f"{key}={','.join(named)}"
        advice = f"write {one}"
        if len(named) > 1 and key in _MAKE_RUNS and can_sweep:
            advice = f"write {several}" if sweep else f"{advice}, or genbench train -m {several}"
        raise UserError(f"{key}: takes one choice, and of a list only the last would count; {advice}")


def _plain(values: Sequence[Any]) -> list[str]:
    """The choices in a list, and in lists within it."""
    found: list[str] = []
    for value in values:
        found += _plain(value) if isinstance(value, list) else [str(getattr(value, "text", value))]
    return found
