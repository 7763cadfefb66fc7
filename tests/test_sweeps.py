"""Sweeps that begin runs anew, and sweeps whose workers are killed: nothing is lost, and all is done in the end."""

import io
import os
import re
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from genbench.cli import compose
from genbench.command.composition import CommandLine
from genbench.command.sweeping import Aim, Job, aims_of, guarded, interrupted, left_alone, progress_line, train_all
from genbench.config.train import TrainConfig
from genbench.errors import UserError
from genbench.interruption import Interrupted
from genbench.reporting.tables import sweep_table
from genbench.runs.directory import Run
from genbench.runs.reading import read
from genbench.runs.turns import note_begun, note_refused
from genbench.verbs.compare import compared
from tests.faults.processes import SMOKE, TINY, Done, content, ended, run, start
from tests.reporting.synthetic import synthetic_run
from tests.runs.example import example, runs_in
from tests.small import small_digits

WITHOUT_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="it can be trained here")
LONGER = (*SMOKE, "trainer.max_images=6400")  # some seconds, with five checkpoints


def files(folder: Path) -> dict[str, bytes]:
    """All that runs have written there, but who is at work on them and what a sweep has noted."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in (".lock", ".sweep"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def anew(folder: Path, seeds: int = 2, *words: str, data: str = "optdigits") -> CommandLine[TrainConfig]:
    """A sweep that begins runs anew, of which those of optdigits are finished."""
    for seed in range(seeds):
        synthetic_run(folder, "vae", seed)
    told = ["-m", "model=vae", f"data={data}", f"seed=range({seeds})", f"runs={folder}", "overwrite=true"]
    return compose("train", [*told, *words])


def finish(of: Job) -> None:
    """What a training does of which nothing but its end is wanted."""
    again = of.config.overwrite
    with Run(of.config.directory).held(of.config.to_yaml(), overwrite=again) as own:
        if again:
            note_begun(own, of.aim.sweep)
        own.set_status("finished")


# What a sweep of finished runs does, without trainings.


def test_what_a_sweep_cannot_train_it_does_not_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every run was emptied when it was queued, before anybody knew whether it can be trained."""
    line, tried = anew(tmp_path / "runs"), list[tuple[int, bool]]()
    before = files(tmp_path)

    def refuse() -> None:
        raise UserError("no GPU")

    def job(of: Job) -> None:
        tried.append((of.config.seed, of.config.overwrite))
        guarded(of.aim, refuse)

    aims = aims_of(line.configs)
    assert train_all(line, job, aims) == 0
    assert tried == [(0, True), (1, True)]
    assert files(tmp_path) == before
    assert left_alone(aims) == {config.directory: "as it was, not begun anew: no GPU" for config in line.configs}
    assert capsys.readouterr().err.count("no GPU") == 2
    assert progress_line(aims, 1, 9.0, None) == "2 of 2 trained"  # none is waited for
    screen = io.StringIO()
    Console(file=screen, width=200).print(sweep_table([read(aim.run.path) for aim in aims], left_alone(aims)))
    assert screen.getvalue().count("as it was, not begun anew: no GPU") == 2


def test_the_data_of_no_run_are_missing_before_it_is_emptied(tmp_path: Path) -> None:
    """A run whose data had just been found missing was emptied all the same."""
    runs = tmp_path / "runs"
    line = anew(runs, 2, f"data.root={tmp_path / 'gone'}", data="optdigits,folder")
    for config in line.configs[2:]:
        shutil.copytree(line.configs[0].directory, config.directory)
    before = {config.run_name: files(config.directory) for config in line.configs[2:]}
    aims = aims_of(line.configs)
    assert train_all(line, finish, aims) == 0
    assert {name: files(runs / name) for name in before} == before
    assert [path.name for path in left_alone(aims)] == list(before)
    assert all("gone" in why for why in left_alone(aims).values())
    assert not any((config.directory / "scores.json").exists() for config in line.configs[:2])


