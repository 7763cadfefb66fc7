"""The deep convolutional GAN of the paper (Goodfellow et al. 2014, arXiv:1406.2661; Radford et al. 2016), and its kin.

Other losses are in adversarial.py, another generator is in style.py.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import BatchNorm1d, BatchNorm2d, Module
from torch.optim import Optimizer

from genbench.data.batches import Batch
from genbench.data.images import ImageShape
from genbench.models.adversarial import LOSSES, Loss, Seen
from genbench.models.augmentation import augmented
from genbench.models.convolutional import Discriminator, Generator
from genbench.models.model import Conditional, Update
from genbench.models.style import StyleGenerator, StyleMixing


class DCGAN(Conditional, StyleMixing):
    """Generator and discriminator, each with its own Adam.

    With one critic step both networks take theirs at once, per batch of real images. With several the discriminator's
    steps divide the batch's images among them, so that each is seen once, and the generator's step is the last.
    """

    def __init__(
        self,
        shape: ImageShape | tuple[int, int, int],
        classes: int = 0,
        *,
        latent_size: Annotated[int, Field(ge=1, le=65536, description="dimensions of z")] = 100,
        loss: Annotated[
            Literal["nonsaturating", "minimax", "hinge", "least_squares", "wgan_gp", "r3"],
            Field(description="of both networks; settings that are null are those that go with it"),
        ] = "nonsaturating",
        generator: Annotated[Literal["dcgan", "style"], Field(description="style: StyleGAN2's")] = "dcgan",
        conditional: Annotated[bool, Field(description="both networks are told the class")] = False,
        generator_learning_rate: Annotated[float | None, Field(gt=0, le=1000, description="of its Adam")] = None,
        discriminator_learning_rate: Annotated[float | None, Field(gt=0, le=1000, description="of its Adam")] = None,
        betas: Annotated[
            tuple[Annotated[float, Field(ge=0, le=0.999999)], Annotated[float, Field(ge=0, le=0.999999)]] | None,
            Field(description="of both Adams: decay of the first and the second moment"),
        ] = None,
        dropout: Annotated[float | None, Field(ge=0, le=0.99, description="before D's last layer")] = None,
        label_smoothing: Annotated[float, Field(ge=0, le=0.49, description="real images' target is 1 - this")] = 0.0,
        gamma: Annotated[float | None, Field(ge=0, le=1e6, description="of r3's or wgan_gp's penalty")] = None,
        critic_steps: Annotated[int | None, Field(ge=1, le=100, description="of D, on parts of a batch")] = None,
        spectral_norm: Annotated[bool | None, Field(description="of D, in place of BatchNorm")] = None,
        augment: Annotated[float, Field(ge=0, le=1, description="DiffAugment's strength, for small data")] = 0.0,
        batch_norm_eps: Annotated[float, Field(gt=0, le=1, description="added to BatchNorm's variances")] = 1e-5,
        batch_norm_momentum: Annotated[float, Field(gt=0, le=1, description="a batch's share in its statistics")] = 0.1,
    ) -> None:
        if conditional and not classes:
            raise ValueError("conditional=true needs images with classes")
        told, size = classes if conditional else 0, ImageShape(*shape)
        made = StyleGenerator(size, latent_size, told) if generator == "style" else Generator(size, latent_size, told)
        super().__init__(shape, noise_shape=(made.noise_size,), classes=told)
        self.recipe = LOSSES[loss].changed(
            generator_learning_rate=generator_learning_rate,
            discriminator_learning_rate=discriminator_learning_rate,
            betas=betas,
            dropout=dropout,
            label_smoothing=label_smoothing or None,
            gamma=gamma,
            critic_steps=critic_steps,
            spectral_norm=spectral_norm,
        )
        self.least_images = 1 if self.recipe.critic_steps == 1 else 2 * self.recipe.critic_steps
        self.augment, self.mixes, self.generator = augment, generator == "style", made
        self.rate_at, self.discriminator = self.recipe.rate_at, _discriminator(self.recipe, size, told)
        self.generator.initialise()
        self.discriminator.initialise()
        if not _set_batch_norm(self, batch_norm_eps, batch_norm_momentum):
            none = "BatchNorm, which neither network has"
            self.idle = {"batch_norm_eps": none, "batch_norm_momentum": none}

    def make_optimizers(self) -> dict[str, Optimizer]:
        """Two Adams."""
        rates, betas = self.recipe, self.recipe.betas
        return {
            "generator": self.adam(self.generator.parameters(), rates.generator_learning_rate, betas),
            "discriminator": self.adam(self.discriminator.parameters(), rates.discriminator_learning_rate, betas),
        }

    def updates(self, batch: Batch, noise: Tensor) -> Iterator[Update]:
        """Both losses, mean D(x) and mean D(G(z)), and the gradient penalty of a loss that has one.

        As in the paper's code, with one critic step both losses see the same generated images and the same
        discriminator: neither network's step waits for the other's.
        """
        if self.recipe.critic_steps == 1:
            seen = self._see(batch, noise)
            losses, penalty = self._losses(seen), self._penalty(seen)
            taught = {
                "generator": losses["generator_loss"],
                "discriminator": sum(penalty.values(), losses["discriminator_loss"]),
            }
            yield Update(taught, {**losses, **self._means(seen), **penalty})
            return
        for part, of_part in zip(*_parts(batch, noise, self.recipe.critic_steps), strict=True):
            seen = self._see(part, of_part)
            loss, penalty = self._losses(seen)["discriminator_loss"], self._penalty(seen)
            scalars = {"discriminator_loss": loss, **self._means(seen), **penalty}
            yield Update({"discriminator": sum(penalty.values(), loss)}, scalars)
        loss = self._losses(self._see(batch, noise))["generator_loss"]
        yield Update({"generator": loss}, {"generator_loss": loss})

    def losses(self, batch: Batch, noise: Tensor) -> dict[str, Tensor]:
        """Both losses, mean D(x) and D(G(z)), and the share of real and generated images that D tells rightly.

        There is no penalty, which is not a function of images alone; nor a share where D has no boundary.
        """
        seen = self._see(batch, noise)
        found = {**self._losses(seen), **self._means(seen)}
        if self.recipe.boundary is not None:
            right = torch.cat(
                [seen.real_logits.float() > self.recipe.boundary, seen.fake_logits.float() < self.recipe.boundary]
            )
            found["discriminator_accuracy"] = right.float().mean()
        return found

    def sample(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (B, C, H, W) in [0, 1] of noise (B, *noise_shape): z, and the noise inputs of generator=style."""
        return _in_range(self.generator(noise, labels))

    def mix(self, coarse: Tensor, fine: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (B, C, H, W) in [0, 1] of two noises, with generator=style; see `StyleGenerator.mix`."""
        if not isinstance(self.generator, StyleGenerator):
            raise ValueError("generator=dcgan has no styles to mix")
        return _in_range(self.generator.mix(coarse, fine, labels))

    def _see(self, batch: Batch, noise: Tensor) -> Seen:
        """Real images, as many generated ones, and what D says of both."""
        labels = batch.labels if self.classes else None
        augment = self.augment if self.training else 0.0

        def judge(images: Tensor) -> Tensor:
            logits: Tensor = self.discriminator(augmented(images, augment) if augment else images, labels)
            return logits

        # Not of a leaf: PyTorch's counter of operations cannot look on while a leaf's gradient is asked for.
        real = batch.images.float().requires_grad_(self._penalised).div(127.5).sub(1.0)
        real_logits = judge(real)  # before the generator's turn, as ever: dropout draws in this order
        fake: Tensor = self.generator(noise, labels)
        return Seen(real, fake, real_logits, judge(fake), judge)

    @property
    def _penalised(self) -> bool:
        return self.recipe.penalty is not None and self.recipe.gamma != 0.0 and torch.is_grad_enabled()

    def _losses(self, seen: Seen) -> dict[str, Tensor]:
        of = self.recipe
        smoothing = {} if of.label_smoothing is None else {"label_smoothing": of.label_smoothing}
        return {
            "discriminator_loss": of.discriminator(seen.real_logits, seen.fake_logits, **smoothing),
            "generator_loss": of.generator(seen.real_logits, seen.fake_logits),
        }

    def _penalty(self, seen: Seen) -> dict[str, Tensor]:
        """By its weight, which the discriminator goes down beside its loss."""
        if self.recipe.penalty is None or self.recipe.gamma is None or not self._penalised:
            return {}
        return {"penalty": self.recipe.gamma * self.recipe.penalty(seen)}

    def _means(self, seen: Seen) -> dict[str, Tensor]:
        said = [logits.detach().float() for logits in (seen.real_logits, seen.fake_logits)]
        real, fake = (logits.sigmoid() if self.recipe.probability else logits for logits in said)
        return {"d_real": real.mean(), "d_fake": fake.mean()}


def _discriminator(recipe: Loss, shape: ImageShape, classes: int) -> Discriminator:
    return Discriminator(
        *(shape, recipe.dropout, classes),
        batch_norm=recipe.batch_norm,
        spectral_norm=recipe.spectral_norm,
        float32_logits=recipe.differences,
    )


def _set_batch_norm(network: Module, eps: float, momentum: float) -> bool:
    """True if there is one."""
    layers = [layer for layer in network.modules() if isinstance(layer, BatchNorm1d | BatchNorm2d)]
    for layer in layers:
        layer.eps, layer.momentum = eps, momentum
    return bool(layers)


def _in_range(images: Tensor) -> Tensor:
    """A generator's images, from [-1, 1] to [0, 1]; those of generator=style may lie a little beyond."""
    return images.float().add(1.0).div(2.0).clamp(0.0, 1.0)


def _parts(batch: Batch, noise: Tensor, n: int) -> tuple[list[Batch], list[Tensor]]:
    """The batch and its noise in n parts, or a smaller last batch in fewer of two images, for BatchNorm."""
    n = max(1, min(n, len(noise) // 2))
    labels = [None] * n if batch.labels is None else batch.labels.tensor_split(n)
    return [Batch(*part) for part in zip(batch.images.tensor_split(n), labels, strict=True)], [*noise.tensor_split(n)]
