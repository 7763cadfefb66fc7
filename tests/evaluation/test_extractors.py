"""Feature spaces: frozen, repeatable, gated, cached; an image's features are its own."""

import logging
import multiprocessing
import os
import shutil
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from torch import Tensor

from genbench.data.images import ImageData, ImageShape, Split
from genbench.errors import UserError
from genbench.evaluation import extractors
from genbench.evaluation.classifier import (
    BLOCK,
    FEATURES,
    FeatureNet,
    Recipe,
    augment,
    check_gate,
    gate,
    initialised_network,
    train_classifier,
)
from genbench.evaluation.extractors import (
    FeatureSpace,
    FeatureSpaces,
    fit_pixel_components,
    key_of,
    load_spaces,
    pixels_hash,
)
from genbench.models.weights import checksum

CPU = torch.device("cpu")
QUICK = Recipe(epochs=1, min_steps=40, batch_size=100)


def digits() -> ImageData:
    """Scikit-learn's 8x8 digits: 1,200 train, 97 validation, 500 test."""
    loaded = load_digits()
    images = torch.from_numpy(loaded.images * 15.9).to(torch.uint8).unsqueeze(1)
    labels = torch.from_numpy(loaded.target).long()
    train, validation, test = (
        Split(images[part], labels[part]) for part in (slice(1200), slice(1200, 1297), slice(1297, None))
    )
    return ImageData("digits", train, validation, test, tuple("0123456789"))


def unlabelled(data: ImageData) -> ImageData:
    train, validation, test = (Split(split.images, None) for split in (data.train, data.validation, data.test))
    return ImageData(data.name, train, validation, test, ())


def noise(count: int, shape: tuple[int, int, int], seed: int = 0) -> Tensor:
    return torch.randint(256, (count, *shape), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


@pytest.fixture(scope="module")
def data() -> ImageData:
    return digits()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def spaces(data: ImageData, cache: Path) -> FeatureSpaces:
    return load_spaces(data, cache, recipe=QUICK)


@pytest.fixture(params=["classifier", "random", "pixels"])
def space(spaces: FeatureSpaces, request: pytest.FixtureRequest) -> FeatureSpace:
    return {each.name: each for each in spaces.available()}[request.param]


# Features


def test_training_features_have_zero_mean_and_unit_variance(data: ImageData, space: FeatureSpace) -> None:
    features = space.features(data.train.images)
    assert features.dtype == torch.float32
    assert features.mean(0).abs().max() < 1e-4
    variances = features.var(0)
    if space.name == "pixels":  # one common scale: the components keep their proportions
        assert variances.mean().item() == pytest.approx(1, rel=1e-4)
        assert (variances.diff() <= 1e-5).all()
        assert variances[0] > 5 * variances[-1]
    else:
        torch.testing.assert_close(variances, torch.ones(FEATURES), rtol=1e-3, atol=0)
    if space.name == "random":  # no unit that hardly ever fires
        assert features.abs().max() < 12


def test_features_depend_on_neither_neighbours_nor_place(data: ImageData, space: FeatureSpace) -> None:
    images = data.test.images[: BLOCK + 30]
    together = space.features(images)
    alone = torch.cat([space.features(images[i : i + 1]) for i in (0, 7, BLOCK, BLOCK + 29)])
    torch.testing.assert_close(alone, together[[0, 7, BLOCK, BLOCK + 29]], rtol=0, atol=1e-5)
    torch.testing.assert_close(space.features(images.flip(0)).flip(0), together, rtol=0, atol=1e-5)


def test_every_block_is_full(data: ImageData, space: FeatureSpace) -> None:
    sizes: list[int] = []
    hook = space.network.register_forward_hook(lambda *words: sizes.append(len(words[1][0])))
    assert len(space.features(data.test.images[: BLOCK + 1])) == BLOCK + 1
    assert len(space.features(data.test.images[:0])) == 0
    hook.remove()
    assert sizes == [BLOCK] * 3


def test_autocast_does_not_reach_features(data: ImageData, space: FeatureSpace) -> None:
    outside = space.features(data.test.images[:5])
    with torch.autocast("cpu", torch.bfloat16):
        inside = space.features(data.test.images[:5])
    assert inside.dtype == torch.float32
    assert torch.equal(inside, outside)


def test_features_can_enter_a_graph(data: ImageData, spaces: FeatureSpaces) -> None:
    features = spaces.random.features(data.test.images[:5])
    assert not features.requires_grad
    weight = torch.zeros(features.shape[1], requires_grad=True)
    torch.autograd.backward((features @ weight).sum())
    assert weight.grad is not None


@pytest.mark.parametrize(
    "images", [torch.zeros(2, 1, 8, 8), torch.zeros(2, 1, 12, 8, dtype=torch.uint8)], ids=["float", "shape"]
)
def test_other_images_are_refused(space: FeatureSpace, images: Tensor) -> None:
    with pytest.raises(ValueError, match="uint8"):
        space.features(images)


def test_probabilities_come_from_the_classifier_alone(data: ImageData, spaces: FeatureSpaces) -> None:
    assert spaces.classifier is not None
    features, probabilities = spaces.classifier.embed(data.test.images)
    assert probabilities is not None
    assert data.test.labels is not None
    assert torch.equal(features, spaces.classifier.features(data.test.images))
    torch.testing.assert_close(probabilities.sum(1), torch.ones(len(data.test)))
    right = (probabilities.argmax(1) == data.test.labels).double().mean().item()
    assert right == pytest.approx(float(spaces.classifier.facts["test_accuracy"]), abs=1e-6)
    assert spaces.random.embed(data.test.images).probabilities is None
    assert spaces.pixels.embed(data.test.images).probabilities is None


# Networks


def test_the_random_network_has_the_same_bits_on_every_machine(data: ImageData) -> None:
    network = initialised_network(ImageShape(1, 28, 28), 10, noise(9, (1, 28, 28)), seed=0)
    assert checksum(network.state_dict()) == "4d6fa9eb2a59d3e2"
    before = torch.get_rng_state()
    initialised_network(data.shape, 10, data.train.images, seed=0)
    assert torch.equal(torch.get_rng_state(), before)


def test_he_initialisation_keeps_the_scale() -> None:
    network = initialised_network(ImageShape(1, 28, 28), 10, noise(100, (1, 28, 28)), seed=0)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            bound = (6 / module.weight[0].numel()) ** 0.5
            assert module.weight.abs().max() <= bound
            assert module.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.1)


