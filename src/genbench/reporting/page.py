"""The report put together from its parts, and written: a page, a Markdown file with pictures, two data files."""

import io
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import vl_convert
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from PIL import Image

from genbench import __version__
from genbench.comparison.claims import findings
from genbench.comparison.curves import at_equal_budget
from genbench.comparison.judgement import Judgement, judge
from genbench.comparison.ranking import rankings
from genbench.comparison.sample import Sample
from genbench.comparison.settings import Differences, differences, environments, settings
from genbench.console import duration
from genbench.errors import UserError
from genbench.progress import advance, task
from genbench.reporting import words
from genbench.reporting.archive import write_archive
from genbench.reporting.charts import Chart, cost_charts, learning_charts, score_charts
from genbench.reporting.claims import Claim, LossRow, claims, loss_rows
from genbench.reporting.commands import again_commands, more_seeds_commands
from genbench.reporting.formats import finite, inline, number, spread
from genbench.reporting.galleries import Wanted, all_pictures, galleries
from genbench.reporting.gallery import Gallery, data_uri
from genbench.reporting.interaction import GUESSES, interaction, intervals
from genbench.reporting.needs import Answer, answers, silent_needs
from genbench.reporting.results import results, results_csv
from genbench.reporting.rulers import Ruler, rulers
from genbench.reporting.score_tables import ScoreTable, VerdictTable, score_tables, verdict_tables
from genbench.reporting.strips import Strip, strips, unclear
from genbench.runs.folder import read_folder
from genbench.runs.outputs import check_out, written
from genbench.runs.reading import RunRecord
from genbench.wording import counted, word

NAMED = 20  # of the directories that are not ranked, in what is printed


@dataclass(frozen=True)
class Part:
    """What the report says of one ranking."""

    judgement: Judgement
    title: str
    heading: str
    conditions: str
    outcome: tuple[str, ...]  # sentences after the conditions; none if there is one contender only
    answers: tuple[Answer, ...]
    rulers: tuple[Ruler, ...]
    strips: tuple[Strip, ...]
    unclear: str
    trainings: str
    remaining: str
    commands: tuple[str, ...]  # that train what is missing
    again: tuple[str, ...]  # commands that repeat a training
    note: str  # why there is no calibration, and what to do
    not_judged: str
    tables: tuple[ScoreTable, ...]
    verdicts: tuple[VerdictTable, ...]
    score_charts: tuple[Chart, ...]
    gallery: Gallery
    cost_charts: tuple[Chart, ...]
    equal_budget: tuple[tuple[str, ...], ...]
    learning_charts: tuple[Chart, ...]
    alarms: tuple[tuple[str, str], ...]  # run, alarm
    differences: Differences  # between the settings of all contenders
    environments: tuple[tuple[str, str], ...]  # what, value

    @property
    def charts(self) -> tuple[Chart, ...]:
        """All of them."""
        return self.score_charts + self.cost_charts + self.learning_charts


@dataclass(frozen=True)
class Content:
    """The whole report."""

    command: str
    made: str
    version: str
    records: tuple[RunRecord, ...]
    parts: tuple[Part, ...]
    claims: tuple[Claim, ...]
    losses: tuple[LossRow, ...]  # the paper's, and ours
    left_out: tuple[RunRecord, ...]
    noted: tuple[RunRecord, ...]

    @property
    def trainings(self) -> str:
        """How many are ranked, and of how many directories if there are others."""
        n = len(self.records)
        others = f" of {n:,} {'directory' if n == 1 else 'directories'}" if self.left_out else ""
        return counted(n - len(self.left_out), "training") + others


