"""A new model is one file in models/ and one in conf/model/, nothing else."""

import json
import os
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

import genbench
from genbench.config import CONF
from tests.conftest import Command

pytestmark = pytest.mark.slow

MODEL = '''
import torch
from torch import Tensor, nn

from genbench.data.images import ImageShape
from genbench.models.interface import Model


class Mean(Model):
    """Learns one grey image, and adds noise to it."""

    def __init__(self, shape: ImageShape, *, latent_size: int, learning_rate: float, noise: float) -> None:
        super().__init__()
        self.latent_size = latent_size
        self.learning_rate = learning_rate
        self.noise = noise
        self.canvas = nn.ParameterList([nn.Parameter(torch.zeros(shape))])

    def generate(self, z: Tensor) -> Tensor:
        return (self.canvas[0] + self.noise * z.mean(1).view(-1, 1, 1, 1)).clamp(0, 1)

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        loss = (self.canvas[0] - batch.float() / 255).square().mean()
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        return {"loss": loss.detach()}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), self.learning_rate)
'''
YAML = """
_target_: genbench.models.mean.Mean
latent_size: 4
learning_rate: 0.1
noise: 0.01
"""


def test_a_model_added_by_two_files_trains_samples_and_exports(command: Command, tmp_path: Path) -> None:
    package = tmp_path / "src" / "genbench"
    shutil.copytree(Path(genbench.__file__).parent, package)
    shutil.copytree(CONF, tmp_path / "conf")
    (package / "models" / "mean.py").write_text(MODEL, encoding="utf-8")
    (tmp_path / "conf" / "model" / "mean.yaml").write_text(YAML, encoding="utf-8")
    env = os.environ | {"PYTHONPATH": str(tmp_path / "src")}
    done = command("genbench.train", "model=mean", "experiment=smoke", "runs=runs", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "runs").glob("optdigits-mean-*")
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    assert summary["parameters"] == {"canvas": 784}
    assert summary["train"]["loss"] < 0.2
    done = command("genbench.sample", f"run={run}", "n=4", "out=grid.png", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    done = command("genbench.export", f"run={run}", "format=safetensors", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert list(load_file(tmp_path / f"{run.name}-generator.safetensors")) == ["0"]
    # Its own hyperparameters are checked as well.
    done = command("genbench.train", "model=mean", "model.noise=[]", "runs=runs", cwd=tmp_path, env=env)
    assert done.returncode in (1, 2)
