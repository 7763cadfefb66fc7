"""Where the numbers of a page are from, and which words its command may be given."""

import sys
from collections.abc import Iterable, Sequence

from genbench.runs.directory import Run


def made_on(runs: Iterable[Run]) -> str:
    """Devices, precisions and PyTorch's versions of trainings, whoever writes of them: each once."""
    environments = [run.environment() for run in runs]
    found = {f"{of.accelerator} ({of.device}), {of.precision}; torch {of.packages['torch']}" for of in environments}
    return " and ".join(sorted(found))


def launcher_words(words: Sequence[str]) -> list[str]:
    """Words of the sweep's launcher; any other would train what the page does not show: it ends the program."""
    for word in words:
        if not word.lstrip("+").startswith(("hydra/", "hydra.")):
            sys.exit(f"{word}: only words of the launcher (hydra/launcher=cores, hydra.launcher.n_jobs=4) can be given")
    return list(words)
