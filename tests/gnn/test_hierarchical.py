"""The hierarchical network: its mixture, its supernodes, its matching, and the tracks it makes."""

import math
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.trained import tiny_recipe, train_quietly

from hitgraph.event.source import list_events
from hitgraph.gnn.hierarchical.lesson import assignment_loss, matched_supernodes
from hitgraph.gnn.hierarchical.network import (
    HierarchicalNetwork,
    HierarchicalNetworkSettings,
    Hierarchy,
)
from hitgraph.gnn.hierarchical.pooling import (
    Mixture,
    candidates,
    components,
    cut_of,
    fit_mixture,
    nearest,
    without_small,
)
from hitgraph.gnn.hierarchical.stage import assigned, likeliest
from hitgraph.lessons.objects import NEUTRAL, NOISE
from hitgraph.pipeline import Pipeline

SMALL = {"hidden": 16, "steps": 2, "steps_above": 1, "gamma": 1.0}
STAGE: dict[str, Any] = {
    "use": "hierarchical",
    "network": SMALL,
    "training": {"epochs": 20, "learning_rate": 0.01},
    "edge_inputs": ["logit", "curvature", "z0", "slope"],
}


def test_a_mixture_of_two_gaussians_is_found() -> None:
    random = torch.Generator().manual_seed(0)
    low = torch.randn(30_000, generator=random) * 0.5 - 1.0
    high = torch.randn(10_000, generator=random) * 0.8 + 3.0
    found = fit_mixture(torch.cat([low, high])[torch.randperm(40_000, generator=random)])
    assert found.weight.tolist() == pytest.approx([0.75, 0.25], abs=0.02)
    assert found.mean.tolist() == pytest.approx([-1.0, 3.0], abs=0.05)
    assert found.std.tolist() == pytest.approx([0.5, 0.8], abs=0.05)


@pytest.mark.parametrize("gamma", [0.0, 3.0, 5.0])
def test_the_cut_is_where_one_gaussian_is_so_much_likelier(gamma: float) -> None:
    """Of equal width and weight: half way, and gamma s^2 / (difference of the means) above."""
    halves = torch.tensor([0.5, 0.5]).double()
    mixture = Mixture(halves, torch.tensor([-1.0, 3.0]).double(), halves)
    assert float(cut_of(mixture, gamma)) == pytest.approx(1.0 + gamma * 0.25 / 4.0, abs=0.01)


