"""The triplet filter in torch gives what the kernels for the CPU give, to float32 rounding.

They differ by rounding, at most 2e-3. A triplet whose miss lies within rounding of the reach may
count on one side only, so reaches here cut where no triplet lies; and where hits lie one upon the
other, or on one line through the beam line, the side to which the middle one misses is rounding
alone, so that there both only have to give numbers.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hitgraph.graph.line_graph import edge_pairs, edge_pairs_in_parts
from hitgraph.graph.triplets import (
    TripletFilter,
    TripletSettings,
    edge_inputs,
    edge_support,
    find_triplets,
    judge_edges,
    order_doublets,
)
from hitgraph.graph.triplets import plain as triplets_on_device
from hitgraph.hits import Hits

FAR = TripletSettings(hidden=8, reach_phi=1e6, reach_z=1e6)
TOLERANCE = 2e-3


def some_hits(n: int, seed: int, spacing: float = 0.0) -> Hits:
    """Hits anywhere in a small detector; with `spacing`, on the points of such a lattice."""
    random = torch.Generator().manual_seed(seed)
    position = torch.empty(n, 3).uniform_(-200, 200, generator=random)
    position[:, :2] += 10 * position[:, :2].sign()  # not on the beam line
    if spacing:
        position = (position / spacing).round() * spacing
        position[:, 0][(position[:, 0] == 0) & (position[:, 1] == 0)] = spacing
    layer = torch.randint(4, (n,), generator=random)
    return Hits(torch.zeros(n, 3), position, layer, torch.arange(n))


def some_edges(hits: Hits, n: int, seed: int, n_hubs: int = 0) -> Tensor:
    """(2, n') random edges outward, n' <= n; with hubs, all of them at that many hits."""
    random = torch.Generator().manual_seed(seed)
    ends = torch.randint(len(hits), (2, n), generator=random)
    if n_hubs:
        ends[0] = torch.randint(n_hubs, (n,), generator=random)
    ends = ends[:, ends[0] != ends[1]]
    distance = hits.position.norm(dim=1)
    return torch.where(distance[ends[0]] <= distance[ends[1]], ends, ends.flip(0))


def some_network(seed: int, chosen: TripletSettings = FAR) -> TripletFilter:
    torch.manual_seed(seed)
    network = TripletFilter(chosen).eval()
    for part in (network.triplet, network.edge):
        part.standardise.mean.uniform_(-1, 1)
        part.standardise.std.uniform_(0.5, 2)
    return network


def close(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one.cpu(), other, rtol=TOLERANCE, atol=TOLERANCE)


@settings(max_examples=40, deadline=None)
@given(
    n_hits=st.integers(2, 60),
    n_edges=st.integers(0, 150),
    n_hubs=st.sampled_from([0, 1, 3]),
    lattice=st.sampled_from([0.0, 0.0, 40.0, 150.0]),
    seed=st.integers(0, 10**6),
)
def test_logits_and_support_are_those_of_the_kernels(
    device: str, n_hits: int, n_edges: int, n_hubs: int, lattice: float, seed: int
) -> None:
    hits = some_hits(n_hits, seed, lattice)
    edges = some_edges(hits, n_edges, seed, min(n_hubs, n_hits))
    network = some_network(seed)
    logits = torch.randn(edges.shape[1], generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        expected = judge_edges(network, hits, edges, logits)
        given = hits.to(device), edges.to(device), logits.to(device)
        found = judge_edges(network.to(device), *given, backend="plain")
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert torch.isfinite(one).all()
        assert torch.isfinite(other).all()
        assert lattice or close(one, other)


@settings(max_examples=25, deadline=None)
@given(n_edges=st.integers(1, 100), seed=st.integers(0, 10**6))
def test_inputs_are_those_of_the_kernels(device: str, n_edges: int, seed: int) -> None:
    hits = some_hits(30, seed)
    edges = some_edges(hits, n_edges, seed)
    logits = torch.randn(edges.shape[1], generator=torch.Generator().manual_seed(seed))
    doublets = order_doublets(hits, edges, logits)
    there, on_it = hits.to(device), edges.to(device)
    same_layer = (there.layer[on_it[0]] == there.layer[on_it[1]]).float()
    rows = triplets_on_device.edge_rows(there.straight, on_it, logits.to(device), same_layer)
    assert close(rows, torch.from_numpy(doublets.rows[:, : rows.shape[1]]))
    pairs, expected = find_triplets(FAR, doublets)
    e, f = torch.from_numpy(pairs).long().to(device).T
    source, target = on_it
    inputs = triplets_on_device.triplet_inputs(
        there.position, source[e], target[e], target[f], rows[e], rows[f]
    )
    assert close(inputs, torch.from_numpy(expected))
    support = edge_support(some_network(seed), doublets)
    found = triplets_on_device.edge_inputs(
        there.position, on_it, rows, torch.from_numpy(support).to(device)
    )
    assert close(found, torch.from_numpy(edge_inputs(doublets, support)))


@pytest.mark.parametrize(("reach", "value"), [("reach_phi", 0.39), ("reach_z", 0.89)])
def test_what_is_out_of_reach_supports_nothing(reach: str, value: float) -> None:
    """A middle hit 0.4 mm off across the track and 0.9 mm off along z."""
    position = torch.tensor([[30.0, 0, 0], [70, 0.4, 0.9], [110, 0, 0]])
    number = torch.arange(3)
    hits, edges = Hits(position, position, number, number), torch.tensor([[0, 1], [1, 2]])
    rows = triplets_on_device.edge_rows(hits.straight, edges, torch.zeros(2), torch.zeros(2))
    for change, n_supported in (({}, 2), ({reach: value}, 0)):
        reaches = {"reach_phi": 0.41, "reach_z": 0.91} | change
        network = some_network(0, TripletSettings(hidden=4, **reaches))
        with torch.no_grad():
            search = triplets_on_device.triplets_in_parts
            support = triplets_on_device.edge_support(network, position, edges, rows, search)
        assert int((support[:, [0, 2]] > -12).sum()) == n_supported


def test_parts_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    hits = some_hits(40, 1)
    edges = some_edges(hits, 300, 2)
    network, logits = some_network(3), torch.zeros(edges.shape[1])
    search = triplets_on_device.triplets_in_parts
    with torch.no_grad():
        whole, support = triplets_on_device.judge_edges(network, hits, edges, logits, search)
        for n in (1, 7, 1000):
            monkeypatch.setattr(triplets_on_device, "TRIPLETS", n)
            monkeypatch.setattr(triplets_on_device, "EDGES", n)
            again = triplets_on_device.judge_edges(network, hits, edges, logits, search)
            assert torch.allclose(again[0], whole, atol=1e-5)
            assert torch.allclose(again[1], support, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(n_edges=st.integers(0, 80), size=st.integers(1, 60), seed=st.integers(0, 1000))
def test_a_part_is_as_large_as_asked_and_one_edge_more(n_edges: int, size: int, seed: int) -> None:
    edges = torch.randint(12, (2, n_edges), generator=torch.Generator().manual_seed(seed))
    parts = list(edge_pairs_in_parts(edges, 12, size))
    assert torch.equal(torch.cat(parts, dim=1), edge_pairs(edges, 12))
    most = int(torch.bincount(edges[0], minlength=1).max()) if n_edges else 0
    assert max(part.shape[1] for part in parts) <= size + most
