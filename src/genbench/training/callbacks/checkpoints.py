"""The state of a training on disk: what it needs to go on as if it had never stopped."""

import logging
import random
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from genbench.errors import UserError
from genbench.interruption import Interrupted
from genbench.runs.directory import Run
from genbench.training.budget import Budget

log = logging.getLogger(__name__)

KEPT = 2
MOST_LOST = 300.0  # seconds of training without a checkpoint


class Checkpoints(L.Callback):
    """checkpoints/<images seen>.ckpt, of which the last two are kept; no pickled objects.

    After every validation, before an interruption, and if neither comes, every five minutes. Networks, optimizers and
    the callbacks' counters come from Lightning; the random states are added here. Lightning's own loops are left out:
    where a training stands is one number, the images seen.

    It must be the last callback, so that the others are done with a step when it is saved.
    """

    def __init__(self, run: Run, budget: Budget) -> None:
        self._run = run
        self._budget = budget
        self._saved = 0.0  # seconds of training
        self._random: Mapping[str, Any] = random_states()

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
            self._save(trainer, pl_module)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save after a validation."""
        start = time.monotonic()
        self._save(trainer, pl_module)
        self._budget.validation_seconds += time.monotonic() - start
        if self._budget.signal is not None:
            raise Interrupted(self._budget.signal)

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """See the class."""
        del checkpoint["loops"]

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
        for old in self._run.checkpoints[KEPT:]:
            old.unlink()
        self._saved = self._budget.seconds

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


def latest(run: Run, console: Console) -> Path | None:
    """The latest checkpoint that can be read, or None. One that cannot is passed over, with a warning."""
    for path in run.checkpoints:
        reason = _damage(path)
        if reason is None:
            return path
        console.print(f"[bold red]warning[/]: {path} cannot be read ({reason}) and is passed over", soft_wrap=True)
        log.warning("%s cannot be read (%s) and is passed over", path, reason)
    return None


def _damage(path: Path) -> str | None:
    """What is wrong with a checkpoint, or None. Nothing in it is executed."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()  # PyTorch leaves checksums unread
        if broken is not None:
            return f"its checksum of {broken} is wrong"
        content = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # noqa: BLE001  (a damaged pickle can raise anything)
        return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    missing = {"state_dict", "optimizer_states", "callbacks"} - set(content)
    return f"it has no {', '.join(sorted(missing))}" if missing else None
