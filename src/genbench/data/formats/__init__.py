"""What kinds of file hold images, a module a kind; a new one is taken as it lies here.

A module has `takes(path)`, true for the files (and folders) that it is for, and one of
    arrays(path)          the arrays by name: images and labels are told apart by what they are called (data/names.py);
                          found.Arrays also says what has a name in the file and is left out, and why
    found(path, config)   what there is, where the names say nothing of it
Both raise UserError for what cannot be read, and import what they need when they are called.
"""

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType


def format_of(path: Path) -> ModuleType | None:
    """The module that takes a file or folder."""
    for info in iter_modules(__path__):
        module = import_module(f"{__name__}.{info.name}")
        if module.takes(path):
            return module
    return None
