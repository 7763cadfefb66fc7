"""How sure a share of right guesses is."""

from scipy.stats import binomtest


def exact_interval(right: int, of: int, level: float = 0.95) -> tuple[float, float]:
    """The exact interval (Clopper & Pearson 1934) of a probability, after so many successes of so many trials."""
    low, high = binomtest(right, of).proportion_ci(level, "exact")
    return float(low), float(high)
