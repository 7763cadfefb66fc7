"""Hydra's complaints, many lines each, as one line that names the nearest right word."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf.errors import OmegaConfBaseException

from genbench.errors import UserError
from genbench.wording import nearest

# Launchers that presets in conf/hydra/launcher build upon, and the extra that brings them.
_EXTRAS = {"hydra/launcher/ray": "ray", "hydra/launcher/submitit_slurm": "slurm"}


def first_line(error: BaseException) -> str:
    """An error's text as far as its first line goes, or its name if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextmanager
def in_one_line(name: str, overrides: Sequence[str], known_keys: Callable[[], list[str]]) -> Iterator[None]:
    """Whatever Hydra and OmegaConf say against these words, as a UserError.

    Args:
        name: of the root config.
        overrides: the words.
        known_keys: all keys that could have been meant; asked for only when one is wrong.
    """
    try:
        yield
    except MissingConfigException as error:
        raise UserError(_missing(error, name)) from error
    except OverrideParseException as error:
        key, sign, value = (error.override or "").partition("=")
        if not sign and re.fullmatch(r"[\w./]+", key):
            raise UserError(f"{key}: stands alone; write {key}=VALUE") from error
        quoted = f" (quoted twice: \"{key}='{value}'\")" if value and "'" not in value else ""
        raise UserError(
            f"{error.override}: cannot be read; write key=value, and quote a value with odd characters{quoted}"
        ) from error
    except ConfigCompositionException as error:
        text = str(error)
        unknown = re.search(r"Could not (?:override|delete|find).*?'([^']+)'", text)
        ambiguous = re.search(r"Ambiguous value for argument '([^']+)'", text)
        if ambiguous:
            raise UserError(
                f"{ambiguous[1]}: several values; give one, or with genbench train add -m to train one run for each"
            ) from error
        if unknown:
            key = unknown[1].lstrip("+~").split("@")[0].split("=")[0]
            raise UserError(f"{key}: there is no such key{nearest(key, known_keys())}") from error
        raise UserError(first_line(error)) from error
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(first_line(error)) from error
    except yaml.YAMLError as error:
        raise UserError(f"a YAML of --config-dir cannot be read ({' '.join(str(error).split())})") from error
    except (TypeError, ValueError, AttributeError, KeyError, IndexError, AssertionError) as error:
        # Hydra's own, where it takes a word for granted: data=1.5, or hydra/launcher=0.
        raise UserError(f"{' '.join(overrides)}: cannot be understood ({first_line(error)})") from error


def _missing(error: MissingConfigException, name: str) -> str:
    missing, options = error.missing_cfg_file or "", list(error.options or [])
    group, _, choice = missing.rpartition("/")
    if not group:
        return f"--config-name {name}: there is no such config"
    if group == "data" and Path(choice).exists():
        return f"data={choice}: there is no such data; for images of your own write data=folder data.root={choice}"
    if missing in _EXTRAS:
        return f"this launcher needs more: pip install 'genbench[{_EXTRAS[missing]}]'"
    return f"{group}={choice}: there is no such {group}{nearest(choice, options)}; choose one of {', '.join(options)}"
