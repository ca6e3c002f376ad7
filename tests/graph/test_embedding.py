"""The embedding network, its loss, its training pairs and the graph it builds."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from hitgraph.errors import InputError, SettingsError
from hitgraph.graph.neighbours import radius_pairs
from hitgraph.graph.radius.embedding import (
    EmbeddingNetwork,
    EmbeddingSettings,
    RadiusBuilder,
    hinge_loss,
    mine_pairs,
    squared_length,
)
from hitgraph.hits import FEATURES, Hits

SMALL = EmbeddingSettings(hidden=16, layers=2, dimensions=4)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_hits(n_hits: int, n_features: int = 12) -> Hits:
    features = torch.randn(n_hits, n_features, generator=seeded())
    return Hits(
        features=features,
        position=torch.randn(n_hits, 3, generator=seeded(1)) * 100,
        layer=torch.zeros(n_hits, dtype=torch.int64),
        module=torch.arange(n_hits) // 2,
    )


def network(n_features: int = 12, settings: EmbeddingSettings = SMALL) -> EmbeddingNetwork:
    torch.manual_seed(0)
    return EmbeddingNetwork(settings, FEATURES[:n_features])


def as_set(pairs: Tensor) -> set[tuple[int, int]]:
    found = [(int(a), int(b)) for a, b in pairs.T]
    assert len(found) == len(set(found))
    return set(found)


@pytest.mark.parametrize("n_features", [3, 12])
@pytest.mark.parametrize("activation", ["tanh", "relu", "silu"])
def test_every_hit_gets_a_place(n_features: int, activation: str) -> None:
    settings = EmbeddingSettings(16, 2, 5, activation, layer_norm=activation != "relu")  # type: ignore[arg-type]
    latents = network(n_features, settings)(torch.randn(7, n_features))
    assert latents.shape == (7, 5)
    assert bool(torch.isfinite(latents).all())


def test_the_papers_network_has_its_size() -> None:
    """6 hidden layers of 512 with layer norm, from 14 inputs (two azimuths as pairs) to 8."""
    sizes = [14, *[512] * 6, 8]
    weights = sum(a * b + b for a, b in pairwise(sizes))
    paper = EmbeddingNetwork(EmbeddingSettings(hidden=512, layers=6, dimensions=8), FEATURES)
    assert sum(p.numel() for p in paper.parameters()) == weights + 6 * 2 * 512


@pytest.mark.parametrize("name", ["phi", "gphi"])
def test_azimuth_wraps_without_a_jump(name: str) -> None:
    net = network()
    features = torch.randn(1, 12, generator=seeded()).repeat(3, 1)
    column = FEATURES.index(name)
    features[:, column] = torch.tensor([math.pi - 1e-4, -math.pi + 1e-4, 0.0])
    net.learn_inputs(torch.randn(100, 12, generator=seeded(1)))
    latents = net(features).detach()
    assert float((latents[0] - latents[1]).norm()) < 1e-2
    assert float((latents[0] - latents[2]).norm()) > 1e-2


def test_units_of_the_inputs_do_not_matter_once_learnt() -> None:
    """Metres for millimetres, MeV for GeV: standardising takes scale and origin out."""
    features = torch.randn(200, 12, generator=seeded())
    scale = torch.full((12,), 1000.0)
    scale[[FEATURES.index(name) for name in ("phi", "gphi")]] = 1.0  # radians stay radians
    one, other = network(), network()
    one.learn_inputs(features)
    other.learn_inputs(features * scale)
    torch.testing.assert_close(one(features), other(features * scale), rtol=1e-3, atol=1e-4)


def test_what_was_learnt_travels_with_the_weights() -> None:
    one, other = network(), network()
    features = torch.randn(50, 12, generator=seeded()) * 30
    one.learn_inputs(features)
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(features), other(features))


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"hidden": 0}, "hidden"),
        ({"layers": 0}, "layers"),
        ({"dimensions": 17}, "dimensions"),
        ({"activation": "step"}, "activation"),
    ],
)
def test_settings_that_make_no_network_are_refused(settings: dict[str, object], key: str) -> None:
    with pytest.raises(SettingsError, match=key):
        EmbeddingSettings(**settings)  # type: ignore[arg-type]


def test_hinge_loss_is_equation_5() -> None:
    d_squared = torch.tensor([0.25, 0.25, 4.0, 4.0])
    is_true = torch.tensor([True, False, True, False])
    # d² = 0.25, 1 - d² = 0.75, d² = 4, beyond the margin 0
    assert float(hinge_loss(d_squared, is_true)) == pytest.approx((0.25 + 0.75 + 4.0) / 4)
    weight = torch.tensor([1.0, 2.0, 0.0, 1.0])
    assert float(hinge_loss(d_squared, is_true, weight=weight)) == pytest.approx(1.75 / 4)
    assert float(hinge_loss(d_squared[3:], is_true[3:], margin=3.0)) == pytest.approx(5.0)
    assert float(hinge_loss(d_squared, is_true, weight=torch.zeros(4))) == 0.0
    assert float(hinge_loss(d_squared[:0], is_true[:0])) == 0.0


def test_the_loss_pulls_true_pairs_together_and_pushes_others_out_of_the_margin() -> None:
    latents = torch.tensor([[0.0, 0.0], [0.6, 0.0], [0.3, 0.4], [5.0, 0.0]], requires_grad=True)
    pairs = torch.tensor([[0, 0, 0], [1, 2, 3]])
    hinge_loss(squared_length(latents, pairs), torch.tensor([True, False, False])).backward()
    assert latents.grad is not None
    downhill = -latents.grad
    assert float(downhill[1] @ torch.tensor([1.0, 0.0])) < 0  # true: towards the origin
    assert float(downhill[2] @ torch.tensor([0.3, 0.4])) > 0  # near and false: away from it
    assert downhill[3].tolist() == [0.0, 0.0]  # far and false: left alone


def test_training_separates_two_tracks() -> None:
    """Two groups of hits that differ in z: after a few steps a radius graph joins only within."""
    features = torch.randn(40, 3, generator=seeded()) * 0.1
    features[20:, 2] += 4.0
    group = torch.arange(40) // 20
    pairs = torch.combinations(torch.arange(40)).T
    is_true = group[pairs[0]] == group[pairs[1]]
    net = network(3)
    net.learn_inputs(features)
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(60):
        optimiser.zero_grad()
        hinge_loss(squared_length(net(features), pairs), is_true).backward()
        optimiser.step()
    found = radius_pairs(net(features), 0.5)
    assert found.shape[1] == int(is_true.sum())
    assert bool((group[found[0]] == group[found[1]]).all())


def test_built_edges_are_near_pairs_of_different_modules_pointing_outward() -> None:
    hits, net = some_hits(60), network()
    edges = RadiusBuilder(net, radius=0.6).build(hits)
    latents = net(hits.features).detach()
    distance = torch.cdist(latents, latents, compute_mode="donot_use_mm_for_euclid_dist")
    expected = {
        (i, j)
        for i in range(60)
        for j in range(i + 1, 60)
        if distance[i, j] < 0.6 and hits.module[i] != hits.module[j]
    }
    assert as_set(edges.sort(dim=0).values) == expected
    assert 0 < len(expected) < 60 * 59 // 2
    radius = hits.position.double().norm(dim=1)
    assert bool((radius[edges[0]] <= radius[edges[1]]).all())
    fewer = as_set(RadiusBuilder(net, radius=0.6, max_neighbours=2).build(hits))
    assert fewer < as_set(edges)


def test_no_hits_give_no_edges() -> None:
    assert RadiusBuilder(network(), 1.0).build(some_hits(0)).shape == (2, 0)


def test_a_network_gone_astray_is_named() -> None:
    net = network()
    with torch.no_grad():
        next(net.layers.parameters()).fill_(float("nan"))
    with pytest.raises(InputError, match="network"):
        RadiusBuilder(net, 1.0).build(some_hits(5))


def test_mined_pairs_hold_the_truth_once_and_no_true_pair_among_the_rest() -> None:
    latents = torch.randn(300, 4, generator=seeded())
    true_edges = torch.stack([torch.arange(299), torch.arange(1, 300)])
    true_edges = torch.cat([true_edges, true_edges[:, :5].flip(0)], dim=1)  # five of them twice
    neutral = torch.stack([torch.arange(2, 300), torch.arange(298)])
    pairs, is_true = mine_pairs(
        latents, true_edges, 2000, 1.0, seeded(1), n_hard=3000, neutral=neutral
    )
    truth = {(i, i + 1) for i in range(299)}
    everything = as_set(pairs)
    assert bool((pairs[0] < pairs[1]).all())
    assert as_set(pairs[:, is_true]) == truth
    assert not as_set(pairs[:, ~is_true]) & truth
    assert not everything & {(i, i + 2) for i in range(298)}


def test_random_pairs_are_spread_over_all_hits() -> None:
    pairs, is_true = mine_pairs(
        torch.zeros(10, 2), torch.empty(2, 0, dtype=torch.int64), 5000, 1.0, seeded()
    )
    assert as_set(pairs) == {(i, j) for i in range(10) for j in range(i + 1, 10)}
    assert not bool(is_true.any())


def test_hard_pairs_lie_within_the_radius() -> None:
    latents = torch.randn(2000, 3, generator=seeded())
    nothing = torch.empty(2, 0, dtype=torch.int64)
    everything = as_set(radius_pairs(latents, 0.3))
    pairs, _ = mine_pairs(latents, nothing, 0, 0.3, seeded(), n_hard=2000)
    assert as_set(pairs) < everything
    assert 1000 < pairs.shape[1] < 4000
    pairs, _ = mine_pairs(latents, nothing, 0, 0.3, seeded(), n_hard=10**9)
    assert as_set(pairs) == everything


def test_hits_all_in_one_place_do_not_fill_the_memory() -> None:
    """A young network may collapse: 4.5 billion pairs would be near, 20,000 were asked for."""
    pairs, _ = mine_pairs(
        torch.zeros(95_000, 4), torch.tensor([[0], [1]]), 0, 1.0, seeded(), n_hard=20_000
    )
    assert pairs.shape[1] < 200_000


def test_one_seed_gives_the_same_pairs() -> None:
    latents = torch.randn(500, 3, generator=seeded())
    truth = torch.tensor([[0, 3], [1, 2]])
    first = mine_pairs(latents, truth, 100, 0.5, seeded(7), n_hard=200)
    second = mine_pairs(latents, truth, 100, 0.5, seeded(7), n_hard=200)
    other = mine_pairs(latents, truth, 100, 0.5, seeded(8), n_hard=200)
    assert torch.equal(first[0], second[0])
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("n_hits", [0, 1])
def test_too_few_hits_give_no_pair(n_hits: int) -> None:
    nothing = torch.empty(2, 0, dtype=torch.int64)
    pairs, is_true = mine_pairs(torch.zeros(n_hits, 3), nothing, 10, 1.0, seeded(), n_hard=10)
    assert pairs.shape == (2, 0)
    assert is_true.shape == (0,)
