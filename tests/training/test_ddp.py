"""Several processes that share every batch come to what one comes to."""

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from genbench.data.batches import Batch
from genbench.data.datamodule import Stream
from genbench.models import model
from genbench.models.flow import FlowMatching
from genbench.models.vae import VAE
from genbench.models.vaegan import VAEGAN
from genbench.runs.directory import Run
from tests.conftest import Command
from tests.data.test_datamodule import numbered, seen
from tests.small import small_digits

WORDS = ("experiment=smoke", "trainer.accelerator=cpu", "trainer.precision=float32", "logger=none")


def test_the_parts_of_a_batch_make_up_the_batch() -> None:
    whole = Stream(numbered(30), 6, seed=3, start=5)
    parts = [Stream(numbered(30), 6, seed=3, start=5, part=(i, 3)) for i in range(3)]
    for batch, *pieces in zip(seen(whole, 9), *(seen(part, 9) for part in parts), strict=True):
        assert [image for piece in pieces for image in piece] == batch
    assert parts[0].images_seen == 59  # of the training, not of the part
    with pytest.raises(ValueError, match="divided"):
        Stream(numbered(30), 7, seed=3, part=(0, 2))


def test_what_is_drawn_beside_the_noise_is_divided_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """All processes drew the same times and latents, of which there were as many fewer."""
    flow = FlowMatching((1, 8, 8))
    draws = {0: lambda n: torch.randn(n, 3), 1: lambda n: torch.randn(2, n, 3)}
    for dim, draw in draws.items():
        torch.manual_seed(0)
        whole = flow.own_part(draw, 6, dim)
        parts = []
        for rank in range(3):
            with monkeypatch.context() as patch:
                patch.setattr(model, "processes", lambda: 3)
                patch.setattr(model, "rank", lambda rank=rank: rank)
                torch.manual_seed(0)
                parts.append(flow.own_part(draw, 2, dim))
        assert torch.equal(torch.cat(parts, dim), whole)


@pytest.mark.parametrize(
    "made",
    [
        FlowMatching((1, 8, 8), 3, conditional=True),
        VAE((1, 8, 8), latent_size=2, importance_samples=3),
        VAEGAN((1, 8, 8), latent_size=4, components=3),
    ],
)
def test_models_draw_by_their_part(made: model.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    made.stage = list(made.stages)[-1]
    batch = Batch(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1, 2, 0]))
    asked = []

    def spied(draw: Callable[[int], torch.Tensor], images: int, dim: int = 0) -> torch.Tensor:
        asked.append(images)
        return draw(images)

    monkeypatch.setattr(made, "own_part", spied)
    noise = torch.randn(4, *made.noise_shape)
    next(made.updates(batch, noise))
    assert asked and set(asked) == {4}


def curves(runs: Path) -> tuple[list[str], torch.Tensor]:
    (path,) = runs.glob("*/metrics.csv")
    with path.open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    return rows[0], torch.tensor([[float(cell or "nan") for cell in row] for row in rows[1:]], dtype=torch.float64)


@pytest.mark.slow(60)
def test_two_processes_have_the_loss_curve_of_one(command: Command, tmp_path: Path) -> None:
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    for name, more in (("one", ()), ("two", ("trainer=ddp",))):
        words = ("genbench.train", "model=vae", *more, *WORDS, *small_digits(tmp_path), f"runs={tmp_path / name}")
        done = command(*words, env=env, fresh=bool(more))
        assert done.returncode == 0, done.stdout + done.stderr
    assert "2, each with a part of every batch" in done.stdout
    assert done.stdout.count(": finished") == 1
    (names, one), (others, two) = curves(tmp_path / "one"), curves(tmp_path / "two")
    assert names == others
    torch.testing.assert_close(two, one, rtol=1e-4, atol=1e-4, equal_nan=True)
    (run,) = (tmp_path / "two").iterdir()
    assert [int(path.stem) for path in sorted((run / "checkpoints").iterdir())] == [320, 640]

    # From the middle again: as a machine that was lost would go on.
    before = (run / "metrics.csv").read_bytes(), (run / "weights.safetensors").read_bytes()
    (run / "checkpoints" / "000000000640.ckpt").unlink()
    for name in ("weights.safetensors", "summary.json", "metrics.csv"):
        (run / name).unlink()
    Run.open(run).set_status("interrupted")
    done = command(*words, env=env, fresh=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "from 000000000320.ckpt" in done.stdout
    assert before == ((run / "metrics.csv").read_bytes(), (run / "weights.safetensors").read_bytes())


@pytest.mark.slow(25)
def test_two_processes_come_through_both_stages(command: Command, tmp_path: Path) -> None:
    words = ("model=vae_prior", "model.prior=flow", "model.conditional=true", "model.width=8", "model.hidden=16")
    where = (*small_digits(tmp_path), f"runs={tmp_path / 'runs'}")
    done = command("genbench.train", *words, "trainer=ddp", *WORDS, *where, fresh=True)
    assert done.returncode == 0, done.stdout + done.stderr
    names, values = curves(tmp_path / "runs")
    column = values[:, names.index("train/prior_loss")]
    assert column[~column.isnan()].isfinite().all()
    assert not column.isnan().all()


@pytest.mark.slow
def test_torchrun_trains_a_gan_whose_processes_agree(tmp_path: Path) -> None:
    torchrun = shutil.which("torchrun") or str(Path(sys.executable).with_name("torchrun"))
    words = [torchrun, "--standalone", "--nproc-per-node", "2", "-m", "genbench.train", "model=gan", "trainer=ddp"]
    done = subprocess.run(
        [*words, *WORDS, "trainer.max_images=160", *small_digits(tmp_path), f"runs={tmp_path / 'runs'}"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    names, values = curves(tmp_path / "runs")
    assert values[-1, 0] == 160
    assert done.stdout.count(": finished") == 1
    assert "in each by itself" in " ".join(done.stdout.split())
    column = values[:, names.index("train/generator_loss")]
    assert column[~column.isnan()].isfinite().all()


@pytest.mark.slow
def test_what_processes_cannot_share_is_refused(command: Command) -> None:
    done = command("genbench.train", "trainer=ddp", "data.batch_size=33")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "genbench: data.batch_size=33: 2 processes cannot share it; take a multiple\n"
    done = command("genbench.train", "-m", "trainer=ddp", "seed=0,1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "of several trainings each takes one process" in done.stderr
