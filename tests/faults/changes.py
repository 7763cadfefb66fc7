"""What changes under a run: its images, its directory, and copies that stand beside it."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genbench.reporting.page import write_report
from genbench.runs.directory import Run
from tests.faults.kills import AT_A_FILE
from tests.faults.processes import SMOKE, Finding, content, is_one_line, names_in, one_run, run
from tests.reporting.synthetic import calibrate_in, synthetic_run
from tests.small import small_digits

Change = Callable[[Path], object]  # of a folder of images


def changed_data(folder: Path, long: bool) -> Finding:
    """Images that are others than before: when a run goes on, when it is finished, when it is scored."""
    failed: list[str] = []
    tried = 0
    changes = CHANGES if long else {name: CHANGES[name] for name in ("a pixel", "one image more", "another folder")}
    for number, (name, change) in enumerate(changes.items()):
        here = folder / str(number)
        images = _images(here / "images")
        words = ("model=vae", *SMOKE, "data=folder", "data.root=images", "runs=runs")
        for what, then in {
            "to go on": words,
            "finished": words,
            "scored": ("genbench.evaluate", "run={run}", "evaluation=fast"),
        }.items():
            shutil.rmtree(here / "runs", ignore_errors=True)
            act = "" if what != "to go on" else AT_A_FILE.format(number=60, runs="runs")
            begun = run(*words, cwd=here, act=act)
            assert begun.code == (0 if what != "to go on" else -9), begun.err
            path = one_run(here / "runs")
            before = _all(path)
            shutil.copytree(images, kept := here / "kept")
            change(images)
            verb, told = ("evaluate", then[1:]) if then[0] == "genbench.evaluate" else ("train", then)
            done = run(*(word.format(run=path) for word in told), verb=verb, cwd=here)
            tried += 1
            if not is_one_line(done) or "images" not in done.last or _all(path) != before:
                failed.append(f"{name}, {what}: exit code {done.code}, {done.last}")
            shutil.rmtree(images)
            kept.rename(images)
        again = run(*words, cwd=here)  # with the images of then all is well
        if again.code != 0 or len(list((here / "runs").glob("[!.]*"))) != 1:
            failed.append(f"{name}, then back: exit code {again.code}, {again.last}")
    return Finding(tried, failed, ", ".join(changes))


def _images(folder: Path) -> Path:
    folder.parent.mkdir(exist_ok=True)
    digits = small_digits(folder.parent)
    stored = np.load(digits[1].partition("=")[2])
    for i, (image, label) in enumerate(zip(stored["images"][:60], stored["labels"][:60], strict=True)):
        path = folder / str(label) / f"{i:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


def _all(path: Path) -> dict[str, bytes]:
    """Every file of a run but its lock."""
    return {name: (path / name).read_bytes() for name in names_in(path) if name != ".lock"}


def _first(folder: Path) -> Path:
    return sorted(folder.rglob("*.png"))[0]


def _pixel(folder: Path) -> None:
    with Image.open(_first(folder)) as opened:
        pixels = np.array(opened)
    pixels[0, 0] ^= 1
    Image.fromarray(pixels).save(_first(folder))


def _swapped(folder: Path) -> None:
    one, other = sorted(folder.rglob("*.png"))[:: len(list(folder.rglob("*.png"))) - 1]
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def _another(folder: Path) -> None:
    shutil.rmtree(folder)
    _images(folder)
    for path in folder.rglob("*.png"):
        with Image.open(path) as opened:
            Image.fromarray(255 - np.array(opened)).save(path.with_name(f"other-{path.name}"))
        path.unlink()


CHANGES: dict[str, Change] = {
    "a pixel": _pixel,
    "one image more": lambda folder: shutil.copy(_first(folder), folder / "9" / "more.png"),
    "one image less": lambda folder: _first(folder).unlink(),
    "another folder": _another,
    "two images that change places": _swapped,
    "an image of another class": lambda folder: _first(folder).rename(folder / "9" / "moved.png"),
    "a class with another name": lambda folder: (folder / "9").rename(folder / "nine"),
}


# Does something to the run's directory before a file of it is touched for the so-and-so-manieth time.
MEANWHILE = """
import os, shutil, sys
left, busy = {number}, False
def watch(event, about):
    global left, busy
    if busy or event not in ("open", "os.rename", "os.remove") or not str(about[0]).startswith({runs!r}):
        return
    left -= 1
    if left == 0:
        busy = True
        run = [path for path in os.scandir({runs!r}) if not path.name.startswith(".")][0].path
        {what}
        busy = False
