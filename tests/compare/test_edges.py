"""Purity at a fixed efficiency, by hand."""

import numpy as np
import pytest

from hitgraph.compare.edges import edge_quality, purities
from hitgraph.evaluation.edges import EdgeTruth

# Two particles of three hits: 0-1-2 and 3-4-5.
TRUTH = EdgeTruth(
    particle_id=np.array([1, 1, 1, 2, 2, 2]),
    relative_weight=np.ones(6),
    true_keys=np.array([0 * 6 + 1, 1 * 6 + 2, 3 * 6 + 4, 4 * 6 + 5]),
    is_target=np.ones(4, bool),
)


def test_the_cut_keeps_just_enough_true_edges() -> None:
    edges = np.array([[0, 1, 3, 0, 2, 1, 0], [1, 2, 4, 3, 3, 4, 2]])
    #                 true true true fake fake fake skip (of one particle, but no neighbours)
    logits = np.array([3.0, 2.0, -1.0, 2.5, 0.0, -2.0, 1.0])
    found = edge_quality(TRUTH, edges, logits)
    assert found["given"] == [3, 4]
    assert found["given_pure"] == [4, 7]
    # All three true edges are above -1: with them two fake ones and the skip edge.
    assert found["purity"] == {"0.95": [4, 6], "0.98": [4, 6], "0.99": [4, 6]}
    assert purities([found, found])["0.98"] == pytest.approx(4 / 6)


def test_a_perfect_score_keeps_no_fake_edge() -> None:
    edges = np.array([[0, 1, 3, 4, 2, 0], [1, 2, 4, 5, 3, 5]])
    found = edge_quality(TRUTH, edges, np.array([5.0, 5, 5, 5, -5, -5]))
    assert found["auc"] == pytest.approx(1.0)
    assert set(purities([found]).values()) == {1.0}


def test_a_graph_without_true_edges_has_no_purity() -> None:
    found = edge_quality(TRUTH, np.array([[0], [3]]), np.array([1.0]))
    assert found["auc"] is None
    assert set(purities([found]).values()) == {None}
