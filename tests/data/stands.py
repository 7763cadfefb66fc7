"""Small stand-ins of the data sets that have names, in their formats, and a server to download them from."""

import bz2
import gzip
import hashlib
import io
import string
import tarfile
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest

from genbench.config.data import DataConfig
from genbench.data import kmnist, medmnist
from genbench.data.found import Bytes, Found
from genbench.data.official import Official

Numbers = npt.NDArray[np.int64]
DIGITS = tuple("0123456789")
COUNTS = {"train": 24, "test": 12}
DRAWN = np.random.default_rng(0)
PIXELS = {  # bytes of (N, H, W, C), by what is asked for
    shape: {split: DRAWN.integers(0, 256, (n, *shape), dtype=np.uint8) for split, n in COUNTS.items()}
    for shape in ((28, 28, 1), (16, 16, 1), (32, 32, 3))
}
LABELS = {split: DRAWN.permutation(n).astype(np.int64) % 10 for split, n in COUNTS.items()}


@dataclass
class Stand:
    """A data set of a few images: its files, and what must come out of them."""

    name: str
    files: dict[str, bytes]
    images: dict[str, Bytes]
    labels: dict[str, Numbers] | None
    classes: tuple[str, ...]
    folder: str
    subset: str | None = None
    called: str = ""

    @property
    def module(self) -> ModuleType:
        return import_module(f"genbench.data.{self.name}")

    def config(self, root: Path | None = None, **more: object) -> DataConfig:
        given = {"load": f"genbench.data.{self.name}.load", "batch_size": 64, "subset": self.subset}
        return DataConfig.model_validate({**given, "root": None if root is None else str(root), **more})

    def load(self, root: Path | None = None, **more: object) -> Found:
        found = self.module.load(self.config(root, **more))
        assert isinstance(found, Found)
        return found


def idx(array: npt.NDArray[np.generic], kind: int = 8) -> bytes:
    shape = b"".join(length.to_bytes(4, "big") for length in array.shape)
    return bytes((0, 0, kind, array.ndim)) + shape + array.astype(">i4" if kind == 12 else "u1").tobytes()


def of_kmnist() -> Stand:
    images = PIXELS[28, 28, 1]
    files = {}
    for split, word in (("train", "train"), ("test", "t10k")):
        files[f"{word}-images-idx3-ubyte.gz"] = gzip.compress(idx(images[split][..., 0]))
        files[f"{word}-labels-idx1-ubyte.gz"] = gzip.compress(idx(LABELS[split]))
    return Stand("kmnist", files, images, LABELS, kmnist.CLASSES, "KMNIST/raw")


def of_qmnist() -> Stand:
    images = PIXELS[28, 28, 1]
    files = {}
    for split in COUNTS:
        rows = DRAWN.integers(-1, 100_000, (COUNTS[split], 8))
        rows[:, 0] = LABELS[split]
        files[f"qmnist-{split}-images-idx3-ubyte.gz"] = gzip.compress(idx(images[split][..., 0]))
        files[f"qmnist-{split}-labels-idx2-int.gz"] = gzip.compress(idx(rows, 12))
    return Stand("qmnist", files, images, LABELS, DIGITS, "QMNIST/raw")


def of_emnist(subset: str, first: int) -> Stand:
    """The archive has other sets too; in its files an image's columns follow one another."""
    images = PIXELS[28, 28, 1]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for split in COUNTS:
            columns = np.stack([image[:, :, 0].T for image in images[split]])
            stem = f"gzip/emnist-{subset}-{split}"
            archive.writestr(f"{stem}-images-idx3-ubyte.gz", gzip.compress(idx(columns)))
            archive.writestr(f"{stem}-labels-idx1-ubyte.gz", gzip.compress(idx(LABELS[split] + first)))
            archive.writestr(f"gzip/emnist-digits-{split}-images-idx3-ubyte.gz", b"another set")
    classes = tuple(string.ascii_lowercase)
    if subset == "balanced":
        classes = (*DIGITS, *string.ascii_uppercase, "a", "b", "d", "e", "f", "g", "h", "n", "q", "r", "t")
    called = f"emnist_{subset}"
    return Stand("emnist", {"gzip.zip": packed.getvalue()}, images, LABELS, classes, "EMNIST/raw", subset, called)


def of_usps() -> Stand:
    """Values as the files have them, with some digits behind the point."""
    images = PIXELS[16, 16, 1]
    files = {}
    for split, name in (("train", "usps.bz2"), ("test", "usps.t.bz2")):
        lines = [
            f"{label + 1} " + " ".join(f"{i + 1}:{value / 127.5 - 1:.6g}" for i, value in enumerate(image.flat)) + " \n"
            for image, label in zip(images[split], LABELS[split], strict=True)
        ]
        files[name] = bz2.compress("".join(lines).encode())
    return Stand("usps", files, images, LABELS, DIGITS, "USPS")


