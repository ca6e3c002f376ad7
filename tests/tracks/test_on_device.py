"""Track builders in torch give the tracks of the kernels for the CPU, number by number."""

from collections.abc import Callable
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tracks.graphs import Edge, graphs, make_edges, make_hits, shuffled
from torch import Tensor

from hitgraph.hits import Hits
from hitgraph.tracks import (
    ComponentsSettings,
    MergeSettings,
    WalkthroughSettings,
    connected_components,
    merge_exclusive,
    walk_through,
)
from hitgraph.tracks import plain as on_device


def check(
    device: str,
    build: Callable[..., Tensor],
    hits: Hits,
    index: Tensor,
    scores: Tensor,
    chosen: Any,
) -> None:
    expected = build(hits, index, scores, chosen)
    found = build(hits.to(device), index.to(device), scores.to(device), chosen, "plain")
    assert found.device.type == device
    assert found.tolist() == expected.tolist()


@settings(max_examples=100, deadline=None)
@given(graph=graphs(), cut=st.sampled_from([0.0, 0.3, 0.8]), min_hits=st.integers(1, 4))
def test_components(device: str, graph: tuple[Hits, list[Edge]], cut: float, min_hits: int) -> None:
    hits, edges = graph
    check(device, connected_components, hits, *make_edges(edges), ComponentsSettings(cut, min_hits))


@settings(max_examples=150, deadline=None)
@given(
    graph=graphs(),
    cut=st.sampled_from([0.0, 0.3, 0.8]),
    min_hits=st.integers(1, 3),
    longer=st.integers(0, 8),
    ties=st.booleans(),
)
def test_merge(
    device: str,
    graph: tuple[Hits, list[Edge]],
    cut: float,
    min_hits: int,
    longer: int,
    ties: bool,
) -> None:
    hits, edges = graph
    index, scores = make_edges(edges)
    if ties:
        scores = (4 * scores).round() / 4
    check(
        device,
        merge_exclusive,
        hits,
        index,
        scores,
        MergeSettings(cut, min_hits, min_hits + longer),
    )


@settings(max_examples=200, deadline=None)
@given(
    graph=graphs(),
    cuts=st.sampled_from([(0.0, 0.0, 0.0), (0.01, 0.1, 0.6), (0.3, 0.3, 0.9), (0.5, 0.1, 0.3)]),
    min_hits=st.integers(1, 5),
    seed=st.integers(0, 1000),
    twice=st.booleans(),
    steps=st.sampled_from([0, 3]),
)
def test_walkthrough(
    device: str,
    graph: tuple[Hits, list[Edge]],
    cuts: tuple[float, float, float],
    min_hits: int,
    seed: int,
    twice: bool,
    steps: int,
) -> None:
    """Hits and edges in any order and direction; scores that tie, and edges that stand twice."""
    hits, edges, _ = shuffled(*graph, seed)
    index, scores = make_edges(edges)
    if steps:
        scores = (steps * scores).round() / steps
    if twice:
        index, scores = torch.cat([index, index], dim=1), torch.cat([scores, scores.flip(0)])
    check(device, walk_through, hits, index, scores, WalkthroughSettings(*cuts, min_hits))


def test_a_long_chain_in_any_order_is_one_component() -> None:
    n = 500
    hits = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    root = on_device.connect(n, hits[:-1], hits[1:])
    assert root.tolist() == [0] * n


def test_edges_that_are_no_number_or_not_there() -> None:
    index, scores = make_edges([(0, 1, float("nan")), (1, 2, 0.5), (1, 1, 0.9)])
    assert on_device.best_first(index, scores, 0.5)[0].tolist() == [1]
    nothing = torch.empty(0, dtype=torch.int64)
    assert on_device.connect(3, nothing, nothing).tolist() == [0, 1, 2]
    assert on_device.merge(nothing, nothing, make_hits(2).module, 9).tolist() == [0, 1]
