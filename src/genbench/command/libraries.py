"""A library that does not start, in one line that names the environment variable to blame.

PyTorch and its kin read hundreds of variables while they are imported, and raise whatever comes of a wrong one.
"""

import linecache
import os
import re
import subprocess
import sys
import sysconfig
import traceback
from collections.abc import Sequence
from pathlib import Path

from genbench.errors import UserError

_ALLOCATOR = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_HIP_ALLOC_CONF")
_NAMED = 3  # variables at most
_PACKAGE = Path(__file__).resolve().parents[1]
_LIBRARIES = [Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib", "stdlib")]


def check_variables() -> None:
    """Refuse what would end this process while PyTorch is imported, or keep it there for ever, without an exception.

    Raises:
        UserError: a variable of the environment is not what GNU's OpenMP or PyTorch's allocator can read.
    """
    given = os.environ.get("GOMP_CPU_AFFINITY", "")
    if re.fullmatch(r"[\s,]*(\d{1,5}(-\d{1,5}(:\d{1,5})?)?([\s,]+|$))*", given) is None:
        raise UserError(f"GOMP_CPU_AFFINITY={given}: is no list of processors, such as 0 3 1-2; unset it")
    told = [f"{name}={os.environ[name]}" for name in _ALLOCATOR if os.environ.get(name)]
    words = [sys.executable, "-P", "-c", "import torch"]  # -P: and no torch.py of the current folder
    if told and subprocess.run(words, capture_output=True, check=False).returncode:
        raise UserError(f"{' '.join(told)}: with this PyTorch cannot be imported; unset it")


def not_imported(error: BaseException) -> str | None:
    """What to say of an error that a library raised while it was imported; None for any other error."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [i for i, frame in enumerate(frames) if Path(frame.filename).resolve().is_relative_to(_PACKAGE)]
    theirs = frames[ours[-1] + 1 :] if ours else frames
    importing = [library for frame in theirs if frame.name == "<module>" and (library := _library(frame.filename))]
    if not importing:
        return None
    said = (str(error).strip().splitlines() or [""])[0]
    what = f"{importing[0]} cannot be imported ({type(error).__name__}: {said})"
    blamed = _variables(theirs, said)
    if not blamed:
        return str(UserError(f"{what}: install it anew"))
    has = ", ".join(f"{name}={os.environ[name]}" for name in blamed[:_NAMED])
    return str(UserError(f"{what}: the environment has {has}{' and others' * (len(blamed) > _NAMED)}; unset it"))


def _library(file: str) -> str:
    """The package that a file belongs to; empty if it is nobody's."""
    path = Path(file).resolve()  # as the folders are: an environment may be reached by a link
    for folder in _LIBRARIES:
        if path.is_relative_to(folder):
            return path.relative_to(folder).parts[0].removesuffix(".py")
    return ""


def _variables(frames: Sequence[traceback.FrameSummary], said: str) -> list[str]:
    """Variables that the lines where it happened name, or whose value the error repeats, those of these files first."""
    lines = [
        linecache.getline(frame.filename, number)
        for frame in frames
        for number in range(frame.lineno or 0, (frame.end_lineno or frame.lineno or 0) + 1)
    ]
    named = {*os.environ} & _words([*lines, said])
    quoted = {name for name, value in os.environ.items() if value and repr(value) in said}
    said_at_all = {name for name, value in os.environ.items() if value and _says(said, value)}
    near = said_at_all & _words([line for frame in frames for line in linecache.getlines(frame.filename)])
    return sorted(named & quoted or named or near or quoted)


def _says(said: str, value: str) -> bool:
    """Whether a value stands in a message, and not as a part of a longer word."""
    return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", said) is not None


def _words(lines: Sequence[str]) -> set[str]:
    return {word for line in lines for word in re.findall(r"[A-Za-z]\w+", line)}
