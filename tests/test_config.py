"""Wrong commands: one line that names the mend, exit code 2, nothing made."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from genbench.config import HYPERPARAMETERS, Range, SampleConfig, TrainConfig, preflight
from genbench.errors import UserError

MISTAKES = [
    ("model=gna", "model=gna: there is no such model; did you mean gan?; choose one of gan, vae"),
    ("data=minst", "data=minst: there is no such data; did you mean mnist?; choose one of "),
    ("data.batchsize=3", "data.batchsize: there is no such key; did you mean data.batch_size?"),
    ("batch_size=3", "batch_size: there is no such key; did you mean data.batch_size?"),
    ("modle=gan", "modle: there is no such key; did you mean model?"),
    ("model.latent_sise=3", "model.latent_sise: there is no such key; did you mean model.latent_size?"),
    ("+foo=3", "foo: there is no such key"),
    ("data.batch_size=-1", "data.batch_size=-1: must be at least 1"),
    ("data.batch_size=1.5", "data.batch_size=1.5: must be a whole number"),
    ("trainer.max_epochs=two", "trainer.max_epochs=two: must be a number above 0"),
    ("trainer.max_minutes=0", "trainer.max_minutes=0.0: must be above 0"),
    ("trainer.max_images=nan", "trainer.max_images=nan: must be a whole number"),
    ("trainer.max_minutes=nan", "trainer.max_minutes=nan: must be above 0"),
    ("trainer.precision=bf16", "must be one of auto, float32, bfloat16; did you mean bfloat16?"),
    ("seed=-1", "seed=-1: must be at least 0"),
    ("overwrite=maybe", "overwrite=maybe: must be true or false"),
    ("model.latent_size=0", "model.latent_size=0: must be a whole number at least 1"),
    ("model.latent_size=abc", "model.latent_size=abc: must be a whole number"),
    ("model.betas=[0.5]", "model.betas=[0.5]: must be two numbers [a, b], each at least 0"),
    ("model.betas=[0.5,1.0]", "must be two numbers"),
    ("model.learning_rate=-1e-3", "model.learning_rate=-0.001: must be a number above 0"),
    ("model=gan,vae", "model=gan,vae: several values; add -m"),
    ("data=folder", "data.root must be given"),
    ("~seed", "seed must be given"),
    ("epochs", "epochs: cannot be read; write key=value"),
    ("trainer=tpu", "trainer=tpu: there is no such trainer"),
]


@pytest.mark.parametrize(("word", "message"), MISTAKES)
def test_a_mistake_is_answered_in_one_line(word: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        preflight("train", TrainConfig, [word])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_wrong_job_refuses_the_whole_sweep() -> None:
    with pytest.raises(UserError, match="seed=x"):
        preflight("train", TrainConfig, ["-m", "model=gan,vae", "seed=1,x"])


def test_other_verbs_do_not_sweep() -> None:
    with pytest.raises(UserError, match="leave out -m"):
        preflight("sample", SampleConfig, ["-m", "run=a", "n=1,2"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model=gna"], "did you mean gan?"),
        pytest.param(
            ["data=folder", "data.root=nowhere"], "nowhere: there is no such file or folder", marks=pytest.mark.slow
        ),
    ],
)
def test_the_process_prints_one_line_exits_with_2_and_leaves_nothing(
    words: list[str], message: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "genbench.train", *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("genbench: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_nothing_heavy_is_imported_before_the_config_is_known_to_be_good() -> None:
    code = """
import sys
sys.argv = ["train", "model=gna"]
from genbench.train import main
try:
    main()
except SystemExit as stop:
    assert stop.code == 2
heavy = [name for name in ("torch", "lightning", "matplotlib", "sklearn", "tensorboard") if name in sys.modules]
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONWARNINGS": "ignore"})


def test_help_says_what_can_be_set_and_shows_examples() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "genbench.train", "--help"], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("python -m genbench.train") >= 3
    for word in ("model: gan, vae", "data: fashion, folder, mnist, optdigits", "max_minutes", "latent_size"):
        assert word in done.stdout


def test_a_sweep_composes_every_job() -> None:
    configs, sweep = preflight("train", TrainConfig, ["-m", "model=gan,vae", "data=mnist,fashion", "seed=range(5)"])
    assert sweep
    assert len(configs) == 20
    assert len({config.run_name for config in configs}) == 20


def test_the_run_name_follows_all_that_affects_the_result_and_nothing_else() -> None:
    def name(*words: str) -> str:
        return preflight("train", TrainConfig, list(words)).configs[0].run_name

    plain = name("model=vae", "data=mnist")
    assert plain.startswith("mnist-vae-")
    assert plain.endswith("-s0")
    for same in ("runs=elsewhere", "logger=none", "trainer=cpu", "data.root=/x", "overwrite=true"):
        assert name("model=vae", "data=mnist", same) == plain
    for other in ("model.latent_size=3", "data.batch_size=32", "trainer.max_images=99", "trainer.precision=float32"):
        assert name("model=vae", "data=mnist", other) != plain
    assert name("model=vae", "data=mnist", "seed=7") == plain.removesuffix("0") + "7"
    assert name("data=folder", "data.root=/x") != name("data=folder", "data.root=/y")


def test_the_written_config_composes_to_the_same_run(tmp_path: Path) -> None:
    (config,) = preflight("train", TrainConfig, ["model=gan", "data=mnist", "experiment=paper", "seed=3"]).configs
    (tmp_path / "config.yaml").write_text(config.to_yaml(), encoding="utf-8")
    (again,) = preflight("train", TrainConfig, ["--config-dir", str(tmp_path), "--config-name", "config"]).configs
    assert again == config


def test_ranges() -> None:
    assert Range(0, 1).holds(0)
    assert Range(0, 1).holds(1)
    assert not Range(0, 1, above=True).holds(0)
    assert not Range(0, 1).holds(float("nan"))
    assert str(Range(0, above=True)) == "above 0"
    assert str(Range(1, 65536)) == "at least 1 and at most 65536"


def test_every_shipped_hyperparameter_has_a_type_and_a_range() -> None:
    for model in ("gan", "vae"):
        (config,) = preflight("train", TrainConfig, [f"model={model}"]).configs
        assert set(config.model) - {"_target_"} <= set(HYPERPARAMETERS)
