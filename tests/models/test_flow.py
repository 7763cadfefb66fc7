"""Flow matching: the loss's formula, and solvers of the order that they are of, on a flow that is known."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from genbench.data.batches import Batch
from genbench.data.images import ImageShape
from genbench.errors import UserError
from genbench.models.flow import LAST, SPREAD, FlowMatching, Velocity, flow_matching_loss, integrate
from genbench.models.sampling import check_options, draw, network_evaluations
from genbench.models.weights import parameters

SMALL = ImageShape(1, 8, 8)


def flow(shape: ImageShape = SMALL, classes: int = 0, moved: bool = True, **words: Any) -> FlowMatching:
    torch.manual_seed(0)
    model = FlowMatching(shape, classes, conditional=classes > 0, **{"width": 8, **words})
    if moved:  # at first its velocity is 0
        for name, parameter in model.named_parameters():
            if "conv2" in name or "last" in name or "network.2" in name:
                torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


def batch(n: int = 6, shape: ImageShape = SMALL, classes: int = 0) -> Batch:
    images = torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Batch(images, torch.arange(n) % classes if classes else None)


def test_its_size() -> None:
    assert parameters(FlowMatching(ImageShape(1, 28, 28))) == {"unet": 328_626}


@pytest.mark.parametrize(
    ("shape", "halvings"),
    [((1, 28, 28), 1), ((1, 8, 8), 0), ((3, 32, 32), 1), ((3, 64, 64), 2), ((3, 16, 40), 2), ((1, 4, 100), 1)],
)
def test_the_network_reads_its_depth_off_the_data(shape: tuple[int, int, int], halvings: int) -> None:
    model = flow(ImageShape(*shape))
    assert len(model.unet.up) == halvings
    images = model(model.noise(3), steps=1, solver="euler")
    assert images.shape == (3, *shape)
    assert images.min() >= 0
    assert images.max() <= 1


@pytest.mark.parametrize("low", [False, True])
def test_what_is_written_over_where_no_gradient_is_wanted_changes_no_velocity(low: bool) -> None:
    model, times = flow(ImageShape(1, 28, 28)), torch.tensor([0.2, 0.7])
    x = torch.randn(2, 1, 28, 28)
    given = x.clone()
    with torch.autocast("cpu", torch.bfloat16, enabled=low), torch.no_grad():
        drawn = model.velocity(x, times)
    with torch.autocast("cpu", torch.bfloat16, enabled=low):
        learnt = model.velocity(x, times)
    assert torch.equal(x, given)
    # In bfloat16 convolutions add their biases at another place.
    torch.testing.assert_close(drawn, learnt, rtol=0, atol=0.05 if low else 0)


def test_every_pixel_hears_of_every_other() -> None:
    model, x = flow(ImageShape(1, 64, 64)), torch.randn(1, 1, 64, 64, requires_grad=True)
    velocity = model.velocity(x, torch.tensor([0.5]))
    (slope,) = torch.autograd.grad(velocity[0, 0, 0, 0], [x])
    assert (slope != 0).all()


def test_the_loss_is_the_formula() -> None:
    generator = np.random.default_rng(0)
    velocity, images, noise = (generator.normal(0, 1, (5, 2, 4, 4)) for _ in range(3))
    expected = np.mean((velocity - (images - noise)) ** 2, axis=(1, 2, 3))
    found = flow_matching_loss(*map(torch.from_numpy, (velocity, images, noise)))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


def test_the_network_sees_the_point_between_and_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    model, given = flow(), batch()
    seen: list[tuple[Tensor, Tensor]] = []

    def spy(x: Tensor, time: Tensor, labels: Tensor | None) -> Tensor:
        seen.append((x, time))
        return torch.zeros_like(x)

    monkeypatch.setattr(model, "velocity", spy)
    noise, images = torch.randn(6, *SMALL), given.images.float() / 127.5 - 1
    for found in (model.losses(given, noise)["loss"], next(model.updates(given, noise)).losses["unet"]):
        torch.testing.assert_close(found, (images - noise).square().mean())
    for x, time in seen:
        t = time.view(-1, 1, 1, 1)
        torch.testing.assert_close(x, (1 - t) * noise + t * images)


def test_times_are_logit_normal_and_those_of_validation_their_quantiles(monkeypatch: pytest.MonkeyPatch) -> None:
    model, times = flow(), list[Tensor]()

    def spy(batch: Batch, noise: Tensor, time: Tensor, labels: Tensor | None) -> Tensor:
        times.append(time)
        return torch.zeros(1)

    monkeypatch.setattr(model, "_error", spy)
    noise = torch.zeros(4000, *SMALL)
    next(model.updates(batch(), noise))
    state = torch.get_rng_state()
    model.losses(batch(), noise)
    assert torch.equal(state, torch.get_rng_state())
    for time in times:
        logits = torch.logit(time)
        assert float(logits.mean()) == pytest.approx(0, abs=0.06)
        assert float(logits.std()) == pytest.approx(1, abs=0.05)


MEAN, SD = 0.7, 0.3  # of the end; the beginning is N(0, 1)


def known_velocity(x: Tensor, t: float) -> Tensor:
    """E[x_1 - x_0 | x_t] for independent x_0 ~ N(0, 1), x_1 ~ N(MEAN, SD^2) and x_t = (1 - t) x_0 + t x_1."""
    variance = (1 - t) ** 2 + (t * SD) ** 2
    return MEAN + (t * SD**2 - (1 - t)) / variance * (x - t * MEAN)


def known_flow(x: Tensor, t: float) -> Tensor:
    """Where it carries x from time 0."""
    return t * MEAN + math.sqrt((1 - t) ** 2 + (t * SD) ** 2) * x


@pytest.mark.parametrize("t", [0.0, 0.3, 0.9, 1.0])
def test_what_is_linear_is_known_and_the_network_sees_and_learns_numbers_of_one_size(
    t: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of pixels from N(0, s^2): where the network says 0 there remains what a linear function cannot know."""
    model, generator = flow(), torch.Generator().manual_seed(0)
    noise, pixels = torch.randn(2, 40, *SMALL, generator=generator) * torch.tensor([1, SPREAD]).view(2, 1, 1, 1, 1)
    x, time = (1 - t) * noise + t * pixels, torch.full((40,), t)
    answers: list[float] = [0.0, 1.0]
    seen: list[Tensor] = []

    def constant(x: Tensor, time: Tensor, labels: Tensor | None) -> Tensor:
        seen.append(x)
        return torch.full_like(x, answers[len(seen) - 1])

    monkeypatch.setattr(model.unet, "forward", constant)
    linear, plus_one = model.velocity(x, time), model.velocity(x, time)
    residual = (pixels - noise - linear) / (plus_one - linear)  # what the network has to say
    assert float(seen[0].std()) == pytest.approx(1, abs=0.05)
    assert float(residual.std()) == pytest.approx(1, abs=0.05)
    assert float((residual * x).mean()) == pytest.approx(0, abs=0.05)
    slope = (t * SPREAD**2 - (1 - t)) / ((1 - t) ** 2 + (t * SPREAD) ** 2)
    torch.testing.assert_close(linear, slope * x)


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("midpoint", 2), ("heun", 2), ("adams", 2)])
def test_solvers_come_to_the_end_of_a_known_flow_in_their_order(solver: str, order: int) -> None:
    x = torch.linspace(-2, 2, 9).double()

    def errors(velocity: Velocity, end: Tensor, x: Tensor) -> list[float]:
        ends = (integrate(velocity, x, 0.0, 0.6, steps, solver) for steps in (64, 128))
        return [float((found - end).abs().max()) for found in ends]

    few, many = errors(known_velocity, known_flow(x, 0.6), x)
    assert math.log2(few / many) > order - 0.15  # midpoint is of third order on it
    few, many = errors(lambda x, t: -(x**2) * (t + 1), x.abs() / (1 + x.abs() * (0.18 + 0.6)), x.abs())
    assert math.log2(few / many) == pytest.approx(order, abs=0.15)
    torch.testing.assert_close(integrate(known_velocity, x, 0.0, 1.0, 400, solver), MEAN + SD * x, atol=0.01, rtol=0)
    back = integrate(known_velocity, known_flow(x, 0.9), 0.9, 0.0, 400, solver)
    torch.testing.assert_close(back, x, atol=0.02, rtol=0)


