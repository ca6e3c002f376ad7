"""Connected components of the edges above a cut."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components as scipy_components
from tests.tracks.graphs import (
    Edge,
    graphs,
    make_edges,
    make_hits,
    partition,
    sets,
    wild_graphs,
)

from hitgraph.hits import Hits
from hitgraph.kernels.choice import Backend
from hitgraph.tracks import ComponentsSettings, connected_components


def test_the_cut_is_strict() -> None:
    edges = make_edges([(0, 1, 0.5), (1, 2, 0.51), (2, 3, 0.9)])
    labels = connected_components(make_hits(4), *edges, ComponentsSettings(0.5))
    assert partition(labels) == sets([1, 2, 3])


def test_direction_repetition_and_loops_do_not_matter() -> None:
    edges = make_edges([(2, 0, 0.9), (0, 2, 0.9), (1, 2, 0.9), (3, 3, 0.9)])
    labels = connected_components(make_hits(4), *edges, ComponentsSettings())
    assert labels.tolist() == [0, 0, 0, -1]


def test_a_junction_keeps_its_best_edge_either_way() -> None:
    """1 leads on to 2 and, worse, to 3; 4 is reached from 3 and, better, from 5."""
    edges = [(0, 1, 0.9), (1, 2, 0.8), (1, 3, 0.7), (3, 4, 0.6), (5, 4, 0.95)]
    for backend in ("cpu", "plain"):
        labels = connected_components(
            make_hits(6),
            *make_edges(edges),
            ComponentsSettings(0.5, 2, junction_removal=True),
            backend,
        )
        assert partition(labels) == sets([0, 1, 2], [4, 5])


@settings(max_examples=60, deadline=None)
@given(graph=graphs() | wild_graphs(), host=st.booleans())
def test_without_junctions_no_hit_has_two_edges_onward(
    graph: tuple[Hits, list[Edge]], host: bool
) -> None:
    """Counted edge by edge: those with a better one, or an equal one before, at an end go."""
    hits, edges = graph
    kept = [
        edge
        for k, edge in enumerate(edges)
        if not any(
            (other[end] == edge[end]) and (-other[2], j) < (-edge[2], k)
            for j, other in enumerate(edges)
            for end in (0, 1)
        )
    ]
    chosen = ComponentsSettings(0.3, 1)
    backend: Backend = "cpu" if host else "plain"
    expected = connected_components(hits, *make_edges(kept), chosen, backend)
    chosen = replace(chosen, junction_removal=True)
    assert torch.equal(connected_components(hits, *make_edges(edges), chosen, backend), expected)


@settings(max_examples=60, deadline=None)
@given(
    graph=graphs() | wild_graphs(),
    cut=st.floats(0, 1),
    min_hits=st.integers(1, 4),
    host=st.booleans(),
)
def test_agrees_with_scipy(
    graph: tuple[Hits, list[Edge]], cut: float, min_hits: int, host: bool
) -> None:
    hits, edges = graph
    n_hits = len(hits)
    index, scores = make_edges(edges)
    kept = index[:, scores > cut].numpy()
    matrix = coo_array((np.ones(kept.shape[1]), (kept[0], kept[1])), shape=(n_hits, n_hits))
    reference = scipy_components(matrix, directed=False)[1] if n_hits else np.zeros(0)
    expected = {t for t in partition(torch.from_numpy(reference)) if len(t) >= min_hits}
    chosen = ComponentsSettings(cut, min_hits)
    labels = connected_components(hits, index, scores, chosen, "cpu" if host else "plain")
    assert partition(labels) == expected


@settings(max_examples=60, deadline=None)
@given(graph=graphs() | wild_graphs(), host=st.booleans())
def test_exclusive_components_are_those_that_cross_each_module_once(
    graph: tuple[Hits, list[Edge]], host: bool
) -> None:
    hits, edges = graph
    index, scores = make_edges(edges)
    backend: Backend = "cpu" if host else "plain"
    every = partition(connected_components(hits, index, scores, ComponentsSettings(), backend))
    chosen = ComponentsSettings(exclusive=True)
    labels = connected_components(hits, index, scores, chosen, backend)
    module = hits.module.tolist()
    once = {track for track in every if len({module[hit] for hit in track}) == len(track)}
    assert partition(labels) == once
    assert set(labels.tolist()) - {-1} == set(range(len(once)))


def test_the_labels_of_the_reference_inference(shared_data: Path) -> None:
    """Both cuts and the labelling of the original Exa.TrkX inference on its 314 spacepoints.

    The reference drops the last spacepoint and labels every component, however small.
    """
    folder = shared_data / "exatrkx_reference"

    def read(name: str) -> torch.Tensor:
        return torch.from_numpy(np.loadtxt(folder / f"{name}.csv", delimiter=","))

    radius_edges = read("radius_edges").long()
    filtered = radius_edges[:, torch.sigmoid(read("filter_logits")) > 0.21]
    assert torch.equal(filtered, read("filtered_edges").long())

    scores = torch.sigmoid(read("gnn_logits"))
    settings = ComponentsSettings(score_cut=0.75, min_hits=1)
    labels = connected_components(make_hits(314), filtered, scores, settings)
    reference = read("labels").long()
    assert len(reference) == 313
    assert partition(labels[:313]) == partition(reference)
