"""One command: what was checked is what runs, what it says of itself, and completion in real shells."""

import io
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import joblib
import pytest
from rich.console import Console

from genbench import __version__
from genbench.cli import compose, main, verb_names
from genbench.command.completion import SCRIPTS, candidates
from genbench.command.launching import at_once, launch
from genbench.command.sweeping import Aim, Job, progress_line, train_all
from genbench.config.schema import CONF
from genbench.config.train import TrainConfig
from genbench.config.verbs import CompareConfig, SearchConfig
from genbench.errors import UserError
from genbench.runs.directory import Run
from genbench.verbs.compare import compared, say_notes, say_plan, trainings
from tests.data.test_files import pixels, write
from tests.reporting.synthetic import run_of
from tests.runs.example import example, runs_in

MODELS = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))
Say = Callable[..., tuple[object, str, str]]


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Does what `genbench WORDS` does, in this process: its exit code, and what it printed on both streams."""
    monkeypatch.setenv("MPLBACKEND", "agg")  # the command sets it

    def run(*words: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["genbench", *words])
        code: object = 0
        try:
            main(None)
        except SystemExit as exit:
            code = exit.code
        return code, *capsys.readouterr()

    return run


@pytest.mark.slow
@pytest.mark.parametrize(("held", "asked"), [(None, "1"), ("0", "0")])
def test_a_command_settles_its_memory_before_pytorch_and_a_user_s_word_counts(
    held: str | None, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE", raising=False)
    if held is not None:
        monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", held)
    code = "import os, sys, genbench.cli as cli; before = 'torch' in sys.modules; sys.argv[1:] = ['--version']"
    code += "; cli.main(None); print(before, os.environ['THP_MEM_ALLOC_ENABLE'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f"False {asked}"


def write_down(config: TrainConfig) -> None:
    """A job's work: to write down what it was given, and where it was done."""
    path = Path(os.environ["GENBENCH_TEST_FOLDER"]) / f"{config.model_name}-{config.seed}.json"
    path.write_text(
        json.dumps({"process": os.getpid(), "at_once": at_once(), "config": config.model_dump()}), encoding="utf-8"
    )


@pytest.mark.parametrize("launcher", ["basic", pytest.param("cores", marks=pytest.mark.slow)])
def test_what_was_checked_is_what_runs(launcher: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENBENCH_TEST_FOLDER", str(tmp_path))
    # A time in it would be another one if it were composed again.
    runs = f"runs={tmp_path}/${{now:%H%M%S%f}}"
    line = compose("train", ["-m", "model=gan,vae", "seed=range(3)", runs, f"hydra/launcher={launcher}"])
    chosen = [0, 2, 3, 4]
    launch(line, write_down, line.configs, chosen)
    said = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in tmp_path.glob("*.json")}
    configs = [line.configs[i] for i in chosen]
    expected = {f"{config.model_name}-{config.seed}": config.model_dump() for config in configs}
    assert {name: each["config"] for name, each in said.items()} == expected
    assert ({each["process"] for each in said.values()} == {os.getpid()}) == (launcher == "basic")
    assert {each["at_once"] for each in said.values()} == {1 if launcher == "basic" else joblib.cpu_count()}


def fail(config: TrainConfig) -> None:
    """A job's work that goes wrong."""
    raise RuntimeError(f"seed {config.seed}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["model=flow", "model.sample.steps=2,8"],
            "model.sample.steps: makes no other training, and several of the sweep would be one: train once, then"
            " genbench evaluate run=DIR options.steps=8",
        ),
        (["evaluation=fast,full"], "evaluation.level: makes no other training"),
        (["model=vae,vae"], "would be trained twice"),
    ],
)
def test_two_jobs_that_are_one_training_are_refused(words: list[str], message: str, tmp_path: Path) -> None:
    """The second was answered with the first, and its words were not looked at."""
    line = compose("train", ["-m", *words, f"runs={tmp_path / 'runs'}", "data=optdigits"])
    with pytest.raises(UserError, match=re.escape(message)):
        train_all(line, lambda job: fail(job.config))
    assert list(tmp_path.iterdir()) == []


