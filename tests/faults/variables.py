"""The environment variables that Python and the libraries read, found in their installed sources."""

import ast
import inspect
import mmap
import os
import random
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distribution
from pathlib import Path

import lightning

from tests.faults.processes import TINY, Done, Finding, content, fresh, one_run
from tests.small import small_digits

# Distributions that a training imports, or that start one.
READERS = (
    *("lightning", "lightning-utilities", "torchmetrics", "torch", "torchvision", "hydra-core", "omegaconf"),
    *("hydra-joblib-launcher", "hydra-submitit-launcher", "hydra-ray-launcher", "submitit", "matplotlib"),
    *("tensorboard", "rich", "pooch", "joblib", "scikit-learn", "numpy", "scipy", "pillow", "filelock", "fsspec"),
    *("safetensors", "platformdirs", "requests", "altair", "jinja2", "pydantic", "pyyaml"),
)
STANDARD = ("os", "site", "sysconfig", "tempfile", "gettext", "locale", "subprocess", "shutil", "getpass", "curses")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{1,60}")
# In machine code a name is only a text among others: those that begin like settings of a library that computes.
IN_CODE = re.compile(
    rb"\0((?:OMP|GOMP|KMP|MKL|DNNL|ONEDNN|OPENBLAS|BLIS|ATEN|TORCH|PYTORCH|C10|CUDA|CUBLAS|CUDNN|NCCL|KINETO|NVFUSER)"
    rb"_[A-Z0-9_]{2,50})\0"
)
LIBRARIES = ("libtorch_cpu.so", "libtorch_python.so", "libc10.so", "libgomp*.so*", "libscipy_openblas*.so*")
# Of the C library, and conventions that no source of these names by a text.
OTHERS = (
    *("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_NUMERIC", "LC_TIME", "LC_COLLATE", "LC_MONETARY", "LC_MESSAGES"),
    *("TZ", "TZDIR", "TMPDIR", "TEMP", "TMP", "HOME", "PATH", "TERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"),
)


def names(readers: Sequence[str] = READERS, libraries: Sequence[str] = LIBRARIES) -> set[str]:
    """Every variable that Python, these distributions or this machine code below them look at."""
    found = set(OTHERS) | _of_python()
    found |= {f"PL_TRAINER_{name.upper()}" for name in inspect.signature(lightning.Trainer).parameters}
    for path in _sources(readers):
        found |= set(_read_by(path))
    torch = Path(str(distribution("torch").locate_file("torch/lib")))
    for folder in (torch, torch.parents[1] / "numpy.libs", torch.parents[1] / "scikit_learn.libs"):
        for pattern in libraries:
            for path in folder.glob(pattern):
                with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    found |= {match.decode() for match in IN_CODE.findall(content)}
    return {name for name in found if NAME.fullmatch(name)}


