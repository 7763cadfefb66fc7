"""A model that is neither genbench's nor an installed package's: runs of it need the word code=DIR."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field
from torch import Tensor, nn
from torch.optim import Optimizer

from genbench.data.batches import Batch
from genbench.data.images import ImageShape
from genbench.models.model import Model, Update


class Flow(Model):
    def __init__(self, shape: ImageShape, *, width: Annotated[int, Field(ge=1)] = 32) -> None:
        super().__init__(shape, noise_shape=tuple(shape))
        self.network = nn.Conv2d(shape[0], shape[0], 3, padding=1)

    def make_optimizers(self) -> dict[str, Optimizer]:
        return {"network": self.adam(self.network.parameters(), 1e-3)}

    def updates(self, batch: Batch, noise: Tensor) -> Iterator[Update]:
        losses = self.losses(batch, noise)
        yield Update({"network": losses["loss"]}, losses)

    def losses(self, batch: Batch, noise: Tensor) -> Mapping[str, Tensor]:
        return {"loss": self.network(noise).square().mean()}

    def sample(self, noise: Tensor, labels: Tensor | None = None, **options: Any) -> Tensor:
        images: Tensor = (0.3 * self.network(noise) + 0.3).clamp(0.0, 1.0)
        return images
