"""A search finds, stops, and loses no trial when it is killed."""

import json
import math
import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from genbench.command.composition import compose
from genbench.config.schema import CONF
from genbench.config.train import TrainConfig
from genbench.config.verbs import SearchConfig
from genbench.data.images import ImageShape
from genbench.errors import UserError
from genbench.evaluation.catalogue import catalogue
from genbench.models.weights import build, check_effect
from genbench.runs.directory import Run
from genbench.runs.records import Absent, Key, Score
from genbench.searching.journal import Journal
from genbench.searching.objectives import directions, values
from genbench.searching.study import Search, distribution, distributions
from genbench.verbs import search as verb
from genbench.wording import written
from tests.faults.processes import start
from tests.runs.example import SCORECARD, example

SCORE_OF_NOTHING = Score(mean=math.nan, sd=None, n=9, draws=1)
TRAINING = ["data=optdigits", "experiment=smoke", "trainer=cpu", "logger=none", "trainer.validations=5"]


def config(*words: str) -> SearchConfig:
    (found,) = compose("search", SearchConfig, words).configs
    return found


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["objectives=[fid]"], "must be one or several of fcd, "),
        (["objectives=[active_units]"], "must be one or several of"),
        (["objectives=[]"], "must be one or several of"),
        (["evaluation=full"], "leave out evaluation="),
        (["model.colour=red"], "model.colour: there is no such key"),
        (["++search.model={choices: [vea]}"], "did you mean vae?"),
        # These were accepted, and the space's were taken.
        (["model=gan"], "model: search= looks for it: leave it out, or take another search= (search=gan, say)"),
        (["model.learning_rate=0.1"], "model.learning_rate: search= looks for it"),
        (["hydra/launcher=cores"], "leave out hydra's words: workers=N"),
        (["++search.seed={low: -1, high: 1}"], "seed=-1: must be"),
        (["++search.seed={choices: [2, -3, 8]}"], "seed=-3: must be"),
        (["++search.seed={choices: [2, 3, -8, 8]}", "++search.model={choices: [vae]}"], "seed=-8: must be"),
        (["++search.seed={low: 3, high: 1}"], "search: seed needs low < high"),
        (["++search.seed={low: 0, high: 1, log: true}"], "with log, low must be above 0"),
        (["++search.seed={low: 1, hihg: 2}"], "search: seed has hihg"),
        (["++search.seed={low: 1, high: 3, choices: [7]}"], "search: seed has choices and a range"),
        (["++search.seed={choices: []}"], "search: seed: choices must be a list of some values"),
    ],
)
def test_what_cannot_be_searched_is_refused(words: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        verb.run(config(*words, f"out={tmp_path / 'study'}"))
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_every_shipped_space_is_one_that_train_takes() -> None:
    for name in sorted(path.stem for path in (CONF / "search").glob("*.yaml")):
        space = config(f"search={name}").search
        for corner in (0, -1):
            words = [f"{key}={bounds[corner]}" for key, bounds in verb.check_space(space).items()]
            assert compose("train", TrainConfig, words).configs


@pytest.mark.slow
def test_no_shipped_space_searches_for_what_changes_nothing() -> None:
    """That of the VAE with a prior had the prior beside the mixture's components, which a RealNVP does not have."""
    for name in sorted(path.stem for path in (CONF / "search").glob("*.yaml")):
        space = verb.check_space(config(f"search={name}").search)
        for number in range(max(map(len, space.values()))):
            told = {key: bounds[min(number, len(bounds) - 1)] for key, bounds in space.items()}
            words = [f"{key}={written(value)}" for key, value in told.items()]
            (training,) = compose("train", TrainConfig, words).configs
            check_effect(build(training.model, ImageShape(1, 8, 8)), training.model)


def test_what_samples_alone_are_scored_by_can_be_searched_for() -> None:
    assert directions()["seconds"] == "minimize"
    for entry in catalogue().values():
        way = {"lower": "minimize", "higher": "maximize", None: None}[entry.better]
        assert directions().get(entry.name) == (way if entry.of_images else None)


def test_objectives_are_scores_of_the_validation_images_in_the_most_trusted_space(tmp_path: Path) -> None:
    run = example(tmp_path / "run")
    fast = SCORECARD.model_copy(update={"level": "fast"})
    run.write_scorecard(fast)
    assert values(run, ["fcd", "seconds", "class_kl"]) == [8.0, 2.5, 0.5]
    no_labels = {"classifier": Absent(absent="no labels"), "random": {"fcd": Score(mean=3.0, sd=None, n=9, draws=1)}}
    run.write_scorecard(fast.model_copy(update={"spaces": no_labels}))
    assert values(run, ["fcd"]) == [3.0]


@pytest.mark.parametrize(
    ("changes", "objective", "reason"),
    [
        ({}, "fcd", "was scored on the test images"),
        ({"level": "fast"}, "coverage", "has no coverage: not measured"),
        ({"level": "fast", "spaces": {"classifier": Absent(absent="no labels")}}, "class_kl", "class_kl: no labels"),
        ({"level": "fast", "spaces": {"random": {"fcd": SCORE_OF_NOTHING}}}, "fcd", "its fcd is not a number"),
    ],
)
def test_a_run_that_cannot_be_chosen_by_says_why(changes: Any, objective: str, reason: str, tmp_path: Path) -> None:
    run = example(tmp_path / "run")
    run.write_scorecard(SCORECARD.model_copy(update=changes))
    with pytest.raises(UserError, match=reason):
        values(run, [objective])


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.slow
def test_a_trial_whose_run_was_scored_on_test_images_fails_and_the_search_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("true"))  # a training that has nothing left to do
    words = [*TRAINING, f"runs={tmp_path / 'runs'}", f"out={tmp_path / 'study'}", "trials=2"]
    this = Search(config("search=vae", *words))
    this._space = {"seed": distribution({"choices": [0]})}
    (trained,) = compose("train", TrainConfig, [*TRAINING, f"runs={tmp_path / 'runs'}", "evaluation=fast"]).configs
    example(tmp_path / "runs" / trained.run_name)
    this.run()
    assert [trial.state for trial in this.study.get_trials()] == [TrialState.FAIL] * 2
    assert "was scored on the test images" in this.study.get_trials()[0].user_attrs["why"]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.slow
