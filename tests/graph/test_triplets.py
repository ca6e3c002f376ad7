"""The triplet filter: a slow reference, symmetries, triplets whose fit is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hitgraph.errors import SettingsError
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.graph.triplets import (
    TripletFilter,
    TripletSettings,
    edge_support,
    find_triplets,
    judge_edges,
    order_doublets,
)
from hitgraph.graph.triplets.cpu import NO_TRIPLET, SUM_FLOOR
from hitgraph.hits import Hits, hits_from_event

FAR = TripletSettings(hidden=8, reach_phi=1e6, reach_z=1e6)


@pytest.fixture(scope="module")
def detector(tiny_event: Event) -> Detector:
    assert tiny_event.detector is not None
    return tiny_event.detector


@pytest.fixture(scope="module")
def hits(tiny_event: Event, detector: Detector) -> Hits:
    return hits_from_event(tiny_event, detector)


def network_of(seed: int, settings: TripletSettings = FAR) -> TripletFilter:
    torch.manual_seed(seed)
    return TripletFilter(settings).eval()


def random_edges(hits: Hits, n: int, seed: int) -> torch.Tensor:
    """(2, n') edges from the nearer hit to the farther, no two alike, n' <= n."""
    random = torch.Generator().manual_seed(seed)
    pairs = torch.randint(len(hits), (2, n), generator=random)
    distance = hits.position.norm(dim=1)
    pairs = torch.where(distance[pairs[0]] <= distance[pairs[1]], pairs, pairs.flip(0))
    return torch.unique(pairs[:, pairs[0] != pairs[1]], dim=1)


def placed(points: list[tuple[float, float, float]]) -> Hits:
    position = torch.tensor(points, dtype=torch.float32)
    features = torch.stack(
        [position[:, :2].norm(dim=1), torch.atan2(position[:, 1], position[:, 0]), position[:, 2]],
        dim=1,
    )
    number = torch.arange(len(points))
    return Hits(features, position, torch.zeros_like(number), number * 0)


def triplets_of(
    hits: Hits, edges: torch.Tensor, reach: TripletSettings
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    logits = torch.zeros(edges.shape[1])
    doublets = order_doublets(hits, edges, logits)
    return find_triplets(reach, doublets)


def on_helix(
    curvature: float, z0: float, cot: float, radii: list[float]
) -> list[tuple[float, float, float]]:
    """Points at transverse radii (mm) of the helix through the beam line, curvature in 1/mm."""
    points = []
    for r in radii:
        half = np.arcsin(curvature * r / 2)
        points.append((r * np.cos(half), r * np.sin(half), z0 + cot * 2 * half / curvature))
    return points


@settings(max_examples=25, deadline=None)
@given(n=st.integers(0, 120), seed=st.integers(0, 10**6))
def test_finds_every_pair_of_edges_that_share_the_middle_hit(hits: Hits, n: int, seed: int) -> None:
    edges = random_edges(hits, n, seed)
    found, _ = triplets_of(hits, edges, FAR)
    inner, outer = edges.tolist()
    wanted = {(e, f) for e in range(len(inner)) for f in range(len(inner)) if outer[e] == inner[f]}
    assert len(found) == len(wanted)
    assert set(map(tuple, found.tolist())) == wanted


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 120), seed=st.integers(0, 10**6))
def test_the_kernel_gives_what_torch_gives(hits: Hits, n: int, seed: int) -> None:
    edges = random_edges(hits, n, seed)
    network = network_of(seed)
    logits = torch.randn(edges.shape[1])
    doublets = order_doublets(hits, edges, logits)
    found, inputs = find_triplets(FAR, doublets)
    network.triplet.standardise.mean.uniform_(-1, 1)
    network.triplet.standardise.std.uniform_(0.5, 2)
    support = torch.from_numpy(edge_support(network, doublets))
    with torch.no_grad():
        scores = network.triplet(torch.from_numpy(inputs))
    for side, column in ((1, 0), (0, 2)):  # inner support: as the outer edge of a triplet
        for edge in range(edges.shape[1]):
            own = scores[torch.from_numpy(found[:, side] == edge)]
            best = max(float(NO_TRIPLET), *own.tolist()) if len(own) else float(NO_TRIPLET)
            total = float(np.log(float(own.clamp_max(8).exp().sum()) + float(SUM_FLOOR)))
            assert float(support[edge, column]) == pytest.approx(best, abs=1e-4)
            assert float(support[edge, column + 1]) == pytest.approx(total, abs=1e-4)


@pytest.mark.parametrize("curvature", [0.0012, -0.0012, 0.0002])
@pytest.mark.parametrize("cot", [-1.5, 0.3])
def test_three_points_of_a_helix_miss_nothing(curvature: float, cot: float) -> None:
    hits = placed(on_helix(curvature, 20.0, cot, [32.0, 72.0, 116.0]))
    edges = torch.tensor([[0, 1], [1, 2]])
    found, inputs = triplets_of(hits, edges, TripletSettings())
    assert found.tolist() == [[0, 1]]
    # inputs 0, 1: roots of the misses in 0.1 mm; along z a straight line is assumed
    assert abs(inputs[0, 0]) < np.sqrt(10 * 1e-3)
    assert abs(inputs[0, 1]) < np.sqrt(10 * 0.1)
    assert inputs[0, 5] == pytest.approx(1000 * abs(curvature), rel=1e-4)


def test_the_miss_is_the_distance_by_which_the_middle_hit_was_moved() -> None:
    """Straight tracks, the middle hit 0.4 mm off across them, then 0.9 mm off along z."""
    across = placed([(30, 0, 0), (70, 0.4, 0), (110, 0, 0)])
    along = placed([(30, 0, 0), (70, 0, 0.9), (110, 0, 0)])
    edges = torch.tensor([[0, 1], [1, 2]])
    _, inputs = triplets_of(across, edges, TripletSettings())
    assert inputs[0, 0] ** 2 / 10 == pytest.approx(0.4, rel=1e-3)
    _, inputs = triplets_of(along, edges, TripletSettings())
    assert inputs[0, 1] ** 2 / 10 == pytest.approx(0.9, rel=1e-3)


@pytest.mark.parametrize(("reach", "value"), [("reach_phi", 0.39), ("reach_z", 0.89)])
def test_out_of_reach_is_no_triplet(reach: str, value: float) -> None:
    hits = placed([(30, 0, 0), (70, 0.4, 0.9), (110, 0, 0)])
    edges = torch.tensor([[0, 1], [1, 2]])
    near = TripletSettings(reach_phi=0.41, reach_z=0.91)
    assert len(triplets_of(hits, edges, near)[0]) == 1
    assert len(triplets_of(hits, edges, replace(near, **{reach: value}))[0]) == 0


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(torch.diag(torch.tensor([1.0, -1.0, 1.0])), id="mirrored in phi"),
        pytest.param(torch.diag(torch.tensor([1.0, 1.0, -1.0])), id="mirrored in z"),
        pytest.param(
            torch.tensor([[0.6, -0.8, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]]), id="turned"
        ),
    ],
)
def test_mirrored_and_turned_events_are_judged_alike(hits: Hits, change: torch.Tensor) -> None:
    network = network_of(1)
    edges = random_edges(hits, 300, 2)
    logits = torch.randn(edges.shape[1])
    position = hits.position @ change.T
    phi = torch.atan2(position[:, 1], position[:, 0])
    features = torch.cat(
        [hits.features[:, :1], phi[:, None], position[:, 2:], hits.features[:, 3:]], dim=1
    )
    other = Hits(features, position, hits.layer, hits.module)
    one, support = judge_edges(network, hits, edges, logits)
    changed, changed_support = judge_edges(network, other, edges, logits)
    assert torch.allclose(one, changed, atol=2e-3)
    assert torch.allclose(support, changed_support, atol=2e-3)


def test_the_order_of_the_edges_does_not_matter(hits: Hits) -> None:
    network = network_of(3)
    edges = random_edges(hits, 200, 4)
    logits = torch.randn(edges.shape[1])
    order = torch.randperm(edges.shape[1])
    judged, support = judge_edges(network, hits, edges, logits)
    again, support_again = judge_edges(network, hits, edges[:, order], logits[order])
    assert torch.allclose(judged[order], again, atol=1e-4)
    assert torch.allclose(support[order], support_again, atol=1e-4)


def test_nothing_to_judge(hits: Hits) -> None:
    edges = torch.zeros(2, 0, dtype=torch.int64)
    judged, support = judge_edges(network_of(0), hits, edges, torch.zeros(0))
    assert judged.shape == (0,)
    assert support.shape == (0, 4)


def test_coincident_hits_and_hits_along_z_give_finite_numbers() -> None:
    hits = placed([(30, 0, 0), (30, 0, 0), (30, 0, 10), (60, 0, 20)])
    edges = torch.tensor([[0, 1, 0, 2, 1], [1, 2, 2, 3, 3]])
    judged, support = judge_edges(network_of(0), hits, edges, torch.zeros(5))
    assert torch.isfinite(judged).all()
    assert torch.isfinite(support).all()


@pytest.mark.parametrize(("key", "value"), [("hidden", 1), ("reach_phi", 0.0), ("reach_z", -1.0)])
def test_impossible_settings_are_refused(key: str, value: float) -> None:
    with pytest.raises(SettingsError, match=key):
        TripletSettings(**{key: value})  # type: ignore[arg-type]
