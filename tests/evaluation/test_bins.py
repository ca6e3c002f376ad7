"""Bins that follow the data."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitgraph.evaluation.bins import ETA, LENGTH, PT, RADIUS, VZ, Grid
from hitgraph.evaluation.ratio import BinnedRatio, binned_ratio


def counted(values: list[float], grid: Grid) -> BinnedRatio:
    everyone = np.ones(len(values), bool)
    return binned_ratio(np.array(values), np.arange(len(values)) % 2 == 0, everyone, grid.edges)


@pytest.mark.parametrize("grid", [PT, ETA, RADIUS, VZ, LENGTH])
def test_coarse_bins_are_unions_of_fine_ones(grid: Grid) -> None:
    for level in grid.levels:
        assert set(level) <= set(grid.edges)
        assert np.all(np.diff(level) > 0)
        assert (level[0], level[-1]) == (grid.edges[0], grid.edges[-1])
    assert all(len(fine) > len(coarse) for fine, coarse in pairwise(grid.levels))


def test_the_range_is_that_of_the_data() -> None:
    (curve,) = PT.shown([counted([0.13, 0.5, 20.5], PT)])
    assert (curve.edges[0], curve.edges[-1]) == (0.1, 25.0)
    (gun,) = PT.shown([counted([6.0, 6.5, 7.7], PT)])
    assert gun.edges == (5.6, 6.3, 7.1, 8.0)
    assert gun.total == (1, 1, 1)
    (barrel,) = ETA.shown([counted([-0.72, 0.31], ETA)])
    assert (barrel.edges[0], barrel.edges[-1]) == (-0.8, 0.4)


def test_curves_beside_each_other_have_the_same_bins() -> None:
    one, other = ETA.shown([counted([-0.95, 0.0], ETA), counted([2.05], ETA)])
    assert one.edges == other.edges
    assert (one.edges[0], one.edges[-1]) == (-1.0, 2.2)
    assert (sum(one.total), sum(other.total)) == (2, 1)


def test_nothing_is_shown_in_one_empty_bin() -> None:
    (curve,) = PT.shown([counted([], PT)])
    assert curve.total == curve.passed == (0,)


def test_histograms_of_hits() -> None:
    counts = np.zeros(100, int)
    counts[[2, 9]] = 4, 1  # of 3 and 10 hits
    edges, (shown,) = LENGTH.shown_counts([counts.tolist()])
    assert edges == tuple(np.arange(2.5, 11).tolist())
    assert shown == (4, 0, 0, 0, 0, 0, 0, 1)


@given(st.lists(st.floats(-9, 9), max_size=60), st.sampled_from([PT, ETA, RADIUS, VZ]))
def test_no_entry_is_lost_and_not_too_many_bins_are_shown(values: list[float], grid: Grid) -> None:
    counts = counted(values, grid)
    (curve,) = grid.shown([counts])
    assert sum(curve.total) == len(values)
    assert sum(curve.passed) == sum(counts.passed)
    assert len(curve.total) <= grid.most
    if values:
        assert curve.total[0] > 0
        assert curve.total[-1] > 0
