"""Contraction: groups are joined by the evidence of all edges between them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tracks.graphs import Edge, make_edges, make_hits, partition, sets, wild_graphs

from hitgraph.errors import SettingsError
from hitgraph.hits import Hits
from hitgraph.kernels.choice import Backend
from hitgraph.tracks.contraction import ContractionSettings, contract, cpu, plain
from hitgraph.tracks.merge import MergeSettings, merge_exclusive
from hitgraph.tracks.unionfind import number_sets


def tracks(
    hits: Hits, edges: list[Edge], backend: Backend = "auto", **chosen: float
) -> set[frozenset[int]]:
    cut = ContractionSettings(**chosen)  # type: ignore[arg-type]
    return partition(contract(hits, *make_edges(edges), cut, backend))


LOW = [(0, 1, 0.95), (1, 2, 0.95), (2, 3, 0.95)]
HIGH = [(4, 5, 0.95), (5, 6, 0.95), (6, 7, 0.95)]


def test_one_good_edge_does_not_glue_tracks_whose_other_edges_say_no() -> None:
    glue, against = [(1, 6, 0.9)], [(0, 5, 0.1), (2, 7, 0.1)]
    hits = make_hits(8)
    assert tracks(hits, LOW + HIGH + glue) == sets(range(8))
    assert tracks(hits, LOW + HIGH + glue + against) == sets(range(4), range(4, 8))
    # Taken one by one, the good edge decides.
    edges = make_edges(LOW + HIGH + glue + against)
    assert partition(merge_exclusive(hits, *edges, MergeSettings())) == sets(range(8))


def test_several_weak_edges_join_what_none_of_them_would_decide() -> None:
    """0.55 has a logit of 0.2; against one edge of 0.4 (-0.4) it takes three of them."""
    hits, against = make_hits(8), [(0, 5, 0.4)]
    weak = [(1, 5, 0.55), (2, 6, 0.55), (3, 7, 0.55)]
    assert tracks(hits, LOW + HIGH + against + weak[:1]) == sets(range(4), range(4, 8))
    assert tracks(hits, LOW + HIGH + against + weak) == sets(range(8))


def test_the_cut_says_from_where_on_an_edge_speaks_for_joining() -> None:
    edges = [(0, 1, 0.4), (1, 2, 0.4)]
    assert tracks(make_hits(3), edges) == set()
    assert tracks(make_hits(3), edges, score_cut=0.3) == sets(range(3))


def test_two_hits_of_one_module_and_too_many_hits_are_never_joined() -> None:
    hits = make_hits(8, [0, 1, 2, 3, 0, 1, 2, 3])
    sure = [(i, j, 0.99) for i in range(4) for j in range(4, 8)]
    assert tracks(hits, LOW + HIGH + sure[:1]) == sets(range(4), range(4, 8))
    assert tracks(hits, LOW + HIGH + sure[:1], exclusive=False) == sets(range(8))
    long = [(i, i + 1, 0.9) for i in range(5)]
    assert max(len(one) for one in tracks(make_hits(6), long, max_hits=4)) <= 4


@settings(max_examples=150, deadline=None)
@given(graph=wild_graphs(), cut=st.sampled_from([0.1, 0.5, 0.8]))
def test_the_kernel_and_the_reference_find_the_same_tracks(
    graph: tuple[Hits, list[Edge]], cut: float
) -> None:
    assert tracks(*graph, score_cut=cut) == tracks(*graph, "plain", score_cut=cut)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_hits=st.integers(2, 25), n_edges=st.integers(0, 80))
def test_equal_sums_are_told_apart_by_the_first_edge(seed: int, n_hits: int, n_edges: int) -> None:
    random = np.random.default_rng(seed)
    ends = random.integers(0, n_hits, (2, n_edges))
    ends = np.ascontiguousarray(ends[:, ends[0] != ends[1]])
    evidence = random.integers(-3, 4, ends.shape[1]).astype(np.float64)
    module = random.integers(0, 40, n_hits)
    found = (work.contract(*ends, evidence, module, 8) for work in (cpu, plain))
    one, other = (number_sets(parent, 1).tolist() for parent in found)
    assert one == other


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(SettingsError, match="score_cut"):
        ContractionSettings(score_cut=-0.1)
    with pytest.raises(SettingsError, match="max_hits: 2 is below min_hits"):
        ContractionSettings(max_hits=2)
    assert contract(make_hits(0), *make_edges([]), ContractionSettings()).shape == torch.Size([0])
