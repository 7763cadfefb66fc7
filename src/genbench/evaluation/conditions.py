"""What a conditional model is told when it is scored."""

import torch
from torch import Tensor

from genbench.data.images import ImageData, Split
from genbench.models.model import Model


def labels_of(model: Model, split: Split) -> Tensor | None:
    """A split's labels (N,) on the model's device; None for a model that cannot be told classes."""
    return split.labels.to(model.device) if model.classes and split.labels is not None else None


def labels_to_draw(model: Model, data: ImageData, n: int, seed: int) -> Tensor | None:
    """Classes (n,) for samples, in the shares of the training images; None for a model that cannot be told classes.

    Else a data set whose classes are not equally frequent would be held against the model.
    """
    labels = labels_of(model, data.train)
    if labels is None:
        return None
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    return labels.cpu()[order[torch.arange(n) % len(labels)]]
