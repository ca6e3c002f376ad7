"""The radius search finds exactly the pairs that all distances, taken one by one, give."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hitgraph.errors import InputError, SettingsError
from hitgraph.graph.neighbours import BACKENDS, radius_neighbours, radius_pairs

backends = pytest.mark.parametrize("backend", sorted(BACKENDS))


def as_set(pairs: Tensor) -> set[tuple[int, int]]:
    found = [(int(a), int(b)) for a, b in pairs.T]
    assert len(found) == len(set(found)), "a pair was found twice"
    return set(found)


def brute_force(points: Tensor, radius: float) -> set[tuple[int, int]]:
    """One pair after the other, in float32 from the first dimension to the last."""
    rows = points.numpy()
    limit = np.float32(radius) * np.float32(radius)
    found = set()
    for i in range(len(rows)):
        for j in range(i + 1, len(rows)):
            total = np.float32(0)
            for k in range(rows.shape[1]):
                difference = rows[i, k] - rows[j, k]
                total += difference * difference
            if total <= limit:
                found.add((i, j))
    return found


@st.composite
def clouds(draw: st.DrawFn) -> Tensor:
    """Points on a coarse grid (many coincide, many distances tie) or spread at random."""
    n_points, dimensions = draw(st.integers(0, 70)), draw(st.integers(1, 16))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    points = random.normal(size=(n_points, dimensions)) * draw(st.sampled_from([1e-3, 1.0, 1e3]))
    if draw(st.booleans()):
        points = np.round(points)
    return torch.from_numpy(points.astype(np.float32))


@settings(max_examples=60, deadline=None)
@given(points=clouds(), radius=st.sampled_from([0.0, 1e-3, 0.5, 1.0, 2.0, 1e4]))
def test_every_backend_finds_the_pairs_of_brute_force(points: Tensor, radius: float) -> None:
    expected = brute_force(points, radius)
    for backend in BACKENDS:
        pairs = radius_pairs(points, radius, backend=backend)
        assert pairs.dtype == torch.int64
        assert as_set(pairs) == expected, backend


@settings(max_examples=40, deadline=None)
@given(points=clouds(), radius=st.sampled_from([1.0, 2.0, 1e4]), most=st.integers(1, 6))
def test_max_neighbours_keeps_the_nearest_of_either_point(
    points: Tensor, radius: float, most: int
) -> None:
    rows = points.numpy()
    nearest: dict[int, list[tuple[np.float32, int]]] = {i: [] for i in range(len(rows))}
    everything = brute_force(points, radius)
    for i, j in everything:
        distance = np.float32(0)
        for k in range(rows.shape[1]):
            distance += (rows[i, k] - rows[j, k]) ** 2
        nearest[i].append((distance, j))
        nearest[j].append((distance, i))
    kept = {i: {j for _, j in sorted(found)[:most]} for i, found in nearest.items()}
    expected = {(i, j) for i, j in everything if j in kept[i] or i in kept[j]}
    for backend in BACKENDS:
        assert as_set(radius_pairs(points, radius, most, backend)) == expected, backend


@settings(max_examples=30, deadline=None)
@given(points=clouds(), radius=st.sampled_from([0.0, 1.0, 2.0]), n_queries=st.integers(0, 20))
def test_queries_that_are_points_find_their_pairs(
    points: Tensor, radius: float, n_queries: int
) -> None:
    queries = points[:n_queries]
    pairs = brute_force(points, radius)
    expected = {(i, j) for i in range(len(queries)) for j in range(len(points))}
    expected = {(i, j) for i, j in expected if i == j or (min(i, j), max(i, j)) in pairs}
    for backend in BACKENDS:
        assert as_set(radius_neighbours(queries, points, radius, backend)) == expected, backend


@backends
def test_a_moved_cloud_has_the_same_pairs_and_a_shuffled_one_the_same_up_to_names(
    backend: str,
) -> None:
    points = torch.from_numpy(np.random.default_rng(1).integers(-4, 5, (300, 3))).float()
    pairs = as_set(radius_pairs(points, 1.5, backend=backend))
    assert as_set(radius_pairs(points + 16, 1.5, backend=backend)) == pairs
    order = torch.from_numpy(np.random.default_rng(2).permutation(300))
    shuffled = order[radius_pairs(points[order], 1.5, backend=backend)]
    assert as_set(shuffled.sort(dim=0).values) == pairs


@backends
def test_coincident_points_are_neighbours_at_radius_zero(backend: str) -> None:
    points = torch.ones(40, 8)
    assert radius_pairs(points, 0.0, backend=backend).shape == (2, 40 * 39 // 2)


@backends
@pytest.mark.parametrize("n_points", [0, 1])
def test_no_or_one_point_has_no_pair(backend: str, n_points: int) -> None:
    points = torch.zeros(n_points, 4)
    assert radius_pairs(points, 1.0, 3, backend).shape == (2, 0)


def test_threads_change_nothing() -> None:
    points = torch.randn(3000, 5, generator=torch.Generator().manual_seed(0))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = radius_pairs(points, 0.8, backend="numba")
        torch.set_num_threads(3)
        three = radius_pairs(points, 0.8, backend="numba")
    finally:
        torch.set_num_threads(before)
    assert torch.equal(one, three)
    assert as_set(one) == as_set(radius_pairs(points, 0.8, backend="torch"))


def test_points_that_need_a_gradient_are_searched() -> None:
    points = torch.randn(50, 8, requires_grad=True)
    assert as_set(radius_pairs(points, 2.0)) == brute_force(points.detach(), 2.0)


@backends
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_coordinate_that_is_not_finite_is_refused(backend: str, bad: float) -> None:
    points = torch.zeros(5, 2)
    points[3, 1] = bad
    with pytest.raises(InputError, match="row 3 of the points"):
        radius_pairs(points, 1.0, backend=backend)


@pytest.mark.parametrize("radius", [-1.0, float("nan"), float("inf")])
def test_a_radius_that_is_no_length_is_refused(radius: float) -> None:
    with pytest.raises(SettingsError, match="radius"):
        radius_pairs(torch.zeros(2, 2), radius)


def test_what_cannot_be_searched_is_refused() -> None:
    with pytest.raises(ValueError, match="d from 1 to 16"):
        radius_pairs(torch.zeros(3, 17), 1.0)
    with pytest.raises(ValueError, match="float64"):
        radius_pairs(torch.zeros(3, 2, dtype=torch.float64), 1.0)
    with pytest.raises(ValueError, match=r"expected \(m, 2\)"):
        radius_neighbours(torch.zeros(3, 3), torch.zeros(3, 2), 1.0)
    with pytest.raises(SettingsError, match="max_neighbours"):
        radius_pairs(torch.zeros(3, 2), 1.0, 0)
    with pytest.raises(SettingsError, match="abacus"):
        radius_pairs(torch.zeros(3, 2), 1.0, backend="abacus")


@backends
def test_the_edges_of_the_reference_inference(shared_data: Path, backend: str) -> None:
    """The pairs that the original Exa.TrkX inference finds within 1.6 in its 8-D latent space."""
    folder = shared_data / "exatrkx_reference"
    latents = np.loadtxt(folder / "latents.csv", delimiter=",", dtype=np.float32)
    edges = np.loadtxt(folder / "radius_edges.csv", delimiter=",").astype(np.int64)
    expected = {(min(a, b), max(a, b)) for a, b in edges.T.tolist()}
    assert as_set(radius_pairs(torch.from_numpy(latents), 1.6, backend=backend)) == expected
