"""Files that want to do more than be read."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from genbench.runs.directory import Run
from tests.faults.processes import SMOKE, Done, Finding, content, is_one_line, one_run, run
from tests.small import small_digits

Case = tuple[str, Done, bool]  # what was tried, how it ended, and whether it had to be refused


def hostile(folder: Path, long: bool) -> Finding:
    """Checkpoints, weights, configs and images that want to do more than be read."""
    failed: list[str] = []
    executed = folder / "executed"
    words = ("model=vae", *SMOKE, *small_digits(folder))
    assert run(*words, f"runs={folder / 'runs'}").code == 0
    good = one_run(folder / "runs")
    whole = content(good)
    cases = 0
    for parts in (
        _checkpoints(good, words, executed),
        _weights(good, executed),
        _configs(good, executed),
        _names(folder),
    ):
        for what, done, refused in parts:
            cases += 1
            if executed.exists():
                failed.append(f"{what}: executed")
                executed.unlink()
            if not (is_one_line(done) if refused else done.code == 0):
                failed.append(f"{what}: exit code {done.code}, {done.last}")
    if content(good) != whole:
        failed.append("other bytes in the end")
    note = "image bombs and files that are no images: under data, and in tests/data/test_folder.py"
    return Finding(cases, failed, note)


def _checkpoints(good: Path, words: tuple[str, ...], executed: Path) -> Iterator[Case]:
    """A pickle in a checkpoint's place: passed over, and the run ends as it should."""
    for checkpoint in Run(good).checkpoints:
        torch.save({"state_dict": _Payload(executed)}, checkpoint)
    Run(good).set_status("interrupted")
    yield "checkpoint", run(*words, f"runs={good.parent}"), False


def _weights(good: Path, executed: Path) -> Iterator[Case]:
    """Weights that name what is to be called, or are a pickle."""
    path = Run(good).weights
    sound = path.read_bytes()
    call = {"_target_": "os.system", "command": f"touch {executed}"}
    nested = {"_target_": "genbench.models.vae.VAE", "latent_size": {"_target_": "os.mkdir", "path": str(executed)}}
    sample = (f"run={good}", f"out={good.parent.parent / 'x.png'}")
    for model in (call, nested, {"_target_": "genbench.models.weights.load", "path": "x"}):
        about = {"version": "0", "model": model, "shape": [1, 8, 8]}
        save_file({"a": torch.zeros(1)}, path, {"genbench": json.dumps(about)})
        yield f"weights {model['_target_']}", run(*sample, verb="sample"), True
    torch.save(_Payload(executed), path)
    yield "weights, a pickle", run(*sample, verb="sample"), True
    path.write_bytes(sound)


def _configs(good: Path, executed: Path) -> Iterator[Case]:
    """A run's own config that names what is to be called: when it is read, and when it is trained again."""
    path = good / "config.yaml"
    sound = path.read_text(encoding="utf-8")
    for old, new in (
        ("load: genbench.data.folder.load", "load: os.mkdir"),
        ("root: /", f"load: os.mkdir\n  root: {executed}/"),
        ("_target_: genbench.models.vae.VAE", "_target_: subprocess.Popen"),
        ("logger:\n  tensorboard: false", f"logger:\n  _target_: os.mkdir\n  path: {executed}"),
    ):
        assert old in sound
        path.write_text(sound.replace(old, new), encoding="utf-8")
        what = f"config, {new.split()[-1]}"
        if "models" not in old:  # the weights say themselves what they are of
            yield what, run(f"run={good}", verb="evaluate"), True
        again = ("--config-dir", str(good), "--config-name", "config", f"runs={good.parent}")
        yield f"{what}, trained again", run(*again), True
    path.write_text(sound, encoding="utf-8")


def _names(folder: Path) -> Iterator[Case]:
    """Names that lead elsewhere."""
    runs = folder / "runs"
    before = sorted(folder.iterdir())
    for word in ("data=../../optdigits", "model=../vae", "data.load=genbench.data.../../x.load", "seed=../1"):
        yield word, run(word, *SMOKE, f"runs={runs}", cwd=runs), True
    odd = "runs=a\x1b[2J\nb/"
    done = run(odd, *SMOKE, cwd=runs)
    yield repr(odd), done, done.code != 0  # a folder can be named so
    if appeared := sorted(set(folder.iterdir()) - set(before)):
        yield f"written outside of the runs: {appeared}", Done(1, "", ""), True


class _Payload:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)
