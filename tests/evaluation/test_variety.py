"""The Vendi score of images of which the effective number is known."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from genbench.evaluation.pair import Pair, Reference
from genbench.evaluation.variety import effective_number, vendi


def test_images_that_are_nothing_like_each_other_are_all_counted() -> None:
    assert effective_number(torch.eye(7)) == pytest.approx(7)
    assert effective_number(torch.eye(7).repeat(20, 1)) == pytest.approx(7)  # copies are not
    assert effective_number(torch.ones(30, 5)) == pytest.approx(1)


def test_it_is_the_exponential_of_the_entropy_of_the_similarities_eigenvalues() -> None:
    """Friedman & Dieng 2023, definition 3.1, by the similarities themselves."""
    features = torch.randn(40, 6, generator=torch.Generator().manual_seed(0)).double()
    unit = features / features.norm(dim=1, keepdim=True)
    eigenvalues = np.linalg.eigvalsh((unit @ unit.T / 40).numpy()).clip(0)
    assert effective_number(features) == pytest.approx(math.exp(entropy(eigenvalues)))


def test_it_is_read_beside_real_images() -> None:
    generator = torch.Generator().manual_seed(0)
    train, test, others = torch.randn(3, 500, 8, generator=generator)
    reference = Reference.of(test, train)
    assert vendi(Pair(reference, others)) == pytest.approx(1, abs=0.02)
    assert vendi(Pair(reference, others[:2].repeat(250, 1))) == pytest.approx(2 / 8, abs=0.05)
