"""Words after the command: what its types allow, what they just do not, and what nobody would write on purpose."""

import os
import random
import shutil
import string
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from genbench.command.composition import compose
from genbench.config.train import TrainConfig
from genbench.errors import UserError
from genbench.models.hyperparameters import hyperparameters
from genbench.runs.directory import Run
from genbench.runs.reading import read
from tests.faults.processes import TINY, Done, Finding, is_one_line, run
from tests.small import small_digits

MODELS = {"gan": "genbench.models.gan.DCGAN", "vae": "genbench.models.vae.VAE"}
# What a training within a test cannot afford, or has no machine for: such words are composed, and not trained.
AFFORDABLE = {
    **{"data.batch_size": 64, "trainer.devices": 1, "trainer.num_nodes": 1, "model.latent_size": 128},
    **{"model.width": 64, "model.hidden": 128, "model.importance_samples": 16},
    **{"evaluation.nll_samples": 20, "evaluation.nll_images": 20},
}
NOT_FOR_WORDS = ("data.load", "data.root", "code", "runs", "model", "logger", "seed")


def overrides(folder: Path, long: bool) -> Finding:
    """Words drawn from the types of the config, of which a third is trained, and random ones: done, or one line."""
    wanted = 2000 if long else 40
    source = random.Random(1)
    known = _known()
    digits = small_digits(folder)
    here = Path.cwd()
    failed: list[str] = []
    taken = trained = unfinished = 0
    (folder / "empty").mkdir()
    os.chdir(folder / "empty")
    try:
        for number in range(wanted):
            legal = trained < (number + 1) * 0.36  # more than a third, of which a few end without a run
            words = _legal(source, known) if legal else _any(source, known)
            fine, wrong = _compose(words)
            taken += fine
            failed += wrong
            if fine and legal:
                trained += 1
                ended, code = _train(words, digits, folder / "runs")
                unfinished += code != 0
                failed += [f"{words}: {ended}"] if ended else []
        for _ in range(8 if long else 2):  # and some by a real command line
            words = [word for word in _any(source, known) if "\0" not in word]
            if "Traceback" in run(*words, "--cfg", "job", cwd=folder / "empty").err:
                failed.append(f"{words}: a traceback")
    finally:
        os.chdir(here)
    if appeared := list((folder / "empty").iterdir()):
        failed.append(f"files appeared: {appeared}")
    note = f"{taken} were taken, {wanted - taken} refused; {trained} were trained, {unfinished} of them to one line"
    return Finding(wanted, failed, note)


# What several types allow, or one with a form of its own.
OF_IMAGES = {
    "data.size": ("null", "8", "12x16", "32"),
    "data.scale": ("null", "1", "255", "1000000000.0"),
    "data.range": ("null", "[0,255]", "[-1.0,256.5]", "[0,1]"),
    "data.classes": ("null", "[0,1]", "[3]", "['1',2]", "[]", "[x]"),
}


@dataclass(frozen=True)
class Known:
    """A key, and what its type says of its values."""

    key: str
    field: FieldInfo

    def legal(self, source: random.Random) -> str:
        """A value that the type allows."""
        if self.key in OF_IMAGES:
            return source.choice(OF_IMAGES[self.key])
        kind = self._kind()
        if get_origin(kind) is Literal:
            return str(source.choice(get_args(kind)))
        if kind is bool:
            return source.choice(["true", "false"])
        if kind is str:
            return source.choice(["abc", "'a b'", "größer", "数", "'x,y'"])
        if get_origin(kind) is tuple:
            return f"[{source.uniform(0, 0.9):.3f},{source.uniform(0, 0.999):.4f}]"
        low, high = self._range(kind)
        high = min(high, AFFORDABLE.get(self.key, high))
        if kind is int:
            return str(source.choice([low, high, source.randint(low, high), min(high, low + source.randint(0, 9))]))
        return repr(source.choice([low, high, source.uniform(low, high), min(high, low + 0.001)]))

    def other(self, source: random.Random) -> str:
        """A value at the edge of what the type allows, on either side, or of another type."""
        kind = self._kind()
        if kind not in (int, float):
            return source.choice(_GARBAGE)()
        low, high = self._range(kind)
        edges = [low, high, low - 1, high + 1, -low, high * 2, f"{low}.0", f"'{low}'", f"{low}e0"]
        return str(source.choice([*edges, source.choice(_GARBAGE)()]))

    def _kind(self) -> Any:
        parts = [part for part in get_args(self.field.annotation) if part is not type(None)]
        union = get_origin(self.field.annotation) not in (None, Literal, tuple, dict, list)
        return parts[0] if union and parts else self.field.annotation

    def _range(self, kind: Any) -> tuple[Any, Any]:
        low: Any = 0
        high: Any = 10**6 if kind is int else 1
        step = 1 if kind is int else 1e-9
        limit: Any
        for limit in self.field.metadata:
            low = limit.ge if isinstance(limit, Ge) else low
            high = limit.le if isinstance(limit, Le) else high
            if isinstance(limit, Gt):
                low = kind(limit.gt) + step
            if isinstance(limit, Lt):
                high = kind(limit.lt) - step
        return kind(low), kind(high)


