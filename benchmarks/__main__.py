"""python -m benchmarks: how fast genbench is, and how fast what its users would otherwise write.

Each contestant is a process of its own; they take turns, so that whatever else the machine does hits all alike. Writes
benchmarks/results/<device>.json and .md, and the README's table of every processor that has such a file. Where MNIST
cannot be had it takes the digits that come with scikit-learn. Keras needs the extra [bench].

ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 imitates an older processor, as one more.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.contestants import CONTESTANTS, built, images
from benchmarks.starting import FIRST_STEP
from benchmarks.tables import table, with_processors
from genbench import memory
from genbench.cli import compose
from genbench.device import choose_device
from genbench.evaluation.of_run import score_run
from genbench.models.sampling import draw
from genbench.runs.directory import Run

RESULTS = Path(__file__).parent / "results"
README = RESULTS.parents[1] / "README.md"
FAMILIES = ("gan", "vae", "vae_prior", "flow", "vaegan")
OTHERS = ("vae_prior:autoencoder", "flow", "vaegan:adversarial")  # families and stages beside the paper's two models
PLAIN = dict(os.environ)  # of the contestants that are not genbench, whose command sets some of it
HOLD_BACK = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA")  # instructions, from PyTorch and from oneDNN
TYPO = "model=gna"
STARTING, WARMING, SAMPLED = 8.0, 2.0, 10_000  # seconds that a contestant needs at first, and of its first turn; images


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="How fast, against what.")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant, after one to warm up")
    parser.add_argument("--seconds", type=float, default=6.0, help="of a turn")
    arguments = parser.parse_args()
    memory.settle()
    (config,) = compose("train", []).configs
    device = choose_device(config.trainer)
    told = [f"{name}={os.environ[name]}" for name in HOLD_BACK if os.environ.get(name)]
    contests = [(model, batch_size) for model in ("gan", "vae") for batch_size in (32, 128)]
    contests += [(model, 128) for model in OTHERS]
    print(f"{device}: on {images().name}, about {minutes(contests, arguments):.0f} minutes", file=sys.stderr)
    result: dict[str, Any] = {
        "device": str(device),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "command": " ".join(
            [*told, f"python -m benchmarks --rounds {arguments.rounds} --seconds {arguments.seconds:g}"]
        ),
        "training": {
            f"{model} {batch_size}": contest(model, batch_size, arguments.rounds, arguments.seconds)
            for model, batch_size in contests
        },
        "data": images().name,
        "start_up_seconds": start_up(),
        "sampling_images_per_second": {model: sampling(model, device.dtype) for model in FAMILIES},
        "scorecard": {model: scorecard(model) for model in FAMILIES},
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / (re.sub(r"[^a-z0-9]+", "-", " ".join([str(device), *told]).lower()).strip("-") + ".json")
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(table(result), encoding="utf-8")
    README.write_text(with_processors(README.read_text(encoding="utf-8"), RESULTS), encoding="utf-8")
    print(table(result))


def entrants(model: str) -> list[str]:
    """Who trains a model: all, of the paper's two; genbench and the plain loop, of others."""
    if model not in ("gan", "vae"):
        return ["genbench", "loop"]
    return [name for name in CONTESTANTS if name != "keras" or importlib.util.find_spec("keras")]


def minutes(contests: list[tuple[str, int]], arguments: argparse.Namespace) -> float:
    """How long the whole will take, roughly."""
    turn = STARTING + WARMING + arguments.rounds * arguments.seconds
    seconds: float = sum(len(entrants(model)) for model, _ in contests) * turn
    return seconds / 60 + 8  # and start-ups, samples, scorecards


