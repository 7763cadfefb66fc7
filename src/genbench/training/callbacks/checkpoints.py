"""The state of a training on disk: what it needs to go on as if it had never stopped."""

import random
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from genbench.cache import regular_file
from genbench.config.train import TrainConfig
from genbench.console import warn
from genbench.errors import UserError
from genbench.interruption import Interrupted
from genbench.models.model import Model
from genbench.runs.directory import Run
from genbench.runs.records import Environment
from genbench.training.budget import Budget

KEPT = 2
LARGEST = 64 * 2**30  # bytes
MOST_LOST = 300.0  # seconds of training without a checkpoint


class Checkpoints(L.Callback):
    """checkpoints/<images seen>.ckpt, of which the last two are kept; no pickled objects.

    After every validation, before an interruption, and if neither comes, every five minutes. Networks, optimizers and
    the callbacks' counters come from Lightning; the random states are added here. Lightning's own loops are left out:
    where a training stands is one number, the images seen.

    It must be the last callback, so that the others are done with a step when it is saved.
    """

    def __init__(self, run: Run, budget: Budget, config: TrainConfig, environment: Environment | None = None) -> None:
        self._run = run
        self._budget = budget
        self._told = told(config)
        self._environment = environment
        self._saved = 0.0  # seconds of training
        self._random: Mapping[str, Any] = random_states()

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Delete what a process that was killed between saving and deleting has left."""
        self._delete_old()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """The random states of the checkpoint, or of before the Trainer was made: DDP's start seeds anew.

        From here on nothing but the steps draws.
        """
        self._saved = self._budget.seconds
        set_random_states(self._random)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Make sure that there is a number to go on with, and save if it is time."""
        if pl_module.device.type == "cpu":  # a GPU would have to be waited for
            self._check_finite(outputs)
        if trainer.is_last_batch or trainer.should_stop:
            return  # a validation comes first, without which a row of metrics.csv would be missing
        if self._budget.signal is not None:
            self._save(trainer, pl_module)
            raise Interrupted(self._budget.signal)
        if self._budget.seconds - self._saved > MOST_LOST:
            with self._budget.beside(pl_module.device):
                self._save(trainer, pl_module)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save after a validation."""
        self._save(trainer, pl_module)
        if self._budget.signal is not None:
            raise Interrupted(self._budget.signal)

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """See the class; beside the state of the training, what it was told and on what it ran."""
        del checkpoint["loops"]
        checkpoint["told"] = self._told
        if self._environment is not None:
            checkpoint["environment"] = self._environment.model_dump()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return random_states()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Keep the random states until the first step."""
        self._random = state_dict

    def _save(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._check_finite(pl_module.state_dict())
        if not trainer.is_global_zero:
            trainer.save_checkpoint("", weights_only=False)  # it waits for the process that writes
            return
        with self._run.whole(f"checkpoints/{self._budget.images_seen:012}.ckpt") as temporary:
            trainer.save_checkpoint(temporary, weights_only=False)
        self._delete_old()
        self._saved = self._budget.seconds

    def _delete_old(self) -> None:
        # Those of more images than were seen yet cannot be read, and are in nobody's place.
        ours = [path for path in self._run.checkpoints if int(path.stem) <= self._budget.images_seen]
        for old in ours[KEPT:]:
            old.unlink()

    def _check_finite(self, values: Mapping[str, Tensor]) -> None:
        for name, value in values.items():
            if not value.isfinite().all():
                what = f"the {name.replace('_', ' ')}" if value.ndim == 0 else "a weight"
                kept = f"; the last good state is {self._run.checkpoints[0]}" if self._run.checkpoints else ""
                raise UserError(
                    f"{what} is not a finite number any more after {self._budget.images_seen:,} images: try a lower "
                    f"learning rate or another seed{kept}"
                )


def random_states() -> dict[str, Any]:
    """The state of every random stream of this process, as numbers and tensors."""
    numpy = np.random.get_state(legacy=False)
    key = torch.from_numpy(numpy["state"]["key"].astype(np.int64))  # PyTorch 2.11 cannot store all of unsigned
    return {
        "python": random.getstate(),
        "numpy": {**numpy, "state": {**numpy["state"], "key": key}},
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_states(states: Mapping[str, Any]) -> None:
    """Set what `random_states` returned."""
    random.setstate(states["python"])
    numpy = states["numpy"]
    np.random.set_state({**numpy, "state": {**numpy["state"], "key": numpy["state"]["key"].numpy().astype(np.uint32)}})
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available() and states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])


def told(config: TrainConfig) -> dict[str, Any]:
    """What a training must be told again to go on from a checkpoint."""
    return {**config.identity, "trainer.log_every_images": config.trainer.log_every_images}


@dataclass(frozen=True)
class Checkpoint:
    """A state of a training that it can go on from."""

    path: Path
    environment: Environment | None  # on what it came so far; None in checkpoints of before


def latest(run: Run, config: TrainConfig, model: Model, console: Console) -> Checkpoint | None:
    """The latest checkpoint that can be read, or None. One that cannot is passed over, with a warning.

    Args:
        run: whose checkpoints.
        config: of the training that is to go on.
        model: that it trains.
        console: for warnings.

    Raises:
        UserError: a checkpoint is of another training.
    """
    for path in run.checkpoints:
        try:
            content = _read(path)
            environment = content.get("environment")
            found = Checkpoint(path, environment and Environment.model_validate(environment))
            other = _other_training(content, config, model)
        except Exception as error:  # noqa: BLE001  (a damaged pickle can raise anything)
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            warn(console, f"{path} cannot be read ({reason}) and is passed over")
            continue
        if other is not None:
            raise UserError(f"{path} is of another training ({other}): move it away, or begin anew by overwrite=true")
        return found
    return None


def _read(path: Path) -> dict[str, Any]:
    """A checkpoint's content; raises whatever is wrong with it. Nothing in it is executed."""
    with zipfile.ZipFile(regular_file(path, LARGEST)) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise ValueError("it is compressed, as no checkpoint is")
        broken = archive.testzip()  # PyTorch leaves checksums unread
    if broken is not None:
        raise ValueError(f"its checksum of {broken} is wrong")
    content: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    missing = {"state_dict", "optimizer_states", "callbacks"} - set(content)
    if missing:
        raise ValueError(f"it has no {', '.join(sorted(missing))}")
    return content


def _other_training(content: Mapping[str, Any], config: TrainConfig, model: Model) -> str | None:
    """In what a checkpoint's training is another one, or None."""
    now = told(config)
    then = content.get("told", now)  # checkpoints of before do not say it
    for name in dict.fromkeys([*now, *then]):
        if then.get(name) != now.get(name):
            return f"{name} is {now.get(name)}, and was {then.get(name)}"
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    if {name: tuple(value.shape) for name, value in content["state_dict"].items()} != shapes:
        return "its networks are others"
    return None