def _known() -> dict[str, list[Known]]:
    """The keys of a training, and under a model's name its own."""

    def walk(schema: type[BaseModel], prefix: str) -> list[Known]:
        found = []
        for name, field in schema.model_fields.items():
            key = prefix + name
            if key in NOT_FOR_WORDS:
                continue
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                found += walk(field.annotation, f"{key}.")
            else:
                found.append(Known(key, field))
        return found

    known = {"": walk(TrainConfig, "")}
    for model, target in MODELS.items():
        known[model] = [Known(f"model.{name}", about.field) for name, about in hyperparameters(target).items()]
    return known


def _legal(source: random.Random, known: dict[str, list[Known]]) -> list[str]:
    """Words of a training that the types allow; now and then a value at an edge."""
    model = source.choice(list(MODELS))
    chosen = source.sample([*known[""], *known[model]], source.randint(1, 4))
    return [f"model={model}", *(f"{one.key}={one.legal(source)}" for one in chosen), f"seed={source.getrandbits(32)}"]


def _any(source: random.Random, known: dict[str, list[Known]]) -> list[str]:
    """Words of which at least one is likely to be wrong."""
    if source.random() < 0.5:
        words = _legal(source, known)
        one = source.choice([one for group in known.values() for one in group])
        return [*words[:2], f"{one.key}={one.other(source)}"]
    words = []
    for _ in range(source.randint(1, 3)):
        prefix = source.choices(["", "+", "++", "~", "@", "-"], [12, 1, 1, 1, 1, 1])[0]
        key = source.choice(_keys(known))
        words.append(f"{prefix}{key}" + ("" if source.random() < 0.05 else f"={source.choice(_GARBAGE)()}"))
    return words


def _keys(known: dict[str, list[Known]]) -> list[str]:
    more = ["model", "data", "trainer", "experiment", "seed", "runs", "code", "logger", "data.root", "data.load"]
    odd = ["hydra.run.dir", "hydra/launcher", "nonsense", "data.", ".", "model..x", "é", "run"]
    return [*(one.key for group in known.values() for one in group), *more, *odd]


_chance = random.Random(2)
_GARBAGE: list[Callable[[], str]] = [
    lambda: str(_chance.choice([0, 1, -1, 2**63, 10**30, 0.5, 1e-300, 1e300, "nan", "inf", "null", "true", ""])),
    lambda: _chance.choice(["gan", "vae", "mnist", "optdigits", "cpu", "ddp", "full", "smoke", "paper", "gna"]),
    lambda: _chance.choice(["[1,2]", "[0.5,0.999]", "{a:1}", "{_target_:os.system}", "[]", "{}", "1,2", "range(3)"]),
    lambda: _chance.choice(["${seed}", "${oc.env:HOME}", "${nothing}", "${", "}", "${model}", "${now:%Y}", "'", '"']),
    lambda: _chance.choice(["../../up", "/", "a b", "\x1b[31m", "\n", "\t", "ü", "😀", "a=b", "\\", "\x00", "%s", "~"]),
    lambda: "".join(_chance.choices(string.printable, k=_chance.randint(1, 12))),
]


def _compose(words: list[str]) -> tuple[bool, list[str]]:
    """Whether words are taken, and what is wrong with how they were refused."""
    try:
        return len(compose("train", TrainConfig, words).configs) > 0, []
    except UserError as error:
        return False, [] if str(error).isprintable() else [f"{words}: not one printable line: {str(error)!r}"]
    except BaseException as error:  # noqa: BLE001  (whatever it is, the row must name it)
        return False, [f"{words}: {type(error).__name__}: {str(error).splitlines()[:1]}"]


def _train(words: list[str], digits: tuple[str, str], runs: Path) -> tuple[str, int]:
    """A training by words that are taken: what is wrong with its end, and its exit code."""
    cap = ("trainer.max_images=64", "trainer.max_minutes=1", "trainer.max_epochs=null")
    done = run(*TINY, *digits, *words, *cap, f"runs={runs}")
    left = [path for path in runs.iterdir() if not path.name.startswith(".")] if runs.is_dir() else []
    wrong = _wrong(done, left)
    shutil.rmtree(runs, ignore_errors=True)
    return wrong, done.code


def _wrong(done: Done, left: list[Path]) -> str:
    if done.code == 0 and len(left) == 1:
        record = read(left[0])
        whole = record.state == "finished" and record.summary is not None and Run(left[0]).has_weights
        return "" if whole and not record.notes else f"an incomplete run: {record.problems + record.notes}"
    if not is_one_line(done):
        return f"exit code {done.code}, {done.last}"
    if not left:
        return ""
    status = read(left[0])  # what shows only while it trains is kept with its reason
    return (
        "" if status.state == "failed" and "finite" in status.problems[0] else f"something is left: {status.problems}"
    )
