"""The images that a run's config names, which may be a stranger's word for the reader's own pictures."""

from pathlib import Path

from genbench.config.data import DataConfig
from genbench.data.images import ImageData
from genbench.data.sources import load_data
from genbench.errors import UserError
from genbench.wording import word


def load_named(run: Path, config: DataConfig, fingerprint: str) -> ImageData:
    """The images that a run's config names; whether they have the run's fingerprint is for the caller to see.

    A folder is not read where there is no fingerprint to see it by: nobody's pictures are to be scored against, shown
    or embedded because a config names their place.

    Args:
        run: its directory, for messages.
        config: of its data.
        fingerprint: that its images must have; empty where the run has none.

    Raises:
        UserError: they cannot be had, or the run names a folder without a fingerprint.
    """
    if not fingerprint and config.root is not None:
        told = {"run": str(run), "data": config.name, "data.root": config.root}
        words = " ".join(word(key, value) for key, value in told.items())
        raise UserError(
            f"{run} would have the images in {config.root} read, and holds no fingerprint by which they are known to be"
            f" its own: if they are, say so: genbench evaluate {words}"
        )
    return load_data(config)
