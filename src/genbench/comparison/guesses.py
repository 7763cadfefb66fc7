"""How sure a share of right guesses is."""

from scipy.special import betaincinv


def exact_interval(right: int, of: int, level: float = 0.95) -> tuple[float, float]:
    """The exact interval (Clopper & Pearson 1934) of a probability, after so many successes of so many trials."""
    tail = (1 - level) / 2
    low = 0.0 if right == 0 else float(betaincinv(right, of - right + 1, tail))
    high = 1.0 if right == of else float(betaincinv(right + 1, of - right, 1 - tail))
    return low, high