def test_options_and_what_they_cost() -> None:
    model = flow()
    for options, calls in (
        ({}, 7),
        ({"solver": "heun", "steps": 8}, 15),
        ({"solver": "euler", "steps": 8}, 8),
        ({"solver": "adams", "steps": 2}, 3),
        ({"solver": "midpoint", "steps": 3}, 5),
        ({"steps": 1}, 1),
    ):
        assert network_evaluations(model, **options) == calls
    told = flow(classes=3)
    assert network_evaluations(told) == 7
    assert network_evaluations(told, guidance=2.0) == 14
    assert network_evaluations(told, guidance=0.0) == 7
    model.sample_options = {"steps": 2, "solver": "euler"}
    assert network_evaluations(model) == 2
    assert not torch.equal(draw(model, 3, 0), draw(model, 3, 0, steps=5))
    with pytest.raises(UserError, match="guidance=2: this model was not told classes"):
        draw(model, 3, 0, guidance=2.0)


def test_a_sample_ends_at_the_mean_that_the_network_sees_at_the_last_time(monkeypatch: pytest.MonkeyPatch) -> None:
    model, noise = flow(), torch.randn(3, *SMALL)
    asked: list[tuple[float, Tensor]] = []

    def known(labels: Tensor | None, guidance: float) -> Velocity:
        def velocity(x: Tensor, time: float) -> Tensor:
            asked.append((time, x))
            return known_velocity(x, time)

        return velocity

    monkeypatch.setattr(model, "_velocity", known)
    for solver in ("euler", "midpoint", "heun", "adams"):
        asked.clear()
        found = model.sample(noise, steps=101, solver=solver)
        assert max(time for time, _ in asked) == asked[-1][0] == LAST
        x = asked[-1][1]
        torch.testing.assert_close(x, known_flow(noise, LAST), atol=0.02, rtol=0)
        precision = 1 / SD**2 + (LAST / (1 - LAST)) ** 2  # of a pixel where it is seen as x
        mean = (MEAN / SD**2 + LAST / (1 - LAST) ** 2 * x) / precision
        torch.testing.assert_close(found, (mean / 2 + 0.5).clamp(0, 1), atol=1e-5, rtol=0)
    one = model.sample(noise, steps=1, solver="heun")
    torch.testing.assert_close(one, torch.full_like(one, MEAN / 2 + 0.5))  # noise says nothing: the mean of all