sys.addaudithook(watch)
"""
MOVES = {
    "renamed": "os.rename(run, {away!r})",
    "deleted": "shutil.rmtree(run)",
    "replaced by another run": "os.rename(run, {away!r}); shutil.copytree({other!r}, run)",
    "replaced by an empty folder": "os.rename(run, {away!r}); os.mkdir(run)",
    "moved with all runs": "os.rename({runs!r}, {away!r})",
    "robbed of its lock": "os.remove(run + '/.lock')",
}


def moved_directories(folder: Path, long: bool) -> Finding:
    """A run's directory that is renamed, deleted or replaced while it trains: it stops; moved back, it goes on."""
    failed: list[str] = []
    words = ("model=vae", *SMOKE, *small_digits(folder))
    for name, seed in (("others", 1), ("whole", 0)):
        assert run(*words, f"seed={seed}", f"runs={folder / name}").code == 0
    other, whole = one_run(folder / "others"), one_run(folder / "whole")
    moments = range(12, 132, 12) if long else (30, 75)
    moves = MOVES if long else {name: MOVES[name] for name in list(MOVES)[:4]}
    tried = 0
    for name, what in moves.items():
        for number in moments:
            tried += 1
            runs, away = folder / f"runs-{tried}", folder / f"away-{tried}"
            told = {"away": str(away), "other": str(other), "runs": str(runs)}
            act = MEANWHILE.format(number=number, runs=str(runs), what=what.format(**told))
            done = run(*words, f"runs={runs}", act=act)
            if wrong := _wrong(done.code == 2 and is_one_line(done), runs, name, other):
                failed.append(f"{name} before touch {number}: {wrong}; exit code {done.code}, {done.last}")
            if name == "renamed" and not wrong:
                away.rename(runs / whole.name)
                again = run(*words, f"runs={runs}")
                if again.code != 0 or content(one_run(runs)) != content(whole):
                    failed.append(f"{name} before touch {number}, then back: exit code {again.code}, {again.last}")
    return Finding(tried, failed, ", ".join(moves))


def _wrong(refused: bool, runs: Path, name: str, other: Path) -> str:
    """What is not as it must be after a run's directory went away under it; empty if nothing."""
    if not refused:
        return "it did not stop"
    left = list(runs.glob("[!.]*")) if runs.is_dir() else []
    if name == "replaced by another run":
        return "" if _all(left[0]) == _all(other) else "the other run is changed"
    if name == "robbed of its lock":
        return "" if Run(left[0]).status.state != "finished" else "it is finished"
    return "files appeared" if any(names_in(path) - {".lock"} for path in left) else ""


def copied_runs(folder: Path, long: bool) -> Finding:
    """Copies of a run, with and without another name, seed or setting written into them: each training counts once."""
    failed: list[str] = []
    seeds = 3
    with pytest.MonkeyPatch.context() as patch:
        calibrate_in(folder / "cache", patch)
        runs = folder / "runs"
        for seed in range(seeds):
            synthetic_run(runs, "gan", seed, better=0.5)
            synthetic_run(runs, "vae", seed)
        alone = write_report(runs, folder / "alone")
        copies = list(_copies(sorted(runs.iterdir())[0 : 6 if long else 1]))
        beside = write_report(runs, folder / "beside")
    page = (folder / "beside" / "report.md").read_text(encoding="utf-8")
    failed += [f"{path.name} is not named" for path in copies if path.name not in page]
    if [line for line in beside if line in alone] != alone:
        failed.append(f"copies decide: {beside}, not {alone}")
    return Finding(len(copies), failed, f"beside {2 * seeds} runs")


def _copies(originals: list[Path]) -> Iterator[Path]:
    for path in originals:
        stem, seed = path.name.rsplit("-s", 1)
        edits = {
            f"{path.name}-copy": (),
            f"{stem}-s{int(seed) + 50}": ((r"(?m)^seed: \d+", f"seed: {int(seed) + 50}"),),
            f"{stem[:-8]}01234567-s{seed}": ((r"latent_size: \d+", "latent_size: 7"),),
            f"{stem}-s{int(seed) + 70}": (),
        }
        for name, changes in edits.items():
            copy = path.with_name(name)
            shutil.copytree(path, copy)
            config = copy / "config.yaml"
            for pattern, new in changes:
                config.write_text(re.sub(pattern, new, config.read_text(encoding="utf-8")), encoding="utf-8")
            yield copy
