"""From the config's word for a data set to its images: read by its module, and brought to one form here.

genbench.data.<file>.load reads a source and gives what is `Found` there. `load_data` makes unsigned bytes of one shape
of it, divides what is not divided, and refuses what nobody would want to train on.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module

import numpy as np
import torch
from torch import Tensor

from genbench.config.data import LARGEST_SIDE, DataConfig
from genbench.data.facts import Facts
from genbench.data.found import SPLITS, WHOLE, Bytes, Found, Part
from genbench.data.images import ImageData, Split
from genbench.data.memory import Images, Mapped, new_images
from genbench.data.resizing import luminance
from genbench.data.splits import PROPORTIONS, allocate, divided, held_out, hold_out, train_and_validation
from genbench.errors import UserError
from genbench.wording import counted

MIN_IMAGES = 20
_DARK = 31  # levels: where no pixel is brighter, white is another value than 255


def load_data(config: DataConfig) -> ImageData:
    """The data set that a config names, read from where it says.

    Raises:
        UserError: the images cannot be had, or are not such as a model can be trained on.
    """
    name, _, function = config.load.rpartition(".")
    module = import_module(name)
    if config.subset is not None and not hasattr(module, "SUBSETS"):
        raise UserError(f"data.subset={config.subset}: data={config.name} has no subsets: leave it out")
    found: Found = getattr(module, function)(config)
    return assembled(found, config)


def assembled(found: Found, config: DataConfig) -> ImageData:
    """What a source holds as one data set, and what has to be known of it.

    Raises:
        UserError: see `load_data`.
    """
    _check_sides(found, config)
    facts = {name: _facts(part) for name, part in found.parts.items()}
    _check_levels(found, facts, config)
    labels, classes = _labels(found, config)
    for name in classes:  # a folder's: its bytes are in no encoding that could be shown, or written
        if any("\udc80" <= letter <= "\udcff" for letter in name):
            shown = name.encode(errors="surrogateescape").decode(errors="replace")
            raise UserError(f"{found.name}: the name of the class {shown} is no UTF-8: rename it")
    chosen, notes = _splits(found, labels, config)
    chosen, said = _without_duplicates(facts, chosen, config)
    notes += said
    whole, images = _filled(found, facts, labels, classes, chosen, config)
    of_parts = (
        note if name == WHOLE else f"{name}: {note}" for name, part in found.parts.items() for note in part.notes
    )
    notes = (*found.notes, *of_parts, *notes, *_constant(facts))
    whole = replace(whole, notes=notes)
    if isinstance(images, Mapped):
        _ = whole.fingerprint  # is kept; it reads them from front to back
        images.read_at_random()
    if config.limit is None or config.limit >= len(whole.train):
        return whole
    kept = held_out(_or_zeros(whole.train.labels, len(whole.train)), config.limit)
    few = Split(whole.train.images[kept], None if whole.train.labels is None else whole.train.labels[kept])
    return replace(whole, train=few, whole=whole)


def _facts(part: Part) -> Facts:
    return part.facts or Facts.of(part.pictures.chunks(), len(part.pictures))


def _check_sides(found: Found, config: DataConfig) -> None:
    sizes = {name: part.pictures.sides for name, part in found.parts.items()}
    if len(set(sizes.values())) > 1:
        said = ", ".join(f"{name} {width}x{height}" for name, (height, width) in sizes.items())
        raise UserError(f"{found.name} has images of several sizes ({said}): bring them to one, data.size=32 say")
    height, width = next(iter(sizes.values()))
    if not all(0 < side <= LARGEST_SIDE and side % 4 == 0 for side in (height, width)):
        nearest = [min(LARGEST_SIDE, max(4, 4 * round(side / 4))) for side in (width, height)]
        size = nearest[0] if nearest[0] == nearest[1] else f"{nearest[0]}x{nearest[1]}"
        raise UserError(
            f"{found.name}: the images are {width}x{height} pixels, and must be divisible by 4 and at most"
            f" {LARGEST_SIDE}: data.size={size} brings them there (data.fit=crop, pad or stretch says how)"
        )


def _check_levels(found: Found, facts: Mapping[str, Facts], config: DataConfig) -> None:
    brightest = max(each.brightest for each in facts.values())
    if brightest <= _DARK and config.white is None:
        scale = max(1, brightest)
        raise UserError(
            f"{found.name}: no pixel is brighter than {brightest} of 255: data.scale={scale} if {scale} is white;"
            " data.scale=255 if the images are as dark as that"
        )
    images = sum(len(each.digests) for each in facts.values())
    if images and images == sum(each.one_colour for each in facts.values()):
        raise UserError(
            f"{found.name}: every image has one colour throughout, and nothing can be learnt of it: look at the files"
            " (transparent ones can be laid on another colour, data.background=black or white)"
        )
    if images > 1 and len(np.unique(np.concatenate([each.digests for each in facts.values()]))) == 1:
        raise UserError(f"{found.name}: all {images} images are the same, and nothing can be learnt of them")


def _constant(facts: Mapping[str, Facts]) -> list[str]:
    count = sum(each.one_colour for each in facts.values())
    return [f"{counted(count, 'image')} of one colour throughout"] if count else []


def _labels(found: Found, config: DataConfig) -> tuple[dict[str, Tensor | None], tuple[str, ...]]:
    """Each part's labels as numbers 0, 1, ..., and the classes' names."""
    given = {name: part.labels if config.labels else None for name, part in found.parts.items()}
    without = [name for name, labels in given.items() if labels is None]
    if without:
        if len(without) < len(given):
            there = next(name for name in given if name not in without)
            raise UserError(
                f"{found.name} has classes for the {there} images and none for {' and '.join(without)}:"
                f" data.labels=false trains without them; to train with them give the {there} images' file or folder"
            )
        if config.classes is not None:
            raise UserError(f"{found.name} has no classes: leave data.classes out")
        return dict.fromkeys(given), ()
    labels = {name: values for name, values in given.items() if values is not None}
    if found.classes:
        numbers = {name: torch.from_numpy(values.astype(np.int64)) for name, values in labels.items()}
        worst = max((int(values.max()) for values in numbers.values() if len(values)), default=0)
        least = min((int(values.min()) for values in numbers.values() if len(values)), default=0)
        if worst >= len(found.classes) or least < 0:
            raise UserError(f"{found.name} has labels up to {worst}, and names for {len(found.classes)} classes")
        return dict(numbers), tuple(found.classes)
    names, indices = np.unique(np.concatenate(list(labels.values())), return_inverse=True)
    parts = torch.split(torch.from_numpy(indices.astype(np.int64)), [len(values) for values in labels.values()])
    return dict(zip(labels, parts, strict=True)), tuple(str(name) for name in names)


def _splits(
    found: Found, labels: Mapping[str, Tensor | None], config: DataConfig
) -> tuple[dict[str, tuple[str, Tensor]], tuple[str, ...]]:
    """Of each split the part that it is of, and the indices of its images; and what is to be said."""
    parts = {name: torch.arange(len(part.pictures)) for name, part in found.parts.items()}
    total = sum(map(len, parts.values()))
    if total < MIN_IMAGES:
        raise UserError(f"{found.name} holds {total} images: at least {MIN_IMAGES} are needed")
    if WHOLE in parts:
        whole = labels[WHOLE]
        train, validation, test = divided(_or_zeros(whole, len(parts[WHOLE])))
        return {"train": (WHOLE, train), "validation": (WHOLE, validation), "test": (WHOLE, test)}, ()
    if "train" not in parts:
        raise UserError(f"{found.name} has {' and '.join(parts)} images and none to train on")
    chosen = {name: (name, parts[name]) for name in SPLITS if name in parts}
    notes = []
    of_train = _or_zeros(labels["train"], len(parts["train"]))
    rest = parts["train"]
    if "test" not in chosen:
        rest, held = hold_out(of_train, allocate((PROPORTIONS[0], PROPORTIONS[2]), len(of_train))[1])
        chosen["test"] = ("train", held)
        notes.append(f"there are no test images: held out for that are {counted(len(held), 'training image')}")
    if "validation" not in chosen:
        train, held = train_and_validation(of_train[rest])
        chosen["validation"], rest = ("train", rest[held]), rest[train]
    chosen["train"] = ("train", rest)
    return {name: chosen[name] for name in SPLITS}, tuple(notes)


def _without_duplicates(
    facts: Mapping[str, Facts], chosen: dict[str, tuple[str, Tensor]], config: DataConfig
) -> tuple[dict[str, tuple[str, Tensor]], tuple[str, ...]]:
    digests = {name: facts[part].digests[indices.numpy()] for name, (part, indices) in chosen.items()}
    held = np.concatenate([digests["validation"], digests["test"]])
    twice = torch.from_numpy(np.isin(digests["train"], held))
    count = int(twice.sum())
    if not count:
        return chosen, ()
    if not config.deduplicate:
        said = f"{counted(count, 'training image')} among the validation or test images too"
        return chosen, (f"{said} (data.deduplicate=true leaves them out)",)
    if count == len(twice):
        raise UserError("data.deduplicate=true: all training images stand among the validation or test images too")
    part, indices = chosen["train"]
    said = f"left out, for among the validation or test images too: {counted(count, 'training image')}"
    return chosen | {"train": (part, indices[~twice])}, (said,)


def _filled(
    found: Found,
    facts: Mapping[str, Facts],
    labels: Mapping[str, Tensor | None],
    classes: tuple[str, ...],
    chosen: Mapping[str, tuple[str, Tensor]],
    config: DataConfig,
) -> tuple[ImageData, Images]:
    """The images themselves, those of the wanted classes, and where they lie."""
    wanted = _wanted(found, classes, config)
    if wanted is not None:
        kept = {}
        for name, (part, indices) in chosen.items():
            of_part = labels[part]
            among = torch.isin(_or_zeros(of_part, len(found.parts[part].pictures))[indices], wanted)
            kept[name] = (part, indices[among])
        chosen = kept
    for name, (_, indices) in chosen.items():
        if not len(indices):
            raise UserError(f"{found.name} has no {name} images: add some")
    grey = all(each.grey for each in facts.values()) if config.channels is None else config.channels == 1
    sides = next(iter(found.parts.values())).pictures.sides
    shape = (1 if grey else 3, *sides)
    key = hashlib.sha256(f"{shape}".encode())
    for part, indices in chosen.values():
        key.update(facts[part].digests[indices.numpy()].tobytes())
    shapes = {name: (len(indices), *shape) for name, (_, indices) in chosen.items()}
    with new_images(shapes, key.hexdigest()[:32]) as images:
        if not images.filled:
            for part in found.parts:
                own = {name: indices for name, (of, indices) in chosen.items() if of == part}
                _fill(found.parts[part].pictures.chunks, images, own, grey=grey)
    tensors = images.tensors()
    splits = {}
    for name, (part, indices) in chosen.items():
        of_part = labels[part]
        numbers = None if of_part is None else of_part[indices]
        if numbers is not None and wanted is not None:
            numbers = torch.searchsorted(wanted, numbers)
        splits[name] = Split(tensors[name], numbers, mapped=isinstance(images, Mapped))
    names = classes if wanted is None else tuple(classes[i] for i in wanted.tolist())
    return ImageData(found.name, splits["train"], splits["validation"], splits["test"], names, found.gate), images


def _fill(chunks: Callable[[], Iterator[Bytes]], into: Images, wanted: dict[str, Tensor], *, grey: bool) -> None:
    """Copy a part's images to where they belong; indices ascend."""
    seen = 0
    for chunk in chunks():
        if grey and chunk.shape[3] == 3:
            chunk = chunk[..., :1] if bool((chunk == chunk[..., :1]).all()) else luminance(chunk)
        images = torch.from_numpy(np.require(chunk, requirements="W")).permute(0, 3, 1, 2)
        images = images.expand(-1, 1 if grey else 3, -1, -1)  # grey ones among colour ones
        for name, indices in wanted.items():
            first, last = torch.searchsorted(indices, torch.tensor([seen, seen + len(chunk)])).tolist()
            if last > first:
                into.add(name, images[indices[first:last] - seen])
        seen += len(chunk)


def _wanted(found: Found, classes: tuple[str, ...], config: DataConfig) -> Tensor | None:
    """Numbers of the classes that are wanted, ascending; None for all."""
    if config.classes is None:
        return None
    given = [word for word in config.classes if isinstance(word, int)]
    # A name comes first: the classes 1 to 9 of some files are no numbers 0 to 8.
    by_name = all(name.isdecimal() for name in classes) or any(
        str(word) in classes and classes.index(str(word)) != word for word in given
    )
    numbers: dict[int, int | str] = {}
    for word in config.classes:
        number = classes.index(str(word)) if str(word) in classes else None
        if number is None and not by_name and isinstance(word, int) and 0 <= word < len(classes):
            number = word
        if number is None:
            raise UserError(f"data.classes: {found.name} has no class {word}: it has {', '.join(classes[:20])}")
        if number in numbers:
            raise UserError(f"data.classes: {numbers[number]} and {word} are one class: leave one out")
        numbers[number] = word
    if not numbers:
        raise UserError("data.classes: name at least one")
    return torch.tensor(sorted(numbers))


def _or_zeros(labels: Tensor | None, count: int) -> Tensor:
    return torch.zeros(count, dtype=torch.int64) if labels is None else labels