def test_a_run_whose_scoring_was_lost_is_taken_up_once_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A worker that is killed while it scores leaves a finished run: the sweep ended there, with exit code 0."""
    folder, tried = tmp_path / "runs", []
    words = ["-m", "model=vae", "data=optdigits", "seed=0,1", "evaluation=fast", f"runs={folder}"]
    line = compose("train", words)

    def job(of: Job) -> None:
        tried.append(of.config.seed)
        run = run_of(folder, of.config)
        scores = run.scorecard().model_copy(update={"level": "fast"})
        (run.path / "scores.json").unlink()
        if tried.count(of.config.seed) > 1 and of.config.seed == 1:  # the other's fails whenever it is tried
            run.write_scorecard(scores)

    assert train_all(line, job) == 0
    assert tried == [0, 1, 0, 1]
    assert "2 runs lost their process, or are not scored; they go on" in capsys.readouterr().err
    assert [Aim.of(config).is_reached for config in line.configs] == [False, True]


@pytest.mark.slow
def test_what_libraries_start_takes_no_module_from_the_current_folder(tmp_path: Path) -> None:
    """hydra/launcher=cores ran a random.py that lay there."""
    (tmp_path / "types.py").write_text("open('ran', 'w')\nraise ImportError('a stranger is')\n")
    start = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import types'], check=True)"
    program = f"import sys; from genbench.start import main; sys.argv[1:] = ['--version']; main(); {start}"
    subprocess.run([sys.executable, "-P", "-c", program], cwd=tmp_path, check=True)
    assert not (tmp_path / "ran").exists()


def test_an_experiment_of_ones_own_sets_whatever_it_says(tmp_path: Path) -> None:
    """The seed and the runs of conf/train.yaml came after it, and nothing was said."""
    (tmp_path / "experiment").mkdir()
    text = "# @package _global_\nseed: 7\nruns: elsewhere\noverwrite: true\ntrainer:\n  validations: 3\n"
    (tmp_path / "experiment" / "night.yaml").write_text(text)
    (told,) = compose("train", ["--config-dir", str(tmp_path), "experiment=night"]).configs
    assert (told.seed, Path(told.runs).name, told.overwrite, told.trainer.validations) == (7, "elsewhere", True, 3)
    (told,) = compose("train", ["--config-dir", str(tmp_path), "experiment=night", "seed=2"]).configs
    assert told.seed == 2
    (tmp_path / "experiment" / "night.yaml").write_text("# @package _global_\ncode: mine\n")
    with pytest.raises(UserError, match="is taken from the command line alone"):
        compose("train", ["--config-dir", str(tmp_path), "experiment=night"])


def test_help_takes_the_words_that_the_verb_takes(say: Say) -> None:
    code, out, err = say("sample", "--help", "run=x", "options.steps=50")
    assert (code, err) == (0, "")
    assert "steps" in out


def test_a_budget_is_given_once() -> None:
    for word in ("trainer.max_minutes=10", "trainer.max_images=10"):
        with pytest.raises(UserError, match=f"{word}: minutes, images or epochs says it already"):
            trainings(compose("compare", ["data=optdigits", "minutes=5", word]).configs[0])


def test_what_a_job_raises_is_raised(tmp_path: Path) -> None:
    line = compose("train", ["-m", "seed=7,8", f"runs={tmp_path}"])
    with pytest.raises(RuntimeError, match="seed 7"):
        launch(line, fail, line.configs, [0, 1])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-m", "seed=range(5,1)"], "there is nothing to do"),
        (["-m", "seed=1,2", "hydra.mode=RUN"], "hydra.mode: genbench starts the runs itself"),
        (["hydra.mode=MULTIRUN"], "hydra.mode: genbench starts the runs itself"),
        (["-m", "hydra.sweeper.params.seed='1,2'"], "hydra.sweeper.params.seed: genbench starts"),
        (["-m", "seed=1,2", "hydra/sweeper=basic"], "hydra/sweeper: genbench starts"),
        (["-m", "seed=1,2", "hydra.job.chdir=true"], "hydra.job.chdir: genbench starts"),
        (["hydra.run.dir=elsewhere"], "hydra.run.dir: genbench starts"),
        (["-m", "seed=1,2", "hydra.sweep.subdir=x"], "hydra.sweep.subdir: genbench starts"),
        (["+hydra.callbacks.a._target_=os.system"], "hydra.callbacks.a._target_: genbench starts"),
        (["hydra/launcher=cores"], "hydra/launcher: is for the runs of a sweep; add -m"),
        (["-m", "hydra/launcher=cores,basic"], "a sweep has one launcher"),
        (["-m", "seed=1,2", "hydra/launcher=core"], "did you mean cores?"),
        (["--config-path", "x"], "--config-dir DIR"),
        (["--experimental-rerun", "x"], "not taken"),
        (["--config-dir", "nowhere"], "there is no such folder"),
        (["--mutirun"], "unrecognized arguments"),
        (["--resolve", "model=vae"], "--resolve, --package: are for what --cfg shows"),
        (["--package", "model", "model=vae"], "--resolve, --package: are for what --cfg shows"),
    ],
)
def test_words_that_would_run_something_else_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        compose("train", words)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("verb", "words", "advice"),
    [
        (
            "train",
            ["data=[mnist,fashion]"],
            "write data=mnist, or genbench train -m data=mnist,fashion",
        ),
        ("train", ["-m", "data=[mnist,fashion]"], "write data=mnist,fashion"),
        ("train", ["-m", "data=[mnist,fashion],optdigits"], "write data=mnist,fashion,optdigits"),
        ("train", ["trainer=[gpu,cpu]"], "write trainer=gpu"),
        ("train", ["evaluation=[full,none]"], "write evaluation=full"),
        ("train", ["experiment=[quick]"], "write experiment=quick"),
        (
            "train",
            ["model=['gan',\"vae\"]"],
            "write model=gan, or genbench train -m model=gan,vae",
        ),
        ("search", ["search=[vae,flow]"], "write search=vae"),
        ("evaluate", ["samples=x.npz", "data=[mnist,fashion]"], "write data=mnist"),
    ],
)
def test_a_list_is_no_choice(verb: str, words: list[str], advice: str) -> None:
    """The last was taken, and nothing was said of the others."""
    with pytest.raises(UserError) as caught:
        compose(verb, words)
    assert str(caught.value).endswith(f"takes one choice, and of a list only the last would count; {advice}")


def test_a_list_of_data_sets_is_not_compared_on_the_last_of_them() -> None:
    with pytest.raises(UserError, match=r"data: takes one choice, .*; write data=mnist,fashion$"):
        trainings(compose("compare", ["data=[mnist,fashion]", "models=gan"]).configs[0])


def test_several_loggers_may_be_a_list() -> None:
    (config,) = compose("train", ["logger=[tensorboard,csv]"]).configs
    assert config == compose("train", ["logger=tensorboard,csv"]).configs[0]


@pytest.mark.slow
def test_a_yaml_cannot_have_something_else_run(tmp_path: Path) -> None:
    stored = compose("train", []).configs[0].to_yaml()
    words = ["--config-dir", str(tmp_path), "--config-name", "config"]
    for more, message in (
        ("hydra: {mode: MULTIRUN}", "hydra.mode is set in a YAML"),
        ("hydra: {sweeper: {params: {seed: '1,2'}}}", "hydra.sweeper.params is set in a YAML"),
        ("hydra: {job: {chdir: true}}", "hydra.job.chdir is set in a YAML"),
    ):
        (tmp_path / "config.yaml").write_text(f"{stored}{more}\n", encoding="utf-8")
        with pytest.raises(UserError, match=message):
            compose("train", words)
    # Nor may it bring code of its own along.
    (tmp_path / "config.yaml").write_text(stored.replace("code: null", f"code: {tmp_path}"), encoding="utf-8")
    with pytest.raises(UserError, match="is taken from the command line alone"):
        compose("train", words)
    assert compose("train", [*words, f"code={tmp_path}"]).configs[0].code == str(tmp_path)


@pytest.mark.slow
def test_a_glob_is_the_choices_that_there_are() -> None:
    configs = compose("train", ["-m", "model=glob(*)"]).configs
    assert [config.model_name for config in configs] == MODELS


def test_a_model_of_one_s_own_is_found_and_checked_where_the_command_says(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "net.yaml").write_text("_target_: net.Net\ntitle: Net\nwidth: 8\n", encoding="utf-8")
    (tmp_path / "net.py").write_text(
        "raise RuntimeError('it is read, not run')\n"
        "class Net:\n"
        "    def __init__(self, shape, *, width: Annotated[int, Field(ge=1, description='units')] = 4): ...\n",
        encoding="utf-8",
    )
    words = ["--config-dir", str(tmp_path), "model=net"]
    with pytest.raises(UserError, match="code=DIR"):
        compose("train", words)
    (config,) = compose("train", [*words, f"code={tmp_path}"]).configs
    assert (config.model_name, config.model_title) == ("net", "Net")
    with pytest.raises(UserError, match=r"model.width=0: must be a whole number at least 1"):
        compose("train", [*words, f"code={tmp_path}", "model.width=0"])


def test_a_folder_of_one_s_own_comes_before_what_ships(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    content = (CONF / "model" / "vae.yaml").read_text(encoding="utf-8").replace("latent_size: 2", "latent_size: 7")
    (tmp_path / "model" / "vae.yaml").write_text(content, encoding="utf-8")
    (config,) = compose("train", ["--config-dir", str(tmp_path), "model=vae"]).configs
    assert config.model["latent_size"] == 7


@pytest.mark.slow
def test_a_broken_yaml_of_one_s_own_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("a: 1\na: 2\n", encoding="utf-8")
    with pytest.raises(UserError, match="a YAML of --config-dir cannot be read"):
        compose("train", ["--config-dir", str(tmp_path), "--config-name", "config"])


def test_the_verbs_are_listed_and_a_mistyped_one_is_named(say: Say) -> None:
    assert set(verb_names()) == {
        *("train", "sample", "evaluate", "calibrate", "compare", "report", "search", "export", "data"),
    }
    for words in ((), ("--help",)):
        code, out, _ = say(*words)
        assert code == 0
        for verb in verb_names():
            assert f"\n  {verb} " in out
    assert say("--version") == (0, f"genbench {__version__}\n", "")
    code, out, err = say("evalute", "run=x")
    assert (code, out) == (2, "")
    assert "did you mean evaluate?" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("verb", verb_names())
def test_help_says_of_every_value_what_it_means_and_its_range(verb: str, say: Say) -> None:
    code, out, err = say(verb, "--help")
    assert code == 0, err
    assert f"\n  genbench {verb} " in out
    for key, words in {
        "train": ("learning_rate=0.002", "of Adam; a number above 0 and at most 1000"),
        "sample": ("n=64", "how many images; a whole number at least 1 and at most 10000000"),
        "compare": ("seeds=4", "trainings of each model on each data set"),
    }.items():
        if key == verb:
            assert all(word in " ".join(out.split()) for word in words)


def test_help_stands_with_what_was_given(say: Say) -> None:
    _, said, _ = say("train", "--help", "model=gan", "data=fashion", "trainer.max_minutes=3")
    assert "model.latent_size=100" in said
    assert "data.title=Fashion-MNIST" in said
    assert "trainer.max_minutes=3" in said
    # A choice, with the line that says what it is.
    assert "cores A sweep's runs side by side, one for each CPU core" in " ".join(said.split())
    code, _, err = say("train", "--help", "model=gna")
    assert (code, err.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["compare", "--help", "modle=gan"], "modle: there is no such key"),
        (["compare", "--cfg", "job", "data=nope"], "data=nope: there is no such data"),
        (["compare", "--help", "data=[mnist,fashion]"], "write data=mnist,fashion"),
        (["compare", "--help", "models=gan,vae", "model.dropout=0.3"], "model.dropout: there is no such key"),
        (["search", "--help", "modle=gan"], "modle: there is no such key"),
        (["train", "--cfg", "job", "data=[mnist,fashion]"], "data: takes one choice"),
    ],
)
@pytest.mark.slow
def test_help_refuses_what_a_training_would(words: list[str], message: str, say: Say) -> None:
    """Words that are passed on were not looked at."""
    code, out, err = say(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


@pytest.mark.slow
def test_help_takes_what_a_training_takes(say: Say) -> None:
    for words in (
        ("compare", "--help", "data=mnist,fashion", "minutes=5", "hydra/launcher=cores"),
        ("compare", "--help", "data=folder", "models=gan", "model.dropout=0.3"),  # of which a value is still missing
        ("search", "--help", "search=gan", "model.dropout=0.3"),
        ("train", "--cfg", "job", "--package", "model"),
    ):
        code, _, err = say(*words)
        assert (code, err) == (0, "")


def test_the_values_alone_are_shown_as_yaml(say: Say) -> None:
    _, said, _ = say("train", "--cfg", "job", "seed=3")
    assert "seed: 3\n" in said
    assert "hydra" not in said


@pytest.mark.parametrize(
    "words",
    [
        ["options={steps: 4, solver: midpoint}"],
        ["options.steps=4", "options.solver=midpoint"],
        ["+options.steps=4", "+options.solver=midpoint"],
    ],
)
@pytest.mark.parametrize("verb", ["sample", "evaluate"])
def test_a_model_s_own_ways_to_sample_are_given_as_any_word(verb: str, words: list[str], tmp_path: Path) -> None:
    (config,) = compose(verb, [f"run={tmp_path}", *words]).configs
    assert config.options == {"steps": 4, "solver": "midpoint"}


@pytest.mark.slow
def test_compare_s_trainings_are_a_sweep_of_train_s(tmp_path: Path) -> None:
    words = ["models=gan,vae", "seeds=2", "minutes=5", f"out='{tmp_path}/a, page'"]
    config: CompareConfig = compose("compare", [*words, "data=mnist,fashion", "hydra/launcher=cores"]).configs[0]
    assert config.words == ["data=mnist,fashion", "hydra/launcher=cores"]
    line = trainings(config)
    assert len(line.configs) == 8
    assert {each.trainer.max_minutes for each in line.configs} == {5.0}
    assert {each.evaluation.level for each in line.configs} == {"full"}
    assert {each.runs for each in line.configs} == {f"{tmp_path}/a, page/runs"}


def test_a_folder_of_one_s_own_may_stand_anywhere_in_a_comparison(tmp_path: Path) -> None:
    for words in (["models=vae", "--config-dir", str(tmp_path), "data=mnist"], ["data=mnist", f"-cd={tmp_path}"]):
        (config,) = compose("compare", [*words, "seeds=1", "models=vae"]).configs
        (each,) = trainings(config).configs
        assert (each.model_name, each.data.name) == ("vae", "mnist")


@pytest.mark.slow
def test_a_comparison_says_what_was_left_out_of_the_images(tmp_path: Path) -> None:
    write(tmp_path / "photos", pixels(30))
    (tmp_path / "photos" / "none.png").write_bytes(b"none")
    words = ["data=folder", f"data.root={tmp_path / 'photos'}", f"out={tmp_path / 'page'}", "models=vae,gan", "seeds=2"]
    screen = io.StringIO()
    say_notes(trainings(compose("compare", words).configs[0]).configs, Console(file=screen, width=500))
    assert screen.getvalue() == "data: left out: 1 of 31 files (none.png): no image that can be read\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["images=640"], "2 trainings, 640 images each; then each is scored, which takes minutes more"),
        (["minutes=2"], "2 trainings, 2 min each; then each is scored, which takes minutes more"),
        ([], "2 trainings, 20 epochs each (minutes=5 would give all the same time); then each is scored,"),
        (["experiment=paper"], "2 trainings, 30 epochs or 50 epochs each; then each is scored,"),
    ],
)
def test_a_comparison_says_how_long_its_trainings_are(words: list[str], said: str, tmp_path: Path) -> None:
    config = compose("compare", [*words, "seeds=1", f"out={tmp_path / 'page'}"]).configs[0]
    line, screen = trainings(config), io.StringIO()
    runs = [Run(each.directory) for each in line.configs]
    say_plan(line.configs, runs, Console(file=screen, width=500))
    assert screen.getvalue().startswith(said)
    assert screen.getvalue().count("\n") == 1
    before = Run(tmp_path / "page" / "runs" / "mnist-vae-0a1b2c3d-s7")
    for run in (before, runs[0]):  # that of this command is none of before
        run.path.mkdir(parents=True)
        run.queue(line.configs[0].to_yaml())
    say_plan(line.configs, runs, Console(file=screen, width=500))
    last = screen.getvalue().splitlines()[-1]
    assert last.startswith(f"1 run of before in {tmp_path / 'page' / 'runs'} will be on the page as well (runs=DIR")


@pytest.mark.parametrize("key", ["out", "runs"])
@pytest.mark.slow
def test_nothing_is_written_among_the_images(key: str, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    words = ["data=folder", f"data.root={tmp_path / 'photos'}", f"out={tmp_path / 'page'}", f"runs={tmp_path / 'runs'}"]
    words += [f"{key}={tmp_path / 'photos' / 'page'}"]
    with pytest.raises(UserError, match=f"^{key}=.*page: lies in data.root=.*choose another folder"):
        compared(compose("compare", [*words, "models=vae"]).configs[0], Console(quiet=True))
    assert list((tmp_path / "photos").iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["minutes=5", "images=100"], "give one of them"),
        (["model=gan"], "model=: write models=gan,vae"),
        (["seed=3"], "seed=: write seeds=4"),
        (["evaluation=fast"], "evaluation=: write nothing: all runs are scored by the protocol"),
        (["evaluation.level=none"], "evaluation.level=: write nothing: all runs are scored by the protocol"),
        (["models=gna"], "did you mean gan?"),
        (["models='a b'"], "must be choices of model"),
        (["modles=gan"], "modles: there is no such key; did you mean"),
        (["data=minst"], "did you mean mnist?"),
        (["seeds=0"], "seeds=0: must be at least 1"),
        (["minutes=0"], "minutes=0: must be above 0"),
    ],
)
def test_wrong_comparisons(words: list[str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        trainings(compose("compare", words).configs[0])
    assert message in str(caught.value)


def test_a_search_passes_on_the_words_that_are_not_its_own(tmp_path: Path) -> None:
    words = ["trials=3", "objectives=fcd,seconds", "data=mnist", "trainer.max_minutes=1", "--config-dir", str(tmp_path)]
    (config,) = compose("search", words).configs
    assert isinstance(config, SearchConfig)
    assert (config.trials, config.objectives) == (3, ["fcd", "seconds"])
    assert config.words == ["--config-dir", str(tmp_path), "data=mnist", "trainer.max_minutes=1"]


BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in pairwise("abcdefghij"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seed:", BOMB + "seed:", "it has aliases"),
        ("seed:", f"deep: {'[' * 30}{']' * 30}\nseed:", "nested too deeply"),
        ("- _self_", "- _self_\n- evil", "defaults: must be left as genbench writes them"),
        ("seed:", "hydra: {launcher: {_target_: os.system}}\nseed:", "hydra: there is no such key"),
        ("title: Digits", "title: ${oc.env:HOME}", "data.title would be looked up here"),
    ],
)
def test_a_run_s_config_does_no_more_than_be_read(old: str, new: str, said: str, tmp_path: Path) -> None:
    run = example(tmp_path / "run")
    path = run.path / "config.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        compose("train", ["--config-dir", str(run.path), "--config-name", "config"])
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "with its aliases written out it has more than 100,000 values"),
        (f"deep: {'[' * 30}{']' * 30}", "nested too deeply"),
        ("a: &a [*a]", "is within itself"),
        ("#" * 2**21, "larger than 1 MiB"),
    ],
)
def test_a_yaml_of_ones_own_that_grows_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "trainer").mkdir()
    path = tmp_path / "trainer" / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        compose("train", ["--config-dir", str(tmp_path), "trainer=mine"])
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_yaml_of_ones_own_may_repeat_itself(tmp_path: Path) -> None:
    (tmp_path / "trainer").mkdir()
    text = "defaults: [cpu]\nvalidations: &few 3\nmax_images: *few\n"
    (tmp_path / "trainer" / "mine.yaml").write_text(text, encoding="utf-8")
    (config,) = compose("train", ["--config-dir", str(tmp_path), "trainer=mine"]).configs
    assert isinstance(config, TrainConfig)
    assert (config.trainer.validations, config.trainer.max_images) == (3, 3)


@pytest.mark.slow
def test_the_line_for_all_trainings(runs: Path) -> None:
    from genbench.runs.directory import Run

    trained = runs_in(runs)
    queued = Run(runs / "not-there-yet")

    def line(runs: Sequence[Run], level: str, running: int, seconds: float, minutes: float | None) -> str:
        return progress_line([Aim(run, level, {}) for run in runs], running, seconds, minutes)

    assert line([*trained, queued], "full", 1, 10.0, None) == "training 1 of 3"
    took = [run.summary().train_seconds + run.summary().validation_seconds for run in trained]
    mean = sum(took) / 2
    for running, level, seconds, minutes, left in (
        (1, "full", 60.0, 60.0, 3 * 3600.0 - 60.0),
        (3, "full", 60.0, 60.0, 3600.0 - 60.0),
        (9, "full", 60.0, 60.0, 3600.0 - 60.0),  # no more than there are
        (1, "none", 1e6, None, mean),  # however long the first waited for something else
    ):
        said = line([*trained, queued], level, running, seconds, minutes)
        number = 1 if level == "full" else 3
        ends = [time.strftime("%H:%M", time.localtime(time.time() + left + late)) for late in (-2, 0, 2)]
        texts = ("trained about {}, and scored minutes later", "done about {}")
        assert said in [f"training {number} of 3, {texts[level == 'none'].format(end)}" for end in ends]
    assert line(trained, "none", 1, 10.0, None) == "2 of 2 trained"


def test_a_run_that_is_scored_by_other_options_is_not_done(tmp_path: Path) -> None:
    """Trainings that were all to be scored again were "8 of 8 trained and scored" from the start."""
    run = example(tmp_path)
    assert progress_line([Aim(run, "full", {})], 1, 10.0, None) == "1 of 1 trained and scored"
    assert progress_line([Aim(run, "full", {"steps": 12})], 1, 10.0, None) == "1 of 1 trained and scored"
    assert progress_line([Aim(run, "full", {"steps": 13})], 1, 10.0, None) == "training 1 of 1"


def test_a_damaged_summary_does_not_stop_the_others(tmp_path: Path) -> None:
    from genbench.runs.directory import Run

    damaged, other = example(tmp_path / "damaged"), example(tmp_path / "other")
    (damaged.path / "summary.json").write_text("{", encoding="utf-8")
    aims = [Aim(run, "none", {}) for run in (damaged, other, Run(tmp_path / "queued"))]
    said = progress_line(aims, 1, 10.0, None)
    assert said.startswith("training 3 of 3, done about ")


# Completion


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("", verb_names()),
        ("genbench ", verb_names()),
        ("genbench tr", ["train"]),
        ("genbench train mod", ["model.", "model="]),
        ("genbench train model=", [f"model={name}" for name in MODELS]),
        ("genbench train model=gan data=f", ["data=fashion", "data=folder"]),
        ("genbench train model=gan model.drop", ["model.dropout="]),
        ("genbench train trainer.max_m", ["trainer.max_minutes="]),
        ("genbench train -m hydra/launcher=co", ["hydra/launcher=cores"]),
        ("genbench sample r", ["run="]),
        ("genbench nothing ", []),
        ("genbench train model=gna mod", ["model="]),
    ],
)
def test_what_a_line_could_go_on_with(line: str, found: list[str]) -> None:
    assert set(found) <= set(candidates(line, verb_names()))


def shell(name: str, program: str, tmp_path: Path) -> str:
    """What a program says in a real shell in which genbench is a command."""
    if shutil.which(name) is None:
        pytest.skip(f"there is no {name} here")
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    script = bin_folder / "genbench"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m genbench "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    env = os.environ | {"PATH": f"{bin_folder}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    words = {"bash": ["bash", "--norc", "-c"], "fish": ["fish", "-c"], "zsh": ["zsh", "-f", "-c"]}[name]
    done = subprocess.run([*words, program], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


BASH = """
eval "$(genbench completion bash)"
complete -p genbench
try() {
    COMP_LINE="$1"; COMP_POINT=${#1}; shift; COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 ))
    _genbench
    printf '<%s>' "${COMPREPLY[@]}"; echo
}
try "genbench tra" genbench tra
try "genbench train model=" genbench train model =
try "genbench train model=g" genbench train model = g
try "genbench train trainer.max_min" genbench train trainer.max_min
"""


@pytest.mark.slow
def test_completion_in_bash(tmp_path: Path) -> None:
    lines = shell("bash", BASH, tmp_path).splitlines()
    assert "-F _genbench genbench" in lines[0]
    assert lines[1:] == ["<train >", "".join(f"<{name}>" for name in MODELS), "<gan >", "<trainer.max_minutes=>"]


@pytest.mark.slow
def test_completion_in_fish(tmp_path: Path) -> None:
    program = 'genbench completion fish | source; complete -C "genbench tra"; complete -C "genbench train model="'
    found = shell("fish", program, tmp_path).split()
    assert (found[0], sorted(found[1:])) == ("train", [f"model={name}" for name in MODELS])


@pytest.mark.slow
def test_completion_in_zsh(tmp_path: Path) -> None:
    shell("zsh", "true", tmp_path)  # skips where there is none, and makes the command
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ |= {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "HOME": str(tmp_path), "TERM": "dumb"}
        os.execvp("zsh", ["zsh", "-f", "-i"])

    def read_until(wanted: str) -> None:
        said, deadline = "", time.monotonic() + 30
        while wanted not in re.sub(r"\x1b.*?[a-zA-Z]|[\x07\r]", "", said):
            assert time.monotonic() < deadline, said
            if select.select([terminal], [], [], 0.2)[0]:
                said += os.read(terminal, 4096).decode(errors="replace")

    try:
        os.write(terminal, b'eval "$(genbench completion zsh)"; echo rea""dy\n')
        read_until("ready")
        for typed, completed in (
            ("genbench sam", "genbench sample "),
            ("genbench train model=g", "genbench train model=gan "),
            ("genbench train trainer.max_min", "genbench train trainer.max_minutes="),
        ):
            os.write(terminal, f"\x15{typed}\t".encode())
            read_until(completed)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def test_every_shell_s_line_is_documented(say: Say) -> None:
    _, said, _ = say()
    assert all(shell in said for shell in SCRIPTS)
    code, _, err = say("completion", "tcsh")
    assert (code, err.count("\n")) == (2, 1)


@pytest.mark.slow
def test_a_mistake_is_not_answered_by_itself() -> None:
    for verb, words in (("sample", ["trainer=cpu"]), ("report", ["model=vae"])):
        with pytest.raises(UserError) as caught:
            compose(verb, words)
        assert f"did you mean {words[0].partition('=')[0]}?" not in str(caught.value)
    with pytest.raises(UserError, match="seed=1,2: several values; give one, or with genbench train add -m"):
        compose("train", ["seed=1,2"])  # as search says it of its words
