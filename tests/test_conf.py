"""Every YAML composes, passes the checks and builds."""

from functools import cache
from pathlib import Path

import pytest
from hydra.utils import get_method
from torch.nn import BatchNorm1d, BatchNorm2d

from genbench.cli import compose as compose_words
from genbench.config.schema import CONF
from genbench.config.train import TrainConfig
from genbench.data.images import ImageShape
from genbench.errors import UserError
from genbench.models.model import Model
from genbench.models.weights import build, parameters

GROUPS = ("model", "data", "trainer", "logger", "evaluation", "experiment")
CHOICES = [(group, path.stem) for group in GROUPS for path in sorted((CONF / group).glob("*.yaml"))]


@cache
def compose(*words: str) -> TrainConfig:
    config: TrainConfig
    (config,) = compose_words("train", list(words)).configs
    return config


@pytest.mark.parametrize(("group", "choice"), CHOICES)
@pytest.mark.slow
def test_every_choice_composes(group: str, choice: str) -> None:
    words = ["data.root=somewhere"] if group == "data" else []
    words += {"mlflow": ["logger.mlflow.tracking_uri=http://127.0.0.1:1"], "wandb": ["logger.wandb.mode=offline"]}.get(
        choice, []
    )
    compose(f"{group}={choice}", *words)


def test_every_group_is_covered() -> None:
    assert {path.name for path in CONF.iterdir() if path.is_dir()} == {
        *GROUPS,
        *("hydra", "recipe"),
        "search",  # see test_search.py
    }


@pytest.mark.parametrize("choice", sorted(path.stem for path in (CONF / "hydra" / "launcher").glob("*.yaml")))
@pytest.mark.slow
def test_every_launcher_composes(choice: str) -> None:
    assert len(compose_words("train", ["-m", f"hydra/launcher={choice}", "seed=0,1"]).configs) == 2


@pytest.mark.parametrize("choice", [choice for group, choice in CHOICES if group == "model"])
def test_every_model_builds_from_the_class_at_the_path_that_its_name_says(choice: str) -> None:
    config = compose(f"model={choice}")
    assert config.model["_target_"].startswith(f"genbench.models.{choice}.")
    model = build(config.model, ImageShape(1, 28, 28))
    assert isinstance(model, Model)
    assert parameters(model)


@pytest.mark.parametrize("choice", [choice for group, choice in CHOICES if group == "data"])
def test_every_data_set_names_its_loader(choice: str) -> None:
    config = compose(f"data={choice}", "data.root=somewhere")
    assert config.data.load == f"genbench.data.{choice}.load"
    assert callable(get_method(config.data.load))


@pytest.mark.parametrize(("model", "epochs", "batch_size"), [("gan", 50, 32), ("vae", 30, 128)])
def test_the_papers_lengths_and_batch_sizes(model: str, epochs: int, batch_size: int) -> None:
    config = compose(f"model={model}", "experiment=paper")
    assert config.trainer.max_epochs == epochs
    assert config.data.batch_size == batch_size
    assert config.trainer.max_images is None
    assert config.trainer.max_minutes is None


@pytest.mark.parametrize(("words", "eps", "momentum"), [(["experiment=paper"], 1e-3, 0.01), ([], 1e-5, 0.1)])
def test_the_papers_batch_norm_has_keras_values(words: list[str], eps: float, momentum: float) -> None:
    model = build(compose("model=gan", *words).model, ImageShape(1, 28, 28))
    norms = [layer for layer in model.modules() if isinstance(layer, BatchNorm1d | BatchNorm2d)]
    assert [(layer.eps, layer.momentum) for layer in norms] == [(eps, momentum)] * 5


def test_an_experiment_with_recipes_is_refused_for_a_model_that_it_has_none_for(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text((CONF / "model" / "vae.yaml").read_text(), encoding="utf-8")
    words = ["--config-dir", str(tmp_path), "model=mine"]
    assert compose(*words, "experiment=smoke").trainer.max_images == 640
    with pytest.raises(UserError, match="experiment=paper says nothing of model=mine"):
        compose(*words, "experiment=paper")


@pytest.mark.parametrize("choice", [choice for group, choice in CHOICES if group != "experiment"])
def test_every_choice_begins_with_a_line_that_says_what_it_is(choice: str) -> None:
    for path in CONF.glob(f"*/{choice}.yaml"):
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith("# ") and len(first) > 20
