"""What can go wrong, made to go wrong: real processes, real kills, real full disks.

Every row is a function of a folder to work in and of whether the long form is wanted, and returns what it found.
`python -m tests.faults` runs the long forms and writes docs/reliability.md; test_faults.py runs the short ones.
"""

import gzip
import json
import os
import random
import shutil
import signal
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from genbench.config import HYPERPARAMETERS, TrainConfig, flat, preflight
from genbench.errors import UserError
from genbench.runs import Run

SAME = ("weights.safetensors", "metrics.csv", "samples.png")  # of which an interrupted run has the same bytes
SMOKE = ("experiment=smoke", "trainer=cpu", "trainer.validations=5", "logger=none")
NOBODY = 65534


@dataclass(frozen=True)
class Finding:
    """What a row found."""

    tried: int
    failed: list[str]  # one line for each that did not do as it must
    note: str


Row = Callable[[Path, bool], Finding]


@dataclass(frozen=True)
class Done:
    """How a process ended."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line on stderr."""
        return (self.err.strip().splitlines() or [""])[-1]


def start(
    *words: str,
    verb: str = "train",
    cwd: Path | None = None,
    prefix: Sequence[str] = (),
    env: Mapping[str, str] = MappingProxyType({}),
) -> Any:
    """Start a verb in a process group of its own, on one thread."""
    return subprocess.Popen(
        [*prefix, sys.executable, "-m", f"genbench.{verb}", *words],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def run(*words: str, **more: Any) -> Done:
    """Run a verb to its end."""
    process = start(*words, **more)
    try:
        out, err = process.communicate(timeout=540)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return Done(process.returncode, out, err)


def content(directory: Path) -> dict[str, bytes]:
    """The bytes that must be the same."""
    return {name: (directory / name).read_bytes() for name in SAME}


def one_run(runs: Path) -> Path:
    """The only run of a folder."""
    (path,) = (p for p in runs.iterdir() if not p.name.startswith("."))
    return path


def is_one_line(done: Done) -> bool:
    """True if a user's error was answered as it should be."""
    return done.code == 2 and "Traceback" not in done.err and done.last.startswith("genbench: ")


def as_nobody(folder: Path) -> tuple[str, ...]:
    """Words before a command that take root's rights from it, and let it into a folder; none if that cannot be had."""
    words = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return ()
    for parent in (folder, *folder.parents):
        if parent.is_relative_to(tempfile.gettempdir()) and parent != Path(tempfile.gettempdir()):
            parent.chmod(parent.stat().st_mode | 0o005)
    done = subprocess.run([*words, sys.executable, "-c", "import genbench, torch"], capture_output=True, check=False)
    return () if done.returncode else words


# Kills


def kills(folder: Path, long: bool) -> Finding:
    """SIGKILL at random moments, then the same command."""
    wanted = 50 if long else 10  # of each model
    with ThreadPoolExecutor(2) as both:
        found = list(both.map(lambda model: _kills_of(folder, model, wanted), ("gan", "vae")))
    killed = sum(a for a, _, _, _ in found)
    runs = sum(b for _, b, _, _ in found)
    resumed = sum(d for _, _, _, d in found)
    return Finding(
        killed,
        [line for _, _, lines, _ in found for line in lines],
        f"{runs} runs, GAN and VAE, killed once to four times each; {resumed} of the starts went on from a checkpoint",
    )


def _kills_of(folder: Path, model: str, wanted: int) -> tuple[int, int, list[str], int]:
    began = time.monotonic()
    assert run(f"model={model}", *SMOKE, f"runs={folder / model}").code == 0
    lasts = time.monotonic() - began
    whole = content(one_run(folder / model))
    moments = random.Random(0)
    killed = runs = resumed = 0
    failed = []
    while killed < wanted:
        runs += 1
        where = folder / f"{model}-{runs}"
        for _ in range(min(moments.randint(1, 4), wanted - killed)):
            process = start(f"model={model}", *SMOKE, f"runs={where}")
            try:
                # Most of a life is imports, which can lose nothing: one kill in four falls there.
                early = moments.random() < 0.25
                out, _ = process.communicate(timeout=moments.uniform(0 if early else 0.35, 1) * lasts)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                out, _ = process.communicate()
                killed += 1
            resumed += "goes on" in out
        done = run(f"model={model}", *SMOKE, f"runs={where}")
        resumed += "goes on" in done.out
        if done.code != 0:
            failed.append(f"{model} {runs}: exit code {done.code}, {done.last}")
        elif content(one_run(where)) != whole:
            failed.append(f"{model} {runs}: other bytes")
        elif list(one_run(where).rglob(".[0-9]*.*")):
            failed.append(f"{model} {runs}: half-written files were left")
        shutil.rmtree(where)
    return killed, runs, failed, resumed


# A full disk


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Callable[[int], None]]:
    """A file system of its own at a folder; yields what changes its size."""
    if os.geteuid() != 0:
        pytest.skip("a small file system takes root")
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")

    def resize(kilobytes: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(folder)], check=True)

    try:
        yield resize
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def full_disk(folder: Path, long: bool) -> Finding:
    """A disk that is full while checkpoints, logs and pictures are written, then has room again."""
    words = ("model=vae", *(word for word in SMOKE if word != "logger=none"))
    assert run(*words, f"runs={folder / 'whole'}").code == 0
    whole = content(one_run(folder / "whole"))
    sizes = [4, 40, 400, 1700, 2500, 4600, 6600, 8000] if long else [40, 1700]
    late = [128, 256, 640, 640, 640] if long else [640]  # images after whose checkpoint something else takes the rest
    failed, reasons = [], []
    for number, (size, images) in enumerate([*((size, 0) for size in sizes), *((16_000, images) for images in late)]):
        disk = folder / f"disk-{number}"
        name = f"{size} kB" + (f", taken after {images} images" if images else "")
        with small_disk(disk, size) as resize:
            process = start(*words, f"runs={disk / 'runs'}")
            while images and process.poll() is None:
                if list(disk.glob(f"runs/*/checkpoints/*{images}.ckpt")):
                    with (disk / "taken").open("wb", buffering=0) as taken, suppress(OSError):
                        while True:
                            taken.write(bytes(4096))
                    break
                time.sleep(0.002)
            out, err = process.communicate(timeout=300)
            done = Done(process.returncode, out, err)
            reasons.append(f"{name}: {'enough' if done.code == 0 else 'full'}")
            if done.code != 0 and not (is_one_line(done) and "no space left" in done.last.lower()):
                failed.append(f"{name}: exit code {done.code}, {done.last}")
            resize(64_000)
            again = run(*words, f"runs={disk / 'runs'}")
            if again.code != 0 or content(one_run(disk / "runs")) != whole:
                failed.append(f"{name}, then room: exit code {again.code}, {again.last}")
    return Finding(len(reasons), failed, "; ".join(reasons))