def _of_python() -> set[str]:
    """What Python's own help says of it."""
    said = subprocess.run([sys.executable, "--help-env"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^(PYTHON[A-Z0-9_]+)", said, re.MULTILINE))


def _sources(readers: Sequence[str]) -> Iterator[Path]:
    library = Path(sysconfig.get_path("stdlib"))
    yield from (path for name in STANDARD for path in (library / f"{name}.py",) if path.is_file())
    for reader in readers:
        for file in distribution(reader).files or ():
            if file.suffix == ".py" and not {"tests", "testing", "test"} & set(file.parts):
                yield Path(str(file.locate()))


def _read_by(path: Path) -> Iterator[str]:
    """The names in os.environ["X"], os.environ.get("X"), os.getenv("X"), "X" in os.environ and constants for these."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    if "environ" not in text and "getenv" not in text and "env_" not in text:
        return
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except SyntaxError:
        return
    constants = {
        target.id: node.value.value
        for node in nodes
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in nodes:
        about: list[ast.expr] = []
        if isinstance(node, ast.Call) and "env" in ast.unparse(node.func).lower():
            about = [*node.args[:2], *(word.value for word in node.keywords)]
        elif isinstance(node, ast.Subscript) and "env" in ast.unparse(node.value).lower():
            about = [node.slice]
        elif isinstance(node, ast.Compare) and any("env" in ast.unparse(part).lower() for part in node.comparators):
            about = [node.left]
        for part in about:
            value = constants.get(part.id) if isinstance(part, ast.Name) else getattr(part, "value", None)
            if isinstance(value, str) and re.fullmatch(r"[A-Z][A-Z0-9_]+|[a-z]+_proxy", value):
                yield value


VALUES = ("nonsense-{}", "1", "-1", "")
LISTS = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LD_PRELOAD")  # which something else is added to


def variables(folder: Path, long: bool) -> Finding:
    """Every environment variable that Python or a library reads, set to what it should not be."""
    known = sorted(names() if long else names(("lightning", "joblib"), ()))  # all are read in a quarter of a minute
    if not long:
        known = sorted(random.Random(0).sample(known, 6))
    words = ("model=vae", *TINY, *small_digits(folder))
    here = folder / "here"  # some have logs written to where one is
    here.mkdir()
    assert fresh(*words, f"runs={folder / 'alone'}").code == 0
    whole = content(one_run(folder / "alone"))
    tried, failed, started = 0, [], 0
    refused: list[str] = []
    alone: set[str] = set()  # what a value has made a difference of is tried by itself with the next ones
    for value in VALUES if long else VALUES[:1]:
        without = [name for name in known if not _starts(name, value)]
        refused += [f"{name}={value}" for name in without]
        pythons = [name for name in known if name.startswith("PYTHON") and name not in without]  # some make it talk
        others = [name for name in known if name not in (*pythons, *without)]
        groups = [[name for name in group if name not in alone] for group in (pythons, others)]
        groups += [[name] for name in sorted(alone.difference(without))]

        def train(number: int, group: list[str], value: str = value) -> tuple[Done, bool, bool]:
            """How a training goes with a group of them set, whether it is the same one and has left anything."""
            runs = folder / f"beside {number}"
            done = fresh(*words, f"runs={runs}", cwd=here, env=_environment(group, value))
            same = done.code == 0 and content(one_run(runs)) == whole
            left = runs.exists()
            shutil.rmtree(runs, ignore_errors=True)
            return done, same, left

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            while groups:
                numbers = range(started, started + len(groups))
                started += len(groups)
                tries, now, groups = pool.map(train, numbers, groups), groups, []
                for group, (done, same, left) in zip(now, tries, strict=True):
                    if not same and len(group) > 1:
                        groups += _parts(group, done)
                        continue
                    tried += len(group)
                    if not same:
                        alone.update(group)
                    if not same and _refusal(done) and not left:
                        refused.append(f"{group[0]}={value}")
                    elif not same:
                        failed.append(f"{group[0]}={value}: {_what(done)}{', and something is left' * left}")
    note = f"{len(known)} variables in {started} processes; refused: {', '.join(refused) or 'none'}"
    return Finding(tried, failed, note)


def _starts(name: str, value: str) -> bool:
    """Whether Python itself comes to its first line."""
    if not name.startswith(("PYTHON", "LD_", "MALLOC")):
        return True
    env = {**os.environ, **_environment([name], value)}
    return subprocess.run([sys.executable, "-c", ""], env=env, capture_output=True, check=False).returncode == 0


def _environment(group: list[str], value: str) -> dict[str, str]:
    """The variables of a group with a value, in which {} is the name."""
    added = {name: f"{os.environ[name]}:" if name in LISTS and name in os.environ else "" for name in group}
    return {name: added[name] + value.format(name) for name in group}


def _parts(group: list[str], done: Done) -> list[list[str]]:
    """A group in which something is wrong, in two: those that were spoken of and the others, or halves."""
    said = _refusal(done) or done.err.rpartition("Traceback")[2]
    spoken = [name for name in group if name in said]
    if spoken and len(spoken) < len(group):
        return [[name for name in group if name not in spoken], spoken]
    return [group[: len(group) // 2], group[len(group) // 2 :]]


def _refusal(done: Done) -> str:
    """The one line of a command that has refused, before whatever a library says at its end; empty if it has not."""
    lines = [line for line in done.err.splitlines() if line.startswith("genbench: ")]
    return lines[-1] if done.code == 2 and len(lines) == 1 and "Traceback" not in done.err else ""


def _what(done: Done) -> str:
    return "other bytes" if done.code == 0 else f"exit code {done.code}, {done.last}"


if __name__ == "__main__":
    print("\n".join(sorted(names())))
