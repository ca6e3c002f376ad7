"""Binomial intervals and the arithmetic of counts."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hitgraph.evaluation.ratio import BinnedRatio, Ratio, binned_ratio, clopper_pearson


@pytest.mark.parametrize(
    ("passed", "total", "low", "high"),
    [
        # tables of exact 95 % limits for a proportion, to the digits printed there
        (0, 10, 0.0, 0.3085),
        (1, 10, 0.0025, 0.4450),
        (2, 10, 0.0252, 0.5561),
        (5, 10, 0.1871, 0.8129),
        (10, 10, 0.6915, 1.0),
        (81, 263, 0.2527, 0.3676),  # Newcombe, Statist. Med. 17 (1998) 857, table I
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0, 0.1684),
        (1, 29, 0.0009, 0.1776),
    ],
)
def test_published_95_percent_limits(passed: int, total: int, low: float, high: float) -> None:
    assert clopper_pearson(passed, total, 0.95) == pytest.approx((low, high), abs=6e-5)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 300), st.data())
def test_the_limits_leave_their_tails(total: int, data: st.DataObject) -> None:
    """At the lower limit, `passed` or more happens with half of the remaining probability."""
    passed = data.draw(st.integers(0, total))
    low, high = clopper_pearson(passed, total)
    tail = (1 - 0.6826894921370859) / 2

    def probability(p: float, counts: range) -> float:
        return sum(
            math.exp(
                math.lgamma(total + 1)
                - math.lgamma(k + 1)
                - math.lgamma(total - k + 1)
                + k * math.log(p)
                + (total - k) * math.log1p(-p)
            )
            for k in counts
        )

    if passed > 0:
        assert probability(float(low), range(passed, total + 1)) == pytest.approx(tail, rel=1e-6)
    else:
        assert low == 0.0
    if passed < total:
        assert probability(float(high), range(passed + 1)) == pytest.approx(tail, rel=1e-6)
    else:
        assert high == 1.0
    assert low <= passed / total <= high


def test_nothing_counted() -> None:
    empty = Ratio(0, 0)
    assert math.isnan(empty.value)
    assert empty.interval == (0.0, 1.0)
    assert empty.to_dict() == {
        "passed": 0,
        "total": 0,
        "value": None,
        "low": None,
        "high": None,
    }


def test_counts_add_up() -> None:
    assert Ratio(1, 2) + Ratio(3, 8) == Ratio(4, 10)
    assert Ratio(3, 8).complement == Ratio(5, 8)


def test_bins_hold_everything_and_add_up() -> None:
    values = np.array([-3.0, 0.5, 1.5, 1.6, 9.0, 0.5])
    passed = np.array([True, False, True, False, True, True])
    among = np.array([True, True, True, True, True, False])
    binned = binned_ratio(values, passed, among, (0.0, 1.0, 2.0))
    assert binned == BinnedRatio((0.0, 1.0, 2.0), (1, 2), (2, 3))
    both = binned + binned
    assert both.total == (4, 6)
    np.testing.assert_allclose(both.value, [0.5, 2 / 3])
    with pytest.raises(ValueError, match="bins differ"):
        _ = binned + BinnedRatio((0.0, 1.0, 3.0), (1, 2), (2, 3))
