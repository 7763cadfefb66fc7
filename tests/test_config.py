"""Wrong commands: one line that names the mend, exit code 2, nothing made."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from genbench.cli import compose, module_of, schema_of, verb_names
from genbench.config.train import parse_train
from genbench.errors import UserError
from genbench.models.hyperparameters import hyperparameters

MISTAKES = [
    ("model=gna", "model=gna: there is no such model; did you mean gan?; choose one of flow, gan, vae, vae_prior"),
    ("data=minst", "data=minst: there is no such data; did you mean mnist?; choose one of "),
    ("data.batchsize=3", "data.batchsize: there is no such key; did you mean data.batch_size?"),
    ("batch_size=3", "batch_size: there is no such key; did you mean data.batch_size?"),
    ("modle=gan", "modle: there is no such key; did you mean model?"),
    ("model.latent_sise=3", "model.latent_sise: there is no such key; did you mean model.latent_size?"),
    ("+foo=3", "foo: there is no such key"),
    ("data.batch_size=-1", "data.batch_size=-1: must be at least 1"),
    ("data.batch_size=1.5", "data.batch_size=1.5: must be a whole number"),
    ("trainer.max_epochs=two", "trainer.max_epochs=two: must be a number above 0"),
    ("trainer.max_minutes=0", "trainer.max_minutes=0: must be above 0"),
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
    ("model=gan,vae", "model=gan,vae: several values; give one, or with genbench train add -m"),
    ("data=folder", "data.root must be given"),
    ("~seed", "seed must be given"),
    ("epochs", "epochs: stands alone; write epochs=VALUE"),
    ("data=src", "data=src: there is no such data; for images of your own write data=folder data.root=src"),
    ("trainer=tpu", "trainer=tpu: there is no such trainer"),
    ("experiment=smok", "experiment=smok: there is no such experiment; did you mean smoke?"),
    ("data.batch_size=true", "data.batch_size=true: must be a whole number at least 1"),
    ("trainer.max_minutes=true", "trainer.max_minutes=true: must be a number above 0"),
    ("data.fit=pad", "data.fit=pad: must be crop without data.size"),  # it had no effect, and nothing was said
    ("data.batch_size='64'", "data.batch_size=64: must be a whole number at least 1"),
    ("runs=3", "runs=3: must be text"),
    ("trainer.devices=3", "data.batch_size=64: 3 processes cannot share it"),
    ("data.load=os.system", "data.load=os.system: must be genbench.data.<file>.load"),
    (
        "logger._target_=os.system",
        "logger._target_: there is no such key",
    ),
    ("model._target_=os.system", "code=DIR"),
    ("code=nowhere", "code=nowhere: there is no such folder"),
]


@pytest.mark.parametrize(("word", "message"), MISTAKES)
def test_a_mistake_is_answered_in_one_line(word: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        compose("train", [word])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_wrong_job_refuses_the_whole_sweep() -> None:
    with pytest.raises(UserError, match="seed=x"):
        compose("train", ["-m", "model=gan,vae", "seed=1,x"])


def test_other_verbs_do_not_sweep() -> None:
    with pytest.raises(UserError, match="leave out -m"):
        compose("sample", ["-m", "run=a", "n=1,2"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model=gna"], "did you mean gan?"),
        pytest.param(
            ["data=folder", "data.root=nowhere"], "nowhere: there is no such file or folder", marks=pytest.mark.slow
        ),
    ],
)
@pytest.mark.slow
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


@pytest.mark.parametrize(
    "words",
    [
        ["train", "model=gna"],
        *(pytest.param(words, marks=pytest.mark.slow) for words in (["train", "--help"], ["compare", "--help"])),
        *(pytest.param(words, marks=pytest.mark.slow) for words in (["trian"], [])),
    ],
)
@pytest.mark.slow
def test_a_typo_and_help_import_nothing_heavy(words: list[str]) -> None:
    code = f"""
import sys
from genbench.start import main
sys.argv = ["genbench", *{words}]
try:
    main()
except SystemExit as stop:
    assert stop.code == 2
