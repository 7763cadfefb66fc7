"""Whatever lies in a folder of runs is read as far as it can be, and what is wrong is said."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genbench.errors import UserError
from genbench.runs.folder import read_folder
from genbench.runs.reading import RunRecord, read
from genbench.runs.records import Metrics
from tests.runs.example import CONFIG, DATA, DATA_SET, ENVIRONMENT, MODEL, ROWS, SCORECARD, SUMMARY, config, example

JSON_FILES = ("status.json", "environment.json", "data.json", "summary.json", "scores.json")
FILES = (*JSON_FILES, "config.yaml", "metrics.csv", "timing.csv")


def test_a_sound_run_is_known_whole(tmp_path: Path) -> None:
    record = read(example(tmp_path / "run").path)
    assert (record.problems, record.notes, record.state) == ((), (), "finished")
    assert (record.config, record.environment, record.data) == (config(), ENVIRONMENT, DATA)
    assert (record.scorecard, record.metrics.rows) == (SCORECARD, ROWS)
    assert record.summary is not None and record.summary.model_copy(update={"files": {}}) == SUMMARY
    assert (record.name, record.seed, record.parameters) == ("run", 3, 69076 + 65089)
    assert (record.model, record.model_title, record.data_name, record.data_title) == (
        *("vae", "VAE", "optdigits", "Digits"),
    )
    other_seed = config().model_copy(update={"seed": 4})
    assert record.variant == other_seed.run_name.split("-")[2]


def test_a_run_without_titles_is_called_by_its_modules(tmp_path: Path) -> None:
    run = example(tmp_path / "run")
    model = {name: value for name, value in MODEL.items() if name != "title"}
    data = {name: value for name, value in DATA_SET.items() if name != "title"}
    (run.path / "config.yaml").write_text(yaml.safe_dump(CONFIG | {"model": model, "data": data}), encoding="utf-8")
    record = read(run.path)
    assert record.model_title.lower() == "vae"
    assert record.data_title == "optdigits"


def test_every_kind_of_broken_run_is_named_with_its_reason(tmp_path: Path) -> None:
    def broken(name: str, file: str, content: str | None) -> None:
        run = example(tmp_path / name)
        (run.path / file).unlink()
        if content is not None:
            (run.path / file).write_text(content, encoding="utf-8")

    fast = SCORECARD.model_copy(update={"level": "fast"})
    empty = SCORECARD.model_copy(update={"spaces": {}})
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
    example(tmp_path / "k").set_status("interrupted", "SIGTERM")
    example(tmp_path / "l" / "run")
    broken("m", "scores.json", fast.model_dump_json())
    broken("n", "scores.json", empty.model_dump_json())
    broken("o", "data.json", "[]")
    broken("p", "status.json", '{"state": "happy", "when": "today"}')
    (tmp_path / ".sweeps").mkdir()
    assert [record.name for record in read_folder(tmp_path)] == list("abcdefghijklmnop")
    found = {name: read(tmp_path / name) for name in "abcdefghijklmnop"}
    for name, reason in {
        "a": "not scored yet: genbench evaluate run=",
        "b": "scores.json cannot be read (it holds no object)",
        "c": "scores.json cannot be read (spaces: Field required)",
        "d": "summary.json is missing",
        "e": "summary.json cannot be read (parameters: Field required)",
        "f": "config.yaml cannot be read",
        "g": "config.yaml is not one of this version",
        "h": "no status.json",
        "k": "interrupted: SIGTERM",
        "l": "a folder of runs of its own: report on it with runs=",
        "m": "scored by evaluation=fast",
        "n": "scores.json holds no score",
        "p": "status.json cannot be read (state: ",
    }.items():
        assert found[name].problems[0].startswith(reason), found[name].problems
        assert str(tmp_path / name / "s") not in found[name].problems[0]  # it stands beside the run's name
    for name, note in {"i": "metrics.csv", "j": "environment.json", "o": "data.json"}.items():
        assert found[name].problems == ()
        assert found[name].notes[0].startswith(f"{note} cannot be read")


def test_a_config_is_taken_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    run = example(tmp_path / "run")
    text = config().model_copy(update={"runs": "${oc.env:SECRET}"}).to_yaml()
    (run.path / "config.yaml").write_text(text, encoding="utf-8")
    record = read(run.path)
    assert record.config is not None and record.config.runs.endswith("/${oc.env:SECRET}")
    assert "hunter2" not in repr(record)


def test_bombs_and_pipes_are_passed_by(tmp_path: Path) -> None:
    doubling = "a: &a [x, x]\n" + "".join(
        f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefghi", "bcdefghij", strict=True)
    )
    hostile = {
        "aliases": ("config.yaml", doubling, "it has aliases"),
        "deep": ("config.yaml", "a: " + "[" * 30 + "]" * 30, "nested too deeply"),
        "deeper": ("config.yaml", "a: " + "[" * 100_000, "exceeded"),
        "tags": ("config.yaml", "a: !!python/object/apply:os.system [true]", "could not determine a constructor"),
        "rather_deep_json": ("scores.json", '{"spaces": ' + "[" * 900 + "]" * 900 + "}", "scores.json cannot be read"),
        "deep_json": ("summary.json", "[" * 100_000, "nested too deeply"),
        "large": ("summary.json", " " * 17 * 2**20, "larger than 16 MiB"),
        "surrogate": ("summary.json", '{"train": "\\ud800"}', "surrogates not allowed"),
    }
    for name, (file, content, _) in hostile.items():
        run = example(tmp_path / name)
        (run.path / file).write_text(content, encoding="utf-8")
    for name, file in {"pipe": "metrics.csv", "pipe_for_config": "config.yaml"}.items():
        run = example(tmp_path / name)
        (run.path / file).unlink()
        os.mkfifo(run.path / file)
        hostile[name] = (file, "", "it is not a file")
    for record in read_folder(tmp_path):
        (said,) = (*record.problems, *record.notes)
        assert hostile[record.name][0] in said and hostile[record.name][2] in said


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "there is no such folder"),
        (lambda folder: folder.mkdir(), "there is no run in this folder"),
        (example, "is one run: give the folder that holds it"),
    ],
)
def test_what_is_no_folder_of_runs_is_refused(make: Callable[[Path], Any], message: str, tmp_path: Path) -> None:
    make(tmp_path / "runs")
    with pytest.raises(UserError, match=message):
        read_folder(tmp_path / "runs")


def looked_at(record: RunRecord) -> None:
    """What a page asks of every record."""
    assert isinstance(record.model_title, str) and isinstance(record.data_title, str)
    assert (record.seed, record.parameters, record.variant, record.model) is not None
    assert isinstance(record.metrics, Metrics)
    for line in (*record.problems, *record.notes):
        assert line and "\n" not in line


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(2**63, 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
SOUND: dict[str, Any] = {
    "environment.json": ENVIRONMENT.model_dump(),
    "data.json": DATA.model_dump(),
    "summary.json": SUMMARY.model_dump(),
    "scores.json": SCORECARD.model_dump(),
    "config.yaml": CONFIG,
    "status.json": {"state": "finished", "when": "2026-01-01T00:00:00Z", "why": ""},
}


@st.composite
def hostile_files(draw: st.DrawFn) -> tuple[str, str]:
    """A file's name and a content of any shape, or a sound one of which one value is something else."""
    name = draw(st.sampled_from(FILES))
    if name not in SOUND:
        return name, draw(st.text(max_size=20).map(lambda text: f"images,{text}\n1,2\n{text},{text}\n") | st.text())
    content = json.loads(json.dumps(SOUND[name]))
    if draw(st.booleans()):
        return name, json.dumps(draw(anything))
    node = content
    while True:
        key = draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
        if not isinstance(node[key], dict | list) or not node[key] or draw(st.booleans()):
            break
        node = node[key]
    if isinstance(node, dict) and draw(st.integers(0, 3)) == 0:
        del node[key]
    else:
        node[key] = draw(anything)
    return name, json.dumps(content)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return example(tmp_path_factory.mktemp("sound") / "run").path


def test_what_a_record_says_is_one_line(tmp_path: Path) -> None:
    run = example(tmp_path / "run")
    run.set_status("failed", "two\nlines\x1b[2J")
    run.write_environment(ENVIRONMENT.model_copy(update={"changes": ("a\nb",)}))
    record = read(run.path)
    assert record.problems == ("failed: two lines [2J",)
    assert record.notes == ("after an interruption it went on with a b",)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(hostile=st.lists(hostile_files(), min_size=1, max_size=2))
def test_no_content_of_any_file_raises(hostile: list[tuple[str, str]], sound: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(sound, path)
    for name, content in hostile:
        (path / name).write_text(content, encoding="utf-8")
    looked_at(read(path))


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(name=st.sampled_from((*FILES, "weights.safetensors")), content=st.binary(max_size=200))
def test_no_bytes_of_any_file_raise(name: str, content: bytes, sound: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(sound, path)
    (path / name).write_bytes(content)
    record = read(path)
    looked_at(record)
    if name in JSON_FILES or name == "config.yaml":
        assert record.problems or record.notes  # a file that is no longer sound does not pass