def test_guidance_is_the_formula_and_samples_of_a_class_differ() -> None:
    model, x = flow(classes=3), torch.randn(4, *SMALL)
    torch.nn.init.normal_(model.unet.label.weight)  # type: ignore[union-attr]
    labels = torch.tensor([0, 1, 2, 0])
    with torch.no_grad():
        told, untold = (model.velocity(x, torch.full((4,), 0.3), of) for of in (labels, torch.full_like(labels, 3)))
        for w in (0.0, 1.0, 2.5):
            torch.testing.assert_close(model._velocity(labels, w)(x, 0.3), untold + w * (told - untold))
    zeros, ones = (draw(model, 4, 0, labels=torch.full((4,), label)) for label in (0, 1))
    assert not torch.equal(zeros, ones)


def test_who_was_always_told_cannot_do_without() -> None:
    """The class of none was drawn by numbers that no training had touched."""
    model = flow(classes=3, label_dropout=0.0)
    labels = torch.tensor([0])
    for guidance in (0.0, 2.0):
        with pytest.raises(UserError, match="has never seen an image without its class"):
            draw(model, 1, 0, labels=labels, guidance=guidance)
    assert draw(model, 1, 0, labels=labels, guidance=1.0).shape == (1, *SMALL)


def test_options_that_do_not_go_together_are_said_before_a_training() -> None:
    """They were at its first validation, and a directory was left."""
    model = flow()
    model.sample_options = {"guidance": 2.0}
    state = torch.get_rng_state()
    with pytest.raises(UserError, match="this model was not told classes"):
        check_options(model)
    model.sample_options = {"guidance": 1.0}
    check_options(model)
    assert torch.equal(state, torch.get_rng_state())


def test_a_share_of_the_labels_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = flow(classes=3, label_dropout=0.25), list[Tensor]()

    def spy(batch: Batch, noise: Tensor, time: Tensor, labels: Tensor) -> Tensor:
        seen.append(labels)
        return torch.zeros(1)

    monkeypatch.setattr(model, "_error", spy)
    given = batch(6000, classes=3)
    noise = torch.zeros(6000, *SMALL)
    next(model.updates(given, noise))
    model.losses(given, noise)
    trained, watched = seen
    assert float((trained == 3).float().mean()) == pytest.approx(0.25, abs=0.03)
    assert given.labels is not None
    assert torch.equal(trained[trained != 3], given.labels[trained != 3])
    assert torch.equal(watched, given.labels)


@pytest.mark.slow
def test_a_flow_renders_given_images_by_going_back(monkeypatch: pytest.MonkeyPatch) -> None:
    model = flow()
    images = torch.rand(3, *SMALL)
    with torch.no_grad():
        rendered = model.reconstruct(images)
        model.sample_options = {"steps": 2, "solver": "euler"}  # of samples: how well it renders is not their affair
        assert torch.equal(model.reconstruct(images), rendered)
        monkeypatch.setattr("genbench.models.flow.BOTH_WAYS", (100, "heun"))
        fine = (model.reconstruct(images) - images).abs().max()
    assert fine < 1e-3
    assert fine < (rendered - images).abs().max()
