"""`python -m MODULE words` from an interpreter that has already imported what takes seconds: each command is a fork.

The fork has the folder, the environment, the words and the streams of a process of its own. What is read when Python
starts or a library is imported (PYTHONPATH, MPLBACKEND, ...) is not read again; a test of that starts a real process.

Run as a program this file is that interpreter: it takes a command a line on stdin and answers with its exit code.
"""

import importlib
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

AHEAD = (
    *("torch", "torchvision.utils", "torch.utils.tensorboard", "lightning.pytorch", "matplotlib.figure"),
    *("sklearn.discriminant_analysis", "scipy.stats", "hydra.main", "safetensors.torch", "altair", "jinja2"),
)


class Interpreter:
    """One warm interpreter, for one thread of tests."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(
        self, words: Sequence[str], cwd: Path, env: dict[str, str], folder: Path, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """`python -m words` in a folder and with an environment; its streams go through files in another folder.

        Raises:
            subprocess.TimeoutExpired: it took longer than so many seconds, and was killed.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise ValueError("the interpreter has no streams")
        streams = [str(folder / name) for name in ("stdout", "stderr")]
        told = {"words": list(words), "cwd": str(cwd), "env": env, "streams": streams, "timeout": timeout}
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the warm interpreter is gone")
        out, err = (Path(path).read_text(encoding="utf-8", errors="replace") for path in streams)
        if int(answer) == -14:
            raise subprocess.TimeoutExpired(list(words), timeout, out, err)
        return subprocess.CompletedProcess(list(words), int(answer), out, err)

    def close(self) -> None:
        """Let it go."""
        self._process.communicate("")


def _serve() -> None:
    for name in AHEAD:
        importlib.import_module(name)
    for line in sys.stdin:
        told = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(told)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(told: dict[str, object]) -> None:
    """Be the command, and never return."""
    import signal

    signal.alarm(int(float(str(told["timeout"]))))  # its own signal ends it when its time is over
    words, streams = told["words"], told["streams"]
    if not isinstance(words, list) or not isinstance(streams, list) or not isinstance(told["env"], dict):
        raise TypeError("a command has words, streams and an environment")
    nothing = os.open(os.devnull, os.O_RDONLY)
    files = [os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600) for path in streams]
    for number, file in enumerate([nothing, *files]):
        os.dup2(file, number)
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115  (as Python opens them)
        for number, mode in ((0, "r"), (1, "w"), (2, "w"))
    )
    os.chdir(str(told["cwd"]))
    os.environ.clear()
    os.environ.update(told["env"])
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1))
    sys.path[0] = str(Path.cwd())
    sys.argv = list(words)
    code: object = 0
    try:
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    except SystemExit as exit:
        code = exit.code
    except BaseException:  # noqa: BLE001  (as Python does)
        sys.excepthook(*sys.exc_info())
        code = 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
        code = 1
    import atexit

    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    _serve()
