"""A folder of runs, read without trust: nothing is left out, and what is no training of its own is said to be none."""

import hashlib
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from genbench.errors import UserError
from genbench.runs.directory import Run
from genbench.runs.reading import RunRecord, read
from genbench.runs.records import Cost


def read_folder(folder: Path) -> list[RunRecord]:
    """Every directory of a folder, in the order of the names; what is no training of its own has a problem more.

    Raises:
        UserError: there is no such folder, or nothing in it.
    """
    if Run(folder).exists:
        raise UserError(f"runs={folder} is one run: give the folder that holds it")
    if not folder.is_dir():
        raise UserError(f"runs={folder}: there is no such folder")
    paths = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not paths:
        raise UserError(f"runs={folder}: there is no run in this folder; make one with genbench train")
    return without_copies([read(path) for path in paths])


def without_copies(records: Sequence[RunRecord]) -> list[RunRecord]:
    """The records, of which those of the same training count once; the others have a problem more.

    The same training have runs with the same settings and seed, or the same weights, or without weights the same
    metrics. The one that counts is the first, by names, whose directory is called what training called it.
    """
    first: dict[Hashable, RunRecord] = {}
    copies: dict[Path, str] = {}
    for record in sorted(records, key=lambda record: (not _is_named_as_trained(record), record.name)):
        if record.problems:
            continue
        for what, key in _same(record):
            if (other := first.setdefault((what, key), record)) is not record:
                copies.setdefault(record.path, f"it has the {what} of {other.name}: they count once")
    return [replace(record, problems=(copies[record.path],)) if record.path in copies else record for record in records]


def _same(record: RunRecord) -> Iterator[tuple[str, Hashable]]:
    """What no two trainings that are compared have in common, each with what it is called."""
    if record.config is None or record.scorecard is None:
        return
    card = record.scorecard
    # The same weights may be sampled in several ways, or scored by several protocols, with a directory for each.
    options = tuple(sorted(card.cost.sample_options.items())) if isinstance(card.cost, Cost) else ()
    compared = (card.protocol, tuple(sorted(card.extractors.items())), str(options))
    images = record.data.fingerprint if record.data is not None else card.fingerprint
    yield "settings and seed", (record.data_name, images, record.config.fingerprint, compared)
    if record.weights:
        yield "weights", (record.weights, compared)
    elif record.metrics.rows:
        yield "metrics", (hashlib.sha256(repr(record.metrics.rows).encode()).hexdigest(), compared)


def _is_named_as_trained(record: RunRecord) -> bool:
    return record.config is not None and record.name == record.config.run_name
