"""Where real images must lie when they are scored against real ones: functions of the features and of the images.

Few images leave more to chance; at 10,000 the first of two bounds counts.
"""

Range = tuple[float, float]


def fcd(features: int, images: int) -> Range:
    """Twice the expected distance of two finite samples of one Gaussian of unit variances."""
    return 0.0, 2.0 * features**2 / 4 * 2 / images


def kcd(_: int, images: int) -> Range:
    """Around 0, which the estimate of a squared distance may fall short of."""
    bound = max(0.01, 10.0 / images)
    return -bound, bound


def c2st(_: int, images: int) -> Range:
    """Around a half, within two standard errors of a share."""
    bound = max(0.03, 1.0 / images**0.5)
    return 0.5 - bound, 0.5 + bound


def class_kl(_: int, images: int) -> Range:
    """Some times the expected divergence of two samples of ten classes."""
    return 0.0, max(0.005, 20.0 / images)
