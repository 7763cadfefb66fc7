"""python -m benchmarks.since COMMIT: what starting, drawing, scoring and reporting cost then and now.

Writes docs/since.md. Both trees do each thing in turn, in processes of their own and with the same libraries; the
machine should do nothing else. Called again it measures all anew. PyTorch is not imported here: the most memory that a
process is said to have had is at least that of the one which started it.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.starting import FIRST_STEP
from genbench.runs.directory import Run
from genbench.runs.records import Absent

HERE = Path(__file__).resolve().parents[1]
PAGE = HERE / "docs" / "since.md"
TURNS = 3  # of what takes seconds
MODELS = ("gan", "vae", "vae_prior", "flow")
RUNS = 200  # of the report
IMAGES = 20_000  # of a training whose scorecard is measured: its images are images
SYNTHETIC = f"""import sys
from pathlib import Path
from tests.reporting.synthetic import synthetic_run
for model in ("gan", "vae"):
    for seed in range({RUNS // 2}):
        synthetic_run(Path(sys.argv[1]), model, seed)"""
WHERE = """import torch
from genbench.cli import compose
from genbench.device import choose_device
print(choose_device(compose("train", []).configs[0].trainer), f"torch {torch.__version__}", sep="; ")"""
SHORT = ("data=mnist", "trainer.max_images=64", "trainer.validations=1", "logger=none")

Measured = dict[str, tuple[float, str]]  # by what it is: how much, of what


def main() -> None:
    """Measure, write, print."""
    if len(sys.argv) != 2:
        sys.exit("python -m benchmarks.since COMMIT")
    commits = [_git("rev-parse", "--short", name) for name in (sys.argv[1], "HEAD")]
    with ExitStack() as stack:
        trees = [Tree(stack, commit) for commit in commits]
        found: list[Measured] = [{} for _ in trees]
        for measure in (starting, scoring, reporting):
            for into, of in zip(found, measure(trees), strict=True):
                into.update(of)
    where = subprocess.run([sys.executable, "-c", WHERE], capture_output=True, text=True, check=True)
    text = page(found, where.stdout.strip(), commits)
    PAGE.write_text(text, encoding="utf-8")
    print(text)


class Tree:
    """The files of a commit, in a folder that goes when all is done; its processes run there."""

    def __init__(self, stack: ExitStack, commit: str) -> None:
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "tree"
        _git("worktree", "add", "--quiet", "--detach", str(self.folder), commit)
        stack.callback(_git, "worktree", "remove", "--force", str(self.folder))
        self.runs = self.folder.parent / "runs"

    def do(self, *words: str) -> tuple[float, float]:
        """Seconds of `python WORDS`, and the most bytes of memory that it took."""
        path = os.pathsep.join([str(self.folder / "src"), str(self.folder)])
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, *words],
            env={**os.environ, "PYTHONPATH": path},
            cwd=self.folder.parent,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        said = process.stderr.read() if process.stderr is not None else ""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{' '.join(words)} ended with {process.returncode}:\n{said[-2000:]}")
        return time.monotonic() - started, used.ru_maxrss * 1024


def starting(trees: Sequence[Tree]) -> list[Measured]:
    """Seconds to the first step, and of an import."""
    words = (*SHORT, "model=vae", "overwrite=true")
    commands: dict[str, Callable[[Tree], tuple[float, float]]] = {
        "`import genbench`, process included": lambda tree: tree.do("-c", "import genbench"),
        "the first training step": lambda tree: tree.do("-c", FIRST_STEP, *words, f"runs={tree.runs / 'first'}"),
    }
    found: list[Measured] = [{} for _ in trees]
    for name, command in commands.items():
        times: list[list[float]] = [[] for _ in trees]
        for turn in range(TURNS + 1):
            for of, tree in zip(times, trees, strict=True):
                seconds, _ = command(tree)
                of += [seconds] if turn else []  # the first fills the disk's cache
        for into, of in zip(found, times, strict=True):
            into[name] = statistics.median(of), "s"
    return found


def scoring(trees: Sequence[Tree]) -> list[Measured]:
    """Of trainings of their own: seconds and memory of full scorecards, and of the draws in them."""
    found: list[Measured] = [{} for _ in trees]
    for tree in trees:  # what is made once for a data set is made here
        tree.do("-m", "genbench.train", *SHORT, "model=vae", f"runs={tree.runs / 'once'}", "evaluation=full")
    for model in MODELS:
        for into, tree in zip(found, trees, strict=True):
            runs = tree.runs / model
            words = (f"model={model}", "data=mnist", "logger=none", f"trainer.max_images={IMAGES}", "evaluation=none")
            tree.do("-m", "genbench.train", *words, "trainer.validations=1", f"runs={runs}")
            (path,) = (found.parent for found in runs.glob("*/summary.json"))
            seconds, memory = tree.do("-m", "genbench.evaluate", f"run={path}")
            cost = Run(path).scorecard().cost
            if isinstance(cost, Absent):
                sys.exit(f"{path}: no cost: {cost.absent}")
            into[f"full scorecard, {model}: the command"] = seconds, "s"
            into[f"full scorecard, {model}: its memory"] = memory / 1e9, "GB"
            into[f"50,000 samples, {model}"] = 5 * cost.seconds_for_10000_samples, "s"
    return found


def reporting(trees: Sequence[Tree]) -> list[Measured]:
    """Of the page of many runs that are made up, as the tests make them."""
    found: list[Measured] = []
    for tree in trees:
        runs = tree.runs / "many"
        tree.do("-c", SYNTHETIC, str(runs))
        seconds, memory = tree.do("-m", "genbench.report", f"runs={runs}", f"out={tree.runs / 'page'}")
        name = f"report of {RUNS} runs"
        found.append({name: (seconds, "s"), f"{name}: memory of its largest process": (memory / 1e9, "GB")})
    return found


def page(found: Sequence[Measured], where: str, commits: Sequence[str]) -> str:
    """The table, in Markdown."""
    then, now = found
    lines = [
        "# Then and now",
        "",
        f"Written by `python -m benchmarks.since {commits[0]}`: {where}. The code of {commits[0]}"
        f" ({_git('show', '-s', '--format=%cs', commits[0])}) and of {commits[1]}, each thing in turn, with the same"
        f" libraries. What takes a few seconds: the median of {TURNS}; all else once. Scorecards are those of trainings"
        f" of {IMAGES:,} images of MNIST by the code that is measured, with its own default networks, five draws of"
        " 10,000 samples; what is made once"
        " for a data set is there.",
        "",
        f"| what | {commits[0]} | {commits[1]} | |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, (before, unit) in then.items():
        after, _ = now[name]
        lines.append(f"| {name} | {before:.2f} {unit} | {after:.2f} {unit} | {after / before:.2f} x |")
    return "\n".join(lines) + "\n"


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", str(HERE), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"git {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()


if __name__ == "__main__":
    main()
