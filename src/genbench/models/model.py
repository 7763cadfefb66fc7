"""The contract of a model: networks, losses, optimizers by name, and how an image comes from noise.

A new model is one file with a class and one YAML in conf/model/. It states mathematics only:

    class Mine(Model):
        def __init__(self, shape: ImageShape, *, width: Annotated[int, Field(ge=1)] = 64) -> None:
            super().__init__(shape, noise_shape=(16,))
            self.network = ...                                # networks are direct submodules

        def make_optimizers(self): return {"network": self.adam(self.network.parameters(), 1e-3)}
        def updates(self, batch, noise): yield Update({"network": loss}, {"loss": loss})
        def losses(self, batch, noise): return {"loss": loss}
        def sample(self, noise, labels=None): return images

Everything else is written once: in `Model` what any Trainer needs, in training/ what `genbench train` adds. What else a
model can do it declares by its base classes: `Posterior`, `Likelihood`, `Reconstruction`, `LatentPlane`, `Conditional`.
"""

import inspect
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from types import MappingProxyType
from typing import Any, ClassVar

import lightning as L
import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.optim import Adam, Optimizer

from genbench.data.batches import Batch, as_batch
from genbench.data.images import ImageShape
from genbench.distributed import mean_over_processes, processes, rank
from genbench.errors import UserError
from genbench.models.descent import descend, set_rates


@dataclass(frozen=True)
class Update:
    """Losses of which one step is taken: each optimizer goes down its own loss, and no parameter down another's.

    The gradients of all of them are taken before the first optimizer's step.
    """

    losses: Mapping[str, Tensor]  # by the optimizer's name
    scalars: Mapping[str, Tensor] = field(default_factory=dict)  # to plot


