"""The command `genbench VERB key=value ...`, and the same for `python -m genbench.train` and its siblings.

The words are composed and checked once (command/composition.py), and what was checked is what is run.
"""

import ast
import inspect
import io
import os
import pkgutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from genbench import __version__, cores, memory, verbs
from genbench.command import composition
from genbench.command.composition import CommandLine, check
from genbench.command.libraries import check_variables, not_imported
from genbench.console import unread
from genbench.errors import UserError, refused_by_system
from genbench.interruption import Interrupted, on_signals
from genbench.wording import nearest

__all__ = ["CommandLine", "check", "compose", "main", "user_errors", "verb_names"]


def main(verb: str | None) -> None:
    """Do what the command line of this process says.

    Args:
        verb: train, sample, ...; None: the first word says it.
    """
    begun = cores.look()
    os.environ["MPLBACKEND"] = "agg"  # a notebook's shell names another, which may not be there; nothing opens a window
    memory.settle()
    if not _imports_from_here():  # nor do the workers that libraries start, which would begin with this folder
        os.environ["PYTHONSAFEPATH"] = "1"
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # where the locale has no letter for a path's
    with user_errors():
        words = sys.argv[1:]
        if verb is None and (not words or words[0] in ("-h", "--help")):
            print(overview())
        elif "--version" in words:
            print(f"genbench {__version__}")
        elif verb is None and words[0] == "completion":
            from genbench.command import completion

            completion.answer(words[1:], verb_names())
        else:
            verb, words = (words[0], words[1:]) if verb is None else (verb, words)
            _do(verb, words, begun)


def _imports_from_here() -> bool:
    """Whether this process takes modules from the current folder, as python -m does, and the command does not."""
    try:
        return bool({"", str(Path.cwd())} & set(sys.path))
    except OSError:  # it was deleted
        return False


def compose(verb: str, words: Sequence[str]) -> CommandLine[Any]:
    """What a verb's words ask for, checked: one config a job, of the type that the verb's `run` takes.

    Raises:
        UserError: there is no such verb, or a word is wrong; nothing was created.
    """
    return composition.compose(verb, schema_of(module_of(verb)), words)


def verb_names() -> list[str]:
    """Every verb: a module in verbs/."""
    return sorted(found.name for found in pkgutil.iter_modules(verbs.__path__))


def module_of(verb: str) -> ModuleType:
    """A verb's module.

    Raises:
        UserError: there is none.
    """
    names = verb_names()
    if verb not in names:
        wrong = f"{verb}: there is no such verb{nearest(verb, names)}"
        raise UserError(f"{wrong}; write genbench VERB key=value, with VERB one of {', '.join(names)}")
    return import_module(f"genbench.verbs.{verb}")


def schema_of(module: ModuleType) -> Any:
    """What a verb may be told: the type that its `run` takes."""
    (parameter,) = inspect.signature(module.run).parameters.values()
    return parameter.annotation


def overview() -> str:
    """The verbs, a line each."""
    # Not imported, each with what it needs: only the first line of its text is wanted.
    sources = {name: Path(verbs.__path__[0]) / f"{name}.py" for name in verb_names()}
    lines = {name: ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "" for name, path in sources.items()}
    return "\n".join(
        [
            "GAN or VAE? Both trained under one protocol on your small images, and scored with calibrated numbers.",
            "",
            "  genbench VERB key=value ...",
            "",
            *(f"  {name:<10} {text.splitlines()[0]}" for name, text in lines.items()),
            "",
            "genbench VERB --help says what each can be told. Completion of words with the tab key:",
            '  bash, zsh: eval "$(genbench completion bash)"  (or zsh)      fish: genbench completion fish | source',
        ]
    )


def _do(verb: str, words: Sequence[str], begun: cores.Look | None) -> None:
    module = module_of(verb)
    line = compose(verb, words)
    if line.asks is not None:
        from genbench.command import helping

        helping.answer(verb, schema_of(module), inspect.getdoc(module) or "", line.asks)
        return
    check_variables()
    busy = cores.fit_threads(begun)
    if busy:
        print(f"genbench: {busy}", file=sys.stderr, flush=True)
    from genbench.console import stdout
    from genbench.progress import shown

    with shown(stdout()):
        if line.sweep:
            module.sweep(line)
        else:
            module.run(line.configs[0])


@contextmanager
def user_errors() -> Iterator[None]:
    """A user's mistake ends the process with one line on stderr and exit code 2, a signal with 128 + its number.

    So does what the system does not give: a file that may not be read or written, memory. Where nobody reads what is
    said any more (`| head -1`), it ends quietly.
    """
    try:
        with on_signals():
            yield
            print(end="", flush=True)  # now, not when Python ends and nobody catches what it raises
    except UserError as error:
        _end(2, str(error))
    except Interrupted as error:
        _end(128 + error.number, f"interrupted by {error}; {error.advice}")
    except BrokenPipeError:
        _end(128 + signal.SIGPIPE)
    except Exception as error:
        refusal = refused_by_system(error) or not_imported(error)
        if refusal is None:
            raise
        _end(2, refusal)


def _end(code: int, said: str = "") -> NoReturn:
    """End the process, in whatever state its streams are."""
    try:
        if said:
            print(f"genbench: {said}", file=sys.stderr)
        print(end="", flush=True)
    except BrokenPipeError:
        unread()
    sys.exit(code)
