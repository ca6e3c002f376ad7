"""DBSCAN: a slow reference, scikit-learn where it is there, and what it is for."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tracks.graphs import Edge, graphs, make_edges, make_hits, partition, sets, wild_graphs
from tests.trained import tiny_mapping
from torch import Tensor

from hitgraph.errors import InputError, SettingsError
from hitgraph.hits import Hits
from hitgraph.kernels.choice import Backend
from hitgraph.recipe import Recipe
from hitgraph.settings import parse
from hitgraph.tracks import checks
from hitgraph.tracks.checks import TooManyPairs, check_pairs
from hitgraph.tracks.components import ComponentsSettings
from hitgraph.tracks.dbscan import DbscanSettings
from hitgraph.tracks.dbscan.points import DbscanPointsSettings, dbscan_points

backends = pytest.mark.parametrize("backend", ["cpu", "plain"])


def slow_dbscan(
    n_points: int, closeness: dict[tuple[int, int], float], min_samples: int
) -> set[frozenset[int]]:
    """Cores grown one after the other; every other point goes to its closest core."""
    near: dict[int, dict[int, float]] = {point: {} for point in range(n_points)}
    for (i, j), value in closeness.items():
        near[i][j] = near[j][i] = value
    cores = [point for point in near if len(near[point]) + 1 >= min_samples]
    cluster: dict[int, int] = {}
    for core in cores:
        waiting = [core]
        while waiting:
            point = waiting.pop()
            if point in cluster:
                continue
            cluster[point] = cluster.get(core, core)
            waiting += [other for other in near[point] if other in cores]
    for point in set(near) - set(cores):
        around = [(-value, other) for other, value in near[point].items() if other in cores]
        if around:
            cluster[point] = cluster[min(around)[1]]
    return {
        frozenset(point for point in cluster if cluster[point] == one)
        for one in set(cluster.values())
    }


def edges_above(edges: list[Edge], cut: float) -> dict[tuple[int, int], float]:
    found: dict[tuple[int, int], float] = {}
    for i, j, score in edges:
        pair = (min(i, j), max(i, j))
        if i != j and score > cut:
            found[pair] = max(found.get(pair, 0.0), score)
    return found


@backends
@settings(max_examples=60, deadline=None)
@given(graph=st.one_of(graphs(), wild_graphs()), min_samples=st.integers(1, 5))
def test_clusters_of_edges_are_those_of_the_reference(
    backend: Backend, graph: tuple[Hits, list[Edge]], min_samples: int
) -> None:
    hits, edges = graph
    found = DbscanSettings(0.4, min_samples, 1).build(hits, *make_edges(edges), backend)
    assert partition(found) == slow_dbscan(len(hits), edges_above(edges, 0.4), min_samples)


@settings(max_examples=60, deadline=None)
@given(graph=graphs())
def test_with_one_sample_clusters_are_components(graph: tuple[Hits, list[Edge]]) -> None:
    hits, edges = graph
    found = DbscanSettings(0.3, 1, 2).build(hits, *make_edges(edges))
    expected = ComponentsSettings(0.3, 2).build(hits, *make_edges(edges))
    assert torch.equal(found, expected)


@backends
def test_a_hit_with_few_good_edges_does_not_connect_two_tracks(backend: Backend) -> None:
    """Two groups of four hits, each joined to all others, and a hit with one edge to either."""
    groups = [range(4), range(5, 9)]
    edges = [(i, j, 0.8) for group in groups for i in group for j in group if i < j]
    edges += [(3, 4, 0.6), (4, 5, 0.9)]
    hits, graph = make_hits(9), make_edges(edges)
    joined = DbscanSettings(0.5, 3, 3).build(hits, *graph, backend)
    assert partition(joined) == sets(range(9))
    apart = DbscanSettings(0.5, 4, 3).build(hits, *graph, backend)
    assert partition(apart) == sets(range(4), range(4, 9))


def points_of(seed: int, n_points: int, d: int) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(n_points, d, generator=random)


def closeness_of(points: Tensor, radius: float) -> dict[tuple[int, int], float]:
    found = {}
    for i in range(len(points)):
        for j in range(i + 1, len(points)):
            squared = float((points[i] - points[j]).square().sum())
            if squared <= radius**2:
                found[i, j] = -squared
    return found


@backends
@settings(max_examples=40, deadline=None)
@given(
    n_points=st.integers(0, 40),
    d=st.integers(1, 5),
    seed=st.integers(0, 10**6),
    min_samples=st.integers(1, 5),
)
def test_clusters_of_points_are_those_of_the_reference(
    backend: Backend, n_points: int, d: int, seed: int, min_samples: int
) -> None:
    points = points_of(seed, n_points, d)
    chosen = DbscanPointsSettings(radius=0.6, min_samples=min_samples, min_hits=1)
    expected = slow_dbscan(n_points, closeness_of(points, 0.6), min_samples)
    assert partition(dbscan_points(points, chosen, backend)) == expected


@pytest.mark.parametrize("min_samples", [1, 2, 4])
@pytest.mark.parametrize("seed", range(3))
def test_cores_are_clustered_as_by_scikit_learn(min_samples: int, seed: int) -> None:
    """Which of two clusters a point at the edge of both joins is a matter of order there."""
    cluster = pytest.importorskip("sklearn.cluster", reason="needs scikit-learn")
    points = points_of(seed, 400, 2)
    theirs = cluster.DBSCAN(eps=0.15, min_samples=min_samples).fit(points.numpy())
    chosen = DbscanPointsSettings(radius=0.15, min_samples=min_samples, min_hits=1)
    ours = dbscan_points(points, chosen).numpy()
    np.testing.assert_array_equal(ours >= 0, theirs.labels_ >= 0)
    cores = theirs.core_sample_indices_
    same = [labels[cores][:, None] == labels[cores] for labels in (ours, theirs.labels_)]
    np.testing.assert_array_equal(*same)


def test_points_too_dense_for_the_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "MAX_PAIRS", 1000)
    points = torch.zeros(500, 3)
    with pytest.raises(TooManyPairs, match=r"500 points have about 2.5e\+05 pairs within a radius"):
        dbscan_points(points, DbscanPointsSettings(radius=0.1))
    far = torch.arange(500.0)[:, None]
    check_pairs(far, 0.1, 500)
    assert (dbscan_points(far, DbscanPointsSettings(radius=0.1, min_hits=2)) == -1).all()


def test_points_of_too_many_dimensions_are_refused() -> None:
    with pytest.raises(InputError, match=r"hit\.embedding has 20 dimensions, at most 16"):
        dbscan_points(torch.zeros(5, 20), DbscanPointsSettings(column="embedding"))


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(SettingsError, match="min_samples: 0 is not allowed, at least 1"):
        DbscanSettings(min_samples=0)
    with pytest.raises(SettingsError, match=r"radius: 0\.0 is not allowed, above 0"):
        DbscanPointsSettings(radius=0.0)
    with pytest.raises(SettingsError, match="column: is empty"):
        DbscanPointsSettings(column="")
    assert DbscanPointsSettings(column="embedding").needs == {"hits", "hit.embedding"}


def test_the_embedding_of_another_labeller_can_be_clustered() -> None:
    """A recipe may have DBSCAN behind the hierarchical network, whose tracks it replaces."""
    tracks = {"use": "hierarchical", "readout": "embedding", "edge_inputs": ["z0"]}
    mapping = tiny_mapping(tracks=tracks)
    again = {"name": "again", "use": "dbscan_points", "column": "embedding"}
    parse(Recipe, {**mapping, "stages": [*mapping["stages"], again]})
    with pytest.raises(SettingsError, match=r"stages\.again: needs hit\.place"):
        parse(Recipe, {**mapping, "stages": [*mapping["stages"], {**again, "column": "place"}]})
