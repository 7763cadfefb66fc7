"""GAN or VAE? Train both under one protocol and compare them with numbers that carry their uncertainty.

In Python: `genbench.load`, `genbench.score`, `genbench.compare`; see genbench/api.py.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genbench.api import compare as compare
    from genbench.api import load as load
    from genbench.api import score as score

__version__ = "0.1.0"
_OF_API = ("compare", "load", "score")


def __getattr__(name: str) -> Any:  # not imported before it is used: PyTorch takes seconds
    if name not in _OF_API:
        raise AttributeError(f"genbench has no {name}")
    from genbench import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return [*globals(), *_OF_API]
