"""Sources of images that are damaged, mixed up or hostile."""

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from genbench.config.data import DataConfig
from genbench.data.sources import load_data
from genbench.errors import UserError
from genbench.wording import parse
from tests.data.cases import CASES
from tests.faults.processes import Finding

SUFFIXES = (
    *(".png", ".jpg", ".webp", ".gif", ".tiff", ".npy", ".npz", ".pt", ".mat", ".h5", ".parquet", ".arrow"),
    *(".csv", ".tsv", ".jsonl", ".zip", ".tar", ".tar.gz", ".gz", "", ".idx3-ubyte", ".txt", ".json"),
)
NAMES = ("train", "test", "x\n", "\u202e", "ä" * 60, "..a", "labels", "metadata", "=", "${x}", "'", "%s", "-n", "数")
WORDS: dict[str, tuple[Any, ...]] = {
    "size": (None, 8, 32, "12x8"),
    "fit": ("crop", "pad", "stretch"),
    "channels": (None, 1, 3),
    "background": (None, "white", "black"),
    "scale": (None, None, 1.0, 255.0, 1e-9, 1e9),
    "labels": (True, True, False),
    "classes": (None, None, [0], ["a", "b"], []),
    "limit": (None, 1, 10, 10**9),
    "deduplicate": (False, True),
}


def sources(folder: Path, long: bool) -> Finding:
    """Images and arrays of every kind, damaged, renamed and mixed: data or one line, and nothing is written there."""
    chance, tries = random.Random(0), 2000 if long else 60
    sound = [make(folder / "sound" / f"{i}") for i, (_, make, _) in enumerate(CASES)]
    failed: list[str] = []
    taken = refused = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        for i in range(tries):
            work = folder / "work"
            source = _copied(chance.choice(sound), work)
            what = [_spoilt(source, chance, sound) for _ in range(chance.randint(0, 3))]
            words = {key: chance.choice(values) for key, values in WORDS.items()} if chance.random() < 0.5 else {}
            before = _content(work)
            about = f"{i}: {source.name}, {'; '.join(what)}, {words}"
            try:
                given = {"load": "genbench.data.folder.load", "root": str(source), "batch_size": 8}
                data = load_data(parse(DataConfig, given | words))
                taken += 1
                if not (len(data.train) and data.train.images.is_contiguous()):
                    failed.append(f"{about}: no images")
                said = data.notes
            except UserError as error:
                refused += 1
                said = (str(error),)
            except BaseException as error:  # noqa: BLE001  (whatever it is, the row must name it)
                failed.append(f"{about}: {type(error).__name__}: {str(error)[:200]}")
                said = ()
            if any("\n" in line.replace("x\n", "") for line in said):
                failed.append(f"{about}: several lines: {said}")
            if _content(work) != before:
                failed.append(f"{about}: something was written")
            shutil.rmtree(work)
    if {path.name for path in folder.iterdir()} - {"sound", "cache"}:
        failed.append(f"written elsewhere: {sorted(folder.iterdir())}")
    return Finding(tries, failed, f"of {len(CASES)} kinds; {taken} were taken, {refused} refused in one line")


def _copied(source: Path, work: Path) -> Path:
    work.mkdir()
    if source.is_dir():
        return Path(shutil.copytree(source, work / source.name, symlinks=True))
    return Path(shutil.copy(source, work / source.name))


def _files(source: Path) -> list[Path]:
    return [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())


def _spoilt(source: Path, chance: random.Random, sound: list[Path]) -> str:
    """Do something to a file; what it was."""
    files = _files(source)
    if not files:
        return "nothing"
    path = chance.choice(files)
    content = bytearray(path.read_bytes())
    kind = chance.choice(("flip", "flip", "cut", "junk", "empty", "rename", "other", "move", "twice"))
    if kind == "flip" and content:
        for _ in range(chance.randint(1, 8)):
            content[chance.randrange(min(len(content), chance.choice((64, 10**9))))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
    elif kind == "cut":
        path.write_bytes(content[: chance.randrange(len(content) + 1)])
    elif kind == "junk":
        path.write_bytes(chance.randbytes(chance.randint(0, 300)))
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "other":
        path.write_bytes(chance.choice(_files(chance.choice(sound))).read_bytes())
    elif source.is_dir():
        name = f"{chance.choice((*NAMES, path.stem))}{chance.choice((*SUFFIXES, path.suffix))}"
        target = path.with_name(name) if kind == "rename" else source / chance.choice((*NAMES, "a/b")) / name
        if name and not target.exists() and not any(parent.is_file() for parent in target.parents):
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copy if kind == "twice" else shutil.move)(path, target)
    return f"{kind} {path.name!r}"


def _content(folder: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_mtime_ns for path in folder.rglob("*")}
