"""Commands as forks of an interpreter that has already imported what takes seconds.

A fork has the folder, the environment, the words, the streams and the process group of a process of its own. What is
read when Python starts or a library is imported (PYTHONPATH, MPLBACKEND, ...) is not read again; a test of that starts
a real process.

Run as a program this file is that interpreter. It gets a message for each command, with three descriptors, stdout,
stderr and where to say first the process's number and in the end its exit code.
"""

import atexit
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

AHEAD = (
    *("torch", "torchvision.utils", "torch.utils.tensorboard", "lightning.pytorch", "matplotlib.figure"),
    *("sklearn.discriminant_analysis", "sklearn.datasets", "scipy.stats", "hydra.main", "safetensors.torch"),
    *("altair", "jinja2", "genbench.training.engine", "genbench.models.pictures", "genbench.models.weights"),
    *("genbench.training.callbacks.alarms", "genbench.reporting.cards", "genbench.evaluation.of_run"),
    *("genbench.verbs.train", "genbench.data.optdigits", "genbench.data.folder", "genbench.models.gan"),
    *("genbench.models.vae",),
)


class Started:
    """A command that was started: what subprocess.Popen is of a process."""

    def __init__(self, words: Sequence[str], answers: int, streams: Sequence[IO[bytes]]) -> None:
        self.args = list(words)
        self.returncode: int | None = None  # minus the signal's number if one ended it
        self.seconds = 0.0  # of a processor, with those that it waited for
        self._answers = answers
        self._streams = streams
        self._said: tuple[str, ...] = ()
        self.pid = int(self._line())

    def poll(self) -> int | None:
        """The exit code if it has ended."""
        if self.returncode is None and select.select([self._answers], [], [], 0)[0]:
            self._end()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, when it has ended; TimeoutExpired if that takes more than so many seconds."""
        if self.returncode is None and not select.select([self._answers], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return self.poll() or 0

    def communicate(self, timeout: float | None = None) -> tuple[str, ...]:
        """What it has said on stdout and stderr, when it has ended; raises as `wait`."""
        self.wait(timeout)
        return self._said

    def send_signal(self, number: int) -> None:
        """To the process alone; os.killpg reaches all that it has started."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _end(self) -> None:
        code, seconds = self._line().split()
        self.returncode, self.seconds = int(code), float(seconds)
        os.close(self._answers)
        said = []
        for stream in self._streams:
            stream.seek(0)
            said.append(stream.read().decode(errors="replace"))
            stream.close()
        self._said = tuple(said)

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            more = os.read(self._answers, 1)
            if not more:
                raise RuntimeError("the warm interpreter is gone")
            line += more
        return line


class Interpreter:
    """A warm interpreter; as many commands at a time, from as many threads, as one likes."""

    def __init__(self) -> None:
        self._all: list[Started] = []
        self._socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(other.fileno())], pass_fds=[other.fileno()], start_new_session=True
            )

    def start(self, words: Sequence[str], cwd: Path, env: Mapping[str, str], powerless: bool = False) -> Started:
        """Start `python -m words`, or `python words` if they begin with -c; without root's powers if so wished."""
        told = {"words": list(words), "cwd": str(cwd), "env": dict(env), "powerless": powerless}
        answers, write = os.pipe()
        streams = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115  (it closes them when it is over)
        socket.send_fds(self._socket, [json.dumps(told).encode()], [stream.fileno() for stream in streams] + [write])
        os.close(write)
        started = Started(words, answers, streams)
        self._all.append(started)
        return started

    def run(
        self, words: Sequence[str], cwd: Path, env: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """A command to its end.

        Raises:
            subprocess.TimeoutExpired: it took longer than so many seconds, and was killed.
        """
        started = self.start(words, cwd, env)
        try:
            out, err = started.communicate(timeout)
            return subprocess.CompletedProcess(list(words), started.wait(), out, err)
        finally:
            if started.poll() is None:
                os.killpg(started.pid, signal.SIGKILL)

    @property
    def seconds(self) -> float:
        """Of a processor, which all commands that have ended took."""
        return sum(started.seconds for started in self._all)

    def close(self) -> None:
        """Let it go."""
        self._socket.close()
        self._process.wait()


@cache
def warm() -> Interpreter:
    """The one of this process, until it ends."""
    interpreter = Interpreter()
    atexit.register(interpreter.close)
    return interpreter


def _serve(messages: socket.socket) -> None:
    for name in AHEAD:
        importlib.import_module(name)
    from hydra.core.plugins import Plugins

    Plugins.instance()  # looks through all packages
    from genbench.data import ImageDataModule

    ImageDataModule("optdigits")  # what most of them train on
    gc.collect()
    gc.freeze()  # so that no fork's collector touches, and copies, what they share
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait
    while True:
        message, descriptors, _, _ = socket.recv_fds(messages, 2**20, 3)
        if not message:
            return
        if os.fork() == 0:
            messages.close()
            _wait_for(json.loads(message), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _wait_for(told: dict[str, Any], out: int, err: int, answers: int) -> None:
    """Start the command, tell of its end, and end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        os.setsid()  # before anybody can signal its group
        os.write(answers, f"{os.getpid()}\n".encode())
        os.close(answers)
        _become(told, out, err)
    _, status, used = os.wait4(child, 0)
    os.write(answers, f"{os.waitstatus_to_exitcode(status)} {used.ru_utime + used.ru_stime}\n".encode())
    os._exit(0)


def _become(told: dict[str, Any], out: int, err: int) -> None:
    """Be the command, and never return."""
    for number, file in enumerate([os.open(os.devnull, os.O_RDONLY), out, err]):
        os.dup2(file, number)
        os.close(file)
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115  (as Python opens them)
        for number, mode in ((0, "r"), (1, "w"), (2, "w"))
    )
    if told["powerless"]:
        _drop_powers()
    os.chdir(told["cwd"])
    os.environ.clear()
    os.environ.update(told["env"])
    tempfile.tempdir = None
    time.tzset()
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1))
    sys.path[0] = told["cwd"]
    sys.argv = list(told["words"])
    code: object = 0
    try:
        if sys.argv[0] == "-c":
            program = compile(sys.argv.pop(1), "<string>", "exec")
            exec(program, {"__name__": "__main__", "__builtins__": __builtins__})
        else:
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    except SystemExit as exit:
        code = exit.code
    except BaseException:  # noqa: BLE001  (as Python does)
        sys.excepthook(*sys.exc_info())
        code = 1
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # what Python does in the end, in its order
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code or 0)


def _drop_powers() -> None:
    """Let files' modes hold for root as well (Linux: no capability is left)."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3, this process
    if ctypes.CDLL(None, use_errno=True).capset(header, (ctypes.c_uint32 * 6)()):
        raise OSError(ctypes.get_errno(), "capset")


def forget_the_disk() -> None:
    """Have nothing wait until it is written: no test cuts the power, and they write thousands of small files."""
    os.fsync = lambda descriptor: None  # type: ignore[assignment]


if __name__ == "__main__":
    forget_the_disk()
    _serve(socket.socket(fileno=int(sys.argv[1])))
