"""Features of pairs of hits: trigonometry, helices, symmetries, and clusters made by hand."""

from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hitgraph.event.clusters import CLUSTER_FEATURES
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.event.truth import true_edges
from hitgraph.hits import FEATURES, POSITION_FEATURES, Hits, hits_from_event
from hitgraph.hits.jitter import CHANGE_SIZE, CHARGE_SPREAD, jitter_clusters
from hitgraph.pairs import (
    GEOMETRY_FEATURES,
    ODD_FEATURES,
    PAIR_FEATURES,
    SHAPE_FEATURES,
    pair_columns,
    pair_feature_names,
    pair_features,
)
from hitgraph.pairs import plain as pairs_on_device


def detector_of(rotation: np.ndarray) -> Detector:
    """Modules turned by rotation (n, 3, 3), two of them a layer."""
    n = len(rotation)
    return Detector(
        volume_id=np.full(n, 8, np.int32),
        layer_id=(np.arange(n) // 2).astype(np.int32),
        module_id=np.arange(n, dtype=np.int32),
        centre=np.zeros((n, 3)),
        rotation=rotation,
        half_thickness=np.linspace(0.15, 0.3, n),
        min_half_u=np.full(n, 10.0),
        max_half_u=np.full(n, 10.0),
        half_v=np.full(n, 30.0),
        pitch_u=np.linspace(0.04, 0.05, n),
        pitch_v=np.linspace(0.05, 0.1, n),
    )


def turned(n: int, seed: int = 0) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(n, 3, 3)))[0]


DETECTOR = detector_of(turned(12))


def hits_at(position: np.ndarray, module: np.ndarray | None = None) -> Hits:
    """Hits without clusters at (n, 3) mm; on modules (n,), or on one after the other."""
    position = np.asarray(position, np.float32).reshape(-1, 3)
    if module is None:
        module = np.arange(len(position)) % DETECTOR.n_modules
    x, y, z = position.T
    features = np.stack([np.hypot(x, y), np.arctan2(y, x), z], axis=1)
    return Hits(
        features=torch.from_numpy(features),
        position=torch.from_numpy(position),
        layer=torch.from_numpy(DETECTOR.layer[module]),
        module=torch.from_numpy(np.asarray(module, np.int64)),
    )


def with_clusters(hits: Hits, **columns: np.ndarray) -> Hits:
    """The same hits with clusters; columns not given are zero."""
    features = torch.zeros(len(hits), len(FEATURES))
    features[:, : len(POSITION_FEATURES)] = hits.features
    for name, values in columns.items():
        features[:, FEATURES.index(name)] = torch.from_numpy(np.asarray(values, np.float32))
    return hits.with_features(features)


def all_pairs(n: int) -> Tensor:
    return torch.combinations(torch.arange(n), 2).T.contiguous()


def column(values: Tensor, name: str) -> np.ndarray:
    return values[:, PAIR_FEATURES.index(name)].numpy().astype(np.float64)