# Data


def data_files(folder: Path, long: bool) -> Finding:
    """Data that are damaged, half there or unreadable, and places that cannot be written to."""
    failed: list[str] = []
    tried = 0

    def refused(what: str, names: str, *words: str, **more: Any) -> None:
        nonlocal tried
        tried += 1
        runs = folder / "refused"
        done = run(*words, *SMOKE, *(() if any(w.startswith("runs=") for w in words) else (f"runs={runs}",)), **more)
        appeared = runs.exists() and list(runs.iterdir())
        if not is_one_line(done) or names not in done.last or appeared:
            failed.append(f"{what}: exit code {done.code}, {done.last}")
        shutil.rmtree(runs, ignore_errors=True)

    source = Path(os.environ.get("GENBENCH_DATA", "none"))
    file = "MNIST/raw/train-images-idx3-ubyte.gz"
    if not (source / file).is_file():
        matches = sorted(source.rglob("train-images-idx3-ubyte.gz")) if source.is_dir() else []
        file = (
            str(next((m for m in matches if "Fashion" not in str(m)), Path("none")).relative_to(source))
            if matches
            else ""
        )
    note = "no MNIST at hand: its files were not tried"
    if file:
        note = ""
        whole = (source / file).read_bytes()
        middle = len(whole) // 2
        damages: dict[str, bytes | None] = {
            "half downloaded": whole[:middle],
            "one bit flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "other images in a sound file": gzip.compress(bytes(16 + 784)),
            "a folder in its place": None,
        }
        for name, damaged in damages.items():
            copy = folder / name.replace(" ", "-")
            shutil.copytree(source, copy)
            (copy / file).chmod(0o644)
            (copy / file).unlink()
            if damaged is None:
                (copy / file).mkdir()
            else:
                (copy / file).write_bytes(damaged)
            env = {"GENBENCH_DATA": "", "XDG_CACHE_HOME": str(folder / "cache"), "HOME": str(folder)}
            refused(name, Path(file).name, "model=vae", "data=mnist", f"data.root={copy}", env=env)
    images = folder / "images"
    images.mkdir()
    for i in range(24):
        Image.new("L", (8, 8), i * 10).save(images / f"{i:02}.png")
    refused("one image is text", "05.png", "data=folder", f"data.root={_with(images, '05.png', b'text')}")
    cut = (images / "06.png").read_bytes()[:-20]
    refused("one image is cut off", "06.png", "data=folder", f"data.root={_with(images, '06.png', cut)}")
    bomb = folder / "bomb.png"
    Image.new("1", (20_000, 20_000)).save(bomb)
    refused("an image bomb", "07.png", "data=folder", f"data.root={_with(images, '07.png', bomb.read_bytes())}")
    refused("no such folder", "nowhere", "data=folder", f"data.root={folder / 'nowhere'}")
    if prefix := as_nobody(folder):
        closed = _with(images, "08.png", cut)
        (closed / "08.png").chmod(0)
        refused("an image that may not be read", "08.png", "data=folder", f"data.root={closed}", prefix=prefix)
        refused("a root that may not be written", "locked", f"runs={folder / 'locked'}", prefix=prefix)
    return Finding(tried, failed, note)


