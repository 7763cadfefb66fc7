"""What the names of arrays, columns and folders say: X_train are training images, valid is validation."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from genbench.data.found import SPLITS, WHOLE

_SPLITS = {
    **dict.fromkeys(("train", "training", "tr"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "tst", "te", "t10k"), "test"),
}
_IMAGES = {"x", "image", "images", "img", "imgs", "data", "pixel", "pixels", "pictures", "arr0", "features", "samples"}
_LABELS = {"y", "label", "labels", "target", "targets", "class", "classes", "arr1", "lbl", "category", "categories"}
ROWS_NAMES = ("", "id", "index", "unnamed: 0")  # of a column that counts the rows
_SPLIT_COLUMNS = {"split", "splits", "set", "subset", "partition", "fold"}


@dataclass(frozen=True)
class Pair:
    """The names of a split's images and, if there are some, of its labels."""

    images: str
    labels: str | None


def split_of(name: str) -> str | None:
    """train, validation or test, where a folder or file is called so."""
    return _SPLITS.get(name.lower())


def split_in(name: str) -> str | None:
    """The one split that a longer name mentions, as train-00000-of-00001 does."""
    found = {split for word in _words(name) if (split := _SPLITS.get(word)) is not None}
    return found.pop() if len(found) == 1 else None


def is_label(name: str) -> bool:
    """True for a column that is called what labels are called."""
    return bool(_LABELS & set(_words(name)))


def is_split(name: str) -> bool:
    """True for a column that is called what splits are called."""
    words = _words(name)
    return len(words) == 1 and words[0] in _SPLIT_COLUMNS


def is_images(name: str) -> bool:
    """True for a column that is called what images are called."""
    return bool(_IMAGES & set(_words(name)))


def unused(columns: Sequence[str], *, labelled: bool) -> tuple[str, ...]:
    """What is said of a table's columns that are not used; where none is the class, how one becomes it."""
    if not columns:
        return ()
    may_be = [name for name in columns if not (name.lower() in ROWS_NAMES or is_split(name) or is_label(name))]
    told = not labelled and bool(may_be)
    said = f"columns that are not used: {', '.join(columns[:10])}"
    return (said + "; if one of them is the class, call it label" * told,)


def pairs(names: Iterable[str]) -> dict[str, Pair]:
    """The images and labels of each split, by what the arrays of a file are called.

    Args:
        names: X_train, train_images, x/train, data, ...; one name alone is the images, whatever it is.

    Returns:
        By split, or by WHOLE; empty if no name, or more than one for a split, is that of images.
    """
    names = sorted(names)
    if len(names) == 1:
        return {split_in(names[0]) or WHOLE: Pair(names[0], None)}
    images: dict[str, list[str]] = {}
    labels: dict[str, list[str]] = {}
    for name in names:
        words = set(_words(name))
        split = split_in(name) or WHOLE
        if words & _LABELS:
            labels.setdefault(split, []).append(name)
        elif words & _IMAGES or (split != WHOLE and len(words) == 1):  # "train" alone
            images.setdefault(split, []).append(name)
    for split, found in labels.items():
        if len(found) > 1:  # class_names beside labels
            plain = [name for name in found if not set(_words(name)) - _LABELS - _SPLITS.keys()]
            labels[split] = plain if len(plain) == 1 else found
    if any(len(found) > 1 for found in images.values()) or any(len(found) > 1 for found in labels.values()):
        return {}
    return {
        split: Pair(images[split][0], labels.get(split, [None])[0]) for split in (WHOLE, *SPLITS) if split in images
    }


def missed(name: str, named: Mapping[str, Pair]) -> str | None:
    """What a name that could not be used would have been, where nothing else is that: images, labels or None.

    Args:
        name: as it was given to something that was left out.
        named: the images and labels that there are, by split, or by WHOLE.
    """
    words = set(_words(name))
    split = split_in(name) or WHOLE
    pair = named.get(split)
    if words & _LABELS:
        return "labels" if pair is not None and pair.labels is None else None
    called = words & _IMAGES or (split != WHOLE and len(words) == 1)
    return "images" if called and pair is None and split != WHOLE else None


def _words(name: str) -> list[str]:
    """Lower-case words of a name: trainX, train_x and /train/x are train and x; arr_0 is one word."""
    apart = re.sub(r"arr_(\d)", r"arr\1", name)
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", apart)
    return re.sub(r"[^A-Za-z0-9]+", " ", apart).lower().split()
