"""The filter in one pass over the edges gives what the network in torch gives on pair features."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.graph.filter import FilterNetwork, FilterSettings, runs_fused, score_candidates
from hitgraph.graph.filter import cpu as filter_kernel
from hitgraph.graph.filter.cpu import score_pairs
from hitgraph.hits import FEATURES, POSITION_FEATURES, Hits, hits_from_event
from hitgraph.pairs import pair_feature_names, pair_features

N_MODULES = 9


def detector() -> Detector:
    random = np.random.default_rng(0)
    return Detector(
        volume_id=np.full(N_MODULES, 8, np.int32),
        layer_id=(np.arange(N_MODULES) // 3).astype(np.int32),
        module_id=np.arange(N_MODULES, dtype=np.int32),
        centre=np.zeros((N_MODULES, 3)),
        rotation=np.linalg.qr(random.normal(size=(N_MODULES, 3, 3)))[0],
        half_thickness=np.full(N_MODULES, 0.15),
        min_half_u=np.full(N_MODULES, 10.0),
        max_half_u=np.full(N_MODULES, 10.0),
        half_v=np.full(N_MODULES, 30.0),
        pitch_u=np.full(N_MODULES, 0.05),
        pitch_v=np.full(N_MODULES, 0.06),
    )


DETECTOR = detector()


def some_hits(n_hits: int, clusters: bool, random: torch.Generator) -> Hits:
    n_features = len(FEATURES if clusters else POSITION_FEATURES)
    module = torch.randint(N_MODULES, (n_hits,), generator=random)
    return Hits(
        torch.rand(n_hits, n_features, generator=random),
        100 * torch.randn(n_hits, 3, generator=random),
        torch.from_numpy(DETECTOR.layer)[module],
        module,
    )


def network(
    hidden: int, layers: int, inputs: str, hits: Hits, seed: int, names: Sequence[str] = ()
) -> FilterNetwork:
    torch.manual_seed(seed)
    names = names or pair_feature_names(hits.has_clusters)
    net = FilterNetwork(FilterSettings(hidden, layers, inputs), hits.columns, names)  # type: ignore[arg-type]
    net.learn_inputs(
        torch.randn(50, len(hits.columns)) * 3 + 1, torch.randn(50, len(names)) * 3 - 1
    )
    return net.eval()


def plain(net: FilterNetwork, hits: Hits, edges: Tensor, where: Detector) -> Tensor:
    columns = pair_feature_names(hits.has_clusters)
    pairs = pair_features(hits, edges, where)
    pairs = pairs[:, [columns.index(name) for name in net.pair_inputs]]
    with torch.no_grad():
        logits: Tensor = net(hits.features, edges, pairs)
    return logits


def assert_close(fused: Tensor, expected: Tensor) -> None:
    known = expected[torch.isfinite(expected)].abs()
    scale = max(float(known.max()) if known.numel() else 0.0, 1.0)
    torch.testing.assert_close(fused, expected, rtol=0.0, atol=2e-5 * scale, equal_nan=True)


@settings(max_examples=50, deadline=None)
@given(
    n_hits=st.integers(1, 30),
    n_edges=st.integers(0, 300),
    hidden=st.integers(1, 70),
    layers=st.integers(1, 3),
    inputs=st.sampled_from(["pairs", "hits", "both"]),
    clusters=st.booleans(),
    some=st.booleans(),
    small=st.booleans(),
    seed=st.integers(0, 1000),
)
@example(
    n_hits=1, n_edges=0, hidden=5, layers=2, inputs="both", clusters=True, some=True, small=True,
    seed=0,
)  # fmt: skip
@example(
    n_hits=2, n_edges=1, hidden=5, layers=2, inputs="both", clusters=False, some=False, small=False,
    seed=0,
)  # fmt: skip
def test_same_logits_as_the_network_in_torch(
    n_hits: int, n_edges: int, hidden: int, layers: int, inputs: str, clusters: bool, some: bool,
    small: bool, seed: int,
) -> None:  # fmt: skip
    random = torch.Generator().manual_seed(seed)
    hits = some_hits(n_hits, clusters, random)
    edges = torch.randint(n_hits, (2, n_edges), generator=random)
    edges = edges[:, edges[0] != edges[1]]
    names = pair_feature_names(clusters)[::-3] if some else ()  # some columns, in another order
    net = network(hidden, layers, inputs, hits, seed, names)
    fused = score_pairs(net, hits, edges.int() if small else edges, DETECTOR)
    assert fused.dtype == torch.float32
    assert_close(fused, plain(net, hits, edges, DETECTOR))


def test_pairs_at_one_place_have_a_finite_score_in_both(tiny_event: Event) -> None:
    assert tiny_event.detector is not None
    hits = hits_from_event(tiny_event, tiny_event.detector)
    hits.position[1] = hits.position[0]
    edges = torch.tensor([[0, 0, 2, 3], [1, 2, 2, 4]])
    net = network(16, 2, "pairs", hits, 0)
    fused = score_pairs(net, hits, edges, tiny_event.detector)
    assert torch.isfinite(fused).all()
    assert_close(fused, plain(net, hits, edges, tiny_event.detector))


def test_hits_that_fill_one_place_or_one_line_are_scored_alike() -> None:
    """Degenerate pairs: the same hits, one straight line from the origin, equal radii."""
    hits = some_hits(12, True, torch.Generator().manual_seed(0))
    line = torch.arange(1, 5)[:, None] * torch.tensor([3.0, 4.0, 0.0])
    ring = torch.tensor([[3.0, 4, 1], [4, 3, 2], [-5, 0, 3], [0, -5, 4]])
    hits.position[:] = torch.cat([torch.ones(4, 3), line, ring])
    edges = torch.combinations(torch.arange(12)).T
    net = network(16, 2, "both", hits, 0)
    away = score_candidates(net, hits, edges, DETECTOR, backend="plain")
    assert_close(score_pairs(net, hits, edges, DETECTOR), away)


@pytest.mark.parametrize("threads", [1, 2])
def test_tasks_and_threads_change_nothing(
    tiny_event: Event, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    assert tiny_event.detector is not None
    hits = hits_from_event(tiny_event, tiny_event.detector)
    edges = torch.combinations(torch.arange(len(hits))).T
    net = network(32, 2, "pairs", hits, 0)
    whole = score_pairs(net, hits, edges, tiny_event.detector)
    monkeypatch.setattr(filter_kernel, "_TASK", 64)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    torch.testing.assert_close(
        score_pairs(net, hits, edges, tiny_event.detector), whole, rtol=0.0, atol=0.0
    )


@pytest.mark.parametrize("hidden", [128, 160])
def test_candidates_get_the_same_logits_fused_or_not(tiny_event: Event, hidden: int) -> None:
    assert tiny_event.detector is not None
    hits = hits_from_event(tiny_event, tiny_event.detector)
    edges = torch.combinations(torch.arange(len(hits))).T
    net = network(hidden, 2, "both", hits, 0)
    assert runs_fused(net, hits) == (hidden == 128)  # wider weights leave the cache
    assert not runs_fused(net.double(), hits)
    logits = score_candidates(net.float(), hits, edges, tiny_event.detector)
    assert not logits.requires_grad
    assert_close(logits, plain(net, hits, edges, tiny_event.detector))