def _with(images: Path, name: str, content: bytes) -> Path:
    copy = images.with_name(f"images-{name}-{len(content)}")
    shutil.copytree(images, copy)
    (copy / name).write_bytes(content)
    return copy


# A sweep


def sweep(folder: Path, long: bool) -> Finding:
    """A sweep of which some configs are poisoned, while workers are killed."""
    good, bad, wanted = (19, 5, 3) if long else (4, 2, 1)
    words = ("-m", "model=vae", *SMOKE, "hydra/launcher=cores")
    rates = [f"{0.001 + 0.0001 * i:.4f}" for i in range(good)]
    poison = [str(1000 - i) for i in range(bad)]  # these make the loss infinite within a few steps
    alone = run(*words, f"model.learning_rate={','.join(rates)}", f"runs={folder / 'whole'}")
    assert alone.code == 0, alone.err
    mixed = [*rates, *poison]
    random.Random(0).shuffle(mixed)
    process = start(*words, f"model.learning_rate={','.join(mixed)}", f"runs={folder / 'sweep'}")
    moments = random.Random(0)
    killed = 0
    with ThreadPoolExecutor(1) as reader:
        said = reader.submit(process.communicate)  # a full pipe would stop it
        while killed < wanted and not said.done():
            while not list(folder.glob("sweep/*/checkpoints/*.ckpt")) and not said.done():
                time.sleep(0.05)
            time.sleep(moments.uniform(0, 1) if killed == 0 else moments.uniform(5, 9))
            workers = [pid for pid in descendants(process.pid) if "LokyProcess" in _command(pid)]
            if workers:
                os.kill(moments.choice(workers), signal.SIGKILL)
                killed += 1
        out, err = said.result(timeout=900)
    failed = [] if process.returncode == 1 else [f"exit code {process.returncode}: {err[-300:]}"]
    if killed < wanted:
        failed.append(f"only {killed} of {wanted} kills")
    for path in (folder / "whole").glob("optdigits-*"):
        again = folder / "sweep" / path.name
        if not Run(again).is_finished or content(again) != content(path):
            failed.append(f"{path.name}: {Run(again).status.state}, or other bytes")
    table = " ".join(out.split())
    states = [Run(path) for path in (folder / "sweep").glob("optdigits-*")]
    lost = [path for path in states if path.status.state == "failed" and str(path.path.name) in table]
    if len(lost) != bad or any("is not a finite number" not in path.status.why for path in lost):
        failed.append(f"{len(lost)} of {bad} poisoned runs were reported")
    return Finding(good + bad, failed, f"{good} finished with the same bytes, {len(lost)} reported, {killed} kills")