def write_report(
    folder: Path, out: Path, code: str | None = None, *, force: bool = False, weights: bool = False
) -> list[str]:
    """Read a folder of runs, compare them, and write index.html, report.md with figures, results.csv and results.json.

    Args:
        folder: of the runs.
        out: the folder to write to; or a .zip file, for these and the runs.
        code: the folder whose modules may be run, to draw pictures with models that are neither genbench's nor
            installed.
        force: see `check_out`.
        weights: whether large weights go into a .zip file as well.

    Returns:
        Lines to print: each data set with its headline, and the directories that are not ranked, each with a reason.

    Raises:
        UserError: there are no runs, or the folder cannot be written.
    """
    with task("reading the runs"):
        records = read_folder(folder)
    content = assemble(records, f"genbench report {_words(folder, out, code)}", code)
    light = []
    if out.suffix == ".zip":
        check_out([out], force=force)
        light = write_archive(out, _files(content), [record.path for record in records], weights=weights)
    else:
        write(content, out, force=force)
    lines = [
        f"{part.judgement.ranking.data}: {words.headline(part.judgement)}" for part in content.parts if part.outcome
    ]
    if content.left_out:
        lines.append(f"{len(content.left_out)} of {len(content.records)} directories are not ranked; the page says why")
        lines += [f"  {record.name}: {record.problems[0]}" for record in content.left_out[:NAMED]]
        lines += ["  ..."] if len(content.left_out) > NAMED else []
    if light:
        lines.append(f"without the weights of {', '.join(light)} (above 4 MiB): weights=true takes them in")
    return lines


def _words(folder: Path, out: Path, code: str | None) -> str:
    given = {"runs": str(folder), "out": str(out)} | ({} if code is None else {"code": code})
    return " ".join(word(key, value) for key, value in given.items())


def assemble(records: Sequence[RunRecord], command: str, code: str | None) -> Content:
    """Everything that the report says and shows."""
    judgements = [judge(ranking) for ranking in rankings(records)]
    shown = galleries([Wanted(judgement.ranking, judgement.contenders) for judgement in judgements], code)
    parts = [
        _part(judgement, title, pictures, code)
        for judgement, title, pictures in zip(judgements, words.titles(judgements), shown, strict=True)
    ]
    first_of_data: dict[str, Judgement] = {}
    for judgement in judgements:  # the largest ranking of a data set speaks to the claims
        first_of_data.setdefault(judgement.ranking.data, judgement)
    found = findings(list(first_of_data.values()))
    return Content(
        command,
        time.strftime("%Y-%m-%d", time.gmtime()),
        __version__,
        tuple(records),
        tuple(parts),
        tuple(claims(found)),
        tuple(loss_rows(found)),
        tuple(record for record in records if record.problems),
        tuple(record for record in records if record.notes and not record.problems),
    )


def _part(judgement: Judgement, title: str, pictures: Gallery, code: str | None) -> Part:
    ranking = judgement.ranking
    alone = len(judgement.contenders) == 1
    samples = strips(judgement, pictures)
    return Part(
        judgement,
        title,
        words.heading(judgement),
        words.conditions(judgement),
        () if alone else words.outcome(judgement),
        tuple(answers(judgement)),
        tuple(rulers(judgement)),
        tuple(samples),
        unclear(samples),
        words.trainings(judgement),
        " ".join(filter(None, [silent_needs(judgement), words.remaining(judgement)])),
        tuple(more_seeds_commands(judgement, code)),
        tuple(again_commands(judgement, code)),
        words.calibration_note(ranking),
        words.not_judged(judgement),
        tuple(score_tables(judgement)),
        tuple(verdict_tables(judgement)),
        tuple(score_charts(judgement)),
        pictures,
        tuple(cost_charts(judgement)),
        tuple(_equal_budget(judgement)),
        tuple(learning_charts(judgement)),
        tuple((run.name, alarm) for run in ranking.runs if run.summary is not None for alarm in run.summary.alarms),
        _differences(judgement),
        tuple(_environments(ranking.runs)),
    )


def _equal_budget(judgement: Judgement) -> list[tuple[str, ...]]:
    return [
        (
            f"{at.budget:,.0f} {at.unit}",
            at.contender,
            *(_over_seeds(sample, judgement.seeds[at.contender]) for sample in at.samples.values()),
        )
        for at in at_equal_budget(judgement.contenders)
    ]


def _over_seeds(sample: Sample | None, seeds: int) -> str:
    """Mean and sd, and over how many seeds where not over all."""
    return spread(sample) + (f" ({sample.n} of {seeds} seeds)" if sample is not None and sample.n < seeds else "")


