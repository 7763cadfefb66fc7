"""All scores of a pair of real and generated features."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import genbench.evaluation.pair as pairs
from genbench.evaluation import views
from genbench.evaluation.catalogue import catalogue
from genbench.evaluation.kernel import mean_kernel, mean_kernel_within, power_sums
from genbench.evaluation.moments import frechet_distance_of_moments, moments
from genbench.evaluation.neighbours import nearest, nearest_others, overlap
from genbench.evaluation.pair import Pair, Reference
from genbench.evaluation.two_sample import held_out_accuracy, leave_one_out_accuracy
from genbench.evaluation.variety import effective_number

DIMENSIONS = 12


def images(rows: int, seed: int) -> Tensor:
    """Features as of ten classes: a mixture of Gaussians, of mean 0 and variance 1 roughly, in float32."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(10, DIMENSIONS, generator=torch.Generator().manual_seed(99))
    classes = torch.randint(10, (rows,), generator=generator)
    return 0.9 * centres[classes] + 0.4 * torch.randn(rows, DIMENSIONS, generator=generator)


TRAIN, TEST, VALIDATION = images(3000, 0), images(1000, 1), images(1000, 2)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference.of(TEST, TRAIN)


def measured(reference: Reference, generated: Tensor) -> dict[str, float]:
    """All scores of features alone."""
    pair = Pair(reference, generated)
    return {name: entry.measure(pair) for name, entry in catalogue().items() if entry.needs == "features"}


