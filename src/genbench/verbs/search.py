"""Search for good settings: each trial is an ordinary training, scored on the validation images.

genbench search search=vae data=mnist trainer.max_minutes=1 trials=20
genbench search search=gan data=fashion objectives=fcd,seconds workers=2 out=search/fashion

Every other word is given to genbench train.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from genbench.command.composition import compose
from genbench.config.train import TrainConfig
from genbench.config.verbs import SearchConfig
from genbench.console import stdout
from genbench.errors import UserError
from genbench.interruption import on_signals
from genbench.searching.objectives import directions
from genbench.wording import written as as_word


def run(config: SearchConfig) -> None:
    """Propose, train and score until there are enough trials, then show the best.

    Raises:
        UserError: a word is wrong, or Optuna is not installed.
        Interrupted: Ctrl-C or SIGTERM; trainings under way were told to stop, and the same command goes on.
    """
    known = directions()
    if not config.objectives or not set(config.objectives) <= set(known):
        raise UserError(f"objectives={','.join(config.objectives)}: must be one or several of {', '.join(known)}")
    if any(word.lstrip("+").startswith("evaluation") for word in config.words):
        raise UserError("leave out evaluation=: a search chooses on the validation images, by evaluation=fast")
    if any(word.startswith(("hydra/", "hydra.")) for word in config.words):
        raise UserError("leave out hydra's words: workers=N trains several at a time")
    space = check_space(config.search)
    for word in config.words:  # or the space's would silently win
        key = word.partition("=")[0].lstrip("+~")
        if key in space:
            raise UserError(f"{key}: search= looks for it: leave it out, or take another search= (search=gan, say)")
    for i in range(max(map(len, space.values()))):  # each of these values is one that train takes
        values = {name: found[min(i, len(found) - 1)] for name, found in space.items()}
        one_training([*config.words, *(f"{name}={as_word(value)}" for name, value in values.items())])
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise UserError("a search needs Optuna: pip install 'genbench[search]'") from error

    from genbench.searching.study import Search

    with on_signals():
        this = Search(config)
        this.run()
        for table in this.write():
            stdout().print(table)
    sys.exit(0 if this.best() else 1)


def one_training(words: Sequence[str]) -> TrainConfig:
    """What a training is told by these words.

    Raises:
        UserError: a word is wrong.
    """
    return compose("train", TrainConfig, words).configs[0]


def check_space(space: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[object, ...]]:
    """The lowest and the highest value, or the choices, of each word.

    Raises:
        UserError: a word has neither a range nor choices.
    """
    found: dict[str, tuple[object, ...]] = {}
    for name, about in space.items():
        low, high, choices = about.get("low"), about.get("high"), about.get("choices")
        unknown = set(about) - {"low", "high", "log", "choices"}
        if unknown:
            raise UserError(f"search: {name} has {min(unknown)}: write low, high and log, or choices")
        if "choices" in about and len(about) > 1:
            raise UserError(f"search: {name} has choices and a range: give one of them")
        if isinstance(choices, list) and choices:
            found[name] = tuple(choices)
        elif "choices" in about:
            raise UserError(f"search: {name}: choices must be a list of some values")
        elif isinstance(low, int | float) and isinstance(high, int | float) and low < high:
            if about.get("log") and low <= 0:
                raise UserError(f"search: {name}: with log, low must be above 0")
            found[name] = (low, high)
        else:
            raise UserError(f"search: {name} needs low < high, or a list of choices")
    if not found:
        raise UserError("search: there is nothing to search for")
    return found
