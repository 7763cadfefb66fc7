"""Collapse is noticed, health is left alone."""

import torch
from torch import Tensor

from genbench.data.optdigits import load
from genbench.training.health import class_shares, class_sorter, mean_distance


def test_real_images_hit_every_class_and_a_missing_one_is_seen() -> None:
    data = load(None)
    sorter = class_sorter(data.train)
    assert data.test.labels is not None
    shares = class_shares(sorter, data.test.images, 10)
    assert float(shares.sum()) == 1.0
    assert float(shares.min()) > 0.05
    without = class_shares(sorter, data.test.images[data.test.labels != 3], 10)
    assert float(without[3]) < 0.01


def test_the_mean_distance_of_equal_images_is_zero_and_of_known_ones_known() -> None:
    assert mean_distance(torch.full((5, 1, 4, 4), 7, dtype=torch.uint8)) == 0.0
    images: Tensor = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    images[1] = 255
    assert mean_distance(images) == 4.0
