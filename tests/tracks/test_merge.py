"""Merging by falling score, never two hits of one module on a track."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tracks.graphs import Edge, graphs, make_edges, make_hits, partition, sets, wild_graphs

from hitgraph.errors import SettingsError
from hitgraph.hits import Hits
from hitgraph.kernels.choice import Backend
from hitgraph.tracks import ComponentsSettings, MergeSettings, connected_components, merge_exclusive
from hitgraph.tracks.unionfind import best_order


def merge(
    hits: Hits, edges: list[Edge], backend: Backend = "auto", **settings: float
) -> set[frozenset[int]]:
    chosen = MergeSettings(**settings)  # type: ignore[arg-type]
    return partition(merge_exclusive(hits, *make_edges(edges), chosen, backend))


def slow_merge(
    hits: Hits, edges: list[Edge], cut: float, min_hits: int, max_hits: int
) -> set[frozenset[int]]:
    module = hits.module.tolist()
    group = {hit: frozenset([hit]) for hit in range(len(hits))}
    for a, b, _ in sorted((edge for edge in edges if edge[2] > cut), key=lambda edge: -edge[2]):
        joint = group[a] | group[b]
        if group[a] == group[b] or len(joint) > max_hits:
            continue
        if len({module[hit] for hit in joint}) == len(joint):
            for hit in joint:
                group[hit] = joint
    return {track for track in group.values() if len(track) >= min_hits}


def test_two_tracks_that_touch_come_apart_where_they_share_a_module() -> None:
    """Two tracks cross modules 0 to 3 side by side; a false edge joins them at module 2."""
    modules = [0, 1, 2, 3, 0, 1, 2, 3]
    edges = [(0, 1, 0.9), (1, 2, 0.9), (2, 3, 0.9), (4, 5, 0.9), (5, 6, 0.9), (6, 7, 0.9)]
    false = [(1, 6, 0.8)]
    assert merge(make_hits(8, modules), edges + false) == sets([0, 1, 2, 3], [4, 5, 6, 7])
    one = connected_components(make_hits(8), *make_edges(edges + false), ComponentsSettings())
    assert partition(one) == sets(range(8))


def test_the_better_edge_wins_a_hit() -> None:
    """Two hits of module 9 both fit the end of a track."""
    modules = [0, 1, 2, 9, 9]
    edges = [(0, 1, 0.9), (1, 2, 0.9), (2, 3, 0.7), (2, 4, 0.8)]
    assert merge(make_hits(5, modules), edges) == sets([0, 1, 2, 4])


def test_modules_that_share_a_bit_may_share_a_track() -> None:
    """Modules 3, 67 and 131 are equal modulo 64."""
    edges = [(0, 1, 0.9), (1, 2, 0.8)]
    assert merge(make_hits(3, [3, 67, 131]), edges) == sets([0, 1, 2])


def test_a_merge_that_makes_a_track_too_long_is_refused() -> None:
    edges = [(0, 1, 0.9), (1, 2, 0.8), (3, 4, 0.9), (4, 5, 0.8), (2, 3, 0.7)]
    assert merge(make_hits(6), edges) == sets(range(6))
    assert merge(make_hits(6), edges, max_hits=5) == sets([0, 1, 2], [3, 4, 5])


def test_equal_scores_merge_in_the_order_of_the_edges() -> None:
    modules = [0, 1, 2, 2]
    first, second = (1, 2, 0.8), (1, 3, 0.8)
    assert merge(make_hits(4, modules), [(0, 1, 0.9), first, second]) == sets([0, 1, 2])
    assert merge(make_hits(4, modules), [(0, 1, 0.9), second, first]) == sets([0, 1, 3])


@settings(max_examples=60, deadline=None)
@given(
    graph=graphs() | wild_graphs(),
    cut=st.sampled_from([0.0, 0.3, 0.8]),
    min_hits=st.integers(1, 4),
    longer=st.sampled_from([0, 3, 100]),
    host=st.booleans(),
)
def test_agrees_with_a_slow_merge(
    graph: tuple[Hits, list[Edge]], cut: float, min_hits: int, longer: int, host: bool
) -> None:
    hits, edges = graph
    tracks = merge(
        hits,
        edges,
        "cpu" if host else "plain",
        score_cut=cut,
        min_hits=min_hits,
        max_hits=min_hits + longer,
    )
    assert tracks == slow_merge(hits, edges, cut, min_hits, min_hits + longer)


@settings(max_examples=30, deadline=None)
@given(graph=graphs())
def test_no_track_has_two_hits_of_a_module(graph: tuple[Hits, list[Edge]]) -> None:
    module = graph[0].module
    for track in merge(*graph, score_cut=0.0):
        modules = module[torch.tensor(sorted(track))]
        assert len(modules.unique()) == len(track)


def test_max_hits_below_min_hits_is_refused() -> None:
    with pytest.raises(SettingsError, match="max_hits: 2 is below min_hits, 3"):
        MergeSettings(max_hits=2)


@given(st.lists(st.floats(0, 1, width=32), max_size=60))
def test_the_best_order_is_that_of_a_stable_sort(scores: list[float]) -> None:
    given_scores = np.array([*scores, *scores[:3], -0.0, 0.0, 1.0], np.float32)
    order = best_order(given_scores)
    assert order.tolist() == np.argsort(-given_scores, kind="stable").tolist()
