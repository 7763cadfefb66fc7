"""The commands that the page recommends: what they train is scored as what is there, so that it counts with it."""

from shlex import quote

from genbench.comparison.judgement import Judgement
from genbench.comparison.ranking import Contender, Ranking
from genbench.runs.records import Cost, Estimate
from genbench.wording import word


def more_seeds_commands(judgement: Judgement, code: str | None) -> list[str]:
    """Commands that train the seeds that are missing; none if seeds are not what is missing."""
    commands = []
    for contender, seeds in judgement.missing_seeds():
        several = len(seeds) > 1
        # Configs of before may hold it, and would begin anew what this command has already trained.
        goes_on = " overwrite=false" if contender.runs[0].told.overwrite else ""
        chosen = f"'range({seeds.start},{seeds.stop})'" if several else str(seeds.start)
        commands.append(_train(contender, f"seed={chosen}{goes_on}", code, "-m " * several))
    return commands


def again_commands(judgement: Judgement, code: str | None) -> list[str]:
    """Commands that repeat the first training of each contender."""
    return [_train(contender, "overwrite=true", code) for contender in judgement.contenders]


def _train(contender: Contender, given: str, code: str | None, sweep: str = "") -> str:
    first = contender.runs[0]
    # Where the runs lie now: their config names the folder that they were trained in.
    told = [given, word("runs", str(first.path.parent)), *_sampling(contender), *_scoring(contender)]
    told += [] if code is None else [word("code", code)]
    return f"genbench train {sweep}--config-dir {quote(str(first.path))} --config-name config {' '.join(told)}"


def _sampling(contender: Contender) -> list[str]:
    """How the samples were drawn that were scored, as far as the config does not say so."""
    first = contender.runs[0]
    cost = None if first.scorecard is None else first.scorecard.cost
    options = cost.sample_options if isinstance(cost, Cost) else {}
    told = first.told.sample_options
    return [word(f"++model.sample.{name}", value) for name, value in options.items() if told.get(name) != value]


def _scoring(contender: Contender) -> list[str]:
    """By what it was scored, as far as the config does not say so: a later `evaluate` may have done it."""
    first = contender.runs[0]
    card = first.scorecard
    if card is None:
        return []
    wanted: dict[str, str | int | None] = {"level": card.level}
    if isinstance(card.model.get("nll"), Estimate):
        wanted |= {"nll_samples": card.nll_samples, "nll_images": card.nll_images}
    told = first.told.evaluation.model_dump()
    return [
        word(f"evaluation.{name}", value)
        for name, value in wanted.items()
        if value is not None and told.get(name) != value
    ]


def calibrate_command(ranking: Ranking) -> str:
    """The command that calibrates the data set of a ranking."""
    run = ranking.contenders[0].runs[0]
    root = run.data.root if run.data is not None else run.told.data.root
    words = run.told.data.model_copy(update={"root": root}).words
    return f"genbench calibrate {' '.join(word(key, value) for key, value in words.items())}"
