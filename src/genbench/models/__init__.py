"""Models, each a LightningModule in a file of its own: `from genbench.models import DCGAN, VAE`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genbench.models.flow import FlowMatching as FlowMatching
    from genbench.models.gan import DCGAN as DCGAN
    from genbench.models.vae import VAE as VAE
    from genbench.models.vae_prior import VAEWithPrior as VAEWithPrior
    from genbench.models.vaegan import VAEGAN as VAEGAN

_PLACES = {
    "DCGAN": "gan",
    "FlowMatching": "flow",
    "VAE": "vae",
    "VAEGAN": "vaegan",
    "VAEWithPrior": "vae_prior",
}


def __getattr__(name: str) -> Any:  # not imported before it is used: PyTorch takes seconds
    if name not in _PLACES:
        raise AttributeError(f"genbench.models has no {name}")
    from importlib import import_module

    return getattr(import_module(f"genbench.models.{_PLACES[name]}"), name)