def random_positions(seed: int, n: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    r, z = random.uniform(30, 1000, n), random.uniform(-2500, 2500, n)
    phi = random.normal(random.uniform(-np.pi, np.pi), 0.15, n)
    return np.stack([r * np.cos(phi), r * np.sin(phi), z], axis=1)


def geometry_by_trigonometry(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    """One pair, in float64, from angles and the triangle of the beam line and both hits."""
    ri, rj = np.hypot(a[0], a[1]), np.hypot(b[0], b[1])
    dphi = np.arctan2(b[1], b[0]) - np.arctan2(a[1], a[0])
    dphi = np.arctan2(np.sin(dphi), np.cos(dphi))
    chord = np.sqrt(ri**2 + rj**2 - 2 * ri * rj * np.cos(dphi))  # law of cosines
    radius = chord / (2 * np.sin(dphi))  # law of sines: the circle around the triangle
    arc = radius * 2 * dphi  # seen from the centre, the chord opens twice the angle
    dz = b[2] - a[2]
    theta_i, theta_j = np.arctan2(ri, a[2]), np.arctan2(rj, b[2])
    slope = -np.log(np.tan(np.arctan2(arc, dz) / 2))
    return {
        "curvature": 1000 / radius,
        "z0": np.clip((a[2] - ri * dz / (rj - ri)) / 100, -10, 10),
        "slope": slope,
        "sin_dphi": 10 * np.sin(dphi),
        "deta": np.log(np.tan(theta_i / 2)) - np.log(np.tan(theta_j / 2)),
        "dr": (rj - ri) / 100,
        "dz": dz / 100,
        "distance": np.linalg.norm(b - a) / 100,
        "inner_r": ri / 1000,
        "inner_z": a[2] / 1000,
        "outer_r": rj / 1000,
        "outer_z": b[2] / 1000,
    }


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 12))
def test_geometry_is_that_of_trigonometry(seed: int, n: int) -> None:
    hits = hits_at(random_positions(seed, n))
    edges = all_pairs(n)
    features = pair_features(hits, edges, DETECTOR, threads=1)
    assert features.dtype == torch.float32
    position = hits.position.numpy().astype(np.float64)
    for row, (i, j) in enumerate(edges.T.tolist()):
        expected = geometry_by_trigonometry(position[i], position[j])
        gap = np.hypot(*(position[j] - position[i])[:2])
        dr = abs(np.hypot(*position[j, :2]) - np.hypot(*position[i, :2]))
        if gap < 1 or dr < 1:  # the rounding of float32 is all there is
            continue
        room = {
            "curvature": 1e-4,  # 1/m
            "z0": 1e-4 + 3e-5 * 2500 / dr,
            # the arc is a series to the fifth order of sin dphi
            "slope": 1e-4 + abs(expected["sin_dphi"] / 10) ** 6 / 10,
        }
        for name, value in expected.items():
            found = column(features[row : row + 1], name)[0]
            assert found == pytest.approx(value, rel=2e-5, abs=room.get(name, 2e-5)), name
        same = hits.layer[i] == hits.layer[j]
        assert column(features[row : row + 1], "same_layer")[0] == float(same)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 12),
    clusters=st.booleans(),
    with_=st.booleans(),
)
def test_on_a_device_pairs_have_the_same_features(
    device: str, seed: int, n: int, clusters: bool, with_: bool
) -> None:
    """The operations in torch, which run on any device, against the kernel."""
    random = np.random.default_rng(seed)
    hits = hits_at(random_positions(seed, n))
    if clusters:
        shape = {name: random.uniform(0.01, 1, n) for name in ("cell_count", "charge", "lx", "ly")}
        hits = with_clusters(hits, **shape)
    edges = all_pairs(n)
    expected = pair_features(hits, edges, DETECTOR, threads=1, shape=with_)
    found = pairs_on_device.pair_features(hits.to(device), edges.to(device), DETECTOR, with_).cpu()
    assert expected.shape[1] == len(PAIR_FEATURES if clusters and with_ else GEOMETRY_FEATURES)
    assert found.dtype == torch.float32
    assert found.shape == expected.shape
    dr = (hits.position[edges[1], :2].norm(dim=1) - hits.position[edges[0], :2].norm(dim=1)).abs()
    gap = (hits.position[edges[1], :2] - hits.position[edges[0], :2]).norm(dim=1)
    sure = (gap > 1) & (dr > 1)  # elsewhere the rounding of float32 is all there is
    torch.testing.assert_close(found[sure], expected[sure], rtol=2e-3, atol=2e-3)


def test_equal_radius_and_one_point_twice_give_limits_not_infinities() -> None:
    hits = hits_at([[30.0, 40, 10], [40, 30, 20], [50, 0, -5], [30, 40, 30]])
    z0 = column(pair_features(hits, all_pairs(4), DETECTOR), "z0")
    assert (np.abs(z0) == 10).all()


@pytest.mark.parametrize("backend", ["cpu", "plain"])
def test_hits_along_z_on_the_beam_line_and_in_one_point_give_finite_features(
    backend: Literal["cpu", "plain"],
) -> None:
    """Modules of one stave have hits of the same x and y; a collimated beam has hits at r = 0."""
    hits = hits_at([[30.0, 40, 10], [30, 40, 120], [0, 0, -5], [0, 0, 90], [30, 40, 10]])
    ones = np.ones(len(hits))
    hits = with_clusters(hits, cell_count=ones, charge=ones, lx=0.1 * ones, ly=0.1 * ones)
    features = pair_features(hits, all_pairs(len(hits)), DETECTOR, backend=backend)
    assert features.shape[1] == len(PAIR_FEATURES)
    assert torch.isfinite(features).all()
    along = features[0]  # of hits 0 and 1
    assert column(along[None], "curvature")[0] == 0
    assert column(along[None], "sin_dphi")[0] == 0
    assert column(along[None], "distance")[0] == pytest.approx(1.1)


