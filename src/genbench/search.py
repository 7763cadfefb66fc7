"""python -m genbench.search: which settings of a model do best on the validation images."""

import sys
from dataclasses import fields

import hydra
from omegaconf import DictConfig

from genbench.config import CONF, SearchConfig, TrainConfig, preflight, user_errors
from genbench.errors import UserError
from genbench.interruption import on_signals


def main() -> None:
    """Tell search's own words from train's, check both, and search."""
    with user_errors(), on_signals():
        own = [word for word in sys.argv[1:] if _is_own(word)]
        found = preflight("search", SearchConfig, own).configs
        if not found:  # --help
            sys.argv[1:] = own
            job()
            return
        search(found[0], [word for word in sys.argv[1:] if not _is_own(word)])


def _is_own(word: str) -> bool:
    names = {item.name for item in fields(SearchConfig)}
    return word.startswith("-") or word.partition("=")[0].lstrip("+~").partition(".")[0] in names | {"hydra"}


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="search")
def job(composed: DictConfig) -> None:
    """Hydra's help."""


def search(config: SearchConfig, words: list[str]) -> None:
    """Propose, train and score until there are enough trials, then show the best.

    Args:
        config: the space, the objectives and how many trials.
        words: for genbench.train, the same for all trials.

    Raises:
        UserError: a word is wrong, or Optuna is not installed.
        Interrupted: Ctrl-C or SIGTERM; trainings under way were told to stop, and the same command goes on.
    """
    objectives = ("fcd", "coverage", "seconds")
    if not config.objectives or not set(config.objectives) <= set(objectives):
        raise UserError(f"objectives={config.objectives}: must be one or several of {', '.join(objectives)}")
    if any(word.lstrip("+").startswith("evaluation") for word in words):
        raise UserError("leave out evaluation=: a search chooses on the validation images, by evaluation=fast")
    space = check_space(config.search)
    for corner in (0, -1):  # every lowest and every highest value is one that train takes
        values = [f"{name}={bounds[corner]}" for name, bounds in space.items()]
        preflight("train", TrainConfig, [*words, *values])
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise UserError("a search needs Optuna: pip install 'genbench[search]'") from error

    from genbench.reporting.tables import stdout
    from genbench.searching.study import Search

    this = Search(config, words)
    this.run()
    for table in this.write():
        stdout().print(table)
    sys.exit(0 if this.best() else 1)


def check_space(space: dict[str, dict[str, object]]) -> dict[str, tuple[object, object]]:
    """The lowest and the highest value, or the first and the last choice, of each word.

    Raises:
        UserError: a word has neither a range nor choices.
    """
    found = {}
    for name, about in space.items():
        low, high, choices = about.get("low"), about.get("high"), about.get("choices")
        unknown = set(about) - {"low", "high", "log", "choices"}
        if unknown:
            raise UserError(f"search: {name} has {min(unknown)}: write low, high and log, or choices")
        if isinstance(choices, list) and choices:
            found[name] = (choices[0], choices[-1])
        elif isinstance(low, int | float) and isinstance(high, int | float) and low < high:
            if about.get("log") and low <= 0:
                raise UserError(f"search: {name}: with log, low must be above 0")
            found[name] = (low, high)
        else:
            raise UserError(f"search: {name} needs low < high, or a list of choices")
    if not found:
        raise UserError("search: there is nothing to search for")
    return found


if __name__ == "__main__":
    main()
