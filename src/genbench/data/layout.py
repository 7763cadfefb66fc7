"""What a folder's names and tables say of its images: in which split each is, and of which class.

Known layouts: images flat; a folder a class, however deep; folders train, val and test with either below; a table (CSV,
TSV, JSON lines) beside them that names each file and its class, its split or both, as Kaggle's and Hugging Face's
metadata.csv do.
"""

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from genbench.data.found import WHOLE, Labels
from genbench.data.names import split_in, split_of
from genbench.data.split_column import some_of
from genbench.data.tables import Parts, Told, read_tables, rows_of
from genbench.errors import UserError
from genbench.wording import counted


@dataclass(frozen=True)
class Arrangement:
    """Indices of the images of each part, and their labels."""

    parts: Mapping[str, Sequence[int]]
    labels: dict[str, Labels | None]
    notes: tuple[str, ...] = ()


def arrange(where: str, names: Sequence[str], tables: Mapping[str, bytes], *, labelled: bool = True) -> Arrangement:
    """Sort images by split and class.

    Args:
        where: the folder, for messages.
        names: of the image files, relative to it, with slashes.
        tables: the content of the tables beside them, by name.
        labelled: whether classes are wanted; splits are kept in any case.

    Raises:
        UserError: the names or the tables contradict each other.
    """
    once: dict[str, Parts] = {}  # a folder's names once, not once for each of its files
    parents = [once.setdefault(parent, tuple(parent.split("/")[:-1])) for parent in map(_parent, names)]
    parts, skipped, start = _parts(where, parents)
    notes = [f"left out, for it is no split: {name}/ with {counted(count, 'image')}" for name, count in skipped.items()]
    rows = {name: rows_of(where, name, content) for name, content in tables.items()}
    called = _called(parents, parts, start)
    in_folders = len(called) > 1 and all(called.values())
    told = read_tables(
        where, names, parts, {name: of for name, of in rows.items() if of}, labelled=labelled, in_folders=in_folders
    )
    notes += told.notes
    tabled = False
    if told.label or told.split:
        undivided = WHOLE in parts
        parts, said = _tabled(where, names, parts, told)
        tabled = undivided and WHOLE not in parts
        notes += said
    if not labelled:
        return Arrangement(parts, dict.fromkeys(parts), tuple(notes))
    if told.label:
        if in_folders and any(called[parents[i]] != told.label[i] for indices in parts.values() for i in indices):
            notes.append("the classes are those that the table says, not the folders")
        of_table = {name: np.array([told.label[i] for i in indices]) for name, indices in parts.items()}
        return Arrangement(parts, dict(of_table), tuple(notes))
    labels, said = _by_folder(where, names, parents, parts, start, tabled=tabled)
    return Arrangement(parts, labels, (*notes, *said))


def _parent(name: str) -> str:
    """The folder, with the slash behind it."""
    return name[: name.rfind("/") + 1]


def _parts(where: str, parents: Sequence[Parts]) -> tuple[dict[str, Sequence[int]], dict[str, int], int]:
    """Indices by split, how many images lie in folders beside these, and how many folders lead to the classes."""
    depth = _shared(set(parents))
    tops = Counter(parent[depth] if len(parent) > depth else "" for parent in parents)
    splits = {top: split for top in tops if (split := split_of(top)) is not None}
    named = set(splits.values())
    if "train" not in named or (named == {"train"} and len(tops) > 1):  # one class of several may be called so
        if named and len(splits) == len(tops):
            raise UserError(f"{where} has images in {', '.join(sorted(splits))}/ and none in train/: add some")
        return {WHOLE: range(len(parents))}, {}, depth
    if "" in tops:
        beside = ", ".join(sorted(splits))
        raise UserError(f"{where} holds {counted(tops[''], 'image')} beside {beside}/: put each into a split")
    parts: dict[str, array[int]] = {}
    for i, parent in enumerate(parents):
        if parent[depth] in splits:
            parts.setdefault(splits[parent[depth]], array("q")).append(i)
    return dict(parts), {top: count for top, count in tops.items() if top not in splits}, depth + 1


