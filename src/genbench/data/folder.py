"""Your own images: files in folders or archives, or arrays in files of many kinds. docs/data.md has what is taken."""

import filecmp
import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from genbench.cache import cache_folder, regular_file
from genbench.config.data import DataConfig
from genbench.data import archives
from genbench.data.arrays import part_of
from genbench.data.beside import SET, beside_arrays, files_below, others_note
from genbench.data.decoding import suffixes
from genbench.data.files import File, FilesBelow, read_files
from genbench.data.formats import format_of
from genbench.data.found import WHOLE, Arrays, Found, Part, Sliceable
from genbench.data.layout import arrange
from genbench.data.names import Pair, is_split, missed, pairs
from genbench.data.packed import Packed
from genbench.data.resizing import luminance
from genbench.data.split_column import divided
from genbench.data.tables import TABLES
from genbench.errors import UserError

LARGEST_TABLE = 256 * 2**20  # bytes


def load(config: DataConfig) -> Found:
    """What a folder, an archive or a file of arrays holds.

    Args:
        config: with its root, a folder or a file.

    Raises:
        UserError: there is no root, or nothing in it that can be read.
    """
    if config.root is None:
        raise UserError("data=folder needs data.root=DIR: a folder with images, or a file with them (docs/data.md)")
    path = Path(os.path.expanduser(config.root))  # leaves an unknown user as it stands
    try:
        if not path.exists():
            raise UserError(f"{config.root}: there is no such file or folder")
        return _found(path, config)
    except OSError as error:
        raise UserError(f"cannot read {error.filename or path} ({error.strerror}): make it readable") from error


def read_images(source: str, channels: int) -> tuple[Tensor, tuple[str, ...]]:
    """All images of a source such as `load` takes, in one tensor (N, C, H, W) uint8, and what was left out.

    Classes and splits are ignored.

    Args:
        source: a folder, an archive or a file of arrays.
        channels: 1 or 3; grey images become colour ones where 3 are wanted, and others grey.

    Raises:
        UserError: there is no such source, or nothing in it that can be read.
    """
    try:
        found = load(DataConfig(load="genbench.data.folder.load", root=source, batch_size=1, labels=False))
    except UserError as error:
        reason, _, advice = str(error).rpartition(": ")
        if "data." not in advice:
            raise
        raise UserError(f"{reason}: save them as bytes, 0 to 255, all of one size") from error  # data= is another's
    chunks = []
    for part in found.parts.values():
        for chunk in part.pictures.chunks():
            if channels == 1 and chunk.shape[3] == 3:
                same = bool((chunk == chunk[..., :1]).all())
                chunk = chunk[..., :1] if same else luminance(chunk)
            chunks.append(np.repeat(chunk, 3, axis=3) if channels == 3 and chunk.shape[3] == 1 else chunk)
    if len({chunk.shape[1:] for chunk in chunks}) != 1:
        raise UserError(f"{source} has images of several sizes: bring them to one")
    notes = (*found.notes, *(note for part in found.parts.values() for note in part.notes))
    return torch.from_numpy(np.concatenate(chunks)).permute(0, 3, 1, 2).contiguous(), notes