def test_pixels_are_normalised_by_channel() -> None:
    images = torch.cat([noise(50, (1, 8, 8)) // 2, noise(50, (1, 8, 8), seed=1), torch.full((50, 1, 8, 8), 7)], 1)
    images = images.to(torch.uint8)
    network = initialised_network(ImageShape(3, 8, 8), 2, images, seed=0)
    pixels = images.double() / 255
    torch.testing.assert_close(network.pixel_mean.flatten().double(), pixels.mean((0, 2, 3)), rtol=1e-6, atol=0)
    std = pixels.std((0, 2, 3), correction=0)
    torch.testing.assert_close(network.pixel_std.flatten()[:2].double(), std[:2], rtol=1e-6, atol=0)
    assert network.pixel_std[2] > 0


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (1, 36, 28), (3, 12, 256), (1, 100, 100), (3, 256, 256)])
def test_every_shape_fits(shape: tuple[int, int, int]) -> None:
    network = FeatureNet(ImageShape(*shape), 4).eval()
    features, logits = network(noise(2, shape))
    assert features.shape == (2, FEATURES)
    assert logits.shape == (2, 4)
    assert sum(parameter.numel() for parameter in network.parameters()) < 2_000_000


def test_augmentation_shifts_by_whole_pixels_and_erases_a_square() -> None:
    image = torch.arange(1, 785).reshape(1, 1, 28, 28) % 255 + 1
    images = image.to(torch.uint8).expand(200, 1, 28, 28)
    generator = torch.Generator().manual_seed(0)
    shifts = {
        (dy, dx): F.pad(images[0], (1, 1, 1, 1))[:, dy : dy + 28, dx : dx + 28] for dy in range(3) for dx in range(3)
    }
    seen = set()
    for shifted in augment(images, Recipe(cutout=0), generator):
        seen |= {where for where, expected in shifts.items() if torch.equal(shifted, expected)}
    assert seen == set(shifts)
    assert augment(images, Recipe(), generator).shape == images.shape
    erased = augment(images, Recipe(shift=0), generator)
    gone = erased == 0
    assert torch.equal(erased[~gone], images[~gone])
    counts = gone.sum((1, 2, 3))
    assert counts.max() == 64
    assert counts.min() >= 16  # a quarter of it, in a corner


# Training and its gate


