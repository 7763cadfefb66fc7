"""Mean and sd of a score over seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Sample:
    """Mean and sd of some numbers."""

    mean: float
    sd: float  # nan for a single number
    n: int

    @classmethod
    def of(cls, values: Sequence[float] | NDArray[np.float64]) -> "Sample":
        """Of one number at least."""
        array = np.asarray(values, dtype=float)
        return cls(float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else math.nan, len(array))