def helix(
    curvature: float, z0: float, cot: float, phi0: float, arcs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 3) and flight directions (n, 3) at transverse path lengths from the beam line."""
    phi = phi0 + curvature * arcs
    half = curvature * arcs / 2
    chord = arcs * np.sinc(half / np.pi)
    towards = phi0 + half
    points = np.stack([chord * np.cos(towards), chord * np.sin(towards), z0 + arcs * cot], axis=1)
    return points, np.stack([np.cos(phi), np.sin(phi), np.full(len(arcs), cot)], axis=1)


@settings(max_examples=60, deadline=None)
@given(
    curvature=st.floats(-1.2e-3, 1.2e-3),
    z0=st.floats(-150, 150),
    cot=st.floats(-6, 6),
    phi0=st.floats(-np.pi, np.pi),
)
def test_any_two_hits_of_a_helix_from_the_beam_line_tell_the_helix(
    curvature: float, z0: float, cot: float, phi0: float
) -> None:
    """curvature in 1/mm, positive where phi grows on the way out."""
    arcs = np.array([32.0, 72.0, 116.0, 172.0, 260.0])
    points, _ = helix(curvature, z0, cot, phi0, arcs)
    edges = all_pairs(len(arcs))
    features = pair_features(hits_at(points), edges, DETECTOR)
    np.testing.assert_allclose(column(features, "curvature"), 1000 * curvature, atol=1e-3)
    np.testing.assert_allclose(column(features, "slope"), np.arcsinh(cot), atol=2e-4)
    # straight in (r, z): what it misses is the sagitta of the helix there
    ri, rj = np.hypot(points[:, 0], points[:, 1])[edges.numpy()]
    sagitta = cot * curvature**2 * ri * rj * (ri + rj) / 24
    missed = 100 * column(features, "z0") - z0
    np.testing.assert_allclose(missed, -sagitta, atol=0.02 + 0.1 * abs(sagitta).max())


def test_stiff_tracks_point_to_their_vertex() -> None:
    arcs = np.array([32.0, 116.0, 260.0, 660.0])
    for z0, cot in ((0.0, 1.0), (-80.0, 3.0), (55.0, -2.0)):
        points, _ = helix(1e-6, z0, cot, 0.3, arcs)
        features = pair_features(hits_at(points), all_pairs(len(arcs)), DETECTOR)
        np.testing.assert_allclose(100 * column(features, "z0"), z0, atol=0.01)


def test_a_turn_about_the_beam_line_changes_no_geometry() -> None:
    position = random_positions(1, 60)
    edges = all_pairs(60)
    before = pair_features(hits_at(position), edges, DETECTOR)
    clear = before[:, GEOMETRY_FEATURES.index("distance")] > 0.5
    clear &= before[:, GEOMETRY_FEATURES.index("dr")].abs() > 0.5
    assert clear.sum() > 1000
    for angle in (0.1, 1.0, np.pi, 5.0):
        c, s = np.cos(angle), np.sin(angle)
        after = pair_features(
            hits_at(position @ [[c, s, 0], [-s, c, 0], [0, 0, 1]]), edges, DETECTOR
        )
        np.testing.assert_allclose(after[clear], before[clear], rtol=1e-4, atol=3e-4)


@pytest.mark.parametrize(
    ("mirror", "odd"),
    [
        ((-1, 1, 1), ODD_FEATURES["x"]),
        ((1, -1, 1), ODD_FEATURES["y"]),
        ((1, 1, -1), ODD_FEATURES["z"]),
    ],
)
def test_a_mirror_flips_the_odd_features_and_no_others(
    mirror: tuple[int, int, int], odd: tuple[str, ...]
) -> None:
    position = random_positions(2, 40)
    edges = all_pairs(40)
    before = pair_features(hits_at(position), edges, DETECTOR)
    after = pair_features(hits_at(position * mirror), edges, DETECTOR)
    assert set(odd) < set(GEOMETRY_FEATURES)
    for name in GEOMETRY_FEATURES:
        one, other = column(before, name), column(after, name)
        expected = -one if name in odd else one
        np.testing.assert_allclose(other, expected, rtol=1e-5, atol=1e-5, err_msg=name)
        assert (one != 0).any(), name


def clusters_on_helices(kind: str) -> tuple[Hits, Tensor, Detector]:
    """Pairs of hits of helices; each cluster is that of the straight path through its module.

    Every hit has a module of its own that faces outward (barrel) or along the beam (endcap), up
    to a random tilt.
    """
    random = np.random.default_rng(11)
    n_tracks = 300
    points, flights = [], []
    for _ in range(n_tracks):
        cot = random.uniform(-2, 2) if kind == "barrel" else random.choice([-1, 1]) * 3.0
        arcs = np.array([random.uniform(30, 100), random.uniform(150, 300)])
        curvature, z0 = random.uniform(-1e-3, 1e-3), random.normal(0, 50)
        track = helix(curvature, z0, cot, random.uniform(-np.pi, np.pi), arcs)
        points.append(track[0])
        flights.append(track[1])
    point, flight = np.concatenate(points), np.concatenate(flights)
    n = len(point)
    outward = point * [1, 1, 0] if kind == "barrel" else np.tile([0.0, 0.0, 1.0], (n, 1))
    normal = outward / np.linalg.norm(outward, axis=1)[:, None] + random.normal(0, 0.15, (n, 3))
    frame = np.stack([normal, random.normal(size=(n, 3)), random.normal(size=(n, 3))], axis=2)
    q = np.linalg.qr(frame)[0]
    detector = detector_of(np.stack([q[:, :, 1], q[:, :, 2], q[:, :, 0]], axis=2))
    local = np.einsum("nji,nj->ni", detector.rotation, flight)
    thickness = detector.sensitive_thickness
    spans = []
    for axis, pitch in ((0, detector.pitch_u), (1, detector.pitch_v)):
        start = random.uniform(0, 1, n)  # place in the first channel where the path enters
        end = start + abs(local[:, axis] / local[:, 2]) * thickness / pitch
        spans.append(np.floor(end) + 1)
    path = np.linalg.norm(flight, axis=1) / abs(local[:, 2])  # in units of the thickness
    hits = hits_at(point, np.zeros(n, int))
    hits = Hits(hits.features, hits.position, hits.layer, torch.arange(n))
    hits = with_clusters(
        hits,
        lx=spans[0] * detector.pitch_u,
        ly=spans[1] * detector.pitch_v,
        charge=0.7 * path,
        cell_count=spans[0] + spans[1] - 1,
    )
    return hits, torch.arange(n).reshape(-1, 2).T.contiguous(), detector


@pytest.mark.parametrize("kind", ["barrel", "endcap"])
def test_clusters_of_the_path_through_the_module_are_predicted(kind: str) -> None:
    hits, edges, detector = clusters_on_helices(kind)
    assert (detector.is_endcap == (kind == "endcap")).all()
    features = pair_features(hits, edges, detector)
    assert features.shape[1] == len(PAIR_FEATURES)
    for end, rows in (("inner", edges[0]), ("outer", edges[1])):
        for axis, name, pitch in (("u", "lx", detector.pitch_u), ("v", "ly", detector.pitch_v)):
            predicted, gap = (column(features, f"{end}_{k}{axis}") for k in ("size_", ""))
            size = hits.features[rows, FEATURES.index(name)].numpy() / pitch[rows.numpy()]
            clear = predicted < 25
            assert clear.mean() > 0.9
            assert predicted.max() <= 30
            np.testing.assert_allclose(gap, size - predicted, atol=1e-3)
            # a path over x channels touches the whole part of x plus one or two of them
            assert (np.abs(gap[clear] - 1) < 1.02).all()
            assert abs(gap[clear].mean() - 1) < 0.1
        charge = column(features, f"{end}_charge")
        np.testing.assert_allclose(charge, 0.7, rtol=5e-3)
        cells = hits.features[rows, FEATURES.index("cell_count")].numpy()
        np.testing.assert_array_equal(column(features, f"{end}_cells"), cells)


def test_another_direction_predicts_another_cluster() -> None:
    """Fakes stand out: the inner hits, each paired with the outer hit of the next track."""
    hits, edges, detector = clusters_on_helices("barrel")
    true = pair_features(hits, edges, detector)
    fake = pair_features(hits, torch.stack([edges[0], edges[1].roll(1)]), detector)
    for name in ("inner_u", "inner_v", "outer_u", "outer_v"):
        far = np.abs(column(fake, name) - 1) > 1.5
        assert far.mean() > 0.3, name
        assert (np.abs(column(true, name) - 1) > 1.5).mean() < 0.1, name


def test_without_clusters_only_geometry_is_told(tiny_event: Event) -> None:
    detector = tiny_event.detector
    assert detector is not None
    edges = torch.from_numpy(true_edges(tiny_event))
    full = hits_from_event(tiny_event, detector)
    bare = hits_from_event(tiny_event, detector, clusters=False)
    with_shape, geometry = (pair_features(hits, edges, detector) for hits in (full, bare))
    assert pair_feature_names(True) == PAIR_FEATURES == GEOMETRY_FEATURES + SHAPE_FEATURES
    assert pair_feature_names(False) == GEOMETRY_FEATURES
    assert with_shape.shape == (edges.shape[1], len(PAIR_FEATURES))
    assert geometry.shape == (edges.shape[1], len(GEOMETRY_FEATURES))
    torch.testing.assert_close(geometry, with_shape[:, : len(GEOMETRY_FEATURES)])
    names = ("dz", "curvature", "same_layer")
    chosen = pair_columns(bare, edges, detector, names)
    for k, name in enumerate(names):
        assert torch.equal(chosen[:, k], geometry[:, GEOMETRY_FEATURES.index(name)]), name
    picked = pair_columns(full, edges, detector, ("outer_cells", "z0"))
    assert torch.equal(picked[:, 0], with_shape[:, PAIR_FEATURES.index("outer_cells")])
    assert torch.equal(picked[:, 1], with_shape[:, PAIR_FEATURES.index("z0")])


def test_threads_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    hits, edges, detector = clusters_on_helices("endcap")
    whole = pair_features(hits, edges, detector, threads=1)
    for block in (1, 7, 100, 10_000):
        monkeypatch.setattr("hitgraph.pairs.cpu._TASK", block)
        for threads in (1, 2):
            assert torch.equal(pair_features(hits, edges, detector, threads), whole)
    half = edges[:, 1::2]  # a view that is not contiguous
    assert torch.equal(pair_features(hits, half, detector), whole[1::2])


@pytest.mark.parametrize("n_hits", [0, 3])
def test_no_edge_has_no_features(n_hits: int) -> None:
    hits = hits_at(random_positions(0, n_hits))
    edges = torch.empty((2, 0), dtype=torch.int64)
    assert pair_features(hits, edges, DETECTOR).shape == (0, len(GEOMETRY_FEATURES))
    clustered = with_clusters(hits)
    assert pair_features(clustered, edges, DETECTOR).shape == (0, len(PAIR_FEATURES))


def hits_with_many_clusters(n: int, smallest: int = 2) -> Hits:
    """Every tenth hit has no cells; the others' sizes are `smallest` to 9 channels a side."""
    random = np.random.default_rng(3)
    hits = hits_at(random_positions(3, n))
    module = hits.module.numpy()
    real = np.arange(n) % 10 != 0
    sizes = random.integers(smallest, 10, (2, n)) * real
    return with_clusters(
        hits,
        cell_count=sizes.max(axis=0),
        charge=random.uniform(0.1, 2, n) * real,
        lx=sizes[0] * DETECTOR.pitch_u[module],
        ly=sizes[1] * DETECTOR.pitch_v[module],
        lz=2 * DETECTOR.half_thickness[module] * real,
    )