def _called(parents: Sequence[Parts], parts: Mapping[str, Sequence[int]], start: int) -> dict[Parts, str]:
    """The class that each folder with images would be, from so many folders down; empty for one that holds others."""
    own = {parents[i] for indices in parts.values() for i in indices}
    shared = start + _shared({parent[start:] for parent in own})
    return {parent: "/".join(parent[shared:]) for parent in own}


def _by_folder(
    where: str,
    names: Sequence[str],
    parents: Sequence[Parts],
    parts: Mapping[str, Sequence[int]],
    start: int,
    *,
    tabled: bool,
) -> tuple[dict[str, Labels | None], list[str]]:
    """A class a folder, from so many folders down, and what is to be said; none where all images lie in one.

    With `tabled` the parts are a table's, and a folder for each of them is that of a split.
    """
    called = _called(parents, parts, start)
    folders = {name: [called[parents[i]] for i in indices] for name, indices in parts.items()}
    if not any(any(found) for found in folders.values()):
        return dict.fromkeys(parts), []
    for name, found in folders.items():
        if "" not in found:
            continue
        if not any(found):
            raise UserError(
                f"{where}: the {name} images have no class folders, the others have: data.labels=false trains without"
                " classes; to train with them give the training images' own folder"
            )
        beside = names[parts[name][found.index("")]].rpartition("/")[2]
        raise UserError(
            f"{where} holds images ({beside}) beside class folders with images: put every image into a class folder, or"
            " none"
        )
    if tabled and len(folders) > 1 and all(len(set(found)) == 1 for found in folders.values()):
        ways = ", ".join(f"{found[0]}/" for found in folders.values())
        return dict.fromkeys(parts), [f"the folders {ways} are those of the splits, and are not taken for classes"]
    tops = {name.partition("/")[0] for name in called.values()} if WHOLE in parts else set()
    splits = {top: split for top in tops if (split := split_in(top)) is not None}
    notes = []
    if "train" in splits.values() and len(set(splits.values())) > 1:
        notes = [
            f"the folders {', '.join(sorted(splits))} are taken for classes: if they are splits, call them train, val"
            " and test"
        ]
    return {name: np.array(found) for name, found in folders.items()}, notes


def _shared(parents: set[Parts]) -> int:
    """How many leading folders are the same for all."""
    first = next(iter(parents))
    depth = 0
    while depth < len(first) and all(parent[depth : depth + 1] == first[depth : depth + 1] for parent in parents):
        depth += 1
    return depth


# Tables


def _tabled(
    where: str, names: Sequence[str], parts: Mapping[str, Sequence[int]], told: Told
) -> tuple[dict[str, Sequence[int]], list[str]]:
    """The parts as tables say them, of those images that these say all of, and what is to be said."""
    notes = []
    wanted = {i for indices in parts.values() for i in indices}
    divided = False
    if WHOLE in parts and "train" in told.split.values():
        by_split: dict[str, list[int]] = {}
        for i in range(len(names)):
            if told.split.get(i):
                by_split.setdefault(told.split[i], []).append(i)
        parts, divided = by_split, True
    elif WHOLE in parts and told.split:
        notes.append("the table's splits are not used: none of them is for training")
    elif any(told.split.get(i, name) != name for name, indices in parts.items() for i in indices):
        notes.append("the table's splits are not used: folders say others")
    kept = {name: [i for i in indices if not told.label or i in told.label] for name, indices in parts.items()}
    kept = {name: indices for name, indices in kept.items() if indices}
    left = wanted.difference(*kept.values())
    in_none = {i for i in left & told.named if not told.split.get(i)} if divided else set()
    values = some_of({told.no_split.get(i, "") for i in in_none})
    notes += [
        f"left out, for {reason}: {counted(len(indices), 'image')}"
        for reason, indices in (
            ("no table names them", left - told.named),
            (f"the table's split of them is none ({values})", in_none),
            ("no table says of what class they are", (left & told.named) - in_none),
        )
        if indices
    ]
    if "train" not in kept and WHOLE not in kept:
        raise UserError(f"{where}: its table names none of the training images: mend or remove it")
    return dict(kept), notes