def _found(path: Path, config: DataConfig) -> Found:
    name = path.resolve().name if path.is_dir() else path.name.partition(".")[0]
    kind = format_of(path)
    if kind is not None:
        return kind.found(path, config) if hasattr(kind, "found") else _from_arrays(path, _arrays(path), config)
    if not path.is_dir():
        if not archives.takes(path):
            raise UserError(f"{path} is no kind of file that genbench reads images from: see docs/data.md")
        archive = archives.unpacked(path, suffixes(), TABLES)
        cache = cache_folder()
        if len(archive.files) < SET and (archive.tables or archive.others) and cache is not None:
            return _found(_inside(archives.extracted(path, cache)), config)
        return _from_files(path, name, archive.files, archive.tables, archive.others, archive.stamp, config)
    images, tables, arrays, others = _listing(path)
    of_pixels = [table for table in tables if len(images) < SET and format_of(table) is not None]
    if arrays and len(images) >= SET:
        raise UserError(f"{path} holds {arrays[0].name} and other data: give the one file to read")
    if images and not (arrays or of_pixels):
        read = {table.relative_to(path).as_posix(): _content(table) for table in tables}
        files = FilesBelow(str(path), images)
        return _from_files(path, name, files, read, others, _stamp(files), config)
    arrays, copies = _once([*arrays, *of_pixels])
    if not arrays:
        packed = next((each for each in files_below(str(path)) if archives.takes(Path(each))), None)
        told = "see docs/data.md for what is read" if packed is None else f"give the archive, data.root={packed}"
        raise UserError(f"{path} holds no image, and no file of arrays: {told}")
    found = _found(arrays[0], config) if len(arrays) == 1 else _from_arrays(path, _together(path, arrays), config)
    known = {*arrays, *copies}
    beside = (Path(each) for each in files_below(str(path)) if Path(each) not in known)
    said = [f"left out, for it is a copy of another: {copy.relative_to(path)}" for copy in copies]
    return replace(found, notes=(*found.notes, *said, *beside_arrays(path, beside, found, config)))