def jittered(hits: Hits, seed: int) -> Hits:
    return jitter_clusters(hits, DETECTOR, torch.Generator().manual_seed(seed))


def test_jitter_is_the_same_for_the_same_seed_and_spares_what_is_no_cluster() -> None:
    hits = hits_with_many_clusters(500)
    original = hits.features.clone()
    one, again, other = jittered(hits, 1), jittered(hits, 1), jittered(hits, 2)
    assert torch.equal(one.features, again.features)
    assert not torch.equal(one.features, other.features)
    assert torch.equal(hits.features, original)
    assert torch.equal(one.position, hits.position)
    assert torch.isfinite(one.features).all()
    n_position = len(POSITION_FEATURES)
    assert torch.equal(one.features[:, :n_position], original[:, :n_position])
    for name in ("cell_count", "lz"):
        k = FEATURES.index(name)
        assert torch.equal(one.features[:, k], original[:, k]), name
    without_cells = original[:, FEATURES.index("cell_count")] == 0
    assert without_cells.sum() == 50
    assert torch.equal(one.features[without_cells], original[without_cells])


def test_jitter_changes_the_stated_shares() -> None:
    n = 40_000
    hits = hits_with_many_clusters(n)
    before, after = hits.features.numpy(), jittered(hits, 7).features.numpy()
    real = before[:, FEATURES.index("cell_count")] > 0
    module = np.arange(n) % DETECTOR.n_modules
    changed = []
    for name, pitch in (("lx", DETECTOR.pitch_u), ("ly", DETECTOR.pitch_v)):
        k = FEATURES.index(name)
        step = ((after[:, k] - before[:, k]) / pitch[module])[real]
        np.testing.assert_allclose(step, np.round(step), atol=1e-3)
        assert set(np.round(step)) == {-1.0, 0.0, 1.0}
        changed.append(np.round(step) != 0)
        # four standard deviations of a count
        room = 4 * np.sqrt(CHANGE_SIZE / real.sum())
        assert abs(changed[-1].mean() - CHANGE_SIZE) < room
        assert abs((np.round(step) > 0).mean() - CHANGE_SIZE / 2) < room
    both = (changed[0] & changed[1]).mean()
    assert both == pytest.approx(CHANGE_SIZE**2, rel=0.3)  # along u and v by itself
    k = FEATURES.index("charge")
    ratio = np.log(after[real, k] / before[real, k])
    assert abs(ratio.mean()) < 4 * CHARGE_SPREAD / np.sqrt(real.sum())
    assert ratio.std() == pytest.approx(CHARGE_SPREAD, rel=0.03)
    assert (CHANGE_SIZE, CHARGE_SPREAD) == (0.08, 0.15)


