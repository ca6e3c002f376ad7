"""Purity at a fixed efficiency, by hand."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from hitgraph.compare.edges import edge_quality, graph_quality, purities
from hitgraph.evaluation.edges import EdgeTruth, edge_metrics, edge_truth
from hitgraph.event.event import Event
from hitgraph.event.truth import true_edges

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


def test_purity_is_weighted_by_the_mean_weight_of_both_hits() -> None:
    """Edges 0-1 and 1-2 weigh 2.5 and 3.5, 3-4 weighs 0.5, each fake one 1."""
    truth = replace(TRUTH, relative_weight=np.array([2.0, 3.0, 4.0, 0.5, 0.5, 0.5]))
    edges = np.array([[0, 1, 3, 2], [1, 2, 4, 3]])
    found = graph_quality([edge_quality(truth, edges, np.array([3.0, 2.0, 1.0, 0.0]))] * 2)
    assert found["edges"] == 4
    assert found["kept"] == pytest.approx(3 / 4)
    assert found["purity"] == pytest.approx(3 / 4)
    assert found["weighted"] == pytest.approx(6.5 / 7.5)
    assert found["weighted 0.99"] == pytest.approx(1.0)


def test_the_numbers_are_those_that_stages_are_judged_by(make_event: Callable[..., Event]) -> None:
    event = make_event(n_particles=10, n_noise=5, seed=3)
    random = np.random.default_rng(0)
    edges = np.concatenate([true_edges(event), random.integers(0, event.n_hits, (2, 60))], axis=1)
    edges = edges[:, edges[0] != edges[1]]
    truth = edge_truth(event)
    found = graph_quality([edge_quality(truth, edges, np.zeros(edges.shape[1]))])
    judged = edge_metrics(truth, edges)
    assert found["edges"] == judged.n_edges
    assert found["kept"] == judged.target_efficiency.value == 1.0
    assert found["purity"] == pytest.approx(judged.purity.value)
    assert found["weighted"] == pytest.approx(judged.weighted_purity)


def test_rejection_is_how_many_fake_edges_there_were_for_each_that_is_left() -> None:
    """Five fake edges, of which two score above the last of the three true ones."""
    edges = np.array([[0, 1, 3, 0, 2, 1, 0, 2], [1, 2, 4, 3, 3, 4, 4, 5]])
    logits = np.array([3.0, 2.0, -1.0, 2.5, 0.0, -2.0, -3.0, -4.0])
    found = edge_quality(TRUTH, edges, logits)
    assert graph_quality([found, found])["rejection 0.98"] == pytest.approx(5 / 2)


def test_a_perfect_score_keeps_no_fake_edge() -> None:
    edges = np.array([[0, 1, 3, 4, 2, 0], [1, 2, 4, 5, 3, 5]])
    found = edge_quality(TRUTH, edges, np.array([5.0, 5, 5, 5, -5, -5]))
    assert found["auc"] == pytest.approx(1.0)
    assert set(purities([found]).values()) == {1.0}
    assert graph_quality([found])["rejection 0.98"] is None


def test_a_graph_without_true_edges_has_no_purity() -> None:
    found = edge_quality(TRUTH, np.array([[0], [3]]), np.array([1.0]))
    assert found["auc"] is None
    assert set(purities([found]).values()) == {None}