def _once(files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The files, and apart from them copies under the same name in other folders."""
    kept: list[Path] = []
    copies: list[Path] = []
    for file in files:
        same = (each for each in kept if each.name == file.name and filecmp.cmp(each, file, shallow=False))
        (kept if next(same, None) is None else copies).append(file)
    return kept, copies


def _inside(folder: Path) -> Path:
    """The one file or folder in it, and in that, or what holds several."""
    while folder.is_dir() and len(entries := list(folder.iterdir())) == 1:
        folder = entries[0]
    return folder


def _together(path: Path, files: Sequence[Path]) -> Arrays:
    """The arrays of a folder's files, by names that begin with the file's."""
    if alone := [each.name for each in files if hasattr(format_of(each), "found")]:
        raise UserError(f"{path} holds {alone[0]} and other data: give the one file to read")
    together, origin = Arrays({}), dict[str, Path]()
    for each in files:
        inside = _arrays(each)
        plain = each.with_suffix("") if each.suffix.lower() == ".gz" else each  # both may be there, with one content
        stem = plain.relative_to(path).with_suffix("").as_posix()
        for key, array in inside.items():
            # The one array of a .npy or IDX file is called as the file is.
            name = key if key in (stem, plain.name) else f"{stem}/{key}"
            if name in together and not (origin[name] == plain and np.array_equal(together[name][:], array[:])):
                raise UserError(f"{path} holds {origin[name].name} and {each.name}, both with {name}: move one away")
            together[name], origin[name] = array, plain
            if key in inside.notes:
                together.notes[name] = inside.notes[key]
        together.left_out |= {f"{stem}/{key}": reason for key, reason in inside.left_out.items()}
    return together


# Files


def _content(table: Path) -> bytes:
    try:
        return regular_file(table, LARGEST_TABLE).read_bytes()
    except ValueError as error:
        raise UserError(f"{table} cannot be read as a table of the images ({error}): move it away") from error


def _listing(root: Path) -> tuple[Packed, list[Path], list[Path], "Counter[str]"]:
    """Images by name, tables, files of arrays at the top, and how many there are of what else, by suffix."""
    known = suffixes()
    images, start = Packed(), len(str(root)) + 1
    tables, arrays = [], []
    others: Counter[str] = Counter()
    for path in files_below(str(root)):
        suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122  (there may be a million)
        if suffix in known:
            images.append(path[start:])
        elif suffix in TABLES:
            tables.append(Path(path))
        elif os.path.dirname(path) == str(root) and format_of(Path(path)) is not None:  # noqa: PTH120
            arrays.append(Path(path))
        else:
            others[suffix or os.path.basename(path)] += 1  # noqa: PTH119
    return images, tables, arrays, others


def _stamp(files: Sequence[File]) -> str:
    """Changes if a file is added, removed, renamed or written to."""
    digest = hashlib.sha256()
    for file in files:
        try:
            about = os.stat(file.content)  # noqa: PTH116
            digest.update(f"{file.content!r}\0{about.st_size}\0{about.st_mtime_ns}\n".encode())
        except OSError:  # a link to nothing: read_files says it
            digest.update(f"{file.content!r}\0\n".encode())
    return digest.hexdigest()


def _from_files(
    path: Path,
    name: str,
    files: Sequence[File],
    tables: Mapping[str, bytes],
    others: Mapping[str, int],
    stamp: str,
    config: DataConfig,
) -> Found:
    if not files:  # of arrays in archives nobody knows whether they fit into the memory
        inside = ", ".join([*tables, *others][:3]) or "nothing"
        raise UserError(f"{path} holds no image, but {inside}: unpack it, and give its folder (docs/data.md)")
    read = read_files(str(path), files, stamp, config)
    names = Packed(files[i].name for i in read.kept)
    arrangement = arrange(str(path), names, tables, labelled=config.labels)
    parts = {
        part: Part(
            read.pictures.of(indices),
            arrangement.labels[part],
            facts=None if read.facts is None else read.facts[np.asarray(indices, np.int64)],
        )
        for part, indices in arrangement.parts.items()
    }
    return Found(name, parts, notes=(*read.notes, *arrangement.notes, *others_note(others)))


# Arrays


def _arrays(file: Path) -> Arrays:
    kind = format_of(file)
    inside = {} if kind is None else kind.arrays(file)
    return inside if isinstance(inside, Arrays) else Arrays(inside)


def _from_arrays(path: Path, arrays: Arrays, config: DataConfig) -> Found:
    left_out = [f"{name} ({reason})" for name, reason in sorted(arrays.left_out.items())]
    named = pairs(arrays)
    if len(arrays) == 1 and len(arrays[next(iter(arrays))].shape) < 2:
        named = {}
    if not named:
        raise UserError(
            f"{path} has the arrays {', '.join(sorted(arrays)) or 'none'}, which do not say what they are: call them"
            " images and labels, or train_images, train_labels, test_images, ..."
            f"{'; no arrays: ' if left_out else ''}{', '.join(left_out[:10])}"
        )
    for name, reason in arrays.left_out.items():
        lacking = missed(name, named)
        if lacking == "images" or (lacking == "labels" and config.labels):
            without = "; data.labels=false trains without" if lacking == "labels" else ""
            raise UserError(
                f"{path}: {name} cannot be used for {lacking} ({reason}): save it as an array of numbers{without}"
            )
    used = {key for pair in named.values() for key in (pair.images, pair.labels)}
    parts = {split: _part(path, arrays, pair, config) for split, pair in named.items()}
    if WHOLE in parts and len(parts) > 1:
        other = next(pair.images for split, pair in named.items() if split == WHOLE)
        raise UserError(f"{path} has {other} beside the splits {', '.join(s for s in parts if s != WHOLE)}: remove one")
    column = _column_of_splits(arrays, parts)
    unused = sorted(set(arrays) - used - {column})
    notes = [f"arrays that are not used: {', '.join(unused[:10])}"] if unused else []
    notes += [f"left out, for no arrays: {', '.join(left_out[:10])}"] if left_out else []
    read = [key for pair in named.values() for key in (pair.images, pair.labels if config.labels else None)]
    notes += dict.fromkeys(arrays.notes[key] for key in read if key in arrays.notes)
    found = Found(path.resolve().name if path.is_dir() else path.name.partition(".")[0], parts, notes=tuple(notes))
    if column is None:
        return found
    words = np.asarray(arrays[column][:]).tolist()
    return divided(found, arrays.splits or column, [_text(word) for word in words])


def _column_of_splits(arrays: Mapping[str, Sliceable], parts: Mapping[str, Part]) -> str | None:
    """The array that is called so and holds a word for each image, where no name says the splits."""
    for name in sorted(filter(is_split, arrays)):
        if WHOLE in parts and arrays[name].dtype.kind in "SUO" and arrays[name].shape == (len(parts[WHOLE].pictures),):
            return name
    return None


def _text(word: object) -> str:
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)


def _part(path: Path, arrays: Mapping[str, Sliceable], pair: Pair, config: DataConfig) -> Part:
    labels = None if pair.labels is None else np.asarray(arrays[pair.labels][:])
    where = f"{path}: {pair.images}"
    return part_of(where, arrays[pair.images], labels, config)
