"""What of a training follows its budget: the stages of models that train in several, and learning rates."""

from typing import Any

import lightning as L

from genbench.data.datamodule import InOrder
from genbench.data.images import Split
from genbench.models.model import Model
from genbench.training.budget import Budget
from genbench.training.callbacks.averaging import MovingAverage
from genbench.training.callbacks.metrics import Metrics


class Stages(L.Callback):
    """Begins a model's next stage when its share of the budget is used up, before the validation that is due there.

    Learning rates are set as far as the budget is, before each chunk.

    The stage begins with the averaged weights, and with an average of its own. It must come after the averaging and
    before the checkpoints.
    """

    def __init__(self, train: Split, budget: Budget, metrics: Metrics, average: MovingAverage | None) -> None:
        self._train = train
        self._budget = budget
        self._metrics = metrics
        self._average = average

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Stages and rates follow the budget, and not the epochs."""
        if isinstance(pl_module, Model):
            pl_module.follows_epochs = False

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Set the rates."""
        if isinstance(pl_module, Model):
            pl_module.follow(self._budget.fraction)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Begin what is due."""
        if not isinstance(pl_module, Model) or not (trainer.is_last_batch or trainer.should_stop):
            return
        if pl_module.stage_at(self._budget.fraction) == pl_module.stage:
            return
        self._metrics.close_window()  # two stages' losses are not averaged
        trainer.callback_metrics.clear()  # nor are the last one's validated again
        if self._average is not None:
            self._average.adopt(pl_module)
        pl_module.advance(self._budget.fraction, lambda: (batch.to(pl_module.device) for batch in InOrder(self._train)))
        if self._average is not None:
            self._average.restart(pl_module)