def _differences(judgement: Judgement) -> Differences:
    of = judgement.ranking.contenders
    return differences([c.runs[0].model_title for c in of], [settings(c.runs[0]) for c in of])


def _environments(runs: Sequence[RunRecord]) -> list[tuple[str, str]]:
    """Versions, devices and commits, each with all its values over the runs."""
    return [
        (key, next(iter(found)) if len(found) == 1 else "; ".join(f"{text} ({n} runs)" for text, n in found.items()))
        for key, found in environments(runs).items()
    ]


def write(content: Content, out: Path, *, force: bool = False) -> None:
    """All files of the report, each whole.

    Raises:
        UserError: one cannot be written, or would be written over a file that genbench did not make.
    """
    try:
        (out / "figures").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"out={out}: cannot be written ({error.strerror})") from error
    files = {out / name: text for name, text in _files(content).items()}
    check_out(files, force=force)
    for path, text in files.items():
        with written(path) as temporary:
            temporary.write_bytes(text)


def _files(content: Content) -> dict[str, bytes]:
    """What the report consists of, by name."""
    environment = _templates()
    of_charts = {}
    charts = [chart for part in content.parts for chart in part.charts]
    with task("drawing the charts", len(charts)):
        for chart in charts:
            of_charts[chart.name] = chart_png(chart)
            advance()
    environment.globals["picture_of"] = lambda chart: data_uri(of_charts[chart.name])
    pictures = {picture.name: picture.png for picture in all_pictures([part.gallery for part in content.parts])}
    pictures |= {
        strip.picture.name: strip.picture.png for part in content.parts for strip in part.strips if strip.picture
    }
    judgements = [part.judgement for part in content.parts]
    found = results(content.version, content.command, judgements, content.claims, content.records)
    return {
        "index.html": _page(environment, content).encode(),
        **{f"figures/{name}.png": picture for name, picture in (pictures | of_charts).items()},
        "report.md": environment.get_template("report.md.jinja").render(content=content).encode(),
        "results.json": (json.dumps(found, indent=1, allow_nan=False) + "\n").encode(),
        "results.csv": results_csv(content.records).encode(),
    }


def _templates() -> Environment:
    loader = PackageLoader("genbench.reporting")
    environment = Environment(
        loader=loader,
        autoescape=select_autoescape(["html", "jinja"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": True, "allow_nan": False}
    environment.filters |= {
        "number": number,
        "duration": duration,
        "md": _markdown,
        "inline": inline,
        "fenced": _fenced,
    }
    environment.globals |= {"word": word}
    environment.globals["source"] = lambda name: Markup(loader.get_source(environment, name)[0])  # of a style or script
    return environment


@cache
def _vega() -> str:
    """The script that draws charts; made in a second."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", "<\\/script")


def _page(environment: Environment, content: Content) -> str:
    return environment.get_template("page.html.jinja").render(
        content=content,
        vega=Markup(_vega()),
        charts={chart.name: chart.specification for part in content.parts for chart in part.charts},
        interaction=finite(
            {
                "parts": [
                    interaction(part.title, part.judgement.ranking, part.gallery, part.charts) for part in content.parts
                ],
                "guesses": GUESSES,
                "intervals": intervals(),
            }
        ),
    )


def chart_png(chart: Chart) -> bytes:
    """The chart as a picture with its title, for Markdown."""
    specification = {**chart.specification, "width": 460, "title": chart.title, "background": "white"}
    drawn = Image.open(io.BytesIO(vl_convert.vegalite_to_png(specification, scale=1.5)))
    buffer = io.BytesIO()
    drawn.convert("RGB").save(buffer, "PNG", optimize=True)  # in full colour: it has a meaning
    return buffer.getvalue()


def _fenced(text: str) -> Markup:
    """Text as a block of code, to the letter: its fence is longer than any within."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return Markup(f"{fence}\n{text}\n{fence}")


def _markdown(text: object) -> Markup:
    """Text that neither Markdown nor HTML takes for a mark of its own; one line."""
    line = " ".join(str(text).split())
    for mark in "\\`*_[]<>|#~":
        line = line.replace(mark, {"<": "&lt;", ">": "&gt;"}.get(mark, "\\" + mark))
    return Markup(line)