@pytest.mark.slow
def test_training_repeats_and_leaves_the_global_generator_alone(data: ImageData) -> None:
    before = torch.get_rng_state()
    first, second = (train_classifier(data, QUICK, CPU).network.state_dict() for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert checksum(first) == checksum(second)
    other = train_classifier(data, replace(QUICK, seed=1), CPU).network.state_dict()
    assert checksum(other) != checksum(first)


def test_the_hash_sees_every_weight() -> None:
    tensors = {"a": torch.zeros(3), "b": torch.zeros(2, 2)}
    whole = checksum(tensors)
    assert len(whole) == 16
    assert checksum(dict(reversed(tensors.items()))) == whole
    changed = [
        {"a": torch.tensor([0, 0, 1e-30]), "b": torch.zeros(2, 2)},
        {"a": torch.zeros(3), "b": torch.zeros(4)},
        {"a": torch.zeros(3), "c": torch.zeros(2, 2)},
    ]
    assert whole not in {checksum(each) for each in changed}


def test_gates(data: ImageData) -> None:
    assert gate(replace(data, gate=0.9)) == 0.9
    labels = torch.tensor([0] * 6 + [1] * 4)
    folder = replace(data, name="mnist", test=Split(noise(10, (1, 8, 8)), labels))
    assert gate(folder) == pytest.approx(0.8)  # halfway between 0.6 and 1
    check_gate(folder, 0.8)
    with pytest.raises(UserError, match=r"mnist is right on 79\.90%.*gate of 80\.00%"):
        check_gate(folder, 0.799)


def test_a_classifier_below_its_gate_is_refused_every_time(data: ImageData, tmp_path: Path) -> None:
    shuffled = data.train.labels
    assert shuffled is not None
    wrong = replace(data, train=Split(data.train.images, shuffled.roll(1)))
    for _ in range(2):
        with pytest.raises(UserError, match="below its gate"):
            load_spaces(wrong, tmp_path, recipe=replace(QUICK, min_steps=5))
    assert len(list(tmp_path.glob("extractors/*/classifier.safetensors"))) == 1


def test_without_labels_the_other_two_stand_in(data: ImageData, spaces: FeatureSpaces, tmp_path: Path) -> None:
    without = load_spaces(unlabelled(data), tmp_path)
    assert without.classifier is None
    assert without.no_classifier.startswith("no labels")
    assert [space.name for space in without.available()] == ["random", "pixels"]
    assert torch.equal(without.random.features(data.test.images), spaces.random.features(data.test.images))
    assert without.random.hash == spaces.random.hash
    assert [space.name for space in spaces.available()] == ["classifier", "random", "pixels"]
    assert spaces.no_classifier == ""


def test_one_class_is_no_class(data: ImageData, tmp_path: Path) -> None:
    train, validation, test = (
        Split(split.images, torch.zeros(len(split)).long()) for split in (data.train, data.validation, data.test)
    )
    assert load_spaces(ImageData("one", train, validation, test, ("a",)), tmp_path).no_classifier.startswith(
        "one class"
    )


@pytest.mark.slow
def test_colour_images_of_another_size(tmp_path: Path) -> None:
    # Class 1 is brighter in its second channel alone.
    parts = []
    for seed, count in enumerate((200, 20, 60)):
        images, labels = noise(count, (3, 12, 16), seed) // 2, torch.arange(count) % 2
        images[labels == 1, 1] += 60
        parts.append(Split(images, labels))
    spaces = load_spaces(ImageData("colour/ö", parts[0], parts[1], parts[2], ("a", "b")), tmp_path, recipe=QUICK)
    assert spaces.classifier is not None
    assert float(spaces.classifier.facts["test_accuracy"]) == 1
    assert len(list(tmp_path.glob("extractors/colour__-*/classifier.safetensors"))) == 1
    assert [space.features(parts[2].images).shape for space in spaces.available()] == [(60, 64), (60, 64), (60, 50)]


# Principal components


def test_components_are_those_of_scikit_learn(data: ImageData) -> None:
    pixels = data.train.images.flatten(1).double().numpy() / 255
    expected = PCA(50, svd_solver="full").fit(pixels)
    network, variances = fit_pixel_components(data.train.images)
    torch.testing.assert_close(variances, torch.from_numpy(expected.explained_variance_))
    # The last components have nearly equal variances, which makes their directions less certain.
    torch.testing.assert_close(network.components.T.double(), torch.from_numpy(expected.components_), atol=1e-5, rtol=0)
    projected, _ = network(data.test.images)
    known = torch.from_numpy(expected.transform(data.test.images.flatten(1).double().numpy() / 255))
    torch.testing.assert_close(projected.double(), known, atol=1e-5, rtol=0)


def test_components_do_not_depend_on_the_order_of_the_images(data: ImageData) -> None:
    first, _ = fit_pixel_components(data.train.images)
    second, _ = fit_pixel_components(data.train.images.flip(0))
    assert torch.equal(first.components, second.components)


def test_large_images_are_averaged_down_first() -> None:
    small = noise(80, (1, 8, 32))
    first, variances = fit_pixel_components(small.repeat_interleave(2, 3))
    second, same = fit_pixel_components(small)
    torch.testing.assert_close(variances, same)
    torch.testing.assert_close(first.components, second.components)


def test_constant_images_have_finite_features(data: ImageData, tmp_path: Path) -> None:
    black = Split(torch.zeros(30, 1, 8, 8, dtype=torch.uint8), None)
    spaces = load_spaces(ImageData("black", black, black, black, classes=()), tmp_path)
    for space in spaces.available():
        assert space.features(data.test.images).isfinite().all()


# The cache


def test_a_second_load_does_not_train_again(
    data: ImageData, cache: Path, spaces: FeatureSpaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("made again")

    for name in ("train_classifier", "initialised_network", "fit_pixel_components"):
        monkeypatch.setattr(extractors, name, refuse)
    again = load_spaces(data, cache, recipe=QUICK)
    for space, before in zip(again.available(), spaces.available(), strict=True):
        assert (space.hash, space.facts) == (before.hash, before.facts)
        assert torch.equal(space.features(data.test.images), before.features(data.test.images))
    with pytest.raises(AssertionError, match="made again"):
        load_spaces(data, cache, recipe=replace(QUICK, seed=1))


def test_the_file_says_what_it_is(data: ImageData, cache: Path, spaces: FeatureSpaces) -> None:
    (path,) = cache.glob("extractors/digits-*/classifier.safetensors")
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        weights = {name: file.get_tensor(name) for name in file.keys() if name.startswith("network.")}  # noqa: SIM118
    assert spaces.classifier is not None
    assert metadata["hash"] == spaces.classifier.hash
    assert checksum({name.removeprefix("network."): tensor for name, tensor in weights.items()}) == metadata["hash"]
    assert metadata["data"] == data.name
    assert metadata["shape"] == "[1, 8, 8]"
    assert {"recipe", "validation_accuracy", "test_accuracy", "seconds", "precision", "classes"} <= set(metadata)
    assert not list(cache.glob(f"extractors/*/*.{os.getpid()}"))  # nothing half-written is left


@pytest.mark.parametrize("damage", ["cut short", "one bit", "other format"])
def test_a_damaged_file_is_made_anew(
    data: ImageData, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    data = unlabelled(data)
    before = load_spaces(data, tmp_path)
    (path,) = tmp_path.glob("extractors/*/random.safetensors")
    whole = path.read_bytes()
    flipped = whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:]
    path.write_bytes({"cut short": whole[: len(whole) // 2], "one bit": flipped, "other format": b"P"}[damage])
    with caplog.at_level(logging.WARNING):
        after = load_spaces(data, tmp_path)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "damaged" in caplog.text
    assert torch.equal(after.random.features(data.test.images), before.random.features(data.test.images))
    assert path.stat().st_size == len(whole)


def test_an_extractor_that_comes_with_genbench_is_used_whatever_the_data_are_called(
    data: ImageData, cache: Path, spaces: FeatureSpaces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = cache / "extractors" / f"digits-{key_of(QUICK, data.fingerprint)}"
    shipped = tmp_path / "shipped" / made.name
    shipped.mkdir(parents=True)
    shutil.copyfile(made / "classifier.safetensors", shipped / "classifier.safetensors")
    monkeypatch.setattr(extractors, "SHIPPED", tmp_path / "shipped")
    monkeypatch.setattr(extractors, "train_classifier", lambda *_: pytest.fail("trained again"))
    found = load_spaces(replace(data, name="mine"), tmp_path / "cache", recipe=QUICK)
    assert found.classifier is not None
    assert spaces.classifier is not None
    assert found.classifier.hash == spaces.classifier.hash
    assert found.pixels.hash == pixels_hash(data.fingerprint) == spaces.pixels.hash
    assert not list(tmp_path.glob("cache/extractors/*/classifier.safetensors"))


def test_any_change_of_the_data_changes_the_fingerprint(data: ImageData) -> None:
    labels = data.train.labels
    assert labels is not None
    changed = [
        data,
        unlabelled(data),
        replace(data, train=Split(data.train.images.roll(1, 0), labels)),
        replace(data, train=Split(data.train.images, labels.roll(1))),
        replace(
            data, test=Split(data.test.images[:-1], data.test.labels[:-1] if data.test.labels is not None else None)
        ),
    ]
    assert len({each.fingerprint for each in changed}) == len(changed)


def test_a_cache_that_cannot_be_written_to(data: ImageData, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match="XDG_CACHE_HOME"):
        load_spaces(data, tmp_path / "file")


def _load_in_a_process(cache: Path, results: Connection) -> None:
    torch.set_num_threads(1)
    with patch.object(extractors, "train_classifier", wraps=train_classifier) as train:
        spaces = load_spaces(digits(), cache, recipe=replace(QUICK, min_steps=200))
    assert spaces.classifier is not None
    results.send((train.call_count, spaces.classifier.hash))


@pytest.mark.slow
def test_of_two_processes_one_trains(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe(duplex=False) for _ in range(2)]
    processes = [context.Process(target=_load_in_a_process, args=(tmp_path, sender)) for _, sender in pipes]
    for process in processes:
        process.start()
    for process in processes:
        process.join(200)
    (first, first_hash), (second, second_hash) = (receiver.recv() for receiver, _ in pipes)
    assert {first, second} == {0, 1}
    assert first_hash == second_hash