def test_jitter_leaves_at_least_one_channel() -> None:
    hits = hits_with_many_clusters(5000, smallest=1)
    features = jittered(hits, 3).features.numpy()
    real = features[:, FEATURES.index("cell_count")] > 0
    module = hits.module.numpy()
    for name, pitch in (("lx", DETECTOR.pitch_u), ("ly", DETECTOR.pitch_v)):
        channels = (features[:, FEATURES.index(name)] / pitch[module])[real]
        assert channels.min() > 0.999


def test_jittered_angles_are_those_of_the_jittered_size(tiny_event: Event) -> None:
    detector = tiny_event.detector
    assert detector is not None
    hits = hits_from_event(tiny_event, detector)
    for seed in range(10):
        smeared = jitter_clusters(hits, detector, torch.Generator().manual_seed(seed))
        named = dict(zip(FEATURES, smeared.features.numpy().T.astype(np.float64), strict=True))
        local = np.stack([named["lx"], named["ly"], named["lz"]], axis=1)
        turned_by = detector.rotation[hits.module.numpy()]
        for prefix, vector in (("l", local), ("g", np.einsum("nij,nj->ni", turned_by, local))):
            x, y, z = vector.T
            eta = np.arcsinh(z / np.hypot(x, y))
            np.testing.assert_allclose(named[f"{prefix}eta"], eta, rtol=1e-4, atol=1e-4)
            phi = named[f"{prefix}phi"]
            np.testing.assert_allclose(np.cos(phi), x / np.hypot(x, y), atol=1e-4)
            np.testing.assert_allclose(np.sin(phi), y / np.hypot(x, y), atol=1e-4)
    assert set(named) == {*POSITION_FEATURES, *CLUSTER_FEATURES}


def test_hits_without_clusters_are_not_jittered() -> None:
    hits = hits_at(random_positions(0, 4))
    assert jittered(hits, 0) is hits
