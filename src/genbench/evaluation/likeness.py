"""How far the distribution of generated features lies from that of real ones: Fréchet distance and kernel distance."""

from genbench.evaluation.kernel import mean_kernel, mean_kernel_within
from genbench.evaluation.moments import frechet_distance_of_moments
from genbench.evaluation.pair import Pair


def fcd(pair: Pair) -> float:
    """Fréchet distance to the test images (Heusel 2017, eq. 6), in squared units of the features."""
    return frechet_distance_of_moments(pair.moments, pair.real.test_moments)


def kcd(pair: Pair) -> float:
    """Unbiased squared maximum mean discrepancy to the test images under a cubic kernel (Bińkowski 2018).

    It may be slightly negative.
    """
    within = mean_kernel_within(pair.power_sums) + pair.real.test_mean_kernel.item()
    return within - 2 * mean_kernel(pair.power_sums, pair.real.test_power_sums)
