"""Graph quality on events small enough to count by hand."""

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hitgraph.evaluation.edges import (
    SCORE_EDGES,
    EdgeTruth,
    ScoreHistogram,
    edge_metrics,
    edge_truth,
    score_histogram,
)
from hitgraph.evaluation.ratio import Ratio
from hitgraph.event.event import Event
from hitgraph.event.selection import Selection
from hitgraph.event.truth import true_edges

EventMaker = Callable[..., Event]


def edges(*pairs: tuple[int, int]) -> np.ndarray:
    return np.array(pairs, np.int64).reshape(-1, 2).T


def test_the_true_edges_are_a_perfect_graph(straight_event: EventMaker) -> None:
    event = straight_event([4, 6], noise=3)
    metrics = edge_metrics(event, true_edges(event))
    assert metrics.n_edges == 8
    assert metrics.efficiency == metrics.purity == metrics.purity_true == Ratio(8, 8)
    assert metrics.weighted_purity == 1.0


def test_counts_by_hand(straight_event: EventMaker) -> None:
    # rows 0-3 are the first particle, 4-6 the second, 7-8 noise; true edges: 3 + 2
    event = straight_event([4, 3], noise=2)
    graph = edges(
        (0, 1),  # true
        (2, 1),  # true, the other way round
        (1, 3),  # same particle, not neighbours
        (3, 4),  # two particles
        (7, 8),  # noise
        (5, 5),  # no edge at all
    )
    metrics = edge_metrics(event, graph)
    assert metrics.efficiency == Ratio(2, 5)
    assert metrics.purity == Ratio(3, 6)
    assert metrics.purity_true == Ratio(2, 6)


def test_an_edge_that_is_there_twice_is_found_once(straight_event: EventMaker) -> None:
    event = straight_event([3])
    metrics = edge_metrics(event, edges((0, 1), (0, 1), (1, 0)))
    assert metrics.efficiency == Ratio(1, 2)
    assert metrics.purity == Ratio(3, 3)


def test_target_particles(straight_event: EventMaker) -> None:
    """Targets: primary, at least three hits, above the pT cut."""
    event = straight_event([4, 4, 2, 4], pt=[0.4, 2.0, 2.0, 2.0], radius=[0, 0, 0, 30.0])
    truth = edge_truth(event, Selection(min_pt=1.0, min_hits=3, primary_only=True))
    assert truth.is_target.sum() == 3
    metrics = edge_metrics(truth, edges((0, 1), (4, 5), (5, 6)))
    assert metrics.target_efficiency == Ratio(2, 3)
    assert metrics.efficiency == Ratio(3, 10)


def test_weighted_purity_is_equation_4(straight_event: EventMaker) -> None:
    """s_i so that w_ij = (s_i + s_j) / 2 is 1 on average over the true edges; 1 for fakes."""
    event = straight_event([3, 2], noise=1, weight=[1, 2, 3, 6, 6, 0])
    true = [(1 + 2) / 2, (2 + 3) / 2, (6 + 6) / 2]
    scale = np.mean(true)
    metrics = edge_metrics(event, edges((0, 1), (3, 4), (0, 5), (2, 3)))
    kept = (true[0] + true[2]) / scale
    assert metrics.weighted_purity == pytest.approx(kept / (kept + 2))
    # equal weights: no different from the plain purity
    plain = edge_metrics(straight_event([3, 2], noise=1), edges((0, 1), (3, 4), (0, 5), (2, 3)))
    assert plain.weighted_purity == pytest.approx(2 / 4)


def test_nothing_to_judge(straight_event: EventMaker) -> None:
    nothing = edge_metrics(straight_event([3]), np.zeros((2, 0), np.int64))
    assert nothing.efficiency == Ratio(0, 2)
    assert math.isnan(nothing.weighted_purity)
    noise = edge_metrics(straight_event([], noise=3), edges((0, 1)))
    assert noise.efficiency == Ratio(0, 0)
    assert noise.weighted_purity == 0.0
    assert json.loads(json.dumps(nothing.to_dict(), allow_nan=False))["purity"] is None


