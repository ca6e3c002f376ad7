"""Layer pairs: the cuts are those that were learnt, and every pair within them is found."""

from dataclasses import replace
from math import pi
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hitgraph.errors import InputError, SettingsError
from hitgraph.graph.layer_pairs import (
    LayerPairBuilder,
    LayerPairs,
    LayerPairSettings,
    learn_layer_pairs,
)
from hitgraph.graph.layer_pairs.plain import columns_of, pair_values
from hitgraph.hits import Hits
from hitgraph.hits.direction import squared_distance
from hitgraph.kernels.choice import Backend
from hitgraph.operations import toy_graph

ALL = LayerPairSettings(coverage=1.0, pair_coverage=1.0)
backends = pytest.mark.parametrize("backend", ["cpu", "plain"])


def as_set(edges: Tensor) -> set[tuple[int, int]]:
    found = list(map(tuple, edges.T.tolist()))
    assert len(found) == len(set(found)), "an edge was found twice"
    return set(found)


def brute_force(hits: Hits, pairs: LayerPairs) -> set[tuple[int, int]]:
    every = torch.cartesian_prod(torch.arange(len(hits)), torch.arange(len(hits))).T
    far = squared_distance(hits.position)
    outward = (far[every[1]] > far[every[0]]) | (
        (far[every[1]] == far[every[0]]) & (every[1] > every[0])
    )
    every = every[:, outward & (hits.module[every[0]] != hits.module[every[1]])]
    limits = dict(
        zip(zip(pairs.inner, pairs.outer, strict=True), torch.tensor(pairs.limits), strict=True)
    )
    nothing = torch.full((3,), -1.0)
    wanted = [limits.get(pair, nothing) for pair in map(tuple, hits.layer[every].T.tolist())]
    values = pair_values(columns_of(hits), *every).abs()
    return as_set(every[:, (values <= torch.stack(wanted)).all(dim=1)])


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), coverage=st.sampled_from([0.5, 0.9, 1.0]))
def test_the_search_agrees_with_testing_every_pair(seed: int, coverage: float) -> None:
    hits, detector, edges, _ = toy_graph(seed)
    pairs = learn_layer_pairs([(hits, edges)], detector, replace(ALL, coverage=coverage))
    hits, _, _, _ = toy_graph(seed + 1)
    expected = brute_force(hits, pairs)
    for backend in ("cpu", "plain"):
        assert as_set(LayerPairBuilder(pairs, detector.n_layers).build(hits, backend)) == expected


@backends
def test_cuts_that_cover_all_lose_no_true_edge(backend: Backend) -> None:
    hits, detector, edges, _ = toy_graph(4)
    pairs = learn_layer_pairs([(hits, edges)], detector, ALL)
    assert as_set(edges) <= as_set(LayerPairBuilder(pairs, detector.n_layers).build(hits, backend))
    assert pairs.n_true.sum() == edges.shape[1]


def test_a_share_of_the_true_edges_lies_within_each_cut() -> None:
    hits, detector, edges, _ = toy_graph(4)
    pairs = learn_layer_pairs([(hits, edges)], detector, replace(ALL, coverage=0.5))
    values = pair_values(columns_of(hits), *edges).abs().numpy()
    key = (hits.layer[edges[0]] * detector.n_layers + hits.layer[edges[1]]).numpy()
    for inner, outer, limits in zip(pairs.inner, pairs.outer, pairs.limits, strict=True):
        own = values[key == inner * detector.n_layers + outer]
        assert limits == pytest.approx(np.median(own, axis=0), rel=1e-4)


def test_the_fewest_layer_pairs_are_kept_that_hold_the_wanted_share() -> None:
    hits, detector, edges, _ = toy_graph(4)
    every = learn_layer_pairs([(hits, edges)], detector, ALL).n_true
    some = learn_layer_pairs([(hits, edges)], detector, replace(ALL, pair_coverage=0.5)).n_true
    assert some.sum() >= 0.5 * every.sum() > some.sum() - some.min()
    assert sorted(some) == sorted(every)[-len(some) :]


@backends
def test_the_seam_at_pi_is_no_border(backend: Backend) -> None:
    phi = [pi - 0.05, -pi + 0.05, pi, -pi]
    ring = [[r * np.cos(a), r * np.sin(a), r] for r in (30.0, 70.0) for a in phi]
    hits = Hits(
        torch.zeros(8, 3),
        torch.tensor(ring),
        torch.tensor([0] * 4 + [1] * 4),
        torch.arange(8),
    )
    limits = np.array([[0.2, 1.0, 1.0]], np.float32)
    pairs = LayerPairs(np.array([0]), np.array([1]), limits, np.array([1]))
    found = as_set(LayerPairBuilder(pairs, 2).build(hits, backend))
    assert found == {(i, j) for i in range(4) for j in range(4, 8)}


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    hits, detector, edges, _ = toy_graph(4)
    pairs = learn_layer_pairs([(hits, edges)], detector, ALL)
    one = LayerPairBuilder(pairs, detector.n_layers, 1).build(hits)
    monkeypatch.setattr("hitgraph.graph.layer_pairs._HITS", 7)
    assert torch.equal(LayerPairBuilder(pairs, detector.n_layers, 2).build(hits), one)


@pytest.mark.parametrize("chosen", [{"coverage": 0.0}, {"pair_coverage": 1.1}, {"max_radius": 0.0}])
def test_settings_that_make_no_cuts_are_refused(chosen: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(chosen))):
        LayerPairSettings(**chosen)


def test_no_true_edges_and_tensors_of_another_detector_are_refused() -> None:
    hits, detector, edges, _ = toy_graph(0)
    with pytest.raises(InputError, match="no true edges"):
        learn_layer_pairs([(hits, edges[:, :0])], detector, ALL)
    tensors = learn_layer_pairs([(hits, edges)], detector, ALL).tensors()
    with pytest.raises(InputError, match="inner: holds"):
        LayerPairs.from_tensors(tensors, detector.take(slice(0, 8)))
    with pytest.raises(InputError, match="do not rise"):
        LayerPairs.from_tensors({name: one.flip(0) for name, one in tensors.items()}, detector)
