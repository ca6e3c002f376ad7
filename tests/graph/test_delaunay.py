"""Triangles of the hits of each layer."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hitgraph.event.detector import Detector
from hitgraph.graph.delaunay import DelaunaySettings, triangulated
from hitgraph.graph.planes import APART, PlanesSettings, in_plane
from hitgraph.hits import Hits, hits_from_event
from hitgraph.hits.direction import squared_distance
from hitgraph.simulate.worlds.lartpc.settings import LartpcSettings
from hitgraph.simulate.worlds.lartpc.simulator import LartpcSimulator
from hitgraph.stage import Context
from hitgraph.state import State

SMALL = LartpcSettings(drift=300, height=300, length=600, cosmics=1.0, seed=7)


def sides(points: list[tuple[float, float]]) -> set[tuple[int, int]]:
    return set(map(tuple, triangulated(np.array(points, float).reshape(-1, 2)).T.tolist()))


def small_event() -> tuple[Hits, Detector]:
    event = LartpcSimulator(SMALL).event(2)
    assert event.detector is not None
    return hits_from_event(event, event.detector), event.detector


def test_a_square_with_a_point_inside() -> None:
    found = sides([(0, 0), (2, 0), (2, 2), (0, 2), (1, 0.9)])
    assert found == {(0, 1), (1, 2), (2, 3), (0, 3), (0, 4), (1, 4), (2, 4), (3, 4)}


def test_few_points_and_points_on_a_line_are_chains() -> None:
    assert sides([]) == sides([(1, 1)]) == set()
    assert sides([(0, 0), (5, 5)]) == {(0, 1)}
    assert {frozenset(one) for one in sides([(0, 0), (2, 4), (1, 2)])} == {
        frozenset({0, 2}),
        frozenset({1, 2}),
    }


def test_a_point_on_another_is_joined_to_it() -> None:
    found = sides([(0, 0), (2, 0), (2, 2), (0, 2), (2, 2)])
    assert (2, 4) in found
    assert {point for side in found for point in side} == set(range(5))


def empty_circles(points: NDArray[np.float64]) -> set[tuple[int, int]]:
    """Slowly: pairs that some circle through both has no other point inside of."""
    n, found = len(points), set()
    for i in range(n):
        for j in range(i + 1, n):
            middle, along = (points[i] + points[j]) / 2, points[j] - points[i]
            across = np.array([-along[1], along[0]])
            low, high = -np.inf, np.inf
            for k in range(n):
                if k not in (i, j):  # |middle + t across - p_k|^2 >= |middle + t across - p_i|^2
                    side = 2 * across @ (points[i] - points[k])
                    rest = points[i] @ points[i] - points[k] @ points[k]
                    rest -= 2 * middle @ (points[i] - points[k])
                    if side > 0:
                        low = max(low, rest / side)
                    else:
                        high = min(high, rest / side)
            if low < high:
                found.add((i, j))
    return found


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(4, 14))
def test_sides_are_those_with_an_empty_circle(seed: int, n: int) -> None:
    points = np.random.default_rng(seed).uniform(0, 10, (n, 2))
    assert sides([tuple(point) for point in points.tolist()]) == empty_circles(points)


def test_coordinates_in_the_plane_are_wire_and_drift() -> None:
    hits, detector = small_event()
    u, v = in_plane(hits, detector).double().unbind(dim=1)
    assert torch.allclose(v, hits.position[:, 0].double())
    across = torch.from_numpy(detector.rotation[hits.module.numpy(), :, 0])
    centre = torch.from_numpy(detector.centre[hits.module.numpy()])
    assert (u - (centre * across).sum(dim=1)).abs().max() < 1e-3  # hits are on their wires


def test_edges_stay_on_a_plane_are_short_and_run_outward_once() -> None:
    hits, detector = small_event()
    stage = DelaunaySettings(max_length=30.0).load(Context(detector), {})
    state = stage(State(hits))
    inner, outer = state.graph()
    assert len(inner) > len(hits)
    assert torch.equal(hits.layer[inner], hits.layer[outer])
    far = squared_distance(hits.position)
    assert bool((far[inner] <= far[outer]).all())
    assert len(torch.unique(inner * len(hits) + outer)) == len(inner)
    length = (hits.position[outer] - hits.position[inner]).norm(dim=1)
    assert torch.allclose(state.edge["length"], length, atol=1e-3)
    assert float(length.max()) <= 30
    assert torch.allclose(torch.hypot(state.edge["du"], state.edge["dv"]), length, atol=1e-3)


def test_the_order_of_hits_changes_nothing() -> None:
    hits, detector = small_event()
    stage = DelaunaySettings().load(Context(detector), {})
    order = torch.randperm(len(hits), generator=torch.Generator().manual_seed(1))
    first, other = stage(State(hits)).graph(), order[stage(State(hits.select(order))).graph()]
    assert set(map(tuple, first.T.tolist())) == set(map(tuple, other.T.tolist()))


def test_a_hit_or_none_has_no_edges() -> None:
    hits, detector = small_event()
    stage = DelaunaySettings().load(Context(detector), {})
    for n in (0, 1):
        assert stage(State(hits.select(torch.arange(n)))).graph().shape == (2, 0)


def test_layers_are_far_apart_in_the_places_of_hits() -> None:
    hits, detector = small_event()
    place = PlanesSettings().load(Context(detector), {})(State(hits)).hit["place"]
    assert torch.equal(place[:, 2], APART * hits.layer)
    assert torch.allclose(place[:, :2], in_plane(hits, detector) / 100)