def descendants(pid: int) -> list[int]:
    found = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in tasks.read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


# Words


def overrides(folder: Path, long: bool) -> Finding:
    """Random words after the command: taken, or refused in one line; no directory appears."""
    wanted = 2000 if long else 200
    source = random.Random(1)
    before = sorted(folder.iterdir())
    here = Path.cwd()
    failed: list[str] = []
    taken = 0
    os.chdir(folder)
    try:
        for _ in range(wanted):
            words = _random_words(source)
            try:
                taken += len(preflight("train", TrainConfig, words).configs) > 0
            except UserError as error:
                if "\n" in str(error) or not str(error).isprintable():
                    failed.append(f"{words}: not one printable line: {str(error)!r}")
            except BaseException as error:  # noqa: BLE001  (whatever it is, the row must name it)
                failed.append(f"{words}: {type(error).__name__}: {str(error).splitlines()[:1]}")
        for _ in range(8 if long else 2):  # and some by a real command line
            words = [word for word in _random_words(source) if "\0" not in word]
            done = run(*words, "--cfg", "job", cwd=folder)
            if "Traceback" in done.err:
                failed.append(f"{words}: a traceback")
    finally:
        os.chdir(here)
    if sorted(folder.iterdir()) != before:
        failed.append(f"files appeared: {sorted(set(folder.iterdir()) - set(before))}")
    return Finding(wanted, failed, f"{taken} were taken, {wanted - taken} refused")


def _random_words(source: random.Random) -> list[str]:
    (config,) = preflight("train", TrainConfig, []).configs
    keys = [*flat(config), *(f"model.{name}" for name in HYPERPARAMETERS), "model", "data", "trainer", "experiment"]
    keys += ["hydra.run.dir", "hydra/launcher", "nonsense", "data.", ".", "model..x", "é", "run"]
    values: list[Callable[[], str]] = [
        lambda: str(source.choice([0, 1, -1, 2**63, 10**30, 0.5, 1e-300, 1e300, "nan", "inf", "null", "true", ""])),
        lambda: source.choice(["gan", "vae", "mnist", "optdigits", "cpu", "ddp", "full", "smoke", "paper", "gna"]),
        lambda: source.choice(["[1,2]", "[0.5,0.999]", "{a:1}", "{_target_:os.system}", "[]", "{}", "1,2", "range(3)"]),
        lambda: source.choice(
            ["${seed}", "${oc.env:HOME}", "${nothing}", "${", "}", "${model}", "${now:%Y}", "'", '"']
        ),
        lambda: source.choice(
            ["../../up", "/", "a b", "\x1b[31m", "\n", "\t", "ü", "😀", "a=b", "\\", "\x00", "%s", "~"]
        ),
        lambda: "".join(source.choices(string.printable, k=source.randint(1, 12))),
    ]
    words = []
    for _ in range(source.randint(1, 3)):
        prefix = source.choices(["", "+", "++", "~", "@", "-"], [12, 1, 1, 1, 1, 1])[0]
        key = source.choice(keys)
        words.append(f"{prefix}{key}" + ("" if source.random() < 0.05 else f"={source.choice(values)()}"))
    return words


