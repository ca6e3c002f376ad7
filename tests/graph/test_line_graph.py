"""Doublets to triplets: every pair of edges that share the middle hit, once."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hitgraph.graph.line_graph import edge_pairs, edge_pairs_torch

both_backends = pytest.mark.parametrize("convert", [edge_pairs, edge_pairs_torch])


def slow(edge_index: Tensor) -> list[list[int]]:
    """Every edge against every other."""
    edges = edge_index.T.tolist()
    return [
        [first, second]
        for first, (_, middle) in enumerate(edges)
        for second, (start, _) in enumerate(edges)
        if middle == start
    ]


@both_backends
@settings(max_examples=60, deadline=None)
@given(
    n_hits=st.integers(1, 30),
    n_edges=st.integers(0, 120),
    ordered=st.booleans(),
    dtype=st.sampled_from([torch.int32, torch.int64]),
    seed=st.integers(0, 1000),
)
def test_every_pair_of_edges_with_a_middle_hit(  # type: ignore[no-untyped-def]
    convert, n_hits: int, n_edges: int, ordered: bool, dtype: torch.dtype, seed: int
) -> None:
    random = torch.Generator().manual_seed(seed)
    edges = torch.randint(n_hits, (2, n_edges), generator=random)
    if ordered:
        edges = edges[:, edges[0].argsort(stable=True)]
    triplets = convert(edges.to(dtype), n_hits)
    assert triplets.dtype == torch.int64
    assert triplets.shape[0] == 2
    assert triplets.T.tolist() == slow(edges)


@both_backends
def test_a_track_of_n_hits_has_n_minus_two_triplets(convert) -> None:  # type: ignore[no-untyped-def]
    hits = torch.arange(8)
    edges = torch.stack([hits[:-1], hits[1:]])
    assert convert(edges, 8).tolist() == [[0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6]]


@both_backends
def test_edges_that_only_start_or_only_end_at_a_hit_make_none(convert) -> None:  # type: ignore[no-untyped-def]
    assert convert(torch.tensor([[0, 0, 1], [2, 3, 3]]), 4).shape == (2, 0)


@both_backends
@pytest.mark.parametrize("n_hits", [0, 1, 5])
def test_no_edges_make_no_triplets(convert, n_hits: int) -> None:  # type: ignore[no-untyped-def]
    assert convert(torch.empty(2, 0, dtype=torch.int64), n_hits).shape == (2, 0)


@both_backends
def test_a_hit_where_everything_ends_and_starts_makes_all_pairs(convert) -> None:  # type: ignore[no-untyped-def]
    """Nothing is lost at a hub, and edges that stand twice count twice."""
    inward = torch.tensor([[1, 2, 2], [0, 0, 0]])
    edges = torch.cat([inward, inward.flip(0)], dim=1)
    assert convert(edges, 3).T.tolist() == slow(edges)
    assert convert(torch.zeros(2, 4, dtype=torch.int64), 1).shape == (2, 16)
