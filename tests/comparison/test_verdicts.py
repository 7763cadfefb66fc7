"""The verdict rule: what it promises, condition by condition, and against scipy's own tests."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from genbench.comparison.simulation import SHAPES, Cell, rates
from genbench.comparison.verdicts import (
    PROMISE,
    Array,
    Comparison,
    Question,
    Reason,
    compare,
    fewest_seeds,
    holm,
    p_values,
    seeds_to_decide,
    verdicts,
)
from genbench.evaluation.catalogue import catalogue

GOOD, POOR = [1.0, 1.1, 0.9, 1.05, 0.95], [2.0, 2.1, 1.9, 2.05, 1.95]  # where lower is better


def question(
    a: list[float] = GOOD,
    b: list[float] = POOR,
    *,
    others: tuple[tuple[list[float], list[float]], ...] | None = None,
    lower_is_better: bool = True,
    real: float = math.nan,
    real_sd: float = 0.01,
    capped: bool = False,
) -> Question:
    """A question about contenders A and B; in the other spaces they score the same if nothing is said."""
    pairs = ((a, b), *(((a, b),) if others is None else others))
    spaces = ("classifier", "random", "pixels")[: len(pairs)]
    score = replace(catalogue()["fcd"], better="lower" if lower_is_better else "higher", capped=capped)
    values = {space: {"A": of_a, "B": of_b} for space, (of_a, of_b) in zip(spaces, pairs, strict=True)}
    return Question(score, values, dict.fromkeys(spaces, real), real_sd)


def of_one_score(a: list[float] | Array, b: list[float] | Array) -> Comparison:
    return compare(np.array(a), np.array(b))


@pytest.mark.parametrize(("lower_is_better", "better"), [(True, "A"), (False, "B")])
def test_a_clear_difference_is_decided_in_the_direction_of_the_score(lower_is_better: bool, better: str) -> None:
    (verdict,) = verdicts([question(lower_is_better=lower_is_better)])
    assert (verdict.better, verdict.worse) == (better, "B" if better == "A" else "A")
    assert verdict.leader == better
    assert verdict.pair == ("A", "B")
    assert verdict.why == ()
    assert verdict.seeds is None
    (swapped,) = verdicts([question(POOR, GOOD, lower_is_better=lower_is_better)])
    assert {verdict.better, swapped.better} == {"A", "B"}


def test_each_condition_alone_leaves_it_undecided() -> None:
    overlapping = [1.0, 3.0, 0.2, 2.5, 1.7]
    cases = {
        Reason.LUCK: question(overlapping, [v + 0.3 for v in overlapping]),
        Reason.SMALL: question(real_sd=0.6),
        Reason.SPACES_DISAGREE: question(others=((POOR, GOOD), (POOR, GOOD))),
        Reason.ONE_SPACE: question(others=()),
        Reason.BOTH_REAL: question(real=3.0, capped=True),
        Reason.UNEVEN: replace(question(), even=False),
    }
    for reason, asked in cases.items():
        (verdict,) = verdicts([asked])
        assert verdict.better is None
        assert verdict.worse is None
        assert verdict.why[0] == reason


def test_two_of_three_spaces_suffice() -> None:
    (verdict,) = verdicts([question(others=((POOR, GOOD), (GOOD, POOR)))])
    assert verdict.better == "A"


def test_what_copies_less_than_real_images_is_no_better_for_it() -> None:
    """More authentic samples than among real images are samples that are far off, not samples that are new."""
    (verdict,) = verdicts([question(lower_is_better=False, real=0.9, capped=True)])
    assert verdict.better is None
    assert verdict.samples["B"].mean == pytest.approx(2.0)  # shown as it is, with its own sd
    assert verdict.samples["B"].sd > 0
    (verdict,) = verdicts([question(lower_is_better=False, real=1.5, capped=True)])
    assert verdict.better == "B"


def test_what_lies_beyond_real_images_has_no_say_in_the_sign_either() -> None:
    a, b = [0.90, 0.91, 0.90, 0.91, 0.90, 0.90, 0.91, 2.2], [1.0] * 8
    beyond = [1.2] * 8, [1.1] * 8
    (verdict,) = verdicts([question(a, b, others=(beyond,), lower_is_better=False, real=1.0, capped=True)])
    assert verdict.leaders == {"classifier": "B", "random": None}
    assert (verdict.better, verdict.why) == (None, (Reason.SPACES_DISAGREE,))
    both = question(a, b, others=((a, b),), lower_is_better=False, real=1.0, capped=True)
    assert [verdict.better for verdict in verdicts([both])] == ["B"]


def test_few_seeds_decide_nothing_and_it_is_said() -> None:
    assert fewest_seeds() == 4
    assert fewest_seeds(3) == fewest_seeds(8) == 5
    for n in (1, 2, 3):
        (verdict,) = verdicts([question(GOOD[:n], POOR[:n])])
        assert verdict.better is None
        assert Reason.FEW_TRAININGS in verdict.why
        assert verdict.fewest == 4
    (verdict,) = verdicts([question(GOOD[:4], POOR[:4])])
    assert verdict.better == "A"


def test_a_single_seed_has_no_interval() -> None:
    compared = of_one_score([1.0], [2.0, 3.0])
    assert math.isnan(compared.p) and math.isnan(compared.low) and compared.difference == -1.5


def test_equal_values_and_no_questions() -> None:
    assert verdicts([]) == []
    (verdict,) = verdicts([question([1.0] * 5, [1.0] * 5)])
    assert verdict.better is None
    assert (verdict.p, verdict.p_holm) == (1.0, 1.0)
    assert verdict.leader is None


def test_trainings_that_are_all_alike_leave_no_doubt_and_no_warning() -> None:
    compared = of_one_score([1.0] * 4, [2.0] * 4)
    assert (compared.p, compared.low, compared.high) == (0.0, -1.0, -1.0)
    (one_side,) = verdicts([question([1.0] * 5, POOR)])
    assert one_side.better == "A"


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_welch_is_scipys(scale: float) -> None:
    generator = np.random.default_rng(0)
    a, b = generator.normal(0, 1, 5) * scale, generator.normal(0.5, 3, 8) * scale
    alone = of_one_score(a, b)
    among_others = p_values(np.stack([a * 2, a]), np.stack([b, b]))[1]
    expected = stats.ttest_ind(a, b, equal_var=False)
    interval = expected.confidence_interval()
    assert alone.p == among_others == pytest.approx(expected.pvalue)
    assert (alone.low, alone.high) == pytest.approx((interval.low, interval.high))


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([math.nan, 0.01]) == pytest.approx([1.0, 0.02])


def test_all_scores_and_all_pairs_are_one_family() -> None:
    alone = verdicts([question()])[0]
    values = {"A": GOOD, "B": POOR, "C": POOR}
    asked = [
        Question(question().score, {space: {x: values[x], y: values[y]} for space in ("classifier", "random")})
        for x, y in ("AB", "AC", "BC")
        for _ in range(2)  # scores
    ]
    found = verdicts(asked)
    assert [verdict.better for verdict in found] == ["A"] * 4 + [None] * 2
    assert found[0].p == alone.p
    assert found[0].p_holm == pytest.approx(6 * alone.p)
    assert {verdict.fewest for verdict in found} == {5}


def test_the_number_of_seeds_named_is_enough_in_four_of_five_cases() -> None:
    seen = of_one_score([0.0, 1.0, 2.0, 3.0], [1.5, 2.5, 3.5, 4.5])
    sds = [sample.sd for sample in seen.samples]
    needed = seeds_to_decide(seen, family=8, fewest=4)
    assert needed is not None
    generator = np.random.default_rng(4)

    def power(n: int) -> float:
        a, b = generator.normal(0, sds[0], (500, n)), generator.normal(1.5, sds[1], (500, n))
        return float(np.mean(p_values(a, b) < 0.01 / 8))

    assert power(needed) > 0.74
    assert power(needed // 2) < 0.74
    assert seeds_to_decide(of_one_score([1.0], [2.0]), 8, 4) is None
    assert seeds_to_decide(of_one_score([0.0, 1.0], [0.001, 1.001]), 8, 4) is None


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("contenders", "seeds", "ratio"), [(2, 4, 1.0), (2, 5, 30.0), (4, 5, 3.0)])
def test_equal_contenders_get_any_verdict_in_at_most_5_percent(
    contenders: int, seeds: int, ratio: float, shape: str
) -> None:
    """Three standard errors of 1,000 comparisons are 2 %; docs/verdicts.md has every cell, and more comparisons."""
    cell = Cell(contenders, seeds, shape, ratio, correlation=0.0)
    assert rates(cell, 1000).wrong <= PROMISE + 0.01


@pytest.mark.slow
def test_a_planted_difference_is_found() -> None:
    assert rates(Cell(2, 5, "normal", 1.0, 0.5), 1000).found > 0.9
    assert rates(Cell(4, 8, "normal", 3.0, 0.5), 1000).found > 0.8
    assert rates(Cell(8, 4, "normal", 1.0, 0.5), 1000).found == 0.0  # four seeds of each cannot decide that


def test_what_is_simulated_is_the_rule() -> None:
    """A contender that is far better on the first score is named by the rule itself, with the same p."""
    one, other = np.array([GOOD, GOOD]), np.array([POOR, [1.01, 1.12, 0.88, 1.04, 0.96]])
    found = verdicts([question(list(a), list(b)) for a, b in zip(one, other, strict=True)])
    assert [verdict.p for verdict in found] == list(p_values(one, other))
    assert [verdict.better for verdict in found] == ["A", None]
