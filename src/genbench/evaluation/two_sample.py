"""Classifier two-sample tests (Lopez-Paz & Oquab 2017): can real and generated features be told apart?"""

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from genbench.evaluation.pair import Pair

_SPLIT_SEED = 0


def c2st_linear(pair: Pair) -> float:
    """Held-out accuracy of a logistic classifier between test and generated images; 0.5 is perfect."""
    return held_out_accuracy(pair.real.test, pair.generated)


def c2st_1nn(pair: Pair) -> float:
    """Leave-one-out accuracy of the 1-NN classifier on as many test as generated images.

    0.5 is perfect; near 1 the sets lie apart, near 0 each image has its copy in the other set.
    """
    real, generated = pair.real.test, pair.generated
    if len(real) != len(generated):
        raise ValueError(f"1-NN accuracy needs equally many rows, got {len(real)} and {len(generated)}")
    return leave_one_out_accuracy(
        pair.real.test_squared_distances[:, 0],
        pair.overlap.to_points,
        pair.generated_to_generated[:, 0],
        pair.overlap.to_centres,
    )


def held_out_accuracy(real: Tensor, generated: Tensor) -> float:
    """Held-out accuracy of a logistic classifier between features real (M, d) and generated (N, d).

    Fitted, after standardisation, to one half of each set and tested on the other; both sets weigh the same
    whatever M and N are. Needs 4 rows of each; ValueError otherwise.
    """
    if min(len(real), len(generated)) < 4:
        raise ValueError("the linear two-sample test needs at least 4 rows of each set")
    generator = torch.Generator().manual_seed(_SPLIT_SEED)
    real_fit, real_test = _halves(real, generator)
    generated_fit, generated_test = _halves(generated, generator)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(solver="newton-cholesky", class_weight="balanced"))
    labels = torch.arange(2).repeat_interleave(torch.tensor([len(real_fit), len(generated_fit)]))
    classifier.fit(torch.cat([real_fit, generated_fit]).numpy(), labels.numpy())
    real_right = (classifier.predict(real_test.numpy()) == 0).mean()
    generated_right = (classifier.predict(generated_test.numpy()) == 1).mean()
    return float(real_right + generated_right) / 2


def leave_one_out_accuracy(
    real_to_real: Tensor, real_to_generated: Tensor, generated_to_generated: Tensor, generated_to_real: Tensor
) -> float:
    """Leave-one-out 1-NN accuracy from the (squared) distances of each row (N,) to the nearest of each set.

    A row is told right if its nearest other row is of its own set; a tie between the sets counts a half.
    """
    own = torch.cat([real_to_real, generated_to_generated])
    other = torch.cat([real_to_generated, generated_to_real])
    return ((own < other).double() + 0.5 * (own == other).double()).mean().item()


def _halves(features: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two random halves: a split by position would part the images of a generator that repeats a few."""
    shuffled = features.double().cpu()[torch.randperm(len(features), generator=generator)]
    middle = (len(features) + 1) // 2
    return shuffled[:middle], shuffled[middle:]
