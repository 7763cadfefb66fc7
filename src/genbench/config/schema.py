"""What all groups of values have in common."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict

from genbench.places import absolute, absolute_or_hub

_PACKAGE = Path(__file__).resolve().parents[1]
# Inside a wheel conf/ is packaged; in a checkout it stands at the top.
CONF = next((path for path in (_PACKAGE / "conf", _PACKAGE.parents[1] / "conf") if path.is_dir()), _PACKAGE / "conf")
LARGEST_SEED = 2**32 - 1
CODE = "a folder with Python modules of your own that model._target_ may name; they are run"

Place = Annotated[str, AfterValidator(absolute)]
Source = Annotated[str, AfterValidator(absolute_or_hub)]


class Schema(BaseModel):
    """A group of values: an unknown key is refused, and so is "1" for 1 or true for 1."""

    model_config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())


def flat(config: BaseModel) -> dict[str, Any]:
    """All values of a config by their dotted keys."""
    return by_dotted_keys(config.model_dump())


def by_dotted_keys(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The leaves of nested dictionaries; an empty one is none."""
    found: dict[str, Any] = {}
    for key, value in node.items():
        found |= by_dotted_keys(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found