# Hostile files


def hostile(folder: Path, long: bool) -> Finding:
    """Checkpoints, weights, configs and images that want to do more than be read."""
    failed: list[str] = []
    executed = folder / "executed"
    assert run("model=vae", *SMOKE, f"runs={folder / 'runs'}").code == 0
    good = one_run(folder / "runs")

    def tried(what: str, done: Done, *, refused: bool = True) -> None:
        if executed.exists():
            failed.append(f"{what}: executed")
            executed.unlink()
        if refused and not is_one_line(done):
            failed.append(f"{what}: exit code {done.code}, {done.last}")
        if not refused and done.code != 0:
            failed.append(f"{what}: exit code {done.code}, {done.last}")

    # A pickle in a checkpoint's place: passed over, and the run ends as it should.
    whole = content(good)
    for checkpoint in Run(good).checkpoints:
        torch.save({"state_dict": _Payload(executed)}, checkpoint)
    (good / "status.json").write_text((good / "status.json").read_text().replace("finished", "interrupted"))
    tried("checkpoint", run("model=vae", *SMOKE, f"runs={folder / 'runs'}"), refused=False)
    if content(good) != whole:
        failed.append("checkpoint: other bytes")
    cases = 1
    # Weights that name what is to be called, or are a pickle.
    weights = (good / "weights.safetensors").read_bytes()
    call = {"_target_": "os.system", "command": f"touch {executed}"}
    nested = {"_target_": "genbench.models.vae.VAE", "latent_size": {"_target_": "os.mkdir", "path": str(executed)}}
    for model in (call, nested, {"_target_": "genbench.models.weights.load", "path": "x"}):
        about = {"version": "0", "model": model, "shape": [1, 28, 28]}
        save_file({"a": torch.zeros(1)}, good / "weights.safetensors", {"genbench": json.dumps(about)})
        tried(f"weights {model['_target_']}", run(f"run={good}", f"out={folder / 'x.png'}", verb="sample"))
        cases += 1
    torch.save(_Payload(executed), good / "weights.safetensors")
    tried("weights, a pickle", run(f"run={good}", f"out={folder / 'x.png'}", verb="sample"))
    (good / "weights.safetensors").write_bytes(weights)
    # A run's own config that names what is to be called.
    config = (good / "config.yaml").read_text()
    for old, new in (
        ("load: genbench.data.optdigits.load", "load: os.mkdir"),
        ("root: null", f"root: {executed}\n  load: os.mkdir"),
        ("_target_: genbench.models.vae.VAE", "_target_: subprocess.Popen"),
        ("logger:\n  _target_: null", f"logger:\n  _target_: os.mkdir\n  path: {executed}"),
    ):
        assert old in config
        (good / "config.yaml").write_text(config.replace(old, new))
        tried(f"config, {new.split()[-1]}", run(f"run={good}", verb="evaluate"))
        cases += 1
    (good / "config.yaml").write_text(config)
    # Names that lead elsewhere.
    outside = sorted(path for path in folder.iterdir())
    for word in (
        "data=../../optdigits",
        "model=../vae",
        "data.load=genbench.data.../../x.load",
        "seed=../1",
        "runs=a\x1b[2J\nb/\x00",
    ):
        done = run(
            word.replace("\x00", ""),
            *SMOKE,
            *(() if word.startswith("runs=") else (f"runs={folder / 'runs'}",)),
            cwd=folder / "runs",
        )
        if done.code not in (0, 2) or "Traceback" in done.err:
            failed.append(f"{word!r}: exit code {done.code}, {done.last}")
        cases += 1
    if sorted(folder.iterdir()) != outside:
        failed.append(f"written outside of the runs: {sorted(set(folder.iterdir()) - set(outside))}")
    return Finding(
        cases + 1, failed, "image bombs and files that are no images: under data, and in tests/data/test_folder.py"
    )


class _Payload:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


# Numbers


