"""Components and merge in torch give the tracks of the kernels for the CPU, number by number."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tracks.graphs import Edge, graphs, make_edges, make_hits

from hitgraph.graph.hits import Hits
from hitgraph.tracks import (
    ComponentsSettings,
    MergeSettings,
    connected_components,
    merge_exclusive,
    on_device,
)


@settings(max_examples=100, deadline=None)
@given(graph=graphs(), cut=st.sampled_from([0.0, 0.3, 0.8]), min_hits=st.integers(1, 4))
def test_components(graph: tuple[Hits, list[Edge]], cut: float, min_hits: int) -> None:
    hits, edges = graph
    index, scores = make_edges(edges)
    expected = connected_components(hits, index, scores, ComponentsSettings(cut, min_hits))
    ends = on_device.best_first(index, scores, cut)
    labels = on_device.number_sets(on_device.connect(len(hits), *ends), min_hits)
    assert labels.tolist() == expected.tolist()


@settings(max_examples=150, deadline=None)
@given(
    graph=graphs(),
    cut=st.sampled_from([0.0, 0.3, 0.8]),
    min_hits=st.integers(1, 3),
    longer=st.integers(0, 8),
    ties=st.booleans(),
)
def test_merge(
    graph: tuple[Hits, list[Edge]], cut: float, min_hits: int, longer: int, ties: bool
) -> None:
    hits, edges = graph
    index, scores = make_edges(edges)
    if ties:
        scores = (4 * scores).round() / 4
    chosen = MergeSettings(cut, min_hits, min_hits + longer)
    expected = merge_exclusive(hits, index, scores, chosen)
    ends = on_device.best_first(index, scores, cut)
    group = on_device.merge(*ends, hits.module, chosen.max_hits)
    assert on_device.number_sets(group, min_hits).tolist() == expected.tolist()


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