@hypothesis_settings(max_examples=50, deadline=None)
@given(n_hits=st.integers(0, 30), n_edges=st.integers(0, 40), seed=st.integers(0, 1000))
def test_supernodes_are_connected_components(n_hits: int, n_edges: int, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    edges = torch.randint(max(n_hits, 1), (2, n_edges if n_hits else 0), generator=random)
    graph = networkx.Graph()
    graph.add_nodes_from(range(n_hits))
    graph.add_edges_from(edges.T.tolist())
    expected = {frozenset(one) for one in networkx.connected_components(graph) if len(one) >= 3}
    label = components(edges, n_hits, min_hits=3)
    found = {frozenset(torch.nonzero(label == k).squeeze(1).tolist()) for k in range(len(expected))}
    assert found == expected
    assert set(label.tolist()) - {-1} == set(range(len(expected)))


def test_small_groups_are_none() -> None:
    label = torch.tensor([0, 0, 1, 2, 2, -1, 2])
    assert without_small(label, 2).tolist() == [0, 0, -1, 1, 1, -1, 1]
    assert without_small(torch.tensor([-1, -1]), 2).tolist() == [-1, -1]


@pytest.mark.parametrize(("n_points", "k"), [(9, 4), (3, 5), (0, 2)])
def test_the_nearest_are_those_of_largest_cosine(n_points: int, k: int) -> None:
    random = torch.Generator().manual_seed(1)
    unit = torch.nn.functional.normalize(torch.randn(20 + n_points, 3, generator=random), dim=1)
    queries, points = unit[:20], unit[20:]
    row, found = nearest(queries, points, k, part=7)
    for query in range(20):
        order = sorted(range(n_points), key=lambda one: -float(queries[query] @ points[one]))
        assert found[row == query].tolist() == order[:k]


def test_a_hit_may_belong_to_the_nearest_supernodes_and_to_its_own() -> None:
    """On a circle: the second hit was pooled into the supernode on the far side."""
    angle = torch.tensor([0.0, 0.1, 3.0])
    turn = torch.tensor([0.0, 0.5, 1.0, 3.1])
    hits, centre = (torch.stack([one.cos(), one.sin()], dim=1) for one in (angle, turn))
    found = candidates(hits, centre, torch.tensor([0, 3, -1]), 2)
    assert found[0].tolist() == [0, 0, 1, 1, 2, 2]
    assert found[1].view(3, 2).tolist() == [[0, 1], [0, 3], [3, 2]]
    assert candidates(hits, centre[:0], torch.full((3,), -1), 2).shape == (2, 0)


def test_the_matching_shares_as_many_hits_as_can_be() -> None:
    """The largest overlap, of 3, is passed over for two of 2: the greedy one would share 3 hits."""
    owner = torch.tensor([0, 0, 0, 0, 0, 1, 1, NOISE, NEUTRAL, 2])
    supernode = torch.tensor([0, 0, 0, 1, 1, 0, 0, 1, 1, -1])
    assert matched_supernodes(owner, supernode).tolist() == [1, 0, -1]
    assert matched_supernodes(owner, torch.full((10,), -1)).tolist() == [-1, -1, -1]


def test_hits_that_cannot_be_assigned_are_a_loss() -> None:
    """Without supernodes all; with one, its particle's are sure and the other's cannot be."""
    owner, none = torch.tensor([0, 0, 1, 1]), torch.zeros(4, 2)
    nothing = Hierarchy(none, none, torch.full((4,), -1), torch.zeros(2, 0).long(), torch.zeros(0))
    assert float(assignment_loss(nothing, owner)) == 1.0
    pairs = torch.stack([torch.arange(4), torch.zeros(4).long()])
    logit = torch.tensor([20.0, 20.0, -20.0, -20.0])
    one = Hierarchy(none, none, torch.tensor([0, 0, -1, -1]), pairs, logit)
    assert float(assignment_loss(one, owner)) == pytest.approx(0.5)


def test_a_hit_may_have_several_supernodes_but_one_track() -> None:
    pairs = torch.tensor([[0, 0, 1, 1, 2, 2], [0, 1, 1, 0, 0, 1]])
    logit = torch.tensor([1.0, 2.0, -1.0, -2.0, 3.0, -3.0])
    none = torch.zeros(3, 2)
    found = Hierarchy(none, none, torch.zeros(3).long(), pairs, logit)
    assert assigned(found, 3, 0.5).tolist() == [[0, 1], [-1, -1], [0, -1]]
    assert likeliest(found, 3, 0.5).tolist() == [1, -1, 0]


def network() -> HierarchicalNetwork:
    torch.manual_seed(0)
    net = HierarchicalNetwork(HierarchicalNetworkSettings(**SMALL), 3, 2)  # type: ignore[arg-type]
    net.pool.total.fill_(0.5)
    net.pool.share.fill_(1.0)
    return net.eval()


@pytest.mark.parametrize("n_edges", [0, 60])
def test_the_order_of_hits_and_edges_does_not_matter(n_edges: int) -> None:
    random = torch.Generator().manual_seed(3)
    x = torch.randn(25, 3, generator=random)
    edges = torch.randint(25, (2, n_edges), generator=random)
    attributes = torch.randn(n_edges, 2, generator=random)
    hits = torch.randperm(25, generator=random)
    order, place = torch.randperm(n_edges, generator=random), torch.argsort(hits)
    net = network()
    with torch.no_grad():
        one = net.hierarchy(x, edges, attributes)
        other = net.hierarchy(x[hits], place[edges[:, order]], attributes[order])
    torch.testing.assert_close(other.final, one.final[hits], rtol=1e-4, atol=1e-4)
    tracks = [likeliest(found, 25, 0.0) for found in (one, other)]
    same = [track[:, None] == track[None] for track in (tracks[0][hits], tracks[1])]
    assert torch.equal(*same)


@pytest.mark.parametrize("n_hits", [0, 4])
def test_without_edges_there_are_no_tracks(n_hits: int) -> None:
    nothing = torch.zeros(2, 0, dtype=torch.int64), torch.zeros(0, 2)
    found = network().hierarchy(torch.zeros(n_hits, 3), *nothing)
    assert likeliest(found, n_hits, 0.0).tolist() == [-1] * n_hits
    assert assigned(found, n_hits, 0.0).shape[0] == n_hits
    assert bool((assigned(found, n_hits, 0.0) == -1).all())


def test_the_cut_is_an_average_over_training_steps_and_stays_afterwards() -> None:
    net = network().train()
    random = torch.Generator().manual_seed(5)
    graph = (
        torch.randn(30, 3, generator=random),
        torch.randint(30, (2, 90), generator=random),
        torch.randn(90, 2, generator=random),
    )
    before = float(net.pool.cut)
    net.hierarchy(*graph)
    after = float(net.pool.cut)
    assert after != before
    net.eval()
    net.hierarchy(*graph)
    assert float(net.pool.cut) == after


@pytest.mark.parametrize("readout", ["bipartite", "embedding"])
def test_it_makes_tracks(readout: str, tiny_store: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(gnn=None, tracks={**STAGE, "readout": readout})
    training = train_quietly(recipe, tiny_store, tmp_path)
    pipeline = Pipeline.load(tmp_path)
    unseen = list_events([tiny_store])[-1].read()
    result = pipeline.run(unseen)
    np.testing.assert_array_equal(result.labels, training.pipeline.run(unseen).labels)
    assert result.state.hit["embedding"].shape == (unseen.n_hits, 8)
    score = training.stages["tracks"]["trackml_score"]
    assert math.isfinite(score)
    assert score > 0.1  # chance gives next to nothing