def test_settings_that_train_refuses_are_a_failed_trial(tmp_path: Path) -> None:
    """The trial stayed open, and the same command ended at it again, for ever."""
    this = Search(config("search=vae", *TRAINING, f"out={tmp_path / 'study'}", "trials=2"))
    this._space = {"seed": distribution({"choices": [-1]})}
    this.run()
    assert [trial.state for trial in this.study.get_trials()] == [TrialState.FAIL] * 2
    assert this.study.get_trials()[0].user_attrs["why"].startswith("seed=-1: must be ")
    this.write()
    assert "seed=-1: must be " in (tmp_path / "study" / "search.csv").read_text()


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.slow
def test_two_workers_with_the_same_settings_have_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One was a failed trial: another process was at work on its run."""
    training = tmp_path / "training"  # that takes its run as late as a real one
    training.write_text(f"#!/bin/sh\nmkdir {tmp_path / 'taken'} || exit 2\nsleep 1\nrmdir {tmp_path / 'taken'}\n")
    training.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(training))
    words = [*TRAINING, f"runs={tmp_path / 'runs'}"]
    this = Search(config("search=vae", *words, f"out={tmp_path / 'study'}", "trials=3", "workers=3"))
    this._space = {"seed": distribution({"choices": [0]})}
    (trained,) = compose("train", TrainConfig, [*words, "evaluation=fast"]).configs
    example(tmp_path / "runs" / trained.run_name).write_scorecard(SCORECARD.model_copy(update={"level": "fast"}))
    this.run()
    assert [(trial.state, trial.values) for trial in this.study.get_trials()] == [(TrialState.COMPLETE, [8.0])] * 3


def test_a_range_has_fractions_where_its_word_takes_them(tmp_path: Path) -> None:
    """low: 0, high: 1 were two values."""
    (tmp_path / "search").mkdir()
    space = {
        **{
            "model": "{choices: [flow]}",
            "model.learning_rate": "{low: 1, high: 2}",
            "model.width": "{low: 8, high: 16}",
        },
        **{"model.sample.steps": "{low: 1, high: 9}", "data.batch_size": "{low: 8, high: 9}"},
        **{"trainer.max_minutes": "{low: 1, high: 2}", "data.scale": "{low: 1, high: 255, log: true}"},
        **{"data.limit": "{low: 100, high: 200}", "seed": "{low: 0, high: 9}"},
    }
    (tmp_path / "search" / "mine.yaml").write_text("".join(f"{name}: {text}\n" for name, text in space.items()))
    found = distributions(config("--config-dir", str(tmp_path), "search=mine"))
    assert {name for name, kind in found.items() if isinstance(kind, optuna.distributions.FloatDistribution)} == {
        *("model.learning_rate", "trainer.max_minutes", "data.scale"),
    }
    assert found["data.scale"] == optuna.distributions.FloatDistribution(1.0, 255.0, log=True)
    assert found["data.limit"] == optuna.distributions.IntDistribution(100, 200)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.slow
def test_a_study_goes_on_with_the_kinds_that_it_began_with(tmp_path: Path) -> None:
    """Optuna takes no other kind for a word than its first trial had."""
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "mine.yaml").write_text("model.learning_rate: {low: 1, high: 2}\n")
    words = ["--config-dir", str(tmp_path), "search=mine", f"out={tmp_path / 'study'}"]
    before = Search(config(*words))
    whole = {"model.learning_rate": distribution({"low": 1, "high": 2})}
    before.study.ask(whole)
    assert Search(config(*words))._space == whole


def test_ranges_and_choices_are_optunas() -> None:
    assert distribution({"choices": [1, 2]}) == optuna.distributions.CategoricalDistribution([1, 2])
    assert distribution({"low": 1, "high": 5}) == optuna.distributions.IntDistribution(1, 5)
    assert distribution({"low": 1e-4, "high": 1, "log": True}) == optuna.distributions.FloatDistribution(
        1e-4, 1.0, log=True
    )


def test_a_space_of_ones_own_is_found_and_its_folder_is_given_to_every_training(tmp_path: Path) -> None:
    for name, text in {"search": "data.batch_size: {choices: [8, 16]}", "trainer": "defaults: [cpu]"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.yaml").write_text(text)
    found = config("--config-dir", str(tmp_path), "search=mine", *TRAINING, "trainer=mine")
    assert found.search == {"data.batch_size": {"choices": [8, 16]}}
    assert verb.one_training([*found.words, "data.batch_size=16"]).data.batch_size == 16


def journal(path: Path, happened: int = 3) -> Journal:
    this = Journal(path)
    for number in range(happened):
        this.append_logs([{"op_code": 8, "number": number}])
    return this


def test_a_half_line_is_taken_off_and_the_next_one_is_whole(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "journal.log"
    reader = journal(path)
    whole = path.read_bytes()
    logs = reader.read_logs(0)
    assert [log["number"] for log in logs] == [0, 1, 2]
    last = whole.splitlines(keepends=True)[-1]
    for kept in range(1, len(last)):
        path.write_bytes(whole + last[:kept])
        assert reader.read_logs(0) == logs
        assert reader.read_logs(3) == []
        caplog.clear()
        journal(path, 1)
        assert "killed while it wrote the last line" in caplog.text
        assert reader.read_logs(3) == [{"op_code": 8, "number": 0}] == Journal(path).read_logs(3)


@pytest.mark.slow
def test_a_flipped_bit_in_a_journal_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    right = journal(path).read_logs(0)
    whole = path.read_bytes()
    silent = 0
    for place in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        with suppress(UserError):  # without its end the last line is a half one
            found = [(log["op_code"], log["number"]) for log in Journal(path).read_logs(0)]
            silent += len(found) == len(right) and found != [(log["op_code"], log["number"]) for log in right]
            assert len(found) == 3 or place // 8 == len(whole) - 1
    assert silent == 0
    path.write_bytes(whole.replace(b'"number":1', b'"number":7'))
    with pytest.raises(UserError, match="line 2 is damaged: move this file away and give the same command again"):
        Journal(path).read_logs(0)
    path.write_bytes(b"dear diary")  # somebody's own
    with pytest.raises(UserError, match="its last line is damaged"):
        Journal(path).append_logs([{"op_code": 8}])
    assert path.read_bytes() == b"dear diary"


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.slow
def test_a_search_writes_over_its_own_tables_alone(tmp_path: Path) -> None:
    out = tmp_path / "study"
    words = ["search=vae", f"out={out}"]
    Search(config(*words)).write()
    this = Search(config(*words))  # its own
    this.study.tell(this.study.ask(this._space).number, state=TrialState.FAIL)
    this.write()
    assert [row["state"] for row in json.loads((out / "search.json").read_text())["trials"]] == ["fail"]
    for name in ("search.csv", "search.json"):
        before = (out / name).read_bytes()
        (out / name).write_text("somebody's")
        with pytest.raises(UserError, match=f"{name}: is there already, and genbench did not make it"):
            Search(config(*words))
        Search(config(*words, "force=true"))
        (out / name).write_bytes(before)


@pytest.mark.slow(60)
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_killed_search_goes_on_without_losing_or_repeating_a_trial(tmp_path: Path) -> None:
    runs, out = tmp_path / "runs", tmp_path / "study"
    words = ["search=vae", *TRAINING, f"runs={runs}", f"out={out}", "trials=2", "objectives=[fcd,seconds]"]
    process = start(*words, verb="search")
    deadline = time.monotonic() + 120
    while not list(runs.glob("*/checkpoints/*.ckpt")):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    study = Search(config(*words)).study
    (left,) = study.get_trials()
    assert left.state == TrialState.RUNNING

    process = start(*words, verb="search")
    said, err = process.communicate(timeout=300)
    assert process.returncode == 0, said + err
    trials = study.get_trials()
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 2
    assert trials[0].params == left.params
    directories = [Run.open(trial.user_attrs["run"]) for trial in trials]
    assert sorted(run.path for run in directories) == sorted(path for path in runs.iterdir() if path.name[0] != ".")
    rows = json.loads((out / "search.json").read_text())["trials"]
    for run, row in zip(directories, rows, strict=True):
        scorecard = run.scorecard()
        assert scorecard.level == "fast"  # the test images were not looked at
        assert row["fcd"] == scorecard.values()[Key("classifier", "fcd")].mean
        assert row["seconds"] == run.summary().train_seconds
        beaten = any(
            other["fcd"] <= row["fcd"] and other["seconds"] <= row["seconds"] and other is not row for other in rows
        )
        assert row["best"] == (not beaten)
    # Enough is enough.
    Search(config(*words)).run()
    assert len(study.get_trials()) == 2
    # Another search does not mix with it.
    with pytest.raises(UserError, match="objectives differ"):
        Search(config(*(word for word in words if not word.startswith("objectives"))))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_hopeless_training_is_stopped_and_a_broken_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optuna.trial.Trial, "should_prune", lambda self: self.number == 0)
    words = [*TRAINING, f"runs={tmp_path / 'runs'}", f"out={tmp_path / 'study'}"]
    this = Search(config(*words, "trials=1"))
    this._space = {"model.learning_rate": distribution({"low": 0.001, "high": 0.002})}
    this.run()
    this = Search(config(*words, "trials=2"))
    this._space = {"model.learning_rate": distribution({"low": 999.0, "high": 1000.0})}
    this.run()
    stopped, broken = this.study.get_trials()
    assert stopped.state == TrialState.PRUNED
    assert stopped.intermediate_values
    assert Run(Path(stopped.user_attrs["run"])).status.state == "interrupted"
    assert broken.state == TrialState.FAIL
    assert "is not a finite number" in broken.user_attrs["why"]
    this.write()
    assert "is not a finite number" in (tmp_path / "study" / "search.csv").read_text()
    assert this.best() == []
