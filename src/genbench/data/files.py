"""Image files, wherever they lie, decoded side by side and kept in the cache: the second time nothing is decoded."""

import hashlib
import json
import os
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt
from joblib import Parallel, cpu_count, delayed

from genbench.cache import cache_folder, whole_file
from genbench.config.data import DataConfig
from genbench.data.decoding import Decoded, How, UnreadableError, decoded, header
from genbench.data.facts import Facts
from genbench.data.found import Bytes
from genbench.data.packed import Packed
from genbench.data.store import Store, StoredPictures
from genbench.errors import UserError
from genbench.progress import advance, task
from genbench.wording import counted

AT_ONCE = 256  # files between two steps of the bar
KEPT_FROM = 2_000  # files that are worth a place in the cache
_12_BITS = 4095
_VERSION = 2  # of what is kept
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)  # there may be a million
class File:
    """An image file: its name among the others, and its content or where that is."""

    name: str
    content: str | bytes


class FilesBelow(Sequence[File]):
    """Files in a folder, of which there may be a million: each is made when it is asked for."""

    def __init__(self, folder: str, names: Packed) -> None:
        self.folder, self.names = folder, names

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> File: ...
    @overload
    def __getitem__(self, index: slice) -> list[File]: ...
    def __getitem__(self, index: int | slice) -> File | list[File]:
        """One, or a list of some."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        name = self.names[index]
        return File(name.replace(os.sep, "/"), f"{self.folder}{os.sep}{name}")


@dataclass(frozen=True)
class _About:
    """What is kept beside the pixels."""

    shape: tuple[int, int, int, int]
    failed: dict[str, list[str]]  # names by reason, the first of each
    counts: dict[str, int]  # how many by reason
    deepest: int
    transparent: int
    hidden: int


@dataclass(frozen=True)
class _Read:
    """Files that were decoded, now or before."""

    about: _About
    kept: Indices
    pixels: Bytes | Path
    facts: Facts | None = None


@dataclass(frozen=True)
class Pictures:
    """What became of image files."""

    pictures: StoredPictures
    kept: Indices  # of those that could be read
    notes: tuple[str, ...]
    facts: Facts | None  # of each image, if they are known


def read_files(where: str, files: Sequence[File], stamp: str, config: DataConfig) -> Pictures:
    """All images of some files, at one size.

    Args:
        where: the folder or archive, for messages.
        files: in the order wanted.
        stamp: what changes if any of them does.
        config: how they are to be read.

    Raises:
        UserError: none can be read, or they are of several sizes and none is wanted.
    """
    how = How(config.sides, config.fit, config.background or "white", config.white)
    read = _kept_or_decoded(where, files, stamp, how)
    if config.background is None and read.about.hidden * 2 > len(read.kept):  # white signs on nothing
        how = replace(how, background="black")
        read = _kept_or_decoded(where, files, stamp, how)
    about = read.about
    if not len(read.kept):
        reason, names = next(iter(about.failed.items()))
        raise UserError(f"{where}: none of {len(files)} images can be read ({names[0]}: {reason})")
    if about.deepest and about.deepest <= _12_BITS and config.white is None:
        scale = next(2**bits - 1 for bits in (1, 4, 8, 10, 12) if about.deepest < 2**bits)
        raise UserError(
            f"{where}: in files of 16 bits no pixel is brighter than {about.deepest} of 65535: data.scale={scale} if"
            f" {scale} is white; data.scale=65535 if the images are as dark as that"
        )
    return Pictures(StoredPictures(read.pixels, about.shape), read.kept, _notes(about, len(files), how), read.facts)


def _notes(about: _About, count: int, how: How) -> tuple[str, ...]:
    notes = []
    for reason, number in about.counts.items():
        names = ", ".join(about.failed[reason]) + (", ..." if number > len(about.failed[reason]) else "")
        notes.append(f"left out: {number:,} of {counted(count, 'file')} ({names}): {reason}")
    if about.transparent:
        notes.append(f"{counted(about.transparent, 'image')} with transparent pixels, laid on {how.background}")
    return tuple(notes)


def _several_sizes(where: str, files: Sequence[File]) -> UserError:
    """How many images are of another size than most."""
    sizes: Counter[tuple[int, int]] = Counter()
    example: dict[tuple[int, int], str] = {}
    for file in files:
        with suppress(UnreadableError):
            found = header(file.content)
            sizes[found] += 1
            example.setdefault(found, file.name)
    (most, count), *others = sizes.most_common()
    other, total = others[0][0] if others else most, sum(sizes.values())
    return UserError(
        f"{where} has images of {len(sizes)} sizes: {total - count:,} of {total:,} are not {most[1]}x{most[0]}"
        f" ({example[other]} is {other[1]}x{other[0]}): data.size=32 brings all to one size"
    )


def _kept_or_decoded(where: str, files: Sequence[File], stamp: str, how: How) -> _Read:
    cache = cache_folder()
    if cache is None or len(files) < KEPT_FROM:
        return _decode(where, files, how, None)
    digest = hashlib.sha256(f"{_VERSION} {stamp} {sorted(asdict(how).items())}".encode()).hexdigest()[:32]
    place = cache / "images" / digest
    with suppress(OSError, ValueError, TypeError, KeyError, EOFError):
        return _kept(place)
    about, kept, facts, pixels = _places(place)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(pixels) as temporary:
            read = _decode(where, files, how, temporary)
        if not len(read.kept):  # is not kept: the reason may be none tomorrow, permissions say
            pixels.unlink()
            return read
        found = Facts.of(StoredPictures(pixels, read.about.shape).chunks(), len(read.kept))
        for path, table in ((kept, read.kept), (facts, found.table)):
            with whole_file(path) as temporary, temporary.open("wb") as file:
                np.save(file, table, allow_pickle=False)
        with whole_file(about) as temporary:
            temporary.write_text(json.dumps(asdict(read.about)), encoding="utf-8")
    except OSError:  # a cache that cannot be written, or a full disk: what is decoded stays in memory
        return _decode(where, files, how, None)
    return replace(read, pixels=pixels, facts=found)


def _places(place: Path) -> tuple[Path, Path, Path, Path]:
    """Files for what there is to say, for the indices of what could be read, for facts, and for pixels."""
    return (
        place.with_suffix(".json"),
        place.with_name(f"{place.name}-kept.npy"),
        place.with_name(f"{place.name}-facts.npy"),
        place.with_suffix(".bin"),
    )


def _kept(place: Path) -> _Read:
    """What was kept; an error of many kinds if it is not there, or not whole."""
    said, indices, table, pixels = _places(place)
    about = _About(**json.loads(said.read_text(encoding="utf-8")))
    count, channels, height, width = about.shape
    about = replace(about, shape=(count, channels, height, width))
    kept, facts = np.load(indices, allow_pickle=False), Facts(np.load(table, allow_pickle=False))
    if len(kept) != count or len(facts) != count or pixels.stat().st_size != int(np.prod(about.shape)):
        raise ValueError("not whole")
    return _Read(about, kept, pixels, facts)


def _decode(where: str, files: Sequence[File], how: How, out: Path | None) -> _Read:
    store = Store(out)
    kept = array("q")
    failed: dict[str, list[str]] = {}
    counts: Counter[str] = Counter()
    deepest = transparent = hidden = 0
    try:
        with task(f"reading {len(files):,} images", len(files) // AT_ONCE + 1):
            for i, result in enumerate(_side_by_side(files, how)):
                if i % AT_ONCE == 0:
                    advance()
                if isinstance(result, UnreadableError):
                    reason = str(result)
                    counts[reason] += 1
                    if len(failed.setdefault(reason, [])) < 3:
                        failed[reason].append(files[i].name)
                    continue
                if not store.add(result.pixels):
                    raise _several_sizes(where, files)
                kept.append(i)
                deepest = max(deepest, result.deepest)
                transparent += result.transparent
                hidden += result.hidden
        pixels = store.end()
    finally:
        store.close()
    about = _About(store.shape, failed, dict(counts), deepest, transparent, hidden)
    return _Read(about, np.array(kept, np.int64), pixels)


def _side_by_side(files: Sequence[File], how: How) -> Iterator[Decoded | UnreadableError]:
    """Each file's image or why there is none, in order; of many by several processes."""
    parts = [files[start : start + AT_ONCE] for start in range(0, len(files), AT_ONCE)]
    workers = min(cpu_count(), len(parts)) if len(files) >= KEPT_FROM else 1
    if workers == 1:
        for part in parts:
            yield from _some(part, how)
        return
    for results in Parallel(workers, return_as="generator")(delayed(_some)(part, how) for part in parts):
        yield from results


def _some(files: Sequence[File], how: How) -> list[Decoded | UnreadableError]:
    return [_one(file, how) for file in files]


def _one(file: File, how: How) -> Decoded | UnreadableError:
    try:
        return decoded(file.content, how)
    except UnreadableError as error:
        return error