def contest(model: str, batch_size: int, rounds: int, seconds: float) -> dict[str, Any]:
    """Images per second of every contestant in every round, and the ratio of ours to each, round by round."""
    names = entrants(model)
    with contextlib.ExitStack() as stack:
        workers = {name: stack.enter_context(worker(name, model, batch_size)) for name in names}
        speeds: dict[str, list[float]] = {name: [] for name in names}
        for i in range(rounds + 1):
            for name, ask in workers.items():
                speed = ask(seconds if i else WARMING)
                if i:
                    speeds[name].append(speed)
            print(f"{model}, batch {batch_size}: round {i} of {rounds}", file=sys.stderr)
    ratios = {
        name: [ours / other for ours, other in zip(speeds["genbench"], speeds[name], strict=True)] for name in names
    }
    return {
        name: {
            "images_per_second": statistics.median(speeds[name]),
            "least": min(speeds[name]),
            "most": max(speeds[name]),
            "genbench_is_faster_by": statistics.median(ratios[name]),
        }
        for name in names
    }


@contextlib.contextmanager
def worker(name: str, model: str, batch_size: int) -> Iterator[Callable[[float], float]]:
    """A contestant's process, quiet: asked for so many seconds it says how many images it trained on in each."""
    words = [sys.executable, "-m", "benchmarks.contestants", name, model, str(batch_size)]
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            words,
            env=None if name == "genbench" else PLAIN,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )

        def ask(seconds: float) -> float:
            with contextlib.suppress(BrokenPipeError):
                print(seconds, file=process.stdin, flush=True)
            answer = process.stdout.readline() if process.stdout is not None else ""
            if not answer:
                said.seek(0)
                sys.exit(f"{' '.join(words[1:])} ended:\n{said.read()[-2000:]}")
            found: dict[str, float] = json.loads(answer)
            return found["images"] / found["seconds"]

        try:
            yield ask
        finally:
            process.kill()
            process.wait()


def start_up() -> dict[str, float]:
    """Seconds from the command to its answer, disk cache warm: the median of three."""
    with tempfile.TemporaryDirectory() as folder:
        short = ("trainer.max_images=64", "trainer.validations=1", "logger=none", f"runs={folder}", "overwrite=true")
        train, whole = [sys.executable, "-m", "genbench.train"], ("model=vae", f"data={images().name}", *short)
        commands = {
            "--help": [*train, "--help"],
            "a typo": [*train, TYPO],
            "the first training step": [sys.executable, "-c", FIRST_STEP, *whole],
            "a training of one step, validation and pictures included": [*train, *whole],
        }
        return {
            name: statistics.median([_seconds(command) for _ in range(4)][1:]) for name, command in commands.items()
        }


def _seconds(command: list[str]) -> float:
    start = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - start
    if done.returncode != (2 if command[-1] == TYPO else 0):
        sys.exit(f"{' '.join(command[1:])} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return seconds


def sampling(model: str, precision: torch.dtype) -> float:
    """Images per second of drawing."""
    network = built(model).to(memory_format=torch.channels_last)
    network.to("cuda" if torch.cuda.is_available() else "cpu")
    draw(network, 500, 0, precision)
    start = time.monotonic()
    draw(network, SAMPLED, 0, precision)
    return SAMPLED / (time.monotonic() - start)


def scorecard(model: str) -> dict[str, float]:
    """Seconds of the full scorecard of a (barely trained) run, and the process's peak memory in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        words = [f"model={model}", f"data={images().name}", "experiment=smoke", "logger=none", f"runs={folder}"]
        subprocess.run([sys.executable, "-m", "genbench.train", *words], capture_output=True, check=True)
        (path,) = (found.parent for found in Path(folder).glob("*/summary.json"))
        code = "import sys; from benchmarks.__main__ import score; score(sys.argv[1])"
        done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
        answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return answer


def score(path: str) -> None:
    """Print what `scorecard` wants, from a process of its own."""
    from genbench.training.cost import peak_memory_bytes

    (config,) = compose("evaluate", [f"run={path}"]).configs
    card = score_run(Run(Path(path)), config.evaluation)
    print(json.dumps({"seconds": card.evaluation_seconds, "peak_memory_bytes": peak_memory_bytes("cpu")}))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    main()
