"""The report verb: what it writes, that it tells the truth about every directory, and every mistake in one line."""

import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genbench.config import ReportConfig, preflight
from genbench.errors import UserError
from genbench.report import report
from genbench.reporting.duels import REAL, SCORES
from genbench.reporting.inputs import rankings, read_records
from tests.conftest import Command
from tests.reporting.synthetic import EXTRACTORS, synthetic_calibration, synthetic_run

HOSTILE = "<script>alert(1)<script>"  # a folder's name cannot hold a slash
HOSTILE_TEXT = "<script>alert(1)</script>"


def report_as_told(*words: str) -> None:
    (config,) = preflight("report", ReportConfig, words).configs
    report(config)


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two good runs, a broken directory and a hostile name; report.md and the rest in out."""
    folder = tmp_path_factory.mktemp("four")
    runs = folder / "runs"
    synthetic_run(runs, "gan", 0, weights=True)
    synthetic_run(runs, "vae", 0, weights=True)
    (runs / "broken").mkdir()
    (runs / "broken" / "status.json").write_text("{", encoding="utf-8")
    hostile = synthetic_run(runs, "gan", 1, name=HOSTILE)
    hostile.set_status("failed", HOSTILE_TEXT)
    synthetic_calibration(folder / "calibration")
    report_as_told(f"runs={runs}", f"out={folder / 'out'}", f"calibration={folder / 'calibration'}")
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
    (duel,) = ranking["duels"]
    assert duel["seeds"] == [1, 1]  # the failed one is not among them, though it has scores
    assert {verdict["better"] for verdict in duel["verdicts"]} == {"undecided"}
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
def test_every_picture_of_the_markdown_exists(four: Path) -> None:
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
def test_the_process_says_the_answer_and_exits_with_2_on_a_mistake(command: Command, tmp_path: Path) -> None:
    done = command("genbench.report", "runs=nowhere", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "genbench: runs=nowhere: there is no such folder\n"
    assert list(tmp_path.iterdir()) == []
    synthetic_run(tmp_path / "runs", "vae", 0)
    done = command("genbench.report", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "report/index.html\n"
    assert "There is one model only (VAE)" in (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "There is no calibration of optdigits" in (tmp_path / "report" / "report.md").read_text(encoding="utf-8")


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


def test_every_kind_of_broken_run_is_named_with_its_reason(tmp_path: Path) -> None:
    def broken(name: str, file: str, content: str | None) -> None:
        run = synthetic_run(tmp_path, "vae", 0, name=name)
        (run.path / file).unlink()
        if content is not None:
            (run.path / file).write_text(content, encoding="utf-8")

    broken("a", "scores.json", None)
    broken("b", "scores.json", "[]")
    broken("c", "scores.json", '{"protocol": 1, "level": "full", "data": "x", "extractors": {}, "cost": {}}')
    broken("d", "summary.json", None)
    broken("e", "summary.json", '{"train_seconds": "long"}')
    broken("f", "config.yaml", "nonsense: [")
    broken("g", "config.yaml", "model: 3")
    broken("h", "status.json", None)
    broken("i", "metrics.csv", "images,loss\nmany,few\n")
    broken("j", "environment.json", "{")
    synthetic_run(tmp_path, "vae", 0, name="k").set_status("interrupted", "SIGTERM")
    synthetic_run(tmp_path / "l", "vae", 0)
    (tmp_path / ".sweeps").mkdir()
    found = {record.name: record for record in read_records(tmp_path)}
    assert set(found) == set("abcdefghijkl")
    for name, reason in {
        "a": "not scored yet: python -m genbench.evaluate run=",
        "b": "scores.json cannot be read",
        "c": "scores.json cannot be read (KeyError: 'spaces')",
        "d": "summary.json is missing",
        "e": "summary.json cannot be read",
        "f": "config.yaml cannot be read",
        "g": "config.yaml is not one of this version",
        "h": "no status.json",
        "k": "interrupted: SIGTERM",
        "l": "a folder of runs of its own",
    }.items():
        assert reason in found[name].problems[0]
        assert "\n" not in found[name].problems[0]
    for name, note in {"i": "metrics.csv cannot be read", "j": "environment.json cannot be read"}.items():
        assert found[name].problems == ()
        assert note in found[name].notes[0]


def test_other_extractors_or_protocols_are_never_in_one_ranking(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for seed in range(3):
        synthetic_run(runs, "gan", seed)
    synthetic_run(runs, "vae", 0, extractors=EXTRACTORS | {"classifier": "f" * 16})
    other = synthetic_run(runs, "vae", 1)
    other.write_json("scores.json", other.read_json("scores.json") | {"protocol": 2})
    fast = synthetic_run(runs, "vae", 2)
    fast.write_json("scores.json", fast.read_json("scores.json") | {"level": "fast"})
    records = read_records(runs)
    ranked = rankings(records, synthetic_calibration(tmp_path / "calibration"))
    assert [ranking.seeds for ranking in ranked] == [3, 1, 1]
    assert [ranking.name for ranking in ranked] == ["optdigits", "optdigits-2", "optdigits-3"]
    assert [ranking.calibration is not None for ranking in ranked] == [True, False, False]
    assert {"It is not used" in ranking.note for ranking in ranked[1:]} == {True}
    (fast_record,) = [record for record in records if record.path == fast.path]
    assert fast_record.problems[0].startswith("scored by evaluation=fast")


def test_the_scores_are_those_of_the_evaluation() -> None:
    from genbench.evaluation import calibration

    assert calibration.REAL == REAL
    assert {score: about.lower_is_better for score, about in SCORES.items()} == {
        score: way > 0 for score, way in calibration.WORSE.items()
    }


@pytest.mark.slow
def test_200_runs(tmp_path: Path) -> None:
    """Below 60 s and 1 GB to make, below 5 MB, on two cores with torch's CUDA build (its CPU build is smaller)."""
    for seed in range(10):
        for latent in range(2, 12):
            for model in ("gan", "vae"):
                synthetic_run(tmp_path / "runs", model, seed, f"model.latent_size={latent}", weights=seed == 0)
    synthetic_calibration(tmp_path / "calibration")
    words = [f"runs={tmp_path / 'runs'}", f"out={tmp_path / 'out'}", f"calibration={tmp_path / 'calibration'}"]
    measured = (
        "import resource, subprocess, sys\n"
        "subprocess.run([sys.executable, '-m', 'genbench.report', *sys.argv[1:]], check=True, stdout=sys.stderr)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", measured, *words], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    seconds = time.monotonic() - started
    peak = int(done.stdout) / 2**10  # MiB, of the largest process; Linux counts in KiB
    size = (tmp_path / "out" / "index.html").stat().st_size / 1e6
    print(f"200 runs: {seconds:.1f} s, at most {peak:.0f} MiB, {size:.2f} MB")
    assert seconds < 60
    assert peak < 1024
    assert size < 5
