"""What a model's constructor takes is read off its source, and is what the class itself would say."""

import inspect
import sys
from pathlib import Path

import pytest
import yaml

from genbench.config.schema import CONF
from genbench.errors import UserError
from genbench.models.gan import DCGAN
from genbench.models.hyperparameters import (
    NOT_THE_CLASS,
    check_hyperparameters,
    check_values,
    config_folders,
    entry_points,
    hyperparameters,
    sample_options,
)
from genbench.models.model import Model
from genbench.models.vae import VAE
from genbench.wording import in_words

GAN = {"_target_": "genbench.models.gan.DCGAN"}


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "model").glob("*.yaml")))
def test_a_models_yaml_holds_the_defaults_of_its_constructor(name: str) -> None:
    content = yaml.safe_load((CONF / "model" / f"{name}.yaml").read_text(encoding="utf-8"))
    known = hyperparameters(content["_target_"])
    given = {key: tuple(v) if isinstance(v, list) else v for key, v in content.items() if key not in NOT_THE_CLASS}
    assert given == {key: about.default for key, about in known.items()}
    assert content["title"]
    assert all(about.meaning for about in known.values())
    check_hyperparameters(content)


@pytest.mark.parametrize("kind", [DCGAN, VAE])
def test_the_source_says_what_the_signature_says(kind: type[Model]) -> None:
    keywords = {
        name: (p.annotation, p.default)
        for name, p in inspect.signature(kind).parameters.items()
        if p.kind is inspect.Parameter.KEYWORD_ONLY
    }
    read = hyperparameters(f"{kind.__module__}.{kind.__name__}")
    assert {name: about.default for name, about in read.items()} == {name: d for name, (_, d) in keywords.items()}
    for name, (annotation, _) in keywords.items():
        assert str(read[name].annotation) == str(annotation)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latent_size": 0}, "model.latent_size=0: must be a whole number at least 1 and at most 65536"),
        ({"latent_size": 2.5}, "model.latent_size=2.5: must be a whole number"),
        ({"latent_size": True}, "model.latent_size=true: must be a whole number"),
        ({"latent_size": "8"}, "model.latent_size=8: must be a whole number"),
        ({"dropout": True}, "model.dropout=true: must be a number at least 0 and at most 0.99 or null"),
        ({"augment": None}, "model.augment=null: must be a number at least 0 and at most 1"),
        ({"dropout": float("nan")}, "model.dropout=nan: must be a number"),
        ({"generator_learning_rate": 0}, "model.generator_learning_rate=0: must be a number above 0"),
        ({"betas": [0.5]}, "model.betas=[0.5]: must be two numbers [a, b], each at least 0 and at most 0.999999"),
        ({"betas": [0.5, 1.5]}, "model.betas=[0.5,1.5]: must be two numbers [a, b], each at least 0"),
        ({"colour": "red"}, "model.colour: there is no such key; there are latent_size,"),
        ({"sample": {"steps": 3}}, "model.sample.steps: there is no such key"),
    ],
)
def test_what_the_constructor_does_not_take_is_answered_in_one_line(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as caught:
        check_hyperparameters(GAN | changes)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_whole_number_is_a_number() -> None:
    check_hyperparameters(GAN | {"dropout": 0, "betas": [0, 0.9]})


SOURCE = """
from typing import Annotated, Literal

from pydantic import Field

from genbench.models.vae import VAE
from genbench.wording import in_words

LIMIT = 3


class Base(VAE):
    def __init__(self, shape, *, width: Annotated[int, Field(ge=1, description="channels")], **rest):
        super().__init__(shape, **rest)

    def sample(self, noise, labels=None, *, steps: Annotated[int, Field(ge=1)] = 12, solver: Literal["a", "b"] = "a"):
        ...


class Heir(Base):
    odd: int = 3


class Own(Base):
    def __init__(self, shape, *, limit: Annotated[int, Field(le=LIMIT)] = 1):
        super().__init__(shape)
"""


def test_base_classes_options_and_annotations_that_only_python_knows(tmp_path: Path) -> None:
    (tmp_path / "heirs.py").write_text(SOURCE, encoding="utf-8")
    code = str(tmp_path)
    assert set(hyperparameters("heirs.Heir", code)) == {*hyperparameters("genbench.models.vae.VAE"), "width"}
    assert hyperparameters("heirs.Base", code)["width"].meaning == "channels"
    assert set(hyperparameters("heirs.Own", code)) == {"limit"}
    check_hyperparameters({"_target_": "heirs.Own", "limit": 99}, code)  # left to the class
    with pytest.raises(UserError, match="width must be given"):
        check_hyperparameters({"_target_": "heirs.Heir"}, code)
    options = sample_options("heirs.Heir", code)
    assert {name: about.default for name, about in options.items()} == {"steps": 12, "solver": "a"}
    assert in_words(options["solver"].field) == "one of a, b"
    with pytest.raises(UserError, match=r"options.solver=c: must be one of a, b"):
        check_values({"solver": "c"}, options, "options.")
    with pytest.raises(UserError, match="there is no class Nobody"):
        hyperparameters("heirs.Nobody", code)


def test_an_installed_packages_model_is_found_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere" / "conf" / "model").mkdir(parents=True)
    (tmp_path / "elsewhere" / "__init__.py").touch()
    (tmp_path / "elsewhere" / "mine.py").write_text("raise RuntimeError\nclass Mine:\n    ...\n", encoding="utf-8")
    about = tmp_path / "elsewhere-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text("[genbench.models]\nmine = elsewhere.mine:Mine\n", encoding="utf-8")
    assert "mine" not in entry_points()
    monkeypatch.syspath_prepend(tmp_path)
    assert entry_points()["mine"] == "elsewhere.mine.Mine"
    assert config_folders() == [tmp_path / "elsewhere" / "conf"]
    check_hyperparameters({"_target_": "elsewhere.mine.Mine"})
    assert "elsewhere.mine" not in sys.modules
