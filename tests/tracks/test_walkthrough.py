"""Simple components as they are, the others by walking outward."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tracks.graphs import Edge, graphs, make_edges, make_hits, partition, sets

from hitgraph.errors import SettingsError
from hitgraph.hits import Hits
from hitgraph.tracks import WalkthroughSettings, walk_through


def walk(hits: Hits, edges: list[Edge], **settings: float) -> set[frozenset[int]]:
    return partition(walk_through(hits, *make_edges(edges), WalkthroughSettings(**settings)))  # type: ignore[arg-type]


def slow_walk(hits: Hits, edges: list[Edge], settings: WalkthroughSettings) -> set[frozenset[int]]:
    """Every path, one after the other. Needs hits sorted outward and edges pointing outward."""
    kept = {(a, b): score for a, b, score in edges if score > settings.score_cut}
    component = {hit: {hit} for hit in range(len(hits))}
    for a, b in kept:
        joint = component[a] | component[b]
        for hit in joint:
            component[hit] = joint
    used, tracks = set(), set()
    for hits_together in component.values():
        ends = [edge for edge in kept if edge[0] in hits_together]
        if len({a for a, _ in ends}) == len({b for _, b in ends}) == len(ends):
            tracks.add(frozenset(hits_together))
            used |= hits_together

    def paths(hit: int) -> list[tuple[int, ...]]:
        free = {b: score for (a, b), score in kept.items() if a == hit and b not in used}
        best = max(free, key=lambda b: free[b], default=None)
        followed = [
            b
            for b, score in free.items()
            if score > settings.add_cut or (b == best and score > settings.walk_cut)
        ]
        return [(hit,)] + [(hit, *path) for b in followed for path in paths(b)]

    for first in range(len(hits)):
        if first in used:
            continue
        longest = max(
            paths(first),
            key=lambda path: (len(path), sum(kept[step] for step in zip(path, path[1:]))),  # noqa: B905, RUF007
        )
        if len(longest) >= settings.min_hits:
            tracks.add(frozenset(longest))
            used |= set(longest)
    return {track for track in tracks if len(track) >= settings.min_hits}


def test_a_path_without_a_branch_is_a_track_however_low_its_scores() -> None:
    edges = [(0, 1, 0.05), (1, 2, 0.9), (2, 3, 0.02)]
    assert walk(make_hits(4), edges) == sets([0, 1, 2, 3])


def test_two_tracks_joined_by_a_false_edge_come_apart() -> None:
    """0-2-4-6 and 1-3-5-7, and a false edge from 2 to 5."""
    true = [(0, 2, 0.9), (2, 4, 0.8), (4, 6, 0.9), (1, 3, 0.9), (3, 5, 0.9), (5, 7, 0.9)]
    assert walk(make_hits(8), [*true, (2, 5, 0.3)]) == sets([0, 2, 4, 6], [1, 3, 5, 7])


def test_a_skipped_hit_is_picked_up_by_the_longest_path() -> None:
    """The edge from 0 past 1 to 2 scores best, the way over 1 is longer and above add_cut."""
    edges = [(0, 2, 0.95), (0, 1, 0.7), (1, 2, 0.9), (2, 3, 0.9)]
    assert walk(make_hits(4), edges) == sets([0, 1, 2, 3])
    assert walk(make_hits(4), edges, add_cut=0.8) == sets([0, 2, 3])


def test_a_walk_stops_where_the_best_edge_is_too_weak() -> None:
    """Hit 2 branches weakly to 3 and 4."""
    edges = [(0, 1, 0.9), (1, 2, 0.9), (2, 3, 0.08), (2, 4, 0.07)]
    assert walk(make_hits(5), edges) == sets([0, 1, 2])
    assert walk(make_hits(5), edges, walk_cut=0.05) == sets([0, 1, 2, 3])


def test_of_two_longest_paths_the_better_scored_is_taken() -> None:
    edges = [(0, 1, 0.9), (1, 2, 0.7), (1, 3, 0.8)]
    assert walk(make_hits(4), edges) == sets([0, 1, 3])


def test_hits_of_a_path_too_short_stay_free_for_later_ones() -> None:
    """0 reaches only 1 and 2, not enough for four hits; 1 starts again."""
    edges = [(0, 2, 0.9), (1, 2, 0.9), (2, 5, 0.9), (1, 3, 0.05), (5, 6, 0.9)]
    assert walk(make_hits(7), edges, min_hits=5) == set()
    assert walk(make_hits(7), edges, min_hits=4) == sets([0, 2, 5, 6])
    left = [(0, 2, 0.9), (1, 2, 0.05), (1, 3, 0.9), (3, 4, 0.9), (2, 3, 0.05)]
    assert walk(make_hits(5), left) == sets([1, 3, 4])


def test_edges_given_inward_are_walked_outward() -> None:
    edges = [(0, 1, 0.9), (1, 2, 0.7), (1, 3, 0.8)]
    turned = [(b, a, score) for a, b, score in edges]
    assert walk(make_hits(4), turned) == walk(make_hits(4), edges)


@settings(max_examples=150, deadline=None)
@given(
    graph=graphs(),
    cuts=st.sampled_from([(0.0, 0.0, 0.0), (0.01, 0.1, 0.6), (0.3, 0.3, 0.9), (0.5, 0.1, 0.3)]),
    min_hits=st.integers(1, 5),
)
def test_agrees_with_walking_every_path(
    graph: tuple[Hits, list[Edge]], cuts: tuple[float, float, float], min_hits: int
) -> None:
    hits, edges = graph
    # The slow walk takes every path; a score equal to a cut is so in float32 as well.
    edges = [(a, b, float(np.float32(score))) for a, b, score in edges[:40]]
    cuts = tuple(float(np.float32(cut)) for cut in cuts)  # type: ignore[assignment]
    settings = WalkthroughSettings(*cuts, min_hits)
    labels = walk_through(hits, *make_edges(edges), settings)
    assert partition(labels) == slow_walk(hits, edges, settings)


def test_a_dense_graph_ends() -> None:
    """Every hit with the 30 next ones, all scores high: 2^200 paths."""
    edges = [(i, j, 0.9) for i in range(300) for j in range(i + 1, min(300, i + 31))]
    labels = walk_through(make_hits(300), *make_edges(edges), WalkthroughSettings())
    assert torch.equal(labels, torch.zeros(300, dtype=torch.int64))


def test_cuts_out_of_order_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"walk_cut: 0\.7 is above add_cut, 0\.6"):
        WalkthroughSettings(walk_cut=0.7)
