"""The moving average of the weights has a closed form."""

import lightning as L
import pytest
import torch

from genbench.data.batches import Chunk
from genbench.training.callbacks.averaging import MovingAverage, share_kept
from tests.models.test_vae import vae


def test_the_decay_is_kept_and_less_at_first() -> None:
    assert share_kept(0.9, 0, 1) == pytest.approx(0.1)  # (1 + 0) / (10 + 0)
    assert share_kept(0.9, 1000, 1) == 0.9
    assert share_kept(0.9, 1000, 3) == pytest.approx(0.9**3)
    assert share_kept(0.9, 4, 3) == pytest.approx(5 / 14 * 6 / 15 * 7 / 16)


def test_the_average_moves_by_the_rest_and_integers_are_copied() -> None:
    torch.manual_seed(0)
    model = vae()
    count = torch.tensor(3)
    model.register_buffer("count", count)
    callback = MovingAverage(0.9)
    callback.setup(L.Trainer(logger=False, enable_checkpointing=False), model, "fit")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
        count.fill_(8)
    callback.on_train_batch_end(L.Trainer(), model, {}, Chunk(torch.empty(2, 4, 1, 28, 28)), 0)
    kept = 0.1 * 2 / 11
    assert callback._average_model is not None
    averaged = callback._average_model.module.state_dict()
    assert int(averaged.pop("count")) == 8
    for name, value in averaged.items():
        torch.testing.assert_close(value, before[name] + 1 - kept)
    assert callback.state_dict()["steps"] == 2
    # A new stage begins with the averaged weights, and its own average with what the model is then.
    callback.adopt(model)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, {**averaged, "count": count}[name])
    assert callback.state_dict()["steps"] == 0
    with torch.no_grad():
        count.fill_(9)
    callback.restart(model)
    assert int(callback._average_model.module.state_dict()["count"]) == 9