def test_graphs_of_several_events_add_up(straight_event: EventMaker) -> None:
    one = edge_metrics(straight_event([3]), edges((0, 1)))
    other = edge_metrics(straight_event([3], noise=1), edges((0, 3), (1, 2)))
    both = one + other
    assert both.efficiency == Ratio(2, 4)
    assert both.purity == Ratio(2, 3)
    assert both.weighted_purity == pytest.approx(2 / 3)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=60))
def test_agrees_with_sets(straight_event: EventMaker, pairs: list[tuple[int, int]]) -> None:
    event = straight_event([4, 5], noise=3)
    truth = edge_truth(event)
    true = {frozenset(pair) for pair in true_edges(event).T.tolist()}
    particle = event.truth.particle_id.tolist()  # type: ignore[union-attr]
    metrics = edge_metrics(truth, edges(*pairs))
    assert metrics.efficiency == Ratio(len(true & {frozenset(p) for p in pairs}), len(true))
    same = [p for p in pairs if p[0] != p[1] and 0 != particle[p[0]] == particle[p[1]]]
    assert metrics.purity == Ratio(len(same), len(pairs))
    assert metrics.purity_true == Ratio(sum(frozenset(p) in true for p in pairs), len(pairs))


# ---------------------------------------------------------------- scores


@pytest.fixture
def truth(straight_event: EventMaker) -> EdgeTruth:
    return edge_truth(straight_event([3], noise=2))


def test_scores_are_sorted_into_true_and_fake(truth: EdgeTruth) -> None:
    graph = edges((0, 1), (0, 2), (1, 3), (3, 4))
    histogram = score_histogram(truth, graph, np.array([0.9, 0.5, 0.1, 0.0], np.float32))
    assert (sum(histogram.true), sum(histogram.fake)) == (2, 2)
    bins = np.searchsorted(SCORE_EDGES, [0.9, 0.5, 0.1], side="right") - 1
    assert histogram.true[bins[0]] == histogram.true[bins[1]] == 1
    assert histogram.fake[bins[2]] == 1
    assert histogram.fake[0] == 1  # below the first bin


def test_score_bins_are_even_in_the_logit() -> None:
    score = np.array(SCORE_EDGES)
    logit = np.log(score / (1 - score))
    np.testing.assert_allclose(np.diff(logit), logit[1] - logit[0], rtol=1e-6)


def test_roc_of_known_histograms() -> None:
    separated = ScoreHistogram((0.0, 0.5, 1.0), (0, 7), (5, 0))
    fake, true = separated.roc()
    assert fake.tolist() == [1, 0, 0]
    assert true.tolist() == [1, 1, 0]
    assert separated.area == 1.0
    assert ScoreHistogram((0.0, 0.5, 1.0), (2, 2), (9, 9)).area == pytest.approx(0.5)
    assert math.isnan(ScoreHistogram((0.0, 1.0), (3,), (0,)).area)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=50))
def test_area_is_the_chance_to_score_true_above_fake(scores: list[tuple[float, bool]]) -> None:
    """Up to pairs that share a bin, which count half."""
    values = np.clip([score for score, _ in scores], SCORE_EDGES[0], SCORE_EDGES[-1])
    is_true = np.array([true for _, true in scores])
    if is_true.all() or not is_true.any():
        return
    slot = np.clip(np.searchsorted(SCORE_EDGES, values, side="right") - 1, 0, 95)
    counts = [np.bincount(slot[kind], minlength=96) for kind in (is_true, ~is_true)]
    histogram = ScoreHistogram(SCORE_EDGES, *(tuple(kind.tolist()) for kind in counts))
    above = np.sign(slot[is_true][:, None] - slot[~is_true][None, :])
    assert histogram.area == pytest.approx((above.mean() + 1) / 2)


def test_histograms_add_up_and_survive_json(truth: EdgeTruth) -> None:
    one = score_histogram(truth, edges((0, 1), (1, 3)), np.array([0.9, 0.2]))
    kept = json.loads(json.dumps(one.to_dict()))
    again = ScoreHistogram(tuple(kept["bins"]), tuple(kept["true"]), tuple(kept["fake"]))
    assert again == one
    assert sum((one + again).true) == 2
    with pytest.raises(ValueError, match="different bins"):
        _ = one + ScoreHistogram((0.0, 1.0), (1,), (1,))
