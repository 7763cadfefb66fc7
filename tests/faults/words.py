"""Words that nobody would write on purpose."""

import os
import random
import string
from collections.abc import Callable
from pathlib import Path

from genbench.command.composition import compose
from genbench.config import TrainConfig, flat
from genbench.errors import UserError
from genbench.models.hyperparameters import hyperparameters
from tests.faults.processes import Finding, run


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
                taken += len(compose("train", TrainConfig, words).configs) > 0
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
    (config,) = compose("train", TrainConfig, []).configs
    keys = [*flat(config), "model", "data", "trainer", "experiment"]
    for target in ("genbench.models.gan.DCGAN", "genbench.models.vae.VAE"):
        keys += [f"model.{name}" for name in hyperparameters(target)]
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
