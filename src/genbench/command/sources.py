"""The YAML files that Hydra reads, looked at before it does: what would keep it for ever is refused."""

import os
from pathlib import Path

import yaml
from hydra._internal.core_plugins import file_config_source
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult

from genbench.cache import regular_file
from genbench.errors import UserError

_LARGEST = 2**20  # bytes of a file
_MOST = 100_000  # values of a file, each as often as aliases repeat it
_DEEPEST = 20  # groups within groups
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where it was built


class FileConfigSource(file_config_source.FileConfigSource):
    """Hydra's own, for files within limits."""

    def load_config(self, config_path: str) -> ConfigResult:
        """A YAML file's content.

        Raises:
            UserError: it is no file, too large, or made to grow.
        """
        path = Path(os.path.realpath(Path(self.path) / self._normalize_file_name(config_path)))
        if path.exists():
            try:
                _check(regular_file(path, _LARGEST).read_bytes())
            except ValueError as error:
                raise UserError(f"{path}: {error}: mend it, or give another --config-dir") from error
            except yaml.YAMLError:
                pass  # Hydra says it, with the place
        return super().load_config(config_path)


def use_limits() -> None:
    """Have Hydra read its files by the class above, in this process."""
    Plugins.instance()  # it registers Hydra's own; of two with one name it keeps the first
    SourcesRegistry.instance().types["file"] = FileConfigSource


def _check(text: bytes) -> None:
    """Refuse a file whose aliases repeat more than a config can need: a few within each other fill any memory."""
    sizes: dict[str, int] = {}  # values below an anchor, by its name
    groups: list[tuple[str | None, int]] = []  # the open ones: anchor and values so far
    for event in yaml.parse(text, _LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            groups.append((event.anchor, 1))
            if len(groups) > _DEEPEST:
                raise ValueError("it is nested too deeply")
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, size = groups.pop()
        elif isinstance(event, yaml.ScalarEvent):
            anchor, size = event.anchor, 1
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise ValueError(f"*{event.anchor} is within itself")
            anchor, size = None, sizes[event.anchor]
        else:
            continue
        if anchor is not None:
            sizes[anchor] = size
        if groups:
            groups[-1] = (groups[-1][0], groups[-1][1] + size)
            if groups[-1][1] > _MOST:
                raise ValueError(f"with its aliases written out it has more than {_MOST:,} values")
