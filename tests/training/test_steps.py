"""Many steps for each chunk that Lightning's loop sees, and replayed ones, come to the same as one by one."""

import io
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, repeat

import lightning as L
import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from genbench.data.batches import Batch
from genbench.data.datamodule import Chunks, Stream
from genbench.data.images import ImageShape, Split
from genbench.models.flow import FlowMatching
from genbench.models.gan import DCGAN
from genbench.models.model import Model, Update
from genbench.models.vae import VAE
from genbench.models.vae_prior import VAEWithPrior
from genbench.models.vaegan import VAEGAN
from genbench.training.steps import EAGER_STEPS, Steps
from tests.models.test_export import Bare
from tests.models.test_gan import gan
from tests.models.test_vae import vae

IMAGES = torch.randint(0, 256, (64, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


class _Always:
    """A schedule of chunks of one size."""

    images_seen = 0

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def chunks(self, images_seen: int) -> Iterator[int]:
        return repeat(self.steps)


def train(
    model: Model,
    chunks: int,
    steps: int,
    *,
    device: str = "cpu",
    precision: str = "32-true",
    more: Sequence[L.Callback] = (),
) -> Steps:
    """Train on batches of 8 images, so many steps a chunk."""
    torch.manual_seed(1)
    callback = Steps(Console(file=io.StringIO()))
    trainer = L.Trainer(
        accelerator=device,
        devices=1,
        precision=precision,  # type: ignore[arg-type]
        max_epochs=1,
        limit_train_batches=chunks,
        callbacks=[callback, *more],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    split = Split(IMAGES.to(trainer.strategy.root_device), None)
    trainer.fit(model, Chunks(Stream(split, 8, seed=0), _Always(steps)))
    return callback


@pytest.mark.filterwarnings("ignore:.*does not have many workers|.*val_dataloader|.*validation_step")
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("build", [pytest.param(gan, marks=pytest.mark.slow), vae])
def test_steps_in_one_chunk_equal_steps_one_by_one(build: Callable[[], Model], precision: str) -> None:
    one_by_one, in_chunks = build(), build()
    train(one_by_one, chunks=6, steps=1, precision=precision)
    train(in_chunks, chunks=2, steps=3, precision=precision)
    for name, value in one_by_one.state_dict().items():
        torch.testing.assert_close(in_chunks.state_dict()[name], value, rtol=0, atol=0, msg=name)


class _Line(Bare):
    """One linear layer whose step is known by heart."""

    def __init__(self, shape: ImageShape = ImageShape(1, 28, 28)) -> None:  # noqa: B008  (a constant)
        super().__init__(shape, noise_shape=(1,))
        self.line = nn.Linear(784, 10)

    def make_optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"line": torch.optim.SGD(self.parameters(), 0.1)}

    def updates(self, batch: Batch, noise: Tensor) -> Iterator[Update]:
        with torch.no_grad():
            loss = self.line(batch.images.flatten(1).float()).mean()
        yield Update({}, {"loss": loss})

    def sample(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        return noise.expand(-1, 784).view(-1, 1, 28, 28)


@pytest.mark.filterwarnings("ignore:.*does not have many workers|.*val_dataloader|.*validation_step")
def test_flops_are_counted_per_image_and_the_model_gets_its_step_back() -> None:
    model = _Line()
    callback = train(model, chunks=2, steps=2)
    assert callback.flops_per_image == 2 * 784 * 10
    assert "training_step" not in vars(model)


SHAPE = ImageShape(1, 28, 28)
KIN: list[Callable[[], Model]] = [
    lambda: DCGAN(SHAPE, loss="r3", generator="style", augment=1.0),
    lambda: DCGAN(SHAPE, loss="wgan_gp", critic_steps=2),
    lambda: DCGAN(SHAPE, loss="hinge"),
    lambda: VAEGAN(SHAPE),
    lambda: FlowMatching(SHAPE, width=8),
    lambda: VAEWithPrior(SHAPE, width=8, likelihood="gaussian"),
    lambda: VAE(SHAPE, importance_samples=3),
]


@cuda
@pytest.mark.filterwarnings("ignore:.*does not have many workers|.*val_dataloader|.*validation_step")
@pytest.mark.parametrize("build", [gan, vae, *KIN])
def test_replayed_steps_equal_launched_ones(build: Callable[[], Model], monkeypatch: pytest.MonkeyPatch) -> None:
    def made() -> Model:
        torch.manual_seed(0)
        model = build()
        model.stages = {model.stage: 1.0}  # type: ignore[misc]
        model.follows_epochs = False  # so that learning rates are the same in chunks of any length
        return model

    steps = EAGER_STEPS + 5
    begun, launched, again, replayed = made(), made(), made(), made()
    callback = train(replayed, chunks=1, steps=steps, device="cuda")
    assert callback._console.file.getvalue() == ""  # type: ignore[attr-defined]
    monkeypatch.setattr("genbench.training.steps.EAGER_STEPS", 10**12)  # no step is captured
    for model in (launched, again):
        train(model, chunks=steps, steps=1, device="cuda")
    compared = 0
    for name, first in begun.state_dict().items():
        way, twice, ours = (
            (model.state_dict()[name].double().cpu() - other.double().cpu()).norm()
            for model, other in (
                (launched, first),
                (again, launched.state_dict()[name]),
                (replayed, launched.state_dict()[name]),
            )
        )
        # Sums are rounded in another order each time, and Adam's first steps make the most of it: a single number whose
        # gradient is about 0, such as the strength of a noise, goes another way each time.
        if twice <= 0.5 * way or way == 0:
            compared += 1
            assert ours <= 0.05 * way + 3 * twice + 1e-6, name
    assert compared >= 0.8 * len(begun.state_dict())


@cuda
@pytest.mark.filterwarnings("ignore:.*does not have many workers|.*val_dataloader|.*validation_step")
def test_a_replayed_step_has_the_learning_rate_of_the_moment() -> None:
    seen: list[Tensor] = []

    class Watching(L.Callback):
        def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: object) -> None:
            seen.append(pl_module.discriminator.body[0].weight.detach().clone())  # type: ignore[union-attr,index]

    model = DCGAN(SHAPE, loss="r3")
    model.rate_at = lambda fraction: 1.0 if fraction < 0.5 else 0.0
    callback = train(model, chunks=4, steps=EAGER_STEPS + 2, device="cuda", more=[Watching()])
    assert callback._console.file.getvalue() == ""  # type: ignore[attr-defined]
    assert [torch.equal(*pair) for pair in pairwise(seen)] == [False, True, True]


@cuda
@pytest.mark.filterwarnings("ignore:.*does not have many workers|.*val_dataloader|.*validation_step")
def test_a_step_that_cannot_be_captured_goes_on_without_a_graph() -> None:
    class Waiting(_Line):
        def updates(self, batch: Batch, noise: Tensor) -> Iterator[Update]:
            for update in super().updates(batch, noise):
                if float(update.scalars["loss"]) < torch.inf:
                    yield update

    callback = train(Waiting(), chunks=1, steps=EAGER_STEPS + 3, device="cuda")
    assert "no CUDA graph" in callback._console.file.getvalue()  # type: ignore[attr-defined]