def test_a_run_is_begun_anew_once_and_goes_on_when_it_was_lost(tmp_path: Path) -> None:
    line, tried = anew(tmp_path / "runs"), list[tuple[int, bool]]()

    def job(of: Job) -> None:
        tried.append((of.config.seed, of.config.overwrite))
        if of.config.seed == 0 and of.config.overwrite:  # it loses its process
            with Run(of.config.directory).held("", overwrite=True) as own:
                note_begun(own, of.aim.sweep)
                own.set_status("running")
                (own.path / "checkpoints").mkdir()
                (own.path / "checkpoints" / "000000000064.ckpt").touch()
            return
        finish(of)

    aims = aims_of(line.configs)
    assert train_all(line, job, aims) == 0
    assert tried == [(0, True), (1, True), (0, False)]
    assert [aim.run.status.state for aim in aims] == ["finished"] * 2
    assert [aim.run.has_scorecard for aim in aims] == [False, False]
    assert aims[0].run.checkpoints  # which the second try found
    assert left_alone(aims) == {}


def test_those_that_a_dead_worker_kept_waiting_are_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are finished, of before, and look like runs that lost their scoring, of which each is tried once more."""
    line, tried = anew(tmp_path / "runs", 6), list[int]()

    def launch(line: object, job: object, jobs: Sequence[Job], chosen: Sequence[int]) -> None:
        tried.append(chosen[0])
        finish(jobs[chosen[0]])
        if len(chosen) > 1:
            raise RuntimeError("a worker died")

    monkeypatch.setattr("genbench.command.sweeping.launch", launch)
    aims = aims_of(line.configs)
    assert train_all(line, finish, aims) == 1
    assert tried == [0, 1, 2, 3, 4, 5]
    assert left_alone(aims) == {}


def test_an_unfinished_run_keeps_its_checkpoints_until_its_turn(tmp_path: Path) -> None:
    line = anew(tmp_path / "runs")
    half = Run(line.configs[1].directory)
    half.set_status("interrupted", "SIGINT")
    (half.path / "checkpoints").mkdir()
    (half.path / "checkpoints" / "000000000064.ckpt").touch()
    before = files(half.path)

    def job(of: Job) -> None:
        if of.config.seed == 0:
            assert files(half.path) == before
        finish(of)

    assert train_all(line, job) == 0
    assert half.is_finished
    assert half.checkpoints == []


def test_what_is_said_when_such_a_sweep_is_interrupted_is_true(tmp_path: Path) -> None:
    """Of finished runs whose turn had not come it was said that the command goes on, which leaves them as they are."""
    line = anew(tmp_path / "runs", 6)
    aims = aims_of(line.configs)
    on = "the same command without overwrite=true goes on from here"
    names = [aim.run.path.name for aim in aims]
    listed = f"{', '.join(names[:3])}, 3 more"
    assert interrupted(130, aims).advice == (
        f"{on}, and takes as it is what is not begun anew yet ({listed}): delete it to have it trained"
    )
    for aim in aims[:5]:
        note_begun(aim.run, aim.sweep)
    assert f" yet ({names[5]}): delete" in interrupted(130, aims).advice
    note_begun(aims[5].run, aims[5].sweep)
    assert interrupted(143, aims).advice == on
    assert str(interrupted(143, aims)) == "SIGTERM"
    others = [Aim.of(config.model_copy(update={"overwrite": False}), "a") for config in line.configs]
    assert interrupted(130, others).advice == Interrupted(2).advice


def test_a_finished_run_has_not_reached_what_it_is_to_be_begun_anew_for(tmp_path: Path) -> None:
    run = example(tmp_path / "run")
    assert Aim(run, "full", {}).is_reached
    aim, other = Aim(run, "full", {}, "one"), Aim(run, "full", {}, "other")
    assert (aim.is_due, aim.is_reached) == (True, False)
    note_refused(run, "one", "why\nnot")
    assert (aim.is_due, aim.is_reached) == (True, True)
    assert (other.is_due, other.is_reached) == (True, False)
    assert left_alone([aim]) == {run.path: "as it was, not begun anew: why not"}
    assert left_alone([other]) == {run.path: "as it was, not begun anew"}
    note_begun(run, "one")
    assert (aim.is_due, aim.is_reached) == (False, True)
    note_refused(run, "other", "one is at work on it")
    assert (aim.is_due, aim.is_reached) == (False, True)
    (run.path / ".sweep").write_text("damaged", encoding="utf-8")
    assert (aim.is_due, aim.is_reached) == (True, False)


def test_two_sweeps_at_once_do_not_begin_a_run_anew_in_turn_for_ever(tmp_path: Path) -> None:
    run = example(tmp_path / "run")
    one, other = Aim(run, "full", {}, "one"), Aim(run, "full", {}, "other")
    for aim in (one, other):
        assert aim.is_due
        with run.held("", overwrite=True) as own:
            assert aim.is_due
            note_begun(own, aim.sweep)
    assert not one.is_due
    assert not other.is_due
    for number in range(99):
        note_begun(run, str(number))
    assert (run.path / ".sweep").stat().st_size < 500


def test_what_cannot_be_noted_stops_no_sweep(tmp_path: Path) -> None:
    note_refused(Run(tmp_path / "gone"), "one", "why")
    assert list(tmp_path.iterdir()) == []


@WITHOUT_GPU
@pytest.mark.slow
def test_a_comparison_leaves_what_it_cannot_train_and_says_so(tmp_path: Path) -> None:
    """compare overwrite=true took the same way."""
    runs = tmp_path / "runs"
    for model in ("gan", "vae"):
        synthetic_run(runs, model, 0)
    before = files(runs)
    words = ["models=gan,vae", "seeds=1", "data=optdigits", f"runs={runs}", f"out={tmp_path / 'page'}"]
    (config,) = compose("compare", [*words, "trainer.accelerator=gpu", "overwrite=true"]).configs
    screen = io.StringIO()
    with pytest.raises(UserError, match="no training is begun anew, so that there is nothing to compare: as it was"):
        compared(config, Console(file=screen, width=500))
    assert files(runs) == before
    assert len(re.findall(r"as it was, not begun anew: trainer=gpu: this machine has no gpu", screen.getvalue())) == 2


# The same by real processes.


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with finished runs of a GAN and a VAE, runs/, and their images."""
    folder = tmp_path_factory.mktemp("finished")
    done = run("-m", "model=gan,vae", *TINY, *small_digits(folder), f"runs={folder / 'runs'}")
    assert done.code == 0, done.err
    return folder


