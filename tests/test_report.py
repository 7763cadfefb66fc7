"""The report verb: what it writes, that it tells the truth about every directory, and every mistake in one line."""

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from genbench.cli import compose
from genbench.errors import UserError
from genbench.reporting.page import _fenced
from genbench.runs.records import Score
from genbench.verbs.report import run as report
from genbench.wording import word
from tests.conftest import Command
from tests.reporting.synthetic import CODE, calibrate_in, config_of, run_of, synthetic_run, three_models

HOSTILE = "<script>alert(1)<script>"  # a folder's name cannot hold a slash
HOSTILE_TEXT = "<script>alert(1)</script>"


def report_as_told(*words: str) -> None:
    (config,) = compose("report", words).configs
    report(config)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache with a calibration of optdigits."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = tmp_path_factory.mktemp("cache")
        calibrate_in(folder, monkeypatch)
        yield folder


@pytest.fixture(scope="module")
def four(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two good runs, a broken directory and a hostile name; report.md and the rest in out."""
    folder = tmp_path_factory.mktemp("four")
    runs = folder / "runs"
    synthetic_run(runs, "gan", 0, weights=True)
    synthetic_run(runs, "vae", 0, weights=True)
    (runs / "broken").mkdir()
    (runs / "broken" / "status.json").write_text("{", encoding="utf-8")
    hostile = synthetic_run(runs, "gan", 1, name=HOSTILE)
    hostile.set_status("failed", HOSTILE_TEXT)
    report_as_told(f"runs={runs}", f"out={folder / 'out'}")
    return folder / "out"


@pytest.fixture(scope="module")
def seven(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models of several settings each."""
    folder = tmp_path_factory.mktemp("seven")
    three_models(folder / "runs")
    report_as_told(f"runs={folder / 'runs'}", f"out={folder / 'out'}", f"code={CODE}")
    return folder / "out"


@pytest.mark.slow
def test_the_truth_about_two_runs_a_broken_directory_and_a_hostile_name(four: Path) -> None:
    page = (four / "index.html").read_text(encoding="utf-8")
    content = json.loads((four / "results.json").read_text(encoding="utf-8"))
    by_name = {run["run"]: run for run in content["runs"]}
    assert len(by_name) == 4
    assert [run["problems"] for run in content["runs"] if run["state"] == "finished"] == [[], []]
    assert by_name["broken"]["state"] == "unreadable"
    assert by_name[HOSTILE]["problems"] == [f"failed: {HOSTILE_TEXT}"]
    (ranking,) = content["rankings"]
    seeds = {contender["label"]: contender["seeds"] for contender in ranking["contenders"]}
    assert seeds == {"GAN": [0], "VAE": [0]}  # the failed one is not among them, though it has scores
    assert {verdict["better"] for verdict in ranking["verdicts"]} == {"undecided"}
    assert {tuple(verdict["contenders"]) for verdict in ranking["verdicts"]} == {("GAN", "VAE")}
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page
    assert "status.json cannot be read" in page
    markdown = (four / "report.md").read_text(encoding="utf-8")
    assert "broken: status.json cannot be read" in markdown
    assert "<script>" not in markdown
    with (four / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["run"] for row in rows} == set(by_name)
    assert {row["ranked"] for row in rows if row["run"] == HOSTILE} == {"no"}


@pytest.mark.slow
@pytest.mark.parametrize("page", ["four", "seven"])
def test_every_picture_of_the_markdown_exists(page: str, request: pytest.FixtureRequest) -> None:
    four: Path = request.getfixturevalue(page)
    text = (four / "report.md").read_text(encoding="utf-8")
    names = [part.split(")")[0] for part in text.split("](figures/")[1:]]
    assert len(names) > 8
    assert text.count("scores in the features of a classifier") == 1
    assert all((four / "figures" / name).is_file() for name in names)
    assert all(line.count("|") == lines[0].count("|") for lines in _tables(text) for line in lines)


def _tables(text: str) -> list[list[str]]:
    """Groups of adjoining lines of Markdown tables, without escaped bars."""
    groups: list[list[str]] = [[]]
    for line in text.replace("\\|", "").splitlines():
        if line.startswith("|"):
            groups[-1].append(line)
        elif groups[-1]:
            groups.append([])
    return [group for group in groups if group]


@pytest.mark.slow
def test_a_page_of_three_models_with_several_settings_each(seven: Path) -> None:
    page = (seven / "index.html").read_text(encoding="utf-8")
    content = json.loads((seven / "results.json").read_text(encoding="utf-8"))
    (ranking,) = content["rankings"]
    labels = [contender["label"] for contender in ranking["contenders"]]
    assert labels[0] == "Flow matching, width 32"
    assert labels[-1] == "VAE, latent size 8, learning rate 0.002"
    assert ranking["not_judged"] == []
    assert len({tuple(verdict["contenders"]) for verdict in ranking["verdicts"]}) == 21
    assert ranking["standings"]["diversity"]["standing"] == (
        "best: Flow matching (width 64); then Flow matching (width 32); then all GAN settings; then all VAE settings"
    )
    answers = page.partition('<table class="answers">')[2].partition("<tbody>")[2].partition("</tbody>")[0]
    assert answers.count("<tr>") == 6  # an answer a need, and the cost
    answer = page.partition('<section id="claims"')[0]
    said = re.sub(r"<pre>.*?</pre>", "", answer, flags=re.DOTALL)  # commands name directories, which have hashes
    assert not [contender for contender in ranking["contenders"] if contender["variant"] in said]
    assert "other model" not in page
    assert "64 samples of Flow matching (width 32)" in page
    assert "which of 7 settings of Flow matching, GAN and VAE?" in page


@pytest.mark.slow
def test_the_process_says_the_answer_and_exits_with_2_on_a_mistake(command: Command, tmp_path: Path) -> None:
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = command("genbench.report", "runs=nowhere", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "genbench: runs=nowhere: there is no such folder\n"
    assert list(tmp_path.iterdir()) == []
    run = synthetic_run(tmp_path / "runs", "vae", 0)
    shutil.copytree(run.path, tmp_path / "runs" / "copy")
    done = command("genbench.report", cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    why = f"copy: it has the settings and seed of {run.path.name}: they count once"
    said = ["1 of 2 directories are not ranked; the page says why", f"  {why}", "report/index.html"]
    # Where it takes more than ten seconds there is a line on how far it is.
    assert [line for line in done.stdout.splitlines() if " left  " not in line] == said
    assert why.replace("_", "\\_") in (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "there is one model only (VAE)" in (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "genbench calibrate data=optdigits" in (tmp_path / "report" / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["runs=nowhere"], "runs=nowhere: there is no such folder"),
        (["runs={empty}"], "there is no run in this folder"),
        (["runs={run}"], "is one run: give the folder that holds it"),
        (["runs={empty}", "out={file}"], "is a file; give a folder"),
        (["runs={empty}", "out=no/such"], "there is no folder no"),
        (["runs={runs}", "out={run}"], "is a run's directory"),
        (["ruins=runs"], "ruins: there is no such key; did you mean runs?"),
        (["runs=null"], "runs=null: must be text"),
        (["-m", "runs=a,b"], "leave out -m"),
    ],
)
def test_a_mistake_is_answered_in_one_line(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {"empty": tmp_path / "empty", "runs": tmp_path / "runs", "file": tmp_path / "file"}
    places["run"] = synthetic_run(places["runs"], "vae", 0).path
    places["empty"].mkdir()
    places["file"].write_text("", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        report_as_told(*(word.format(**places) for word in words))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "report").exists()


@pytest.mark.slow
def test_200_runs(cache: Path, tmp_path: Path) -> None:
    """Below 1 GB to make, below 5 MB, with torch's CUDA build (its CPU build is smaller)."""
    for seed in range(10):
        for latent in range(2, 12):
            for model in ("gan", "vae"):
                synthetic_run(tmp_path / "runs", model, seed, f"model.latent_size={latent}", weights=seed == 0)
    words = [f"runs={tmp_path / 'runs'}", f"out={tmp_path / 'out'}"]
    measured = (
        "import resource, subprocess, sys\n"
        "subprocess.run([sys.executable, '-m', 'genbench.report', *sys.argv[1:]], check=True, stdout=sys.stderr)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", measured, *words], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    peak = int(done.stdout) / 2**10  # MiB, of the largest process; Linux counts in KiB
    size = (tmp_path / "out" / "index.html").stat().st_size / 1e6
    print(f"200 runs: at most {peak:.0f} MiB, {size:.2f} MB")
    assert peak < 1024
    assert size < 5


UNGUARDED = """
import sys
from pathlib import Path

from genbench.reporting.page import write_report

print("begun", flush=True)
write_report(Path(sys.argv[1]), Path(sys.argv[2]))
print([name for name in ("torch", "lightning", "matplotlib", "pandas") if name in sys.modules])
"""


@pytest.mark.slow
def test_a_script_of_ones_own_runs_once_and_without_torch(cache: Path, four: Path, tmp_path: Path) -> None:
    """It takes most of a gigabyte; pictures are drawn in a process of its own."""
    (tmp_path / "script.py").write_text(UNGUARDED, encoding="utf-8")  # without `if __name__ == "__main__"`
    words = [sys.executable, str(tmp_path / "script.py"), str(four.parent / "runs"), str(tmp_path / "page")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=300)
    assert (done.returncode, done.stdout) == (0, "begun\n[]\n"), done.stderr
    assert (tmp_path / "page" / "figures" / "optdigits-VAE-samples.png").is_file()


@pytest.mark.slow
def test_a_library_that_its_pictures_need_and_cannot_be_imported_is_named(
    command: Command, four: Path, tmp_path: Path
) -> None:
    """The process that draws finds out, and this one says it."""
    words = (f"runs={four.parent / 'runs'}", f"out={tmp_path / 'page'}")
    done = command("genbench.report", *words, env=os.environ | {"TORCH_LOGS": "nonsense"}, cwd=tmp_path, fresh=True)
    assert done.returncode == 2
    assert done.stderr.startswith("genbench: torch cannot be imported"), done.stderr
    assert "TORCH_LOGS=nonsense; unset it" in done.stderr
    assert not (tmp_path / "page").exists()


NAMES = ["GAN", "GAN+", "GAN*", "☆", "模型" * 50]


def json_of(page: str, name: str) -> Any:
    """What the page's scripts read, as strictly as they do."""

    def refused(word: str) -> float:
        raise ValueError(f"{word} is no JSON")

    text = page.partition(f'id="{name}">')[2].partition("</script>")[0]
    return json.loads(text, parse_constant=refused)


@pytest.mark.slow
def test_a_page_of_odd_names_and_of_what_is_no_number(cache: Path, tmp_path: Path) -> None:
    """Files overwrote each other or could not be written; NaN stopped every script; the command was not the command."""
    runs = tmp_path / "my `runs` (old)"
    for i, title in enumerate(NAMES):
        config = config_of("vae", 0, "optdigits", f"model.latent_size={i + 2}")
        run = run_of(runs, config.model_copy(update={"model": {**config.model, "title": title}}), weights=True)
    scores = run.scorecard()
    space = scores.spaces["classifier"]
    assert isinstance(space, dict)
    none = Score(mean=float("nan"), sd=None, n=257, draws=1)
    spaces = {**scores.spaces, "classifier": {**space, "fcd": none, "c2st_linear": none}}
    run.write_scorecard(scores.model_copy(update={"spaces": spaces}))
    (runs / "figures").mkdir()
    (runs / "figures" / "status.json").write_text("{", encoding="utf-8")
    report_as_told(*shlex.split(word("runs", str(runs))), f"out={tmp_path / 'out'}")
    markdown = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert len(list((tmp_path / "out" / "figures").glob("*-samples.png"))) == len(NAMES)
    assert len({name for name in json_of(page, "charts") if name.endswith("-losses")}) == len(NAMES)
    told_apart = [exhibit["told_apart"] for exhibit in json_of(page, "interaction")["parts"][0]["exhibits"]]
    assert sum(value is None for value in told_apart) == 1
    assert "5 trainings of 6 directories, made " in markdown
    assert "5 trainings of 6 directories, made " in page
    (command,) = [line for line in markdown.splitlines() if line.startswith("genbench report ")]
    (config,) = compose("report", shlex.split(command)[2:]).configs
    assert config.runs == str(runs)


def test_a_fence_is_longer_than_any_within() -> None:
    assert _fenced("genbench 'a'") == "```\ngenbench 'a'\n```"
    assert _fenced("a ```` b") == "`````\na ```` b\n`````"
