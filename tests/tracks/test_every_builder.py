"""What holds for every track builder, in the kernels for the CPU and in torch."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tracks.graphs import Edge, graphs, make_edges, make_hits, partition, sets, shuffled

from hitgraph.errors import SettingsError
from hitgraph.hits import Hits
from hitgraph.kernels.choice import Backend
from hitgraph.stage import STAGES
from hitgraph.tracks.stage import TrackSettings

NAMES = [name for name in STAGES if issubclass(STAGES[name], TrackSettings)]


def builders(test: Callable[..., None]) -> Any:
    """By every track builder there is, and whoever computes."""
    test = pytest.mark.parametrize("name", NAMES)(test)
    return pytest.mark.parametrize("backend", ["cpu", "plain"])(test)


def settings_of(name: str, **chosen: Any) -> TrackSettings:
    made = STAGES[name](**chosen)
    assert isinstance(made, TrackSettings)
    return made


def build(
    name: str, backend: Backend, hits: Hits, edges: list[Edge], **chosen: Any
) -> torch.Tensor:
    return settings_of(name, **chosen).build(hits, *make_edges(edges), backend)


@builders
def test_separate_chains_are_tracks_numbered_by_their_first_hit(
    name: str, backend: Backend
) -> None:
    edges = [(1, 3, 0.9), (3, 5, 0.8), (0, 2, 0.9), (2, 4, 0.7), (4, 6, 0.9), (7, 8, 0.9)]
    labels = build(name, backend, make_hits(10), edges)
    assert labels.dtype == torch.int64
    assert labels.tolist() == [0, 1, 0, 1, 0, 1, 0, -1, -1, -1]
    assert build(name, backend, make_hits(10), edges, min_hits=2).tolist()[7:] == [2, 2, -1]
    assert build(name, backend, make_hits(10), edges, min_hits=1).tolist()[7:] == [2, 2, 3]
    assert partition(build(name, backend, make_hits(10), edges, min_hits=4)) == sets([0, 2, 4, 6])


@builders
def test_no_edges_and_no_hits(name: str, backend: Backend) -> None:
    assert build(name, backend, make_hits(3), []).tolist() == [-1, -1, -1]
    assert build(name, backend, make_hits(0), []).shape == (0,)


@builders
def test_a_score_that_is_no_number_joins_nothing(name: str, backend: Backend) -> None:
    edges = [(0, 1, 0.9), (1, 2, 0.9), (2, 3, float("nan"))]
    assert build(name, backend, make_hits(4), edges).tolist() == [0, 0, 0, -1]


@builders
@settings(max_examples=60, deadline=None)
@given(graph=graphs(), seed=st.integers(0, 1000))
def test_the_order_of_hits_and_edges_changes_no_track(
    name: str, backend: Backend, graph: tuple[Hits, list[Edge]], seed: int
) -> None:
    hits, edges = graph
    tracks = partition(build(name, backend, hits, edges))
    other_hits, other_edges, order = shuffled(hits, edges, seed)
    other = partition(build(name, backend, other_hits, other_edges))
    assert {frozenset(order[row] for row in track) for track in other} == tracks


@builders
@settings(max_examples=30, deadline=None)
@given(graph=graphs())
def test_labels_count_up_and_tracks_are_long_enough(
    name: str, backend: Backend, graph: tuple[Hits, list[Edge]]
) -> None:
    labels = build(name, backend, *graph)
    assert labels.shape == (len(graph[0]),)
    found = sorted(set(labels.tolist()) - {-1})
    assert found == list(range(len(found)))
    assert all(len(track) >= 3 for track in partition(labels))


@builders
def test_what_does_not_fit_is_refused(name: str, backend: Backend) -> None:
    found = settings_of(name)
    index, scores = make_edges([(0, 1, 0.9), (1, 2, 0.9)])
    with pytest.raises(ValueError, match=r"shape \(2, 2\) and scores \(1,\)"):
        found.build(make_hits(3), index, scores[:1], backend)
    with pytest.raises(ValueError, match="hits 0 to 2: expected 0 to 1"):
        found.build(make_hits(2), index, scores, backend)
    with pytest.raises(ValueError, match="hits -1 to"):
        found.build(make_hits(3), index - 1, scores, backend)


@pytest.mark.parametrize("name", NAMES)
def test_settings_that_make_no_sense_are_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="score_cut"):
        settings_of(name, score_cut=1.5)
    with pytest.raises(SettingsError, match="min_hits"):
        settings_of(name, min_hits=0)