heavy = {{"torch", "lightning", "matplotlib", "sklearn", "scipy", "pandas", "tensorboard", "altair"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONWARNINGS": "ignore"})


@pytest.mark.slow
def test_help_says_what_can_be_set_and_shows_examples() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "genbench.train", "--help"], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("genbench train") >= 3
    for word in ("gan", "vae", "fashion", "folder", "mnist", "optdigits", "max_minutes", "latent_size"):
        assert word in done.stdout


@pytest.mark.slow
def test_a_sweep_composes_every_job() -> None:
    line = compose("train", ["-m", "model=gan,vae", "data=mnist,fashion", "seed=range(5)"])
    assert line.sweep
    assert len(line.configs) == len(line.jobs) == 20
    assert len({config.run_name for config in line.configs}) == 20


@pytest.mark.slow
def test_the_run_name_follows_all_that_affects_the_result_and_nothing_else() -> None:
    def name(*words: str) -> str:
        return str(compose("train", list(words)).configs[0].run_name)

    plain = name("model=vae", "data=mnist")
    assert plain.startswith("mnist-vae-")
    assert plain.endswith("-s0")
    for same in ("runs=elsewhere", "logger=none", "trainer=cpu", "data.root=/x", "overwrite=true"):
        assert name("model=vae", "data=mnist", same) == plain
    for other in ("model.latent_size=3", "data.batch_size=32", "trainer.max_images=99", "trainer.precision=float32"):
        assert name("model=vae", "data=mnist", other) != plain
    assert name("model=vae", "data=mnist", "seed=7") == plain.removesuffix("0") + "7"
    assert name("data=folder", "data.root=/x") != name("data=folder", "data.root=/y")


@pytest.mark.slow
def test_a_run_of_before_a_word_was_there_keeps_its_name() -> None:
    """A VAE had no likelihood= once: what its runs meant is what the word's default means."""
    (now,) = compose("train", ["model=vae", "data=mnist", "experiment=paper"]).configs
    old = now.model_dump()
    for word in ("likelihood", "importance_samples", "conditional"):
        del old["model"][word]
    then = parse_train(old)
    assert then == now
    assert "likelihood" not in str(now.identity)
    (other,) = compose("train", ["model=vae", "data=mnist", "experiment=paper", "model.conditional=true"]).configs
    assert other.run_name != now.run_name
    assert other.identity["model.conditional"] is True


def test_the_written_config_composes_to_the_same_run(tmp_path: Path) -> None:
    (config,) = compose("train", ["model=gan", "data=mnist", "experiment=paper", "seed=3"]).configs
    (tmp_path / "config.yaml").write_text(config.to_yaml(), encoding="utf-8")
    (again,) = compose("train", ["--config-dir", str(tmp_path), "--config-name", "config"]).configs
    assert again == config


def test_a_whole_number_is_a_number() -> None:
    (config,) = compose("train", ["trainer.max_minutes=2"]).configs
    assert config.trainer.max_minutes == 2.0
    assert isinstance(config.trainer.max_minutes, float)


def test_titles_and_options_of_sampling_are_not_part_of_the_name() -> None:
    (config,) = compose("train", ["model=vae", "data=mnist"]).configs
    other = config.model_copy(
        update={
            "model": {**config.model, "title": "Another", "sample": {"steps": 5}},
            "data": config.data.model_copy(update={"title": "Another"}),
        }
    )
    assert other.run_name == config.run_name
    assert (other.model_title, config.model_title, config.data.title) == ("Another", "VAE", "MNIST")


def test_a_folder_is_called_by_its_name() -> None:
    (config,) = compose("train", ["data=folder", "data.root=/some/photos"]).configs
    assert config.data.title == "photos"


def test_every_shipped_hyperparameter_is_its_model_s() -> None:
    for model in ("gan", "vae"):
        (config,) = compose("train", [f"model={model}"]).configs
        known = hyperparameters(config.model["_target_"])
        assert set(config.model) - {"_target_", "title"} == set(known)
        assert {name: about.default for name, about in known.items()} == {
            name: tuple(config.model[name]) if isinstance(config.model[name], list) else config.model[name]
            for name in known
        }
        assert all(about.meaning for about in known.values())


def test_a_stored_config_is_read_as_it_was_written_and_nothing_in_it_is_looked_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET", "told")
    (config,) = compose("train", ["model=gan", "experiment=paper", "data=fashion"]).configs
    stored = yaml.safe_load(config.to_yaml())
    assert parse_train(stored) == config
    assert parse_train({**stored, "runs": "${oc.env:SECRET}"}).runs.endswith("/${oc.env:SECRET}")
    # A class from elsewhere can be read of; it is not looked at.
    assert parse_train({**stored, "model": {"_target_": "somewhere.Net"}}).model_name == "somewhere"
    # The first name of the GAN's class.
    old = {**stored, "model": {**config.model, "_target_": "genbench.models.gan.GAN"}}
    assert parse_train(old).model["_target_"] == "genbench.models.gan.DCGAN"


@pytest.mark.parametrize(
    "change",
    [
        {"model": None},
        {"model": {"_target_": ["a.b"]}},
        {"model": "vae"},
        {"data": None},
        {"data": {"load": None}},
        {"data": {"load": {}, "root": 3}},
        {"trainer": []},
        {"seed": 10**400},
        {"seed": float("inf")},
        {1: 2},
        {"runs": {"a": {}}},
        {"logger": {"_target_": {}}},
    ],
)
def test_a_broken_stored_config_is_refused_in_one_line(change: dict[Any, Any]) -> None:
    stored: dict[Any, Any] = yaml.safe_load(compose("train", []).configs[0].to_yaml())
    with pytest.raises(UserError) as caught:
        parse_train({**stored, **change})
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_every_value_says_what_it_means() -> None:
    def fields(schema: type[BaseModel]) -> Iterator[tuple[str, str | None]]:
        for name, field in schema.model_fields.items():
            inner = field.annotation
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from fields(inner)
            elif "Config" not in str(inner):
                yield f"{schema.__name__}.{name}", field.description

    schemas = {schema_of(module_of(verb)) for verb in verb_names()}
    said = dict(pair for schema in schemas for pair in fields(schema))
    assert len(said) > 50
    assert [name for name, description in said.items() if not description] == []
