"""Data sets by name, from stand-ins of the same formats."""

import bz2
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import yaml

from genbench.config.data import DataConfig
from genbench.config.schema import CONF
from genbench.data import cifar10, emnist, kmnist, medmnist, official, qmnist, usps
from genbench.data.sources import load_data
from genbench.errors import UserError
from tests.data.stands import STANDS, Servers, Stand, idx, is_whole, md5, serving, trusted, write

EACH = pytest.mark.parametrize("stand", STANDS.values(), ids=STANDS.keys())


@pytest.fixture
def trust(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    return partial(trusted, monkeypatch)


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    monkeypatch.setenv("no_proxy", "*")
    with serving() as state:
        yield state


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; no data folder is set."""
    monkeypatch.delenv("GENBENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "genbench"


def error_of(stand: Stand, root: Path | None = None, **more: object) -> str:
    with pytest.raises(UserError) as caught:
        stand.load(root, **more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# What is read


@EACH
def test_pixels_labels_and_classes(tmp_path: Path, trust: Callable[..., None], stand: Stand) -> None:
    trust(stand)
    found = stand.load(write(tmp_path / "root", stand.files))
    assert is_whole(found, stand)
    assert found.name == (stand.called or stand.name)
    assert tuple(found.classes) == stand.classes
    assert found.gate is None


@pytest.mark.parametrize("name", ["emnist letters", "cifar10", "bloodmnist", "chestmnist"])
def test_the_splits_are_the_official_ones(tmp_path: Path, trust: Callable[..., None], name: str) -> None:
    stand = STANDS[name]
    trust(stand)
    data = load_data(stand.config(write(tmp_path / "root", stand.files)))
    assert len(data.test) == len(stand.images["test"])
    assert data.shape == (stand.images["test"].shape[3], *stand.images["test"].shape[1:3])
    if "validation" in stand.images:
        assert len(data.validation) == len(stand.images["validation"])
        assert len(data.train) == len(stand.images["train"])
    assert data.classes == stand.classes
    np.testing.assert_array_equal(data.test.images.permute(0, 2, 3, 1).numpy(), stand.images["test"])


def test_several_findings_of_an_image_are_no_classes_and_that_is_said(
    tmp_path: Path, trust: Callable[..., None]
) -> None:
    stand = STANDS["chestmnist"]
    trust(stand)
    root = write(tmp_path / "root", stand.files)
    (note,) = stand.load(root).notes
    assert "chestmnist" in note and "several findings" in note
    assert not stand.load(root, labels=False).notes


def test_values_that_are_zero_may_be_left_out(tmp_path: Path, trust: Callable[..., None]) -> None:
    lines = b"1 1:-1 3:1 256:0.5\n10 2:-0.5\n"
    stand = replace(STANDS["usps"], files={name: bz2.compress(lines) for name in ("usps.bz2", "usps.t.bz2")})
    trust(stand)
    part = stand.load(write(tmp_path / "root", stand.files)).parts["train"]
    (pixels,) = part.pictures.chunks()
    assert pixels[0, 0, :4, 0].tolist() == [0, 128, 255, 128]
    assert pixels[0, 15, 15, 0] == 191
    assert pixels[1, 0, :2, 0].tolist() == [128, 64]
    assert part.labels is not None and part.labels.tolist() == [0, 9]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(idx(np.zeros((3, 8)), 12)[:-1], id="short"),
        pytest.param(idx(np.zeros((3, 7)), 12), id="seven columns"),
        pytest.param(idx(np.zeros((3, 8))), id="bytes"),
        pytest.param(b"\0\0", id="no header"),
    ],
)
def test_qmnists_labels_are_checked(data: bytes) -> None:
    with pytest.raises(ValueError, match="IDX"):
        qmnist.parse_labels(data)


# Which one


@pytest.mark.parametrize(("name", "choices"), [("emnist letters", "balanced, letters"), ("bloodmnist", "pathmnist,")])
def test_a_wrong_subset_is_refused_with_the_choices(name: str, choices: str) -> None:
    text = error_of(STANDS[name], subset="leters")
    assert "leters" in text and choices in text


@pytest.mark.parametrize("name", ["kmnist", "qmnist", "usps", "cifar10", "mnist", "optdigits", "folder"])
def test_a_subset_of_a_set_without_is_refused(name: str) -> None:
    config = DataConfig(load=f"genbench.data.{name}.load", root=None, batch_size=8, subset="letters")
    with pytest.raises(UserError, match=f"data={name} has no subsets"):
        load_data(config)


@pytest.mark.parametrize(("name", "other"), [("emnist balanced", "letters"), ("bloodmnist", "breastmnist")])
def test_without_a_subset_it_is_the_one_of_the_configs(
    tmp_path: Path, trust: Callable[..., None], name: str, other: str
) -> None:
    stand = STANDS[name]
    trust(stand)
    root = write(tmp_path / "root", stand.files)
    assert stand.load(root, subset=None).name == stand.called
    given = yaml.safe_load((CONF / "data" / f"{stand.name}.yaml").read_text(encoding="utf-8"))
    assert given["subset"] == stand.subset != other


@pytest.mark.parametrize("name", ["kmnist", "qmnist", "emnist", "usps", "cifar10", "medmnist"])
def test_the_config_of_each_is_valid(name: str) -> None:
    text = (CONF / "data" / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# ")
    given = yaml.safe_load(text)
    assert given.pop("defaults") == ["/reading@_here_", "_self_"]
    reading = yaml.safe_load((CONF / "reading.yaml").read_text(encoding="utf-8"))
    config = DataConfig.model_validate(reading | given)
    assert config.name == name and config.title and config.root is None
    assert callable(import_module(f"genbench.data.{name}").load)


# Where it is found


@EACH
def test_a_root_is_laid_out_as_torchvision_does_or_flat(
    tmp_path: Path, trust: Callable[..., None], stand: Stand
) -> None:
    trust(stand)
    for i, below in enumerate((stand.folder, stand.folder.split("/")[0], stand.folder.split("/")[-1], ".")):
        write(tmp_path / str(i) / below, stand.files)
        assert is_whole(stand.load(tmp_path / str(i)), stand)


def test_a_root_without_the_files_says_what_is_expected(
    tmp_path: Path, trust: Callable[..., None], cache: Path
) -> None:
    stand = STANDS["usps"]
    trust(stand)
    write(cache / "USPS", stand.files)
    (tmp_path / "root").mkdir()
    text = error_of(stand, tmp_path / "root")
    assert f"data.root={tmp_path / 'root'} does not hold USPS" in text
    assert "usps.bz2 and usps.t.bz2 in USPS/" in text
    write(tmp_path / "root", {"usps.bz2": stand.files["usps.bz2"]})
    assert f"{tmp_path / 'root'} lacks usps.t.bz2" in error_of(stand, tmp_path / "root")


def test_the_root_comes_before_the_environment_and_that_before_the_cache(
    tmp_path: Path, trust: Callable[..., None], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = STANDS["usps"]
    trust(stand)
    write(cache / "USPS", dict.fromkeys(stand.files, b"damaged"))
    monkeypatch.setenv("GENBENCH_DATA", str(write(tmp_path / "env", stand.files)))
    assert is_whole(stand.load(), stand)
    write(tmp_path / "env", dict.fromkeys(stand.files, b"damaged"))
    assert str(tmp_path / "env" / "usps.bz2") in error_of(stand)
    assert is_whole(stand.load(write(tmp_path / "root", stand.files)), stand)
    monkeypatch.setenv("GENBENCH_DATA", str(tmp_path / "nothing"))
    write(cache / "USPS", stand.files)
    assert is_whole(stand.load(), stand)


# Damage


@EACH
def test_a_file_of_other_bytes_is_refused_before_it_is_opened(
    tmp_path: Path, trust: Callable[..., None], stand: Stand
) -> None:
    """Even what can be read: what is behind the end of an archive changes nothing but its MD5."""
    trust(stand)
    for name, data in stand.files.items():
        write(tmp_path, {**stand.files, name: data + b"\0"})
        text = error_of(stand, tmp_path)
        assert f"{tmp_path / name} is damaged or of another data set (MD5 {md5(data + bytes(1))}" in text
        assert f"expected {md5(data)}" in text
        assert "replace it by the official file" in text


def test_what_unpacks_to_too_much_is_refused(
    tmp_path: Path, trust: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(official, "LARGEST_UNPACKED", 1000)
    for name in ("kmnist", "qmnist", "emnist letters", "usps"):
        trust(STANDS[name])
        assert "unpacks to more than" in error_of(STANDS[name], write(tmp_path / name, STANDS[name].files))


def test_what_is_too_large_or_no_file_is_not_read(
    tmp_path: Path, trust: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = STANDS["cifar10"]
    trust(stand)
    (name,) = stand.files
    (tmp_path / "folder" / name).mkdir(parents=True)
    assert "it is not a file" in error_of(stand, tmp_path / "folder")
    monkeypatch.setattr(official, "LARGEST", 1000)
    assert "it is larger than" in error_of(stand, write(tmp_path / "large", stand.files))


# Download


@EACH
def test_sources_are_tried_in_turn_and_the_cache_is_filled_once(
    trust: Callable[..., None], cache: Path, servers: Servers, stand: Stand
) -> None:
    servers.files = stand.files
    trust(stand, servers["missing"], servers["portal"], servers["whole"])
    assert is_whole(stand.load(), stand)
    assert servers.asked == {f"{each}/{name}": 1 for each in ("missing", "portal", "whole") for name in stand.files}
    kept = {path.name: path.read_bytes() for path in (cache / stand.folder).iterdir() if path.name != ".lock"}
    assert kept == stand.files
    servers.asked.clear()
    assert is_whole(stand.load(), stand)
    assert not servers.asked


def test_only_what_is_damaged_or_missing_in_the_cache_is_downloaded(
    trust: Callable[..., None], cache: Path, servers: Servers
) -> None:
    stand = STANDS["kmnist"]
    servers.files = stand.files
    trust(stand, servers["whole"])
    damaged, missing, *_ = stand.files
    write(cache / stand.folder, {**stand.files, damaged: b"damaged"})
    (cache / stand.folder / missing).unlink()
    assert is_whole(stand.load(), stand)
    assert servers.asked == {f"whole/{damaged}": 1, f"whole/{missing}": 1}


@EACH
def test_offline_the_message_says_all_ways(
    trust: Callable[..., None], cache: Path, servers: Servers, stand: Stand
) -> None:
    trust(stand, servers["missing"], "http://127.0.0.1:9/")
    first = next(iter(stand.files))
    write(cache / stand.folder, {f"{first}.part": b"of a process that was killed"})
    text = error_of(stand)
    assert "is not on this machine and could not be downloaded" in text
    assert f"{servers['missing']}{first}" in text and "404" in text and f"http://127.0.0.1:9/{first}" in text
    assert "go online once" in text
    assert f"GENBENCH_DATA or data.root to a folder that holds {stand.folder}/ with {first}" in text
    assert f"into {cache / stand.folder}" in text
    assert "data=optdigits needs no download" in text
    assert {path.name for path in (cache / stand.folder).iterdir()} == {".lock"}


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, trust: Callable[..., None], monkeypatch: pytest.MonkeyPatch, servers: Servers
) -> None:
    stand = STANDS["usps"]
    servers.files = stand.files
    trust(stand, servers["whole"])
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    text = error_of(stand)
    assert f"the cache {tmp_path / 'file' / 'genbench' / 'USPS'} cannot be written to" in text
    assert "set XDG_CACHE_HOME" in text


# What is known of the official files


def test_torchvision_knows_the_same_files() -> None:
    from torchvision import datasets

    known = {(f"{datasets.KMNIST.mirrors[0]}{name}", md5) for name, md5 in datasets.KMNIST.resources}
    ours = {(source, each.md5) for each in kmnist.KMNIST.archives for source in each.sources}
    assert known <= ours
    known = {*datasets.QMNIST.resources["train"], *datasets.QMNIST.resources["test"]}
    ours = {(source, each.md5) for each in qmnist.QMNIST.archives for source in each.sources}
    assert known <= ours
    (archive,) = emnist.EMNIST.archives
    assert archive.sources[0] == datasets.EMNIST.url and archive.md5 == datasets.EMNIST.md5
    of_usps = {(source, each.name, each.md5) for each in usps.USPS.archives for source in each.sources}
    assert {tuple(each) for each in datasets.USPS.split_list.values()} <= of_usps


def test_class_names_are_torchvisions() -> None:
    from torchvision import datasets

    assert tuple(datasets.KMNIST.classes) == kmnist.CLASSES
    assert tuple(datasets.EMNIST.classes_split_dict["balanced"]) == emnist.SUBSETS["balanced"].classes
    assert tuple(datasets.EMNIST.classes_split_dict["letters"][1:]) == emnist.SUBSETS["letters"].classes


def test_medmnist_has_twelve_sets_with_md5s_of_their_own() -> None:
    assert len(medmnist.SUBSETS) == 12
    assert len({about.md5 for about in medmnist.SUBSETS.values()}) == 12
    assert all(len(bytes.fromhex(about.md5)) == 16 for about in medmnist.SUBSETS.values())
    assert [name for name, about in medmnist.SUBSETS.items() if not about.classes] == ["chestmnist"]
    assert cifar10.CIFAR10.archives[0].md5 == "c32a1d4ab5d03f1284b67883e8d87530"
