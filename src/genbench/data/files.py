"""Image files, wherever they lie, decoded side by side and kept in the cache: the second time nothing is decoded."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from joblib import Parallel, cpu_count, delayed

from genbench.cache import cache_folder, whole_file
from genbench.config.data import DataConfig
from genbench.data.decoding import Decoded, How, UnreadableError, decoded, header
from genbench.data.found import CHUNK_BYTES, Bytes
from genbench.errors import UserError
from genbench.progress import advance, task
from genbench.wording import counted

AT_ONCE = 256  # files between two steps of the bar
KEPT_FROM = 2_000  # files that are worth a place in the cache
_12_BITS = 4095
_VERSION = 1  # of what is kept


@dataclass(frozen=True, slots=True)  # there may be a million
class File:
    """An image file: its name among the others, and its content or where that is."""

    name: str
    content: str | bytes


class StoredPictures:
    """Decoded images in memory or in a file, (N, H, W, C) bytes one after another; as many of them as are wanted."""

    def __init__(self, pixels: Bytes | Path, shape: tuple[int, int, int, int], chosen: Sequence[int] | None = None):
        self.pixels, self.shape, self.chosen = pixels, shape, chosen

    def __len__(self) -> int:
        return self.shape[0] if self.chosen is None else len(self.chosen)

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width."""
        return self.shape[1], self.shape[2]

    def of(self, chosen: Sequence[int]) -> "StoredPictures":
        """Those of ascending indices."""
        return StoredPictures(self.pixels, self.shape, chosen)

    def chunks(self) -> Iterator[Bytes]:
        """See `found.Pictures`."""
        each = self.shape[1] * self.shape[2] * self.shape[3]
        step = max(1, CHUNK_BYTES // each)
        chosen = np.arange(self.shape[0]) if self.chosen is None else np.asarray(self.chosen, np.int64)
        for start in range(0, self.shape[0], step):
            stop = min(start + step, self.shape[0])
            first, last = np.searchsorted(chosen, [start, stop])
            if last == first:
                continue
            if isinstance(self.pixels, Path):
                with self.pixels.open("rb") as file:
                    file.seek(start * each)
                    block = np.frombuffer(file.read((stop - start) * each), np.uint8)
                block = block.reshape(stop - start, *self.shape[1:])
            else:
                block = self.pixels[start:stop]
            yield block if last - first == len(block) else block[chosen[first:last] - start]


@dataclass(frozen=True)
class _Facts:
    """What is kept beside the pixels."""

    shape: tuple[int, int, int, int]
    kept: list[int]  # indices of the files that could be read
    failed: dict[str, list[str]]  # names by reason, the first of each
    counts: dict[str, int]  # how many by reason
    deepest: int
    transparent: int
    hidden: int


@dataclass(frozen=True)
class Pictures:
    """What became of image files."""

    pictures: StoredPictures
    kept: list[int]  # indices of those that could be read
    notes: tuple[str, ...]


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
    facts, pixels = _kept_or_decoded(where, files, stamp, how)
    if config.background is None and facts.hidden * 2 > len(facts.kept):  # white signs on nothing
        how = replace(how, background="black")
        facts, pixels = _kept_or_decoded(where, files, stamp, how)
    if not facts.kept:
        reason, names = next(iter(facts.failed.items()))
        raise UserError(f"{where}: none of {len(files)} images can be read ({names[0]}: {reason})")
    if facts.deepest and facts.deepest <= _12_BITS and config.white is None:
        scale = next(2**bits - 1 for bits in (1, 4, 8, 10, 12) if facts.deepest < 2**bits)
        raise UserError(
            f"{where}: in files of 16 bits no pixel is brighter than {facts.deepest} of 65535: data.scale={scale} if"
            f" {scale} is white; data.scale=65535 if the images are as dark as that"
        )
    return Pictures(StoredPictures(pixels, facts.shape), facts.kept, _notes(facts, len(files), how))


def _notes(facts: _Facts, count: int, how: How) -> tuple[str, ...]:
    notes = []
    for reason, number in facts.counts.items():
        names = ", ".join(facts.failed[reason]) + (", ..." if number > len(facts.failed[reason]) else "")
        notes.append(f"left out: {number:,} of {counted(count, 'file')} ({names}): {reason}")
    if facts.transparent:
        notes.append(f"{counted(facts.transparent, 'image')} with transparent pixels, laid on {how.background}")
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


def _kept_or_decoded(where: str, files: Sequence[File], stamp: str, how: How) -> tuple[_Facts, Bytes | Path]:
    cache = cache_folder()
    if cache is None or len(files) < KEPT_FROM:
        return _decode(where, files, how, None)
    digest = hashlib.sha256(f"{_VERSION} {stamp} {sorted(asdict(how).items())}".encode()).hexdigest()[:32]
    place = cache / "images" / digest
    about, pixels = place.with_suffix(".json"), place.with_suffix(".bin")
    with suppress(OSError, ValueError, TypeError, KeyError):
        facts = _Facts(**json.loads(about.read_text(encoding="utf-8")))
        count, height, width, channels = facts.shape
        facts = replace(facts, shape=(count, height, width, channels))
        if pixels.stat().st_size == int(np.prod(facts.shape)):
            return facts, pixels
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(pixels) as temporary:
            facts, _ = _decode(where, files, how, temporary)
        with whole_file(about) as temporary:
            temporary.write_text(json.dumps(asdict(facts)), encoding="utf-8")
    except OSError:  # a cache that cannot be written, or a full disk: what is decoded stays in memory
        return _decode(where, files, how, None)
    return facts, pixels


def _decode(where: str, files: Sequence[File], how: How, out: Path | None) -> tuple[_Facts, Bytes | Path]:
    store = _Store(out)
    kept: list[int] = []
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
    return _Facts(store.shape, kept, failed, dict(counts), deepest, transparent, hidden), pixels


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


class _Store:
    """Images one after another, in memory or in a file: of one channel until a colour one comes."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.file: BinaryIO | None = None if path is None else path.open("wb+")
        self.images: list[Bytes] = []
        self.sides: tuple[int, int] | None = None
        self.channels = 1
        self.count = 0

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return self.count, *(self.sides or (0, 0)), self.channels

    def add(self, image: Bytes) -> bool:
        """Keep an image (H, W, 1 or 3); False if it is of another size than the first."""
        if self.sides is None:
            self.sides = image.shape[0], image.shape[1]
        if image.shape[:2] != self.sides:
            return False
        if image.shape[2] == 3 and self.channels == 1:
            self._recolour()
        if image.shape[2] < self.channels:
            image = np.repeat(image, 3, axis=2)
        if self.file is not None:
            self.file.write(np.ascontiguousarray(image).data)
        else:
            self.images.append(image)
        self.count += 1
        return True

    def _recolour(self) -> None:
        """What is there with three channels."""
        self.channels = 3
        if self.file is None or self.path is None:
            self.images = [np.repeat(image, 3, axis=2) for image in self.images]
            return
        before = self.path.with_name(f"{self.path.name}.grey")
        try:
            self.file.close()
            self.path.replace(before)
            self.file = self.path.open("wb+")
            with before.open("rb") as grey:
                while block := grey.read(CHUNK_BYTES):
                    self.file.write(np.frombuffer(block, np.uint8).repeat(3).data)
        finally:
            before.unlink(missing_ok=True)

    def end(self) -> Bytes | Path:
        if self.file is not None and self.path is not None:
            self.file.flush()
            return self.path
        images = self.images
        self.images = []
        return np.stack(images) if images else np.empty(self.shape, np.uint8)

    def close(self) -> None:
        if self.file is not None:
            self.file.close()