class Model(L.LightningModule, ABC):
    """A model that learns images and draws new ones from noise.

    Its constructor takes the images' shape and, by name, the hyperparameters of its YAML, each with a type, a range
    (pydantic's Field) and a default.

    Attributes:
        shape: of one image.
        noise_shape: of the standard normal noise from which one image is drawn.
        classes: how many classes it can be told; 0 unless it is `Conditional` and the images have labels.
        stage: the stage that trains now; the last one in a finished model.
        rate_at: what learning rates are multiplied by when this fraction of the training is done; None: by nothing.
        follows_epochs: stages and rates do, as in an ordinary Trainer; `genbench train` has them follow its budget.
        least_images: of a step, in each process.
        sample_options: defaults of the keyword arguments of `sample`, from the `sample` of the model's YAML.
        idle: hyperparameters that change nothing beside the others that were given, each with what it takes for that.
    """

    # The stages of a training by name, in their order, each with its share of the budget. A share of 0 is a stage whose
    # `begin_stage` is all there is to it.
    stages: ClassVar[Mapping[str, float]] = MappingProxyType({"training": 1.0})
    least_images: int = 1

    def __init__(
        self, shape: ImageShape | tuple[int, int, int], noise_shape: tuple[int, ...], classes: int = 0
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.shape = ImageShape(*shape)
        self.noise_shape = noise_shape
        self.classes = classes
        self.stage = next(iter(self.stages))
        self.rate_at: Callable[[float], float] | None = None
        self.follows_epochs = True
        self.sample_options: dict[str, Any] = {}
        self.idle: dict[str, str] = {}
        self._optimizer_names: tuple[str, ...] = ()
        frame = inspect.currentframe()
        if frame is None:
            raise RuntimeError("this Python tells no function's arguments, which a checkpoint must keep: take CPython")
        self.save_hyperparameters(frame=frame.f_back)  # of the subclass's constructor
        self.save_hyperparameters({"shape": tuple(self.shape)})  # plain numbers: a checkpoint holds no class of ours

    # What a model states.

    @abstractmethod
    def make_optimizers(self) -> dict[str, Optimizer]:
        """The optimizers by name; `adam` makes the usual one."""
        raise NotImplementedError

    @abstractmethod
    def updates(self, batch: Batch, noise: Tensor) -> Iterator[Update]:
        """What one batch teaches: one update after another, each taken before the next is computed.

        It never waits for the device (no float(), no branch on a value), so that a GPU can record and replay it.

        Args:
            batch: bytes (B, C, H, W), and labels where the data have them.
            noise: (B, *noise_shape), standard normal.
        """
        raise NotImplementedError

    @abstractmethod
    def losses(self, batch: Batch, noise: Tensor) -> Mapping[str, Tensor]:
        """Scalars to watch on images that are not trained on, in evaluation mode; arguments as `updates`."""
        raise NotImplementedError

    @abstractmethod
    def sample(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (N, C, H, W) in [0, 1] from noise (N, *noise_shape).

        A model may have options of its own, such as a number of steps: further keyword arguments with annotations and
        defaults.

        Args:
            noise: standard normal.
            labels: (N,) int64, for a model that is conditional.
        """
        raise NotImplementedError

    def begin_stage(self, batches: Iterable[Batch]) -> None:
        """Prepare for `self.stage`, which begins now; `batches` gives all training images once, in their order."""

    # What is written once.

    def adam(
        self, parameters: Iterable[Tensor], learning_rate: float, betas: tuple[float, float] = (0.9, 0.999)
    ) -> Adam:
        """Adam (Kingma & Ba 2015) in one kernel, and one that a CUDA graph can hold."""
        capturable = self.device.type == "cuda"
        return Adam(parameters, learning_rate, (betas[0], betas[1]), fused=True, capturable=capturable)

    def forward(self, noise: Tensor, labels: Tensor | None = None, **options: Any) -> Tensor:
        """`sample`, with its options as they are given, or else as the model's YAML has them.

        A conditional model that is not told the classes draws all of them in turn.
        """
        labels = self.labels_in_turn(len(noise)) if labels is None else labels
        sample: Callable[..., Tensor] = self.sample
        return sample(noise, labels, **{**self.sample_options, **options})

    def noise(self, images: int, generator: torch.Generator | None = None) -> Tensor:
        """Standard normal noise (images, *noise_shape) on the model's device.

        With a generator of the CPU it is the same on every device. Without, of several processes that train together
        each gets its part of what one would draw.
        """
        if generator is not None:
            return torch.randn(images, *self.noise_shape, generator=generator).to(self.device)
        return self.own_part(lambda n: torch.randn(n, *self.noise_shape, device=self.device), images)

    def own_part(self, draw: Callable[[int], Tensor], images: int, dim: int = 0) -> Tensor:
        """What is drawn for each image, along `dim`: of several processes each gets its part of what one would draw."""
        drawn = draw(images * processes())
        return drawn if processes() == 1 else drawn.chunk(processes(), dim)[rank()]

    def labels_in_turn(self, n: int) -> Tensor | None:
        """(n,) int64: all classes, one after another; None for a model without."""
        return torch.arange(n, device=self.device) % self.classes if self.classes else None

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """All updates of one batch; returns their scalars, detached."""
        scalars: dict[str, Tensor] = {}
        is_first = True
        for update in self.updates(batch, self.noise(len(batch.images))):
            descend(self, dict(zip(self._optimizer_names, self._optimizers(), strict=True)), update.losses, is_first)
            is_first = False
            scalars |= {name: value.detach() for name, value in update.scalars.items()}
        return scalars

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, Tensor]:
        """One step on what any loader gives; see `as_batch`."""
        taken = as_batch(batch, self.shape)
        values = self.step(taken)
        if processes() > 1:
            mean_over_processes(values.values())
        shown = {f"train/{name}": value for name, value in values.items()}
        self.log_dict(shown, prog_bar=True, batch_size=len(taken.images))
        return values

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """The losses on validation images."""
        self._log_losses("validation", batch, batch_idx)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """The losses on test images."""
        self._log_losses("test", batch, batch_idx)

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """As many samples as the batch has images."""
        images = as_batch(batch, self.shape).images
        return self.forward(self.noise(len(images), torch.Generator().manual_seed(batch_idx)))

    def configure_optimizers(self) -> list[Optimizer]:
        """For Lightning: `make_optimizers`, in their order."""
        made = self.make_optimizers()
        self._optimizer_names = tuple(made)
        return list(made.values())

    def setup(self, stage: str) -> None:
        """Channels last, which convolutions are fastest with; before there is an optimizer."""
        self.to(memory_format=torch.channels_last)

    def stage_at(self, fraction: float) -> str:
        """The stage in which a training is when this fraction of its budget is used up."""
        names = list(self.stages)
        ends = list(accumulate(self.stages.values()))
        return next((name for name, end in zip(names, ends, strict=True) if fraction < end - 1e-9), names[-1])

    def advance(self, fraction: float, batches: Callable[[], Iterable[Batch]]) -> bool:
        """Begin the stages that are due; True if there was one."""
        names, due = list(self.stages), self.stage_at(fraction)
        begun = names[names.index(self.stage) + 1 : names.index(due) + 1]
        for name in begun:
            self.stage = name
            with torch.no_grad():
                self.begin_stage(batches())
        return bool(begun)

    def on_fit_start(self) -> None:
        """Refuse a Trainer that does not say how many epochs there are, if stages or rates follow them."""
        which = f"stages ({', '.join(self.stages)})" if len(self.stages) > 1 else "learning rates"
        is_due = len(self.stages) > 1 or self.rate_at is not None
        if is_due and self.follows_epochs and (self.trainer.max_epochs or 0) < 1:
            raise UserError(f"{type(self).__name__} has {which} that follow the epochs: give Trainer(max_epochs=...)")

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """In an ordinary Trainer learning rates follow the epochs."""
        if self.follows_epochs and self.rate_at is not None:
            self.follow(self._part_of_epochs(batch_idx / self.trainer.num_training_batches))

    def follow(self, fraction: float) -> None:
        """The learning rates become those of this fraction of the training."""
        if self.rate_at is not None:
            set_rates(self._optimizers(), self.rate_at(fraction))

    def on_train_end(self) -> None:
        """Say it if the training ended before its last stage."""
        last = list(self.stages)[-1]
        if self.follows_epochs and self.stage != last:
            where = f"in its stage {self.stage}, and {last} is the last"
            warnings.warn(f"{type(self).__name__} was not trained to its end: it is {where}", stacklevel=2)

    def on_train_epoch_end(self) -> None:
        """In an ordinary Trainer stages follow the epochs."""
        if self.follows_epochs and (self.trainer.max_epochs or 0) > 0:
            loader: Iterable[Any] = self.trainer.train_dataloader or ()
            self.advance(
                self._part_of_epochs(1.0), lambda: (as_batch(batch, self.shape).to(self.device) for batch in loader)
            )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the stage."""
        checkpoint["stage"] = self.stage

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on in the stage."""
        self.stage = checkpoint["stage"]

    def _part_of_epochs(self, of_this: float) -> float:
        return (self.trainer.current_epoch + of_this) / (self.trainer.max_epochs or 1)

    def _optimizers(self) -> list[LightningOptimizer]:
        found: Any = self.optimizers()
        return found if isinstance(found, list) else [found]

    def _log_losses(self, split: str, batch: Any, batch_idx: int) -> None:
        # Noise of its own: an evaluation neither changes the training that follows nor differs from the next one, nor
        # from one on another device.
        taken = as_batch(batch, self.shape)
        n = len(taken.images)
        noise = self.noise(n, torch.Generator().manual_seed(batch_idx))
        for name, value in self.losses(taken, noise).items():
            self.log(f"{split}/{name}", value, batch_size=n, on_epoch=True, on_step=False)


class Posterior(Model):
    """A model with an encoder: q(z|x) = N(mean, diag(exp(log_variance))) of a vector z."""

    @abstractmethod
    def encode(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance, each (N, d), of images (N, C, H, W) in [0, 1]."""
        raise NotImplementedError

    @abstractmethod
    def kl(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        """KL(q(z|x) || p(z)) of each latent dimension, (N, d) in nats: what each carries of its image."""
        raise NotImplementedError


class Likelihood(Posterior):
    """A model with a likelihood of its own, so that -log p(x) can be estimated by importance sampling from q(z|x).

    Attributes:
        binary: whether p(x|z) is a probability of black and white pixels. A density of grey ones has no `nll`.
    """

    binary = True

    @abstractmethod
    def log_likelihood(self, images: Tensor, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """log p(x|z) in nats, (N,), of images (N, C, H, W) in [0, 1] and latents (N, d)."""
        raise NotImplementedError

    @abstractmethod
    def log_prior(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """log p(z) in nats, (N,), of latents (N, d)."""
        raise NotImplementedError


class Integrable(Likelihood):
    """A model that decodes a latent once for all images: with one or two latent dimensions p(x) can be integrated."""

    @abstractmethod
    def log_likelihoods(self, images: Tensor, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """log p(x|z) in nats, (N, K), of every image (N, C, H, W) in [0, 1] under every latent (K, d)."""
        raise NotImplementedError


class Reconstruction(Model):
    """A model that renders given images by itself, without a search of its latent space."""

    @abstractmethod
    def reconstruct(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (N, C, H, W) in [0, 1] that stand for those given."""
        raise NotImplementedError


class LatentPlane(Posterior):
    """A model whose first two latent dimensions are worth a picture: z itself is its noise."""


class Conditional(Model):
    """A model that can be told the class: its constructor takes `classes` after the shape, and hands it on.

    Built with classes it is given labels always, without it never is.
    """
