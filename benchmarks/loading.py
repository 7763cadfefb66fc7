"""python -m benchmarks.loading: many images, and more than fit into memory. Writes docs/loading.md.

Makes its own images in a temporary folder: 13 GB of room are needed there, and 7 in the cache.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from genbench.device import processor_name

PAGE = Path(__file__).resolve().parents[1] / "docs" / "loading.md"
FILES, MANY, FEW, SIDE = 70_000, 2_000_000, 20_000, 32
LIMIT = 2 * 2**30  # bytes
GROUP = Path("/sys/fs/cgroup/memory/genbench-loading")  # control groups of version 1; writable to root alone
LOAD = """
import json, resource, sys, time
from genbench.config.data import DataConfig
from genbench.data import folder, sources
from genbench.data.decoding import suffixes
import torch
suffixes()
def load(root):
    return sources.load_data(DataConfig(load="genbench.data.folder.load", root=root, batch_size=64))
load(sys.argv[2])
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before, began = peak(), time.perf_counter()
data = load(sys.argv[1])
seconds = time.perf_counter() - began
size = sum(split.images.numel() for split in (data.train, data.validation, data.test))
print(json.dumps({"seconds": seconds, "more": peak() - before, "bytes": size}))
"""


def main() -> None:
    """Make, load, train, write, print."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        environment = os.environ | {"XDG_CACHE_HOME": str(root / "cache")}
        lines = [
            "# Loading",
            "",
            f"Written by `python -m benchmarks.loading`: {processor_name()}, {os.cpu_count()} cores, torch"
            f" {torch.__version__}; images of noise that it makes itself; each measured once.",
            "",
            "| | first time | again | memory, beyond that of a load of 100 images |",
            "| --- | ---: | ---: | ---: |",
        ]
        for side, channels in ((28, 1), (64, 3)):
            photos = _photos(root / f"photos{side}", side, channels, FILES)
            few = _photos(root / f"few{side}", side, channels, 100)
            first, again = (_load(photos, few, environment) for _ in range(2))
            lines.append(
                f"| {FILES:,} PNG files of {side}x{side}x{channels} in ten folders | {first['seconds']:.1f} s |"
                f" {again['seconds']:.1f} s | {again['more'] / first['bytes']:.2f} times the images'"
                f" {first['bytes'] / 2**20:,.0f} MiB |"
            )
            print(lines[-1], flush=True)
        lines += [
            "",
            f"A VAE (`genbench train model=vae trainer.max_minutes=1`) on {SIDE}x{SIDE} colour images in a .npy file:",
            "",
            "| images | memory | images/s in training | seconds besides: reading, test images |",
            "| ---: | --- | ---: | ---: |",
        ]
        for count, limited in ((FEW, False), (MANY, True)):
            speed, besides = _train(_array(root / f"{count}.npy", count), root, environment, limited=limited)
            said = f"a control group with {LIMIT / 2**30:.0f} GiB" if limited else "as much as there is"
            size = f"{count:,} ({count * SIDE * SIDE * 3 / 2**30:.2f} GiB)"
            lines.append(f"| {size} | {said} | {speed:,.0f} | {besides:.0f} |")
            print(lines[-1], flush=True)
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def _photos(root: Path, side: int, channels: int, count: int) -> Path:
    chance = np.random.default_rng(0)
    for i in range(count):
        folder = root / str(i % 10)
        if i < 10:
            folder.mkdir(parents=True)
        small = chance.integers(0, 256, (side // 4, side // 4, channels), dtype=np.uint8)
        image = Image.fromarray(small[..., 0] if channels == 1 else small).resize((side, side))
        image.save(folder / f"{i:05}.png", compress_level=1)
    return root


def _array(path: Path, count: int) -> Path:
    chance = np.random.default_rng(0)
    images = np.lib.format.open_memmap(path, "w+", np.uint8, (count, SIDE, SIDE, 3))
    for start in range(0, count, 10_000):
        images[start : start + 10_000] = chance.integers(0, 256, (10_000, SIDE, SIDE, 3), dtype=np.uint8)
    images.flush()
    del images
    with path.open("rb") as file:  # what the system keeps of it in memory would be nobody's in the group
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return path


def _load(root: Path, few: Path, environment: dict[str, str]) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(root), str(few)], env=environment, check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def _train(path: Path, root: Path, environment: dict[str, str], *, limited: bool) -> tuple[float, float]:
    """Images a second while it trains, and the seconds besides."""
    words = [
        "model=vae",
        "data=folder",
        f"data.root={path}",
        "trainer=cpu",
        "trainer.max_minutes=1",
        "trainer.validations=1",
    ]
    runs = root / f"runs-{path.stem}"
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "genbench.train", *words, "logger=none", f"runs={runs}"],
        env=environment,
        check=True,
        preexec_fn=_enter if limited else None,
        capture_output=True,
    )
    took = time.perf_counter() - began
    (summary,) = (json.loads(found.read_text(encoding="utf-8")) for found in runs.glob("*/summary.json"))
    if limited:
        with suppress(OSError):
            GROUP.rmdir()
    return summary["images_per_second"], took - summary["train_seconds"] - summary["validation_seconds"]


def _enter() -> None:
    GROUP.mkdir(exist_ok=True)
    (GROUP / "memory.limit_in_bytes").write_text(str(LIMIT))
    (GROUP / "cgroup.procs").write_text(str(os.getpid()))


if __name__ == "__main__":
    main()
