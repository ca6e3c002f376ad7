"""Clusters beside the truth, by hand and by slow counting."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitgraph.evaluation.clustering import adjusted_rand, recognition_quality, shares, singles

LABELS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=14)


def slow_rand(truth: list[int], found: list[int]) -> float:
    """Over all pairs of hits, one by one."""
    pairs = list(combinations(range(len(truth)), 2))
    of_truth = [truth[i] == truth[j] for i, j in pairs]
    of_found = [found[i] == found[j] for i, j in pairs]
    both = sum(a and b for a, b in zip(of_truth, of_found, strict=True))
    chance = sum(of_truth) * sum(of_found) / len(pairs)
    most = (sum(of_truth) + sum(of_found)) / 2
    return 1.0 if most == chance else (both - chance) / (most - chance)


def test_the_published_example_of_the_adjusted_rand_index() -> None:
    """Hubert and Arabie (1985) and many after them: 24/99 of two groupings of six."""
    truth, found = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 1, 2, 2])
    assert adjusted_rand(truth, found) == pytest.approx(24 / 99)


@given(labels=LABELS)
def test_the_adjusted_rand_index_is_that_of_counting_pairs(labels: list[tuple[int, int]]) -> None:
    truth, found = (list(one) for one in zip(*labels, strict=True))
    value = adjusted_rand(np.array(truth), np.array(found))
    assert value == pytest.approx(slow_rand(truth, found))
    assert value == pytest.approx(adjusted_rand(np.array(found), np.array(truth)))
    assert adjusted_rand(np.array(truth), np.array(truth) + 7) == 1


def test_fewer_than_two_hits_have_no_index() -> None:
    assert np.isnan(adjusted_rand(np.array([1]), np.array([1])))


def test_hits_without_a_cluster_are_alone() -> None:
    found = singles(np.array([-1, 4, 4, -1]))
    assert found[1] == found[2] == 4
    assert len(set(found.tolist())) == 3
    assert singles(np.array([-1, -1])).tolist() == [0, 1]


def test_completeness_and_purity_by_hand() -> None:
    """Object 5 has four hits, three of them in cluster 0; cluster 0 has a hit of noise besides."""
    truth = np.array([5, 5, 5, 5, 0, 8, 8, 0])
    found = np.array([0, 0, 0, -1, 0, 1, 1, 2])
    both = shares(truth, found, nothing=0)
    assert both.object_id.tolist() == [5, 8]
    assert both.completeness.tolist() == [0.75, 1.0]
    assert both.cluster.tolist() == [0, 1, 2]
    assert both.purity.tolist() == [0.75, 1.0, 0.0]
    assert both.sizes.tolist() == [4, 2, 1]


def test_no_clusters_and_no_objects() -> None:
    nothing = np.zeros(0, np.int64)
    assert len(shares(nothing, nothing, 0).completeness) == 0
    lost = shares(np.array([3, 3]), np.array([-1, -1]), 0)
    assert lost.completeness.tolist() == [0.0]
    assert len(lost.purity) == 0


def test_recognition_quality_by_hand() -> None:
    """Object 5 is found but for a light hit; 8 is halved, no match; noise makes a fake."""
    truth = np.array([5, 5, 5, 8, 8, 8, 8, 0])
    found = np.array([0, 0, -1, 1, 1, 2, 2, 3])
    weight = np.array([4.0, 3.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0])
    assert recognition_quality(truth, found, weight, 0) == pytest.approx(2 * 1 / (2 + 4))
    weight[4:7] = 0.4  # now most of 8 is in cluster 1
    assert recognition_quality(truth, found, weight, 0) == pytest.approx(2 * 2 / (2 + 4))
    assert recognition_quality(truth, np.full(8, -1), weight, 0) == 0
    assert np.isnan(recognition_quality(np.zeros(3, int), np.full(3, -1), np.ones(3), 0))


@given(labels=LABELS)
def test_recognition_is_whole_of_the_truth_itself_and_the_same_both_ways(
    labels: list[tuple[int, int]],
) -> None:
    truth, found = (np.array(one) + 1 for one in zip(*labels, strict=True))
    ones = np.ones(len(truth))
    assert recognition_quality(truth, truth, ones, 0) == 1
    quality = recognition_quality(truth, found, ones, 0)
    assert 0 <= quality <= 1
    assert quality == pytest.approx(recognition_quality(found, truth, ones, 0))
