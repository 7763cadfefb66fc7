"""Disks that are full, data that are damaged, and places that cannot be read or written."""

import gzip
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.faults.processes import SMOKE, Finding, content, ended, is_one_line, one_run, run, start
from tests.small import small_digits


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Callable[[int], None]]:
    """A file system of its own at a folder; yields what changes its size."""
    if os.geteuid() != 0:
        pytest.skip("a small file system takes root")
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")

    def resize(kilobytes: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(folder)], check=True)

    try:
        yield resize
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def full_disk(folder: Path, long: bool) -> Finding:
    """A disk that is full while checkpoints, logs and pictures are written, then has room again."""
    words = ("model=vae", *(word for word in SMOKE if word != "logger=none"), *small_digits(folder))
    assert run(*words, f"runs={folder / 'whole'}").code == 0
    whole = content(one_run(folder / "whole"))
    sizes = [4, 40, 400, 1000, 1700, 2100, 2500, 3300] if long else [40, 1700]
    late = [128, 256, 640, 640, 640] if long else [640]  # images after whose checkpoint something else takes the rest
    failed, reasons = [], []
    for number, (size, images) in enumerate([*((size, 0) for size in sizes), *((16_000, images) for images in late)]):
        disk = folder / f"disk-{number}"
        name = f"{size} kB" + (f", taken after {images} images" if images else "")
        with small_disk(disk, size) as resize:
            process = start(*words, f"runs={disk / 'runs'}")
            while images and process.poll() is None:
                if list(disk.glob(f"runs/*/checkpoints/*{images}.ckpt")):
                    with (disk / "taken").open("wb", buffering=0) as taken, suppress(OSError):
                        while True:
                            taken.write(bytes(4096))
                    break
                time.sleep(0.002)
            done = ended(process)
            reasons.append(f"{name}: {'enough' if done.code == 0 else 'full'}")
            if done.code != 0 and not (is_one_line(done) and "no space left" in done.last.lower()):
                failed.append(f"{name}: exit code {done.code}, {done.last}")
            resize(64_000)
            again = run(*words, f"runs={disk / 'runs'}")
            if again.code != 0 or content(one_run(disk / "runs")) != whole:
                failed.append(f"{name}, then room: exit code {again.code}, {again.last}")
    return Finding(len(reasons), failed, "; ".join(reasons))


def data_files(folder: Path, long: bool) -> Finding:
    """Data that are damaged, half there or unreadable, and places that cannot be written to."""
    failed: list[str] = []
    tried: list[str] = []
    for what, names, words, more in chain(_damaged_mnist(folder), _odd_images(folder)):
        tried.append(what)
        runs = folder / "refused"
        done = run(*words, *SMOKE, *(() if any(w.startswith("runs=") for w in words) else (f"runs={runs}",)), **more)
        appeared = runs.exists() and list(runs.iterdir())
        if not is_one_line(done) or names not in done.last or appeared:
            failed.append(f"{what}: exit code {done.code}, {done.last}")
        shutil.rmtree(runs, ignore_errors=True)
    return Finding(
        len(tried), failed, "" if "half downloaded" in tried else "no MNIST at hand: its files were not tried"
    )


Case = tuple[str, str, tuple[str, ...], dict[str, Any]]  # what, the name in the message, the words, more for `run`


def _damaged_mnist(folder: Path) -> Iterator[Case]:
    """MNIST's training images in all the ways in which a download goes wrong; nothing where there is no MNIST."""
    source = Path(os.environ.get("GENBENCH_DATA", "none"))
    matches = sorted(source.rglob("train-images-idx3-ubyte.gz")) if source.is_dir() else []
    file = next((match.relative_to(source) for match in matches if "Fashion" not in str(match)), None)
    if file is None:
        return
    whole = (source / file).read_bytes()
    middle = len(whole) // 2
    damages: dict[str, bytes | None] = {
        "half downloaded": whole[:middle],
        "one bit flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "other images in a sound file": gzip.compress(bytes(16 + 784)),
        "a folder in its place": None,
    }
    for name, damaged in damages.items():
        copy = folder / name.replace(" ", "-")
        shutil.copytree(source, copy)
        (copy / file).chmod(0o644)
        (copy / file).unlink()
        if damaged is None:
            (copy / file).mkdir()
        else:
            (copy / file).write_bytes(damaged)
        env = {"GENBENCH_DATA": "", "XDG_CACHE_HOME": str(folder / "cache"), "HOME": str(folder)}
        yield name, file.name, ("model=vae", "data=mnist", f"data.root={copy}"), {"env": env}


def _odd_images(folder: Path) -> Iterator[Case]:
    """A folder of images of which one is not what its name says, or that cannot be had."""
    images = folder / "images"
    images.mkdir()
    for i in range(24):
        Image.new("L", (8, 8), i * 10).save(images / f"{i:02}.png")
    cut = (images / "06.png").read_bytes()[:-20]
    bomb = folder / "bomb.png"
    Image.new("1", (20_000, 20_000)).save(bomb)
    for what, name, damaged in (
        ("one image is text", "05.png", b"text"),
        ("one image is cut off", "06.png", cut),
        ("an image bomb", "07.png", bomb.read_bytes()),
    ):
        yield what, name, ("data=folder", f"data.root={_with(images, name, damaged)}"), {}
    yield "no such folder", "nowhere", ("data=folder", f"data.root={folder / 'nowhere'}"), {}
    closed = _with(images, "08.png", cut)
    (closed / "08.png").chmod(0)
    locked = folder / "locked"
    locked.mkdir(mode=0o555)
    yield "an image that may not be read", "08.png", ("data=folder", f"data.root={closed}"), {"powerless": True}
    yield "a folder that may not be written", "locked", (f"runs={locked / 'runs'}",), {"powerless": True}


def _with(images: Path, name: str, content: bytes) -> Path:
    copy = images.with_name(f"images-{name}-{len(content)}")
    shutil.copytree(images, copy)
    (copy / name).write_bytes(content)
    return copy
