"""Flow matching: an ordinary differential equation that carries noise to images (Lipman et al. 2023)."""

from collections.abc import Callable, Iterator
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.optim import Optimizer

from genbench.data.batches import Batch
from genbench.data.images import ImageShape
from genbench.errors import UserError
from genbench.models.model import Conditional, Reconstruction, Update
from genbench.models.unet import UNet

SPREAD = 0.6  # about the standard deviation of pixels in [-1, 1]
BOTH_WAYS = 8, "heun"  # steps from an image to its noise, and as many back
LAST = 0.8  # from here a sample goes to its end in one step of Euler's

Velocity = Callable[[Tensor, float], Tensor]


def flow_matching_loss(velocity: Tensor, images: Tensor, noise: Tensor) -> Tensor:
    """Mean squared error per pixel of a velocity at x_t = (1 - t) noise + t images, whose target is images - noise.

    The conditional flow matching loss with linear paths (Lipman et al. 2023, eq. 23 with no noise left at t = 1).

    Args:
        velocity: (B, C, H, W), of the network.
        images: (B, C, H, W) in [-1, 1].
        noise: (B, C, H, W).

    Returns:
        (B,) float32.
    """
    return (velocity.float() - (images - noise)).square().flatten(1).mean(1)


def integrate(velocity: Velocity, x: Tensor, start: float, end: float, steps: int, solver: str) -> Tensor:
    """Where x' = velocity(x, t) carries x from one time to another.

    Args:
        velocity: of x and a time.
        x: at the start; any shape.
        start: the time of x.
        end: the time of the result.
        steps: of equal length; 0 leaves x where it is.
        solver: euler, of first order with one velocity a step; midpoint or heun, of second order with two; adams, of
            second order with one, as it remembers the last (Adams and Bashforth's), after a first step of heun's.
    """
    length = (end - start) / max(1, steps)
    before: Tensor | None = None
    for i in range(steps):
        time = start + i * length
        slope = here = velocity(x, time)
        if solver == "midpoint":
            slope = velocity(x + length / 2 * here, time + length / 2)
        elif solver == "heun" or (solver == "adams" and before is None):
            slope = (here + velocity(x + length * here, time + length)) / 2
        elif solver == "adams" and before is not None:
            slope = 1.5 * here - 0.5 * before
        x, before = x + length * slope, here
    return x