def test_every_score_is_that_of_its_definition(reference: Reference) -> None:
    generated = 1.1 * VALIDATION
    to_test, to_train = (frechet_distance_of_moments(moments(generated), moments(each)) for each in (TEST, TRAIN))
    found = nearest(generated, TRAIN)
    distances, scales = found.squared_distances[:, 0], nearest_others(TRAIN).squared_distances[found.indices[:, 0], 0]
    around_test, around_generated = (nearest_others(each, 5).squared_distances for each in (TEST, generated))
    third = overlap(generated, TEST, around_generated[:, 2], around_test[:, 2:3])
    fifth = overlap(generated, TEST, around_generated[:, 4], around_test[:, 4:5])
    expected = {
        "fcd": to_test,
        "kcd": sum(mean_kernel_within(power_sums(each)) for each in (generated, TEST))
        - 2 * mean_kernel(power_sums(generated), power_sums(TEST)),
        "precision": (third.balls > 0).double().mean().item(),
        "recall": third.held.double().mean().item(),
        "density": fifth.balls.double().mean().item() / 5,
        "coverage": (nearest(TEST, generated).squared_distances < around_test[:, 4:5]).double().mean().item(),
        "vendi": effective_number(generated) / effective_number(TEST),
        "auth_pct": (distances > scales).double().mean().item(),
        "near_duplicates": (distances <= scales / 4).double().mean().item(),
        "fcd_train_gap": to_train - to_test,
        "c2st_linear": held_out_accuracy(TEST, generated),
        "c2st_1nn": leave_one_out_accuracy(
            nearest_others(TEST).squared_distances[:, 0],
            nearest(TEST, generated).squared_distances[:, 0],
            nearest_others(generated).squared_distances[:, 0],
            nearest(generated, TEST).squared_distances[:, 0],
        ),
    }
    assert measured(reference, generated) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_nothing_is_worked_out_twice(reference: Reference, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def count(name: str) -> Callable[..., object]:
        function = getattr(pairs, name)

        def counted(*words: object) -> object:
            calls.append(name)
            return function(*words)

        return counted

    _ = reference.test_power_sums  # are kept from one draw to the next
    for name in ("moments", "power_sums", "nearest", "nearest_others", "overlap"):
        monkeypatch.setattr(pairs, name, count(name))
    measured(reference, VALIDATION)
    assert sorted(calls) == ["moments", "nearest", "nearest_others", "overlap", "power_sums"]


def test_real_images_score_as_real(reference: Reference) -> None:
    scores = measured(reference, VALIDATION)
    assert scores["fcd"] < 0.5
    assert abs(scores["kcd"]) < 0.2
    assert scores["density"] == pytest.approx(1, abs=0.1)
    assert scores["coverage"] > 0.9
    assert scores["c2st_linear"] == pytest.approx(0.5, abs=0.05)
    assert scores["c2st_1nn"] == pytest.approx(0.5, abs=0.05)
    assert scores["near_duplicates"] < 0.01


def test_copies_of_training_images_fail_memorisation_alone(reference: Reference) -> None:
    real, copied = measured(reference, VALIDATION), measured(reference, TRAIN[:1000])
    assert copied["auth_pct"] == 0
    assert copied["near_duplicates"] == 1
    assert real["auth_pct"] > 0.4
    assert copied["fcd"] < 2 * real["fcd"] + 0.1
    assert copied["coverage"] == pytest.approx(real["coverage"], abs=0.03)
    assert copied["precision"] == pytest.approx(real["precision"], abs=0.05)
    assert copied["c2st_1nn"] == pytest.approx(real["c2st_1nn"], abs=0.05)
    assert copied["fcd_train_gap"] < 0


def test_ten_repeated_images_keep_their_precision_alone(reference: Reference) -> None:
    scores = measured(reference, TEST[:10].repeat(100, 1))
    assert scores["precision"] == 1
    assert scores["recall"] == 0
    assert scores["coverage"] < 0.1
    assert scores["fcd"] > 1
    assert scores["c2st_linear"] > 0.6


def test_the_test_images_themselves_are_at_distance_zero(reference: Reference) -> None:
    scores = measured(reference, TEST.flip(0))
    assert scores["fcd"] < 1e-9
    assert (scores["precision"], scores["recall"], scores["coverage"]) == (1, 1, 1)
    assert scores["c2st_1nn"] == 0


def test_more_noise_is_never_better(reference: Reference) -> None:
    noise = torch.randn(VALIDATION.shape, generator=torch.Generator().manual_seed(5))
    doses = [measured(reference, VALIDATION + dose * noise) for dose in (0.0, 0.5, 1.0, 2.0)]
    for name, rising in (("fcd", 1), ("kcd", 1), ("precision", -1), ("coverage", -1), ("c2st_1nn", 1)):
        values = [rising * scores[name] for scores in doses]
        assert values == sorted(values), name


def test_order_and_block_size_change_nothing(reference: Reference, monkeypatch: pytest.MonkeyPatch) -> None:
    generated = 1.1 * VALIDATION
    expected = measured(reference, generated)
    shuffled = measured(reference, generated.flip(0))
    # Which rows the linear test holds out depends on their order.
    assert shuffled.pop("c2st_linear") == pytest.approx(expected["c2st_linear"], abs=0.05)
    assert shuffled == pytest.approx({name: expected[name] for name in shuffled}, rel=1e-9, abs=1e-12)

    monkeypatch.setattr(views, "_ROWS", 300)
    small_blocks = measured(Reference.of(TEST, TRAIN), generated)
    assert small_blocks == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_a_reference_survives_its_file(reference: Reference, tmp_path: Path) -> None:
    save_file(reference.to_tensors(), tmp_path / "reference.safetensors")
    restored = Reference.from_tensors(load_file(tmp_path / "reference.safetensors"))
    for field in fields(Reference):
        assert getattr(restored, field.name).equal(getattr(reference, field.name)), field.name
    assert measured(restored, VALIDATION) == measured(reference, VALIDATION)


def test_a_reference_of_views_can_be_saved_and_keeps_its_own_copy(tmp_path: Path) -> None:
    everything = images(60, 3)
    reference = Reference.of(everything[:20], everything[20:])
    save_file(reference.to_tensors(), tmp_path / "reference.safetensors")
    before = measured(reference, VALIDATION[:20])
    everything.zero_()
    assert measured(reference, VALIDATION[:20]) == before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same_scores(reference: Reference) -> None:
    on_gpu = measured(Reference.of(TEST.cuda(), TRAIN.cuda()), VALIDATION)
    assert on_gpu == pytest.approx(measured(reference, VALIDATION), rel=1e-6, abs=1e-9)


def test_refuses_what_it_cannot_measured(reference: Reference) -> None:
    with pytest.raises(ValueError, match="equally many"):
        measured(reference, VALIDATION[:-1])
    with pytest.raises(ValueError, match="must be"):
        Pair(reference, VALIDATION[:, 1:])
    with pytest.raises(ValueError, match="at least 2"):
        Reference.of(TEST, TRAIN[:1])
    with pytest.raises(ValueError, match="at least 6"):
        Reference.of(TEST[:5], TRAIN)
    with pytest.raises(ValueError, match="features must be"):
        Reference.of(TEST, TRAIN[:, 1:])
    spoilt = VALIDATION.clone()
    spoilt[3, 3] = torch.nan
    with pytest.raises(ValueError, match="finite"):
        measured(reference, spoilt)
