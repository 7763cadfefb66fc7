"""The record's search for the shortest training that holds, and what its page keeps; no training is run."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import record
from benchmarks.record import LENGTHS, SEARCHING, SEEDS, Entry, Trial

NEEDED = 1_000_000.0  # images times Fréchet distance, of the model below


class Imagined(Entry):
    """A model whose distance is inversely proportional to its images, worse than that by a share for some seeds."""

    def trials(self, images: int, seeds: Sequence[int]) -> list[Trial]:
        worse = {SEARCHING: 1.0, **dict.fromkeys(SEEDS, 1.3 if self.model == "vae" else 1.0)}
        return [Trial(seconds=images / 1000, fcd=worse[seed] * NEEDED / images) for seed in seeds]


def images(model: str, threshold: float, known: Sequence[int] = ()) -> int | None:
    found: int | None = Imagined("mnist", model, "genbench").measured(threshold, known)["images"]
    return found


def test_an_entry_is_the_shortest_length_at_which_the_other_seeds_hold() -> None:
    assert images("gan", NEEDED / LENGTHS[7]) == LENGTHS[7]  # the square root of two below the factor of two that held
    assert images("gan", NEEDED / LENGTHS[7] - 0.01) == LENGTHS[8]
    assert images("gan", NEEDED / LENGTHS[0]) == LENGTHS[0]
    assert images("vae", NEEDED / LENGTHS[6]) == LENGTHS[7]  # at 6 the searching seed holds, not the mean of the others


def test_lengths_that_are_known_are_tried_first_and_the_shortest_of_them_counts() -> None:
    assert images("gan", 20.0, [40_000, 50_000, 60_000]) == 50_000
    assert images("gan", NEEDED / LENGTHS[7], [5_000]) == LENGTHS[7]


def test_an_entry_that_is_not_reached_says_how_far_it_came() -> None:
    row = Imagined("mnist", "gan", "genbench").measured(2.0, [])
    longest = next(length for length in LENGTHS[::2] if length / 1000 > record.LONGEST)
    assert row["images"] is None and row["seconds"] == f"not with {longest:,} images, {longest / 1000:.0f} s"
    assert row["fcd"] == f"{NEEDED / longest:.2f}, one seed"


def test_what_other_machines_measured_stays_on_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(record, "PAGE", tmp_path / "record.md")
    monkeypatch.setattr(record, "FOUND", tmp_path / "record.json")
    for machine in ("a laptop", "a server", "a laptop"):
        monkeypatch.setattr(record, "machine", lambda machine=machine: machine)
        record.measure(Imagined("mnist", "flow", "genbench"), 15.0, [70_000])
    assert [*json.loads((tmp_path / "record.json").read_text(encoding="utf-8"))["mnist 15 flow genbench"]] == [
        "a laptop", "a server",
    ]  # fmt: skip
    rows = [line for line in (tmp_path / "record.md").read_text(encoding="utf-8").splitlines() if "`flow`" in line]
    assert rows[:2] == [
        f"| mnist | 15 | `flow` | genbench | 70.0 ± 0.0 | 14.29 ± 0.00 | 70,000 | {machine} |"
        for machine in ("a laptop", "a server")
    ]
    assert rows[2].endswith("| not measured | | | |")