class FlowMatching(Conditional, Reconstruction):
    """A U-Net that is trained to be the velocity of straight lines from noise to images."""

    def __init__(
        self,
        shape: ImageShape | tuple[int, int, int],
        classes: int = 0,
        *,
        width: Annotated[
            int, Field(ge=4, le=1024, description="channels of the U-Net's largest maps; the others have twice as many")
        ] = 32,
        learning_rate: Annotated[float, Field(gt=0, le=1000, description="of Adam")] = 2e-3,
        label_dropout: Annotated[
            float, Field(ge=0, le=1, description="share of images whose class is not told, for guidance")
        ] = 0.1,
        conditional: Annotated[bool, Field(description="whether the model is told the images' classes")] = False,
    ) -> None:
        if conditional and not classes:
            raise ValueError("conditional=true needs images with classes")
        super().__init__(shape, noise_shape=tuple(shape), classes=classes if conditional else 0)
        self.learning_rate = learning_rate
        self.label_dropout = label_dropout
        if not conditional:
            self.idle["label_dropout"] = "model.conditional=true"
        self.unet = UNet(self.shape, width, self.classes)

    def make_optimizers(self) -> dict[str, Optimizer]:
        """One Adam."""
        return {"unet": self.adam(self.unet.parameters(), self.learning_rate)}

    def updates(self, batch: Batch, noise: Tensor) -> Iterator[Update]:
        """The error of the velocity at logit-normal times (Esser et al. 2024, eq. 19 with m = 0, s = 1)."""
        time = self.own_part(lambda n: torch.randn(n, device=noise.device), len(noise)).sigmoid()
        labels = batch.labels if self.classes else None
        if labels is not None and self.label_dropout > 0:
            drawn = self.own_part(lambda n: torch.rand(n, device=noise.device), len(labels))
            labels = labels.masked_fill(drawn < self.label_dropout, self.classes)
        loss = self._error(batch, noise, time, labels).mean()
        yield Update({"unet": loss}, {"loss": loss})

    def losses(self, batch: Batch, noise: Tensor) -> dict[str, Tensor]:
        """The same at evenly spaced quantiles of the times; all images' classes are told."""
        quantiles = (torch.arange(len(noise), device=noise.device) + 0.5) / len(noise)
        time = torch.special.ndtri(quantiles).sigmoid()
        return {"loss": self._error(batch, noise, time, batch.labels if self.classes else None).mean()}

    def sample(
        self,
        noise: Tensor,
        labels: Tensor | None = None,
        *,
        steps: Annotated[int, Field(ge=1, le=1000, description="in all; the last is one of Euler's")] = 6,
        solver: Annotated[
            Literal["euler", "midpoint", "heun", "adams"],
            Field(description="of the differential equation; midpoint and heun call the network twice a step"),
        ] = "adams",
        guidance: Annotated[
            float, Field(ge=0, le=100, description="how much the class counts, of a conditional model; 1: as learnt")
        ] = 1.0,
    ) -> Tensor:
        """Images (B, C, H, W) in [0, 1], carried there from noise (B, C, H, W).

        The last of several steps goes from t = LAST to the mean of the images that may be meant there, x + (1 - t) v
        (as Jolicoeur-Martineau et al. 2021 end theirs); docs/models/flow.md has what that changes.

        Args:
            noise: standard normal.
            labels: (B,) int64, for a conditional model.
            steps: in all.
            solver: see `integrate`.
            guidance: w of classifier-free guidance, v + (w - 1) (v - v without the class) (Ho & Salimans 2022); but for
                0 and 1 the network is called twice as often.

        Raises:
            UserError: guidance of a model that was told no classes, or never did without.
        """
        velocity = self._velocity(labels, guidance)
        time = LAST if steps > 1 else 0.0
        x = integrate(velocity, noise.float(), 0.0, time, steps - 1, solver)
        return _in_unit(integrate(velocity, x, time, 1.0, 1, "euler"))

    def velocity(self, x: Tensor, time: Tensor, labels: Tensor | None = None) -> Tensor:
        """v (B, C, H, W) float32 at x (B, C, H, W) and times (B,).

        The network's input and target have unit variance at every time, and what is linear in x it need not learn (the
        preconditioning of Karras et al. 2022, for straight lines): v = (t s^2 - (1 - t)) / V x + s / sqrt(V) F(x /
        sqrt(V), t), with V = (1 - t)^2 + t^2 s^2 the variance of x_t if the pixels' is s^2. Where F is 0 it carries
        noise to N(0, s^2).
        """
        t, s = time.view(-1, 1, 1, 1), SPREAD
        variance = (1.0 - t).square() + (t * s).square()
        found: Tensor = self.unet(x / variance.sqrt(), time, labels)
        return (t * s * s - (1.0 - t)) / variance * x + s / variance.sqrt() * found.float()

    def reconstruct(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (B, C, H, W) carried back to the noise from which they come, and from there again.

        The flow can be inverted, but for a sample's last step, which is not taken here: what differs are the errors of
        the solver. It is not the samples': near images the velocity changes fast, and six steps of Adams and
        Bashforth's, which draw as well, have ten to fifty times the error there.
        """
        velocity = self._velocity(labels, self.sample_options.get("guidance", 1.0))
        noise = integrate(velocity, 2.0 * images - 1.0, 1.0, 0.0, *BOTH_WAYS)
        return _in_unit(integrate(velocity, noise, 0.0, 1.0, *BOTH_WAYS))

    def _error(self, batch: Batch, noise: Tensor, time: Tensor, labels: Tensor | None) -> Tensor:
        """(B,), of images as bytes."""
        images = batch.images.float().div(127.5).sub(1.0)
        t = time.view(-1, 1, 1, 1)
        velocity = self.velocity((1.0 - t) * noise + t * images, time, labels)
        return flow_matching_loss(velocity, images, noise)

    def _velocity(self, labels: Tensor | None, guidance: float) -> Velocity:
        if guidance != 1.0 and not self.classes:
            raise UserError(f"guidance={guidance:g}: this model was not told classes: leave it out")
        if guidance != 1.0 and self.label_dropout == 0.0:
            raise UserError(
                f"guidance={guidance:g}: this model has never seen an image without its class (model.label_dropout=0):"
                " leave it out"
            )

        def velocity(x: Tensor, time: float) -> Tensor:
            times = torch.full_like(x[:, 0, 0, 0], time)
            if labels is None or guidance == 1.0:
                return self.velocity(x, times, labels)
            untold = self.velocity(x, times, torch.full_like(labels, self.classes))
            return untold if guidance == 0.0 else untold.lerp(self.velocity(x, times, labels), guidance)

        return velocity


def _in_unit(x: Tensor) -> Tensor:
    return x.add(1.0).div(2.0).clamp(0.0, 1.0)
