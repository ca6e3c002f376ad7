"""The radius search finds exactly the pairs that all distances, taken one by one, give."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hitgraph.errors import InputError, SettingsError
from hitgraph.graph import neighbours
from hitgraph.graph.neighbours import (
    BACKENDS,
    MAX_DIMENSIONS,
    radius_neighbours,
    radius_pairs,
)
from hitgraph.graph.neighbours import plain as neighbours_on_device
from hitgraph.hits.direction import squared_distance

backends = pytest.mark.parametrize("backend", sorted(BACKENDS))


def as_set(pairs: Tensor) -> set[tuple[int, int]]:
    found = [(a, b) for a, b in pairs.T.tolist()]
    assert len(found) == len(set(found)), "a pair was found twice"
    return set(found)


def plain_distances(a: Tensor, b: Tensor) -> np.ndarray:
    """(n_a, n_b) squared distances in float32, summed from the first dimension to the last."""
    total = np.zeros((len(a), len(b)), np.float32)
    with np.errstate(over="ignore", under="ignore"):
        for x, y in zip(a.numpy().T, b.numpy().T, strict=True):
            difference = x[:, None] - y
            total += difference * difference
    return total


def square(radius: float) -> np.float32:
    with np.errstate(over="ignore", under="ignore"):
        return np.float32(radius) * np.float32(radius)


def brute_force(points: Tensor, radius: float) -> set[tuple[int, int]]:
    near = np.triu(plain_distances(points, points) <= square(radius), 1)
    return {(i, j) for i, j in np.argwhere(near).tolist()}


def nearest_of_either(points: Tensor, radius: float, most: int) -> set[tuple[int, int]]:
    """Pairs of which one point is among the `most` nearest of the other, ties by row."""
    distance = plain_distances(points, points)
    found = set()
    for i in range(len(points)):
        near = [(d, j) for j, d in enumerate(distance[i]) if j != i and d <= square(radius)]
        found |= {(min(i, j), max(i, j)) for _, j in sorted(near)[:most]}
    return found


# denormal distances, denormal coordinates, squares that overflow, differences that overflow
SCALES = [1e-3, 1.0, 1e3, 1e-21, 1e-40, 1e19, 1e38]


@st.composite
def clouds(draw: st.DrawFn) -> tuple[Tensor, float]:
    """Points spread at random, in one place, or on a coarse grid (many coincide, many distances
    tie), and a radius; on the grid radii are distances, so that pairs lie exactly on them.
    """
    n_points, dimensions = draw(st.integers(0, 90)), draw(st.integers(1, MAX_DIMENSIONS))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    points = random.normal(size=(n_points, dimensions))
    shape = draw(st.sampled_from(["spread", "grid", "one place", "a line"]))
    if shape == "grid":
        points = np.round(points)
    elif shape == "one place":
        points[:] = points[:1]
    elif shape == "a line":
        points[:, 1:] = 0
    scale = draw(st.sampled_from(SCALES))
    radius = draw(st.sampled_from([0.0, 1e-3, 0.5, 1.0, 2.0, 5.0, 1e4])) * scale
    return torch.from_numpy((points * scale).clip(-3e38, 3e38).astype(np.float32)), radius


dtypes = st.sampled_from([torch.int32, torch.int64])


@settings(max_examples=60, deadline=None)
@given(
    cloud=clouds(),
    most=st.none() | st.integers(1, 6) | st.just(10**9),
    keyed=st.booleans(),
    dtype=dtypes,
)
def test_every_backend_finds_the_pairs_of_brute_force(
    cloud: tuple[Tensor, float], most: int | None, keyed: bool, dtype: torch.dtype
) -> None:
    points, radius = cloud
    # nine keys only, so that many points tie
    key = (3 * points[:, 0] / (points[:, 0].abs() + 1e-30)).round() if keyed else None
    expected = brute_force(points, radius)
    if most is not None:
        expected = nearest_of_either(points, radius, most)
    if key is not None:
        expected = {(j, i) if key[j] < key[i] else (i, j) for i, j in expected}
    for backend in BACKENDS:
        pairs = radius_pairs(points, radius, most, backend, key, dtype)
        assert pairs.dtype == dtype
        assert as_set(pairs) == expected, backend


@settings(max_examples=20, deadline=None)
@given(
    cloud=clouds(),
    elements=st.sampled_from([1, 40, 300]),
    node_pairs=st.integers(1, 5),
    most=st.none() | st.integers(1, 6),
)
def test_pieces_of_any_size_change_nothing(
    cloud: tuple[Tensor, float], elements: int, node_pairs: int, most: int | None
) -> None:
    points, radius = cloud
    points = points[:40]
    expected = as_set(radius_pairs(points, radius, most, "reference"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours_on_device, "CPU_ELEMENTS", elements)
        patch.setattr(neighbours_on_device, "NODE_PAIRS", node_pairs)
        patch.setattr(neighbours, "CHUNK_ELEMENTS", elements)
        for backend in ("reference", "plain"):
            assert as_set(radius_pairs(points, radius, most, backend)) == expected, backend


@pytest.mark.parametrize("backend", ["cpu", "plain"])
def test_many_points_have_the_pairs_of_brute_force(backend: str) -> None:
    """Enough points for lists of neighbours that are cut short more than once."""
    random = np.random.default_rng(3)
    points = torch.from_numpy(random.normal(size=(1000, 3)).round(1).astype(np.float32))
    for most in (None, 2, 9):
        expected = as_set(radius_pairs(points, 0.4, most, "reference"))
        assert as_set(radius_pairs(points, 0.4, most, backend)) == expected


@settings(max_examples=30, deadline=None)
@given(cloud=clouds(), n_queries=st.integers(0, 40), moved=st.booleans())
def test_queries_find_the_points_around_them(
    cloud: tuple[Tensor, float], n_queries: int, moved: bool
) -> None:
    points, radius = cloud
    queries = points[:n_queries]
    if moved:
        queries = (queries + queries.flip(0)) / 2
        queries = queries[torch.isfinite(queries).all(dim=1)]
    near = plain_distances(queries, points) <= square(radius)
    expected = {(i, j) for i, j in np.argwhere(near).tolist()}
    for backend in BACKENDS:
        assert as_set(radius_neighbours(queries, points, radius, backend)) == expected, backend


@backends
def test_edges_run_from_the_inner_hit_to_the_outer(backend: str) -> None:
    position = 100 * torch.randn(300, 3, generator=torch.Generator().manual_seed(4))
    position[:20] = position[20:40].flip(1)  # as far from the origin as those
    pairs = radius_pairs(position, 100.0, backend=backend)
    distance = squared_distance(position)
    inner, outer = radius_pairs(position, 100.0, backend=backend, key=distance)
    further = distance[outer] - distance[inner]
    assert bool(((further > 0) | ((further == 0) & (inner < outer))).all())
    assert as_set(torch.stack([inner, outer]).sort(dim=0).values) == as_set(pairs)


def test_the_search_on_a_device_is_that_of_the_host(device: str) -> None:
    random = torch.Generator().manual_seed(5)
    points, queries = torch.randn(800, 4, generator=random), torch.randn(50, 4, generator=random)
    key = torch.randn(800, generator=random)
    there = points.to(device), queries.to(device), key.to(device)
    for most in (None, 3):
        away = radius_pairs(there[0], 0.5, most, "plain", there[2], torch.int32)
        assert away.device.type == device
        assert as_set(away) == as_set(radius_pairs(points, 0.5, most, "cpu", key))
    near = radius_neighbours(there[1], there[0], 0.5, "plain")
    assert as_set(near) == as_set(radius_neighbours(queries, points, 0.5, "cpu"))


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
        one = radius_pairs(points, 0.8, backend="cpu")
        torch.set_num_threads(3)
        three = radius_pairs(points, 0.8, backend="cpu")
    finally:
        torch.set_num_threads(before)
    assert torch.equal(one, three)
    assert as_set(one) == as_set(radius_pairs(points, 0.8, backend="plain"))


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
    with pytest.raises(ValueError, match=r"key has shape \(2,\): expected \(3,\)"):
        radius_pairs(torch.zeros(3, 2), 1.0, key=torch.zeros(2))
    with pytest.raises(ValueError, match=r"dtype is torch\.int16"):
        radius_pairs(torch.zeros(3, 2), 1.0, dtype=torch.int16)
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