def of_cifar10() -> Stand:
    images = PIXELS[32, 32, 3]
    records = {
        split: [
            bytes([label]) + b"".join(image[:, :, colour].tobytes() for colour in range(3))
            for image, label in zip(images[split], LABELS[split], strict=True)
        ]
        for split in COUNTS
    }
    # The archive's order is not that of the batches.
    members = {f"data_batch_{i + 1}.bin": b"".join(records["train"][5 * i : 5 * i + 5]) for i in (4, 2, 3, 0, 1)}
    members |= {"readme.html": b"<html>", "test_batch.bin": b"".join(records["test"])}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, data in members.items():
            about = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            about.size = len(data)
            archive.addfile(about, io.BytesIO(data))
    classes = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    files = {"cifar-10-binary.tar.gz": packed.getvalue()}
    return Stand("cifar10", files, images, LABELS, classes, "CIFAR10")


def of_medmnist(subset: str, channels: int, classes: int) -> Stand:
    arrays: dict[str, npt.NDArray[np.uint8]] = {}
    images, labels = {}, {}
    for split, name, n in (("train", "train", 24), ("validation", "val", 6), ("test", "test", 9)):
        images[split] = DRAWN.integers(0, 256, (n, 28, 28, channels), dtype=np.uint8)
        labels[split] = np.arange(n) % max(classes, 1)
        arrays[f"{name}_images"] = images[split] if channels == 3 else images[split][..., 0]
        arrays[f"{name}_labels"] = labels[split][:, None].astype(np.uint8)
        if not classes:
            arrays[f"{name}_labels"] = DRAWN.integers(0, 2, (n, 14), dtype=np.uint8)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.save(file, array)
    names = medmnist.SUBSETS[subset].classes
    assert len(names) == classes
    given = labels if classes else None
    files = {f"{subset}.npz": packed.getvalue()}
    return Stand("medmnist", files, images, given, names, "MedMNIST", subset, subset)


STANDS = {
    "kmnist": of_kmnist(),
    "qmnist": of_qmnist(),
    "emnist balanced": of_emnist("balanced", 0),
    "emnist letters": of_emnist("letters", 1),
    "usps": of_usps(),
    "cifar10": of_cifar10(),
    "bloodmnist": of_medmnist("bloodmnist", 3, 8),
    "breastmnist": of_medmnist("breastmnist", 1, 2),
    "chestmnist": of_medmnist("chestmnist", 1, 0),
}
CONSTANTS = {"kmnist": "KMNIST", "qmnist": "QMNIST", "emnist": "EMNIST", "usps": "USPS", "cifar10": "CIFAR10"}


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def trusted(monkeypatch: pytest.MonkeyPatch, stand: Stand, *servers: str) -> None:
    """Take a stand-in's files for the official ones, to be had from these servers."""
    if stand.subset is not None and stand.name == "medmnist":
        about = replace(medmnist.SUBSETS[stand.subset], md5=md5(stand.files[f"{stand.subset}.npz"]))
        monkeypatch.setattr(medmnist, "SUBSETS", {**medmnist.SUBSETS, stand.subset: about})
        monkeypatch.setattr(medmnist, "SOURCES", tuple(f"{server}{{}}.npz?download=1" for server in servers))
        return
    constant = CONSTANTS[stand.name]
    known: Official = getattr(stand.module, constant)
    assert {archive.name for archive in known.archives} == set(stand.files)
    archives = tuple(
        replace(
            archive,
            md5=md5(stand.files[archive.name]),
            sources=tuple(f"{server}{archive.name}" for server in servers),
        )
        for archive in known.archives
    )
    monkeypatch.setattr(stand.module, constant, replace(known, archives=archives))


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def is_whole(found: Found, stand: Stand) -> bool:
    assert list(found.parts) == list(stand.images)
    for split, part in found.parts.items():
        np.testing.assert_array_equal(np.concatenate(list(part.pictures.chunks())), stand.images[split])
        if stand.labels is None:
            assert part.labels is None
        else:
            np.testing.assert_array_equal(part.labels, stand.labels[split])
    return True


@dataclass
class Servers:
    """A local server: what each folder of it answers, and what was asked for."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def __getitem__(self, name: str) -> str:
        return f"{self.url}/{name}/"


@contextmanager
def serving() -> Iterator[Servers]:
    """Serve until the block ends."""
    state = Servers()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, server, name = self.path.split("?")[0].split("/")
            state.asked[f"{server}/{name}"] += 1
            body = {"whole": state.files.get(name, b""), "portal": b"<html>please log in</html>"}.get(server, b"")
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()