def again(finished: Path, runs: Path, *words: str) -> Done:
    """The sweep of `finished` once more, where a copy of its runs is."""
    if not runs.exists():
        shutil.copytree(finished / "runs", runs)
    return run("-m", "model=gan,vae", *TINY, *small_digits(finished), f"runs={runs}", *words)


@WITHOUT_GPU
@pytest.mark.slow
def test_a_machine_without_a_gpu_takes_no_run_away(finished: Path, tmp_path: Path) -> None:
    done = again(finished, tmp_path / "runs", "trainer.accelerator=gpu", "overwrite=true")
    assert done.code == 1, done.out + done.err
    assert files(tmp_path / "runs") == files(finished / "runs")
    assert " ".join(done.out.split()).count("as it was, not begun anew:") == 2
    for found in runs_in(tmp_path / "runs"):
        assert done.err.count(found.path.name) == 1


@pytest.mark.slow
def test_a_sweep_that_overwrites_trains_all_anew(finished: Path, tmp_path: Path) -> None:
    done = again(finished, tmp_path / "runs", "overwrite=true")
    assert done.code == 0, done.out + done.err
    found = runs_in(tmp_path / "runs")
    for mine, theirs in zip(found, runs_in(finished / "runs"), strict=True):
        assert content(mine.path) == content(theirs.path)
        assert mine.log_path.read_text() != theirs.log_path.read_text()
        assert mine.log_path.read_text().count("training begins") == 1
        assert not mine.config().overwrite
    before = files(tmp_path / "runs")
    done = again(finished, tmp_path / "runs")
    assert (done.code, done.out.count("is finished")) == (0, 2)
    assert files(tmp_path / "runs") == before


