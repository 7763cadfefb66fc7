"""The state of a training on disk."""

import lightning as L

from genbench.runs import Run
from genbench.training.budget import Budget


class Checkpoints(L.Callback):
    """checkpoints/last.ckpt after every validation: networks, optimizers, loops and counters; no pickled objects."""

    def __init__(self, run: Run, budget: Budget) -> None:
        self._run = run
        self._budget = budget

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Replace the last checkpoint by the present state."""
        with self._run.whole("checkpoints/last.ckpt") as temporary:
            trainer.save_checkpoint(temporary)
        self._budget.validation_done()
