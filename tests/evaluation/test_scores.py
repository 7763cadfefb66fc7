from dataclasses import asdict, fields
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import genbench.evaluation.kernel as kernel
import genbench.evaluation.neighbours as neighbours
from genbench.evaluation.kernel import kernel_distance
from genbench.evaluation.manifold import coverage, density, precision, recall
from genbench.evaluation.memorisation import auth_pct, near_duplicates
from genbench.evaluation.moments import frechet_distance
from genbench.evaluation.neighbours import nearest, nearest_others
from genbench.evaluation.scores import Reference, SpaceScores, compare
from genbench.evaluation.two_sample import c2st_1nn, c2st_linear

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


def test_every_score_is_that_of_its_pure_function(reference: Reference) -> None:
    generated = 1.1 * VALIDATION
    to_train = nearest(generated, TRAIN), nearest_others(TRAIN).squared_distances[:, 0]
    expected = SpaceScores(
        fcd=frechet_distance(generated, TEST),
        kcd=kernel_distance(generated, TEST),
        precision=precision(TEST, generated),
        recall=recall(TEST, generated),
        density=density(TEST, generated),
        coverage=coverage(TEST, generated),
        auth_pct=auth_pct(*to_train),
        near_duplicates=near_duplicates(*to_train),
        fcd_train_gap=frechet_distance(generated, TRAIN) - frechet_distance(generated, TEST),
        c2st_linear=c2st_linear(TEST, generated),
        c2st_1nn=c2st_1nn(TEST, generated),
    )
    assert asdict(compare(reference, generated)) == pytest.approx(asdict(expected), rel=1e-9, abs=1e-12)


def test_real_images_score_as_real(reference: Reference) -> None:
    scores = compare(reference, VALIDATION)
    assert scores.fcd < 0.5
    assert abs(scores.kcd) < 0.2
    assert scores.density == pytest.approx(1, abs=0.1)
    assert scores.coverage > 0.9
    assert scores.c2st_linear == pytest.approx(0.5, abs=0.05)
    assert scores.c2st_1nn == pytest.approx(0.5, abs=0.05)
    assert scores.near_duplicates < 0.01


def test_copies_of_training_images_fail_memorisation_alone(reference: Reference) -> None:
    real, copied = compare(reference, VALIDATION), compare(reference, TRAIN[:1000])
    assert copied.auth_pct == 0
    assert copied.near_duplicates == 1
    assert real.auth_pct > 0.4
    assert copied.fcd < 2 * real.fcd + 0.1
    assert copied.coverage == pytest.approx(real.coverage, abs=0.03)
    assert copied.precision == pytest.approx(real.precision, abs=0.05)
    assert copied.c2st_1nn == pytest.approx(real.c2st_1nn, abs=0.05)
    assert copied.fcd_train_gap < 0


def test_ten_repeated_images_keep_their_precision_alone(reference: Reference) -> None:
    scores = compare(reference, TEST[:10].repeat(100, 1))
    assert scores.precision == 1
    assert scores.recall == 0
    assert scores.coverage < 0.1
    assert scores.fcd > 1
    assert scores.c2st_linear > 0.6


def test_the_test_images_themselves_are_at_distance_zero(reference: Reference) -> None:
    scores = compare(reference, TEST.flip(0))
    assert scores.fcd < 1e-9
    assert (scores.precision, scores.recall, scores.coverage) == (1, 1, 1)
    assert scores.c2st_1nn == 0


def test_more_noise_is_never_better(reference: Reference) -> None:
    noise = torch.randn(VALIDATION.shape, generator=torch.Generator().manual_seed(5))
    doses = [compare(reference, VALIDATION + dose * noise) for dose in (0.0, 0.5, 1.0, 2.0)]
    for name, rising in (("fcd", 1), ("kcd", 1), ("precision", -1), ("coverage", -1), ("c2st_1nn", 1)):
        values = [rising * getattr(scores, name) for scores in doses]
        assert values == sorted(values), name


def test_order_and_block_size_change_nothing(reference: Reference, monkeypatch: pytest.MonkeyPatch) -> None:
    generated = 1.1 * VALIDATION
    expected = asdict(compare(reference, generated))
    shuffled = asdict(compare(reference, generated.flip(0)))
    # Which rows the linear test holds out depends on their order.
    assert shuffled.pop("c2st_linear") == pytest.approx(expected["c2st_linear"], abs=0.05)
    assert shuffled == pytest.approx({name: expected[name] for name in shuffled}, rel=1e-9, abs=1e-12)

    monkeypatch.setattr(neighbours, "_BLOCK", 30_000)
    monkeypatch.setattr(kernel, "_BLOCK", 30_000)
    small_blocks = compare(Reference.of(TEST, TRAIN), generated)
    assert asdict(small_blocks) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_a_reference_survives_its_file(reference: Reference, tmp_path: Path) -> None:
    save_file(reference.to_tensors(), tmp_path / "reference.safetensors")
    restored = Reference.from_tensors(load_file(tmp_path / "reference.safetensors"))
    for field in fields(Reference):
        assert getattr(restored, field.name).equal(getattr(reference, field.name)), field.name
    assert compare(restored, VALIDATION) == compare(reference, VALIDATION)


def test_a_reference_of_views_can_be_saved_and_keeps_its_own_copy(tmp_path: Path) -> None:
    everything = images(60, 3)
    reference = Reference.of(everything[:20], everything[20:])
    save_file(reference.to_tensors(), tmp_path / "reference.safetensors")
    before = compare(reference, VALIDATION[:20])
    everything.zero_()
    assert compare(reference, VALIDATION[:20]) == before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same_scores(reference: Reference) -> None:
    on_gpu = compare(Reference.of(TEST.cuda(), TRAIN.cuda()), VALIDATION)
    assert asdict(on_gpu) == pytest.approx(asdict(compare(reference, VALIDATION)), rel=1e-6, abs=1e-9)


def test_refuses_what_it_cannot_compare(reference: Reference) -> None:
    with pytest.raises(ValueError, match="must match"):
        compare(reference, VALIDATION[:-1])
    with pytest.raises(ValueError, match="at least 2"):
        Reference.of(TEST, TRAIN[:1])
    with pytest.raises(ValueError, match="at least 6"):
        Reference.of(TEST[:5], TRAIN)
    with pytest.raises(ValueError, match="features must be"):
        Reference.of(TEST, TRAIN[:, 1:])
    spoilt = VALIDATION.clone()
    spoilt[3, 3] = torch.nan
    with pytest.raises(ValueError, match="finite"):
        compare(reference, spoilt)
