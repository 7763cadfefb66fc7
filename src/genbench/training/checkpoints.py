"""The state of a training on disk."""

import lightning as L

from genbench.runs import Run


class Checkpoints(L.Callback):
    """checkpoints/last.ckpt after every validation: networks, optimizers, loops and counters; no pickled objects."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Replace the last checkpoint by the present state."""
        with self._run.whole("checkpoints/last.ckpt") as temporary:
            trainer.save_checkpoint(temporary)
