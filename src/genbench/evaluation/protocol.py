"""What the protocol fixes: draws, spaces, the images of a calibration, and the questions that scores answer."""

from collections.abc import Mapping

PROTOCOL = 2  # scores of different protocols are never compared
DRAWS = 5
IMAGES = 10_000  # in a draw, and of the test images
SPACES = ("classifier", "random", "pixels")  # in the order of trust; the first that there is, is judged

# Rows of the calibration: images that a bad or cheating model could make.
REAL = "real train vs test"  # by which the others are judged
COPIES = "training images copied"
REPEATED = "one real image per class repeated"
GAUSSIAN = "independent Gaussian pixels"
FULL_GAUSSIAN = "full-covariance Gaussian on the pixels"
MISSING = "real images without one class"
BLURRED = "real images blurred (sigma 1)"
UNIFORM = "uniform noise"
# Real images made worse step by step.
DOSES: Mapping[str, tuple[float, ...]] = {
    "noise": (0.0, 0.05, 0.1, 0.2, 0.4),  # standard deviation, pixels in [0, 1]
    "blur": (0.0, 0.5, 1.0, 2.0),  # standard deviation in pixels
    "dropped classes": (0, 1, 3, 5),
    "repeated images": (0.0, 0.5, 0.9, 0.99),  # share that repeats another
    "copies": (0.0, 0.1, 0.3, 1.0),  # share that is a training image
}

# What somebody who wants images may need.
TOPICS: Mapping[str, str] = {
    "realism": "images like the real ones",
    "fidelity": "legible single images",
    "diversity": "varied images",
    "classes": "all classes, in the right shares",
    "memorisation": "no copies of training images",
}

# What a score must never call better, in order that it may vote on a question. Fewer classes are no worse single
# images, a blurred image is no copy, and blurred images can have all of the variety.
ASKED: Mapping[str, tuple[str, ...]] = {
    "realism": ("noise", "blur", "dropped classes"),
    "fidelity": ("noise", "blur"),
    "diversity": ("dropped classes", "repeated images"),
    "classes": ("dropped classes",),
    "memorisation": ("copies",),
}
