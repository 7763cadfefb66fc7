"""How varied images are, whatever they look like."""

import torch
from torch import Tensor

from genbench.evaluation.pair import Pair


def vendi(pair: Pair) -> float:
    """The Vendi score of the samples over that of the test images (Friedman & Dieng 2023).

    Unlike recall and coverage it does not ask whether the images look like real ones.
    """
    return effective_number(pair.generated) / effective_number(pair.real.test)


def effective_number(features: Tensor) -> float:
    """Vendi score of features (N, d) with the cosine as similarity: between 1 and min(N, d).

    The exponential of the entropy of the eigenvalues of K / N, where K holds the similarities; those of the (d, d)
    matrix X'X / N of unit rows are the same but for zeros.
    """
    unit = torch.nn.functional.normalize(features.double(), dim=1)
    eigenvalues = torch.linalg.eigvalsh(unit.T @ unit / len(unit)).clamp(min=0.0)
    shares = eigenvalues / eigenvalues.sum().clamp(min=torch.finfo(torch.float64).tiny)
    return float(torch.special.entr(shares).sum().exp())
