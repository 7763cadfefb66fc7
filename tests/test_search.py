"""A search finds, stops, and loses no trial when it is killed."""

import json
import os
import signal
import time
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from genbench.config import SearchConfig, TrainConfig, preflight
from genbench.errors import UserError
from genbench.runs import Run
from genbench.search import check_space, search
from genbench.searching.study import Search, distribution
from tests.faults.rows import start

TRAINING = ["data=optdigits", "experiment=smoke", "trainer=cpu", "logger=none", "trainer.validations=5"]


def config(*words: str) -> SearchConfig:
    return preflight("search", SearchConfig, words).configs[0]


@pytest.mark.parametrize(
    ("own", "words", "message"),
    [
        (["objectives=[fid]"], [], "must be one or several of fcd, coverage, seconds"),
        (["objectives=[]"], [], "must be one or several of"),
        ([], ["evaluation=full"], "leave out evaluation="),
        ([], ["model.colour=red"], "model.colour: there is no such key"),
        (["++search.model={choices: [vea]}"], [], "did you mean vae?"),
        (["++search.seed={low: -1, high: 1}"], [], "seed=-1: must be at least 0"),
        (["++search.seed={low: 3, high: 1}"], [], "search: seed needs low < high"),
        (["++search.seed={low: 0, high: 1, log: true}"], [], "with log, low must be above 0"),
        (["++search.seed={low: 1, hihg: 2}"], [], "search: seed has hihg"),
    ],
)
def test_what_cannot_be_searched_is_refused(own: list[str], words: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        search(config(*own, f"out={tmp_path / 'study'}"), words)
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_every_shipped_space_is_one_that_train_takes() -> None:
    for name in ("vae", "gan"):
        space = config(f"search={name}").search
        for corner in (0, -1):
            words = [f"{key}={bounds[corner]}" for key, bounds in check_space(space).items()]
            assert preflight("train", TrainConfig, words).configs


def test_ranges_and_choices_are_optunas() -> None:
    assert distribution({"choices": [1, 2]}) == optuna.distributions.CategoricalDistribution([1, 2])
    assert distribution({"low": 1, "high": 5}) == optuna.distributions.IntDistribution(1, 5)
    assert distribution({"low": 1e-4, "high": 1, "log": True}) == optuna.distributions.FloatDistribution(
        1e-4, 1.0, log=True
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_killed_search_goes_on_without_losing_or_repeating_a_trial(tmp_path: Path) -> None:
    runs, out = tmp_path / "runs", tmp_path / "study"
    words = ["search=vae", *TRAINING, f"runs={runs}", f"out={out}", "trials=3", "objectives=[fcd,seconds]"]
    process = start(*words, verb="search")
    deadline = time.monotonic() + 120
    while not list(runs.glob("*/checkpoints/*.ckpt")):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    study = Search(config("search=vae", f"out={out}", "objectives=[fcd,seconds]"), words_of(words)).study
    (left,) = study.get_trials()
    assert left.state == TrialState.RUNNING

    process = start(*words, verb="search")
    said, err = process.communicate(timeout=300)
    assert process.returncode == 0, said + err
    trials = study.get_trials()
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 3
    assert trials[0].params == left.params
    directories = [Run.open(trial.user_attrs["run"]) for trial in trials]
    assert sorted(run.path for run in directories) == sorted(path for path in runs.iterdir() if path.name[0] != ".")
    rows = json.loads((out / "search.json").read_text())
    for run, row in zip(directories, rows, strict=True):
        scores = run.read_json("scores.json")
        assert scores["level"] == "fast"  # the test images were not looked at
        assert row["fcd"] == scores["spaces"]["classifier"]["fcd"]["mean"]
        assert row["seconds"] == run.read_json("summary.json")["train_seconds"]
        beaten = any(
            other["fcd"] <= row["fcd"] and other["seconds"] <= row["seconds"] and other is not row for other in rows
        )
        assert row["best"] == (not beaten)
    # Enough is enough.
    process = start(*words, verb="search")
    said, err = process.communicate(timeout=120)
    assert process.returncode == 0
    assert len(study.get_trials()) == 3
    # Another search does not mix with it.
    with pytest.raises(UserError, match="objectives differ"):
        Search(config("search=vae", f"out={out}"), words_of(words))


def words_of(words: list[str]) -> list[str]:
    return [word for word in words if word.split("=")[0] not in ("search", "out", "trials", "objectives")]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_hopeless_training_is_stopped_and_a_broken_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optuna.trial.Trial, "should_prune", lambda self: self.number == 0)
    this = Search(config(f"out={tmp_path / 'study'}"), [*TRAINING, f"runs={tmp_path / 'runs'}"])
    this._space = {"model.learning_rate": distribution({"low": 0.001, "high": 0.002})}
    this.config.trials = 1
    this.run()
    this = Search(config(f"out={tmp_path / 'study'}"), [*TRAINING, f"runs={tmp_path / 'runs'}"])
    this._space = {"model.learning_rate": distribution({"low": 999.0, "high": 1000.0})}
    this.config.trials = 2
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
