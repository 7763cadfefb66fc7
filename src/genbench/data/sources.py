"""From the config's word for a data set to its images."""

from importlib import import_module

from genbench.config import DataConfig
from genbench.data.images import ImageData


def load_data(config: DataConfig) -> ImageData:
    """The data set that a config names, read from where it says.

    Raises:
        UserError: the images cannot be had.
    """
    module, _, function = config.load.rpartition(".")
    data: ImageData = getattr(import_module(module), function)(config.root)
    return data