@pytest.mark.slow
def test_a_conditional_model_without_classes_takes_no_run_away(tmp_path: Path) -> None:
    words = ("-m", "model=vae", "model.conditional=true", "seed=0,1", *TINY, *small_digits(tmp_path))
    assert run(*words, f"runs={tmp_path / 'runs'}").code == 0
    before = files(tmp_path / "runs")
    with np.load(tmp_path / "digits.npz") as stored:
        images = stored["images"]
    np.savez(tmp_path / "digits.npz", images=images)
    done = run(*words, f"runs={tmp_path / 'runs'}", "overwrite=true")
    assert done.code == 1
    assert done.err.count("these images have no classes") == 2
    assert files(tmp_path / "runs") == before


def two_trained(folder: Path) -> tuple[tuple[str, ...], Path]:
    """Words of a sweep of two trainings of some seconds, and the folder of its finished runs."""
    words = ("-m", "model=vae", "seed=0,1", *LONGER, *small_digits(folder))
    done = run(*words, f"runs={folder / 'whole'}")
    assert done.code == 0, done.err
    shutil.copytree(folder / "whole", folder / "runs")
    return (*words, f"runs={folder / 'runs'}"), folder / "whole"


@pytest.mark.slow(15)
def test_a_killed_worker_s_run_is_not_begun_anew_twice(tmp_path: Path) -> None:
    words, whole = two_trained(tmp_path)
    process = start(*words, "overwrite=true", "hydra/launcher=cores")
    killed = False
    while not killed and process.poll() is None:
        for found in runs_in(tmp_path / "runs"):
            status = found.status
            if status.state == "running" and found.checkpoints:
                os.kill(worker(status.why), signal.SIGKILL)
                killed = True
                break
        time.sleep(0.005)
    done = ended(process)
    assert killed
    assert done.code == 0, done.out + done.err
    assert "lost their process" in done.err
    begun = []
    for found in runs_in(tmp_path / "runs"):
        assert content(found.path) == content(whole / found.path.name)
        begun.append(found.log_path.read_text().count("training begins"))
    assert max(begun) == 2  # emptied once more it would be 1


@pytest.mark.slow(10)
def test_ctrl_c_leaves_the_runs_whose_turn_had_not_come(tmp_path: Path) -> None:
    """All that were not trained anew yet were empty."""
    words, whole = two_trained(tmp_path)
    process = start(*words, "overwrite=true")
    first, second = runs_in(tmp_path / "runs")
    while not (first.status.state == "running" and first.checkpoints) and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    done = ended(process)
    assert done.code == 130, done.out + done.err
    assert files(second.path) == files(whole / second.path.name)
    assert done.err.splitlines()[-1] == (
        "genbench: interrupted by SIGINT; the same command without overwrite=true goes on from here, and takes as it is"
        f" what is not begun anew yet ({second.path.name}): delete it to have it trained"
    )
    assert first.status.state == "interrupted"
    done = run(*words)
    assert done.code == 0, done.err
    assert first.log_path.read_text().count("training begins") == 2
    assert content(first.path) == content(whole / first.path.name)
    assert files(second.path) == files(whole / second.path.name)


@pytest.mark.slow(20)
def test_a_worker_that_is_killed_while_it_scores_is_replaced(tmp_path: Path) -> None:
    """The run was finished, and so the sweep: it ended with exit code 0, and without the scores."""
    runs = tmp_path / "runs"
    words = ("-m", "model=vae", "seed=0,1", *TINY, *small_digits(tmp_path, 1797), "data.labels=false", f"runs={runs}")
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    process = start(*words, "evaluation=fast", "hydra/launcher=cores", env=env)
    workers: dict[Path, int] = {}
    killed = False
    while not killed and process.poll() is None:
        for found in runs_in(runs):
            status = found.status
            if status.state == "running":
                workers[found.path] = worker(status.why)
            if status.state == "finished" and found.path in workers and not found.has_scorecard:
                os.kill(workers[found.path], signal.SIGKILL)
                killed = True
                break
        time.sleep(0.005)
    done = ended(process)
    assert killed
    assert done.code == 0, done.out + done.err
    assert "lost their process, or are not scored; they go on" in done.err
    assert [found.scorecard().level for found in runs_in(runs)] == ["fast", "fast"]
    assert all(found.has_card for found in runs_in(runs))


def worker(why: str) -> int:
    """The process that a running run names."""
    named = re.match(r"process (\d+) on ", why)
    assert named is not None
    return int(named[1])
