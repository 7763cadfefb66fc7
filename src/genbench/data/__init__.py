"""Data sets, a file a source, and the LightningDataModule: `from genbench.data import ImageDataModule`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genbench.data.datamodule import ImageDataModule as ImageDataModule


def __getattr__(name: str) -> Any:  # not imported before it is used: PyTorch takes seconds
    if name != "ImageDataModule":
        raise AttributeError(f"genbench.data has no {name}")
    from genbench.data.datamodule import ImageDataModule

    return ImageDataModule