def not_a_number(folder: Path, long: bool) -> Finding:
    """A learning rate that makes the loss infinite."""
    failed = []
    done = run("model=vae", "model.learning_rate=1000", *SMOKE, f"runs={folder}")
    path = Run(one_run(folder))
    if not is_one_line(done) or "is not a finite number any more after" not in done.last:
        failed.append(f"exit code {done.code}, {done.last}")
    if path.status.state != "failed" or "images" not in path.status.why:
        failed.append(f"status {path.status}")
    if (path.path / "weights.safetensors").exists():
        failed.append("weights were written")
    return Finding(1, failed, done.last.removeprefix("genbench: "))


# Surroundings


def surroundings(folder: Path, long: bool) -> Finding:
    """Clocks that jump, no home, a home that cannot be written, old locales, odd paths."""
    failed: list[str] = []
    tried = 0
    assert run("model=vae", *SMOKE, f"runs={folder / 'plain'}").code == 0
    whole = content(one_run(folder / "plain"))

    def works(what: str, runs: Path, **more: Any) -> None:
        nonlocal tried
        tried += 1
        done = run("model=vae", *SMOKE, f"runs='{runs}'", **more)
        if done.code != 0 or content(one_run(runs)) != whole:
            failed.append(f"{what}: exit code {done.code}, {done.last}")

    works("a path with spaces and Unicode", folder / "my runs größer 数")
    works("no locale", folder / "c", env={"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"})
    works("no HOME", folder / "home", env={"HOME": ""})
    works("a HOME that is not there", folder / "home2", env={"HOME": "/nonexistent/home"})
    note = ""
    if shutil.which("faketime"):
        works("a clock two years behind", folder / "past", prefix=("faketime", "-f", "-2y"))
        works("a clock that runs a thousand times too fast", folder / "fast", prefix=("faketime", "-f", "+0 x1000"))
    else:
        note = "no faketime here: clocks were not tried"
    if prefix := as_nobody(folder):
        home = folder / "locked"
        home.mkdir(mode=0o555)
        writable = folder / "open"
        writable.mkdir()
        writable.chmod(0o777)
        works("a HOME that cannot be written", writable / "runs", prefix=prefix, env={"HOME": str(home)})
    note += "" if prefix else " no other user can be had here: a locked home was not tried"
    return Finding(tried, failed, note)


# Runs a sweep in this process and prints the memory in MiB before each training.
NOTING = """
import os, sys
import genbench.train as verb
train = verb.train
def noting(config):
    pages = int(open("/proc/self/statm").read().split()[1])
    print("memory", pages * os.sysconf("SC_PAGE_SIZE") / 2**20, flush=True)
    train(config)
verb.train = noting
verb.main()
"""


def memory(folder: Path, long: bool) -> Finding:
    """Many trainings in one process: the memory before each."""
    jobs, early = (50, 10) if long else (12, 6)
    words = ["-m", "model=vae", "trainer.max_images=64", *SMOKE, f"seed=range({jobs})", f"runs={folder}"]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", NOTING, *words]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=580)
    sizes = [float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("memory ")]
    failed = (
        [] if done.returncode == 0 and len(sizes) == jobs else [f"exit code {done.returncode}: {done.stderr[-300:]}"]
    )
    growth = (sizes[-1] - sizes[early]) / (jobs - early)
    if growth > 3.0:  # one training leaves 5 MiB behind if nothing collects it
        failed.append(f"{growth:.2f} MiB a job")
    note = f"{sizes[early]:.0f} MiB after {early}, {sizes[-1]:.0f} MiB after {jobs - 1}: {growth:.2f} MiB a job"
    return Finding(jobs, failed, note)


ROWS: dict[str, Row] = {
    "kills": kills,
    "full_disk": full_disk,
    "data_files": data_files,
    "sweep": sweep,
    "overrides": overrides,
    "hostile": hostile,
    "not_a_number": not_a_number,
    "surroundings": surroundings,
    "memory": memory,
}
