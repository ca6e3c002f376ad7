"""The window builder finds exactly the pairs that the learnt bounds, taken one by one, let pass."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hitgraph.errors import InputError, SettingsError
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.event.truth import true_edges
from hitgraph.graph import windows as windows_module
from hitgraph.graph.windows import LayerWindows, WindowBuilder, WindowSettings, learn_windows
from hitgraph.graph.windows import plain as windows_on_device
from hitgraph.graph.windows.cpu import N_GEOMETRY, VARIABLES, pair_values
from hitgraph.hits import FEATURES, Hits, hits_from_event
from hitgraph.pairs.geometry import hit_rows

EVERYTHING = WindowSettings(pair_coverage=1.0, tail=0.0, shape_tail=0.0)
N_LAYERS = 5  # three barrel layers, two disks


def detector_of_turned_modules() -> Detector:
    """Two modules a layer, turned at random; barrel layers extend along z, disks along r."""
    random = np.random.default_rng(0)
    n = 2 * N_LAYERS
    centre = np.zeros((n, 3))
    centre[:6, 0], centre[:6, 2] = 50.0, np.tile([-100.0, 100.0], 3)
    centre[6:, 0], centre[6:, 2] = np.tile([30.0, 150.0], 2), np.repeat([-300.0, 300.0], 2)
    rotation = np.linalg.qr(random.normal(size=(n, 3, 3)))[0]
    return Detector(
        volume_id=np.full(n, 8, np.int32),
        layer_id=np.repeat(np.arange(2, 2 + 2 * N_LAYERS, 2), 2).astype(np.int32),
        module_id=np.tile([1, 2], N_LAYERS).astype(np.int32),
        centre=centre,
        rotation=rotation,
        half_thickness=np.full(n, 0.15),
        min_half_u=np.full(n, 10.0),
        max_half_u=np.full(n, 10.0),
        half_v=np.full(n, 30.0),
        pitch_u=np.full(n, 0.05),
        pitch_v=np.full(n, 0.06),
    )


DETECTOR = detector_of_turned_modules()


def hits_at(position: np.ndarray, module: np.ndarray, clusters: bool = True) -> Hits:
    """Hits at (n, 3) mm on modules (n,), with clusters of one to five channels a side."""
    random = np.random.default_rng(len(position))
    features = np.zeros((len(position), len(FEATURES) if clusters else 3), np.float32)
    if clusters:
        sizes = random.integers(1, 6, (2, len(position)))
        features[:, FEATURES.index("lx")] = sizes[0] * DETECTOR.pitch_u[module]
        features[:, FEATURES.index("ly")] = sizes[1] * DETECTOR.pitch_v[module]
    return Hits(
        features=torch.from_numpy(features),
        position=torch.from_numpy(np.asarray(position, np.float32).reshape(-1, 3)),
        layer=torch.from_numpy(DETECTOR.layer[module]),
        module=torch.from_numpy(np.asarray(module, np.int64)),
    )


def random_hits(random: np.random.Generator, n: int, wrapped: bool, on_grid: bool = False) -> Hits:
    """Hits near either layer; `wrapped`: all around phi = pi; `on_grid`: many at equal radius."""
    module = random.integers(0, DETECTOR.n_modules, n)
    layer = DETECTOR.layer[module]
    barrel = layer < 3
    r = np.where(barrel, 30 + 40 * layer + random.uniform(-3, 3, n), random.uniform(30, 150, n))
    disk = np.where(layer == 3, -300.0, 300.0) + random.uniform(-3, 3, n)
    z = np.where(barrel, random.uniform(-200, 200, n), disk)
    phi = np.pi + random.normal(0, 0.2, n) if wrapped else random.uniform(-np.pi, np.pi, n)
    position = np.stack([r * np.cos(phi), r * np.sin(phi), z], axis=1)
    if on_grid:  # radii that float32 holds, many of them the same
        shapes = np.array([(3, 4), (4, 3), (5, 0), (-3, 4), (-5, 0), (-4, -3), (4, -3)])
        position[:, :2] = shapes[random.integers(0, len(shapes), n)] * np.round(r / 25)[:, None] * 5
        position[:, 2] = np.round(position[:, 2] / 50) * 50
    return hits_at(position, module)


def random_edges(random: np.random.Generator, hits: Hits, n: int) -> Tensor:
    """Some pairs of hits, inner hit first, that differ by less than a right angle."""
    pairs = random.integers(0, len(hits), (2, 20 * n))
    position = hits.position.numpy().astype(np.float64)
    length = (position**2).sum(axis=1)
    first, second = np.where(length[pairs[0]] <= length[pairs[1]], pairs, pairs[::-1])
    towards = (position[first, :2] * position[second, :2]).sum(axis=1)
    good = (length[first] < length[second]) & (towards > 0)
    return torch.from_numpy(np.stack([first, second])[:, good][:, :n])


def as_set(edges: Tensor) -> set[tuple[int, int]]:
    assert edges.dtype == torch.int64
    found = list(map(tuple, edges.T.tolist()))
    assert len(found) == len(set(found)), "an edge was found twice"
    return set(found)


@np.errstate(divide="ignore", invalid="ignore")
def brute_force(
    hits: Hits, detector: Detector, windows: LayerWindows, slack: float
) -> set[tuple[int, int]]:
    """All pairs against all bounds, in float64; bounds give way by `slack` times the rounding."""
    n = len(hits)
    i, j = (ends.ravel() for ends in np.meshgrid(np.arange(n), np.arange(n), indexing="ij"))
    position = hits.position.numpy()
    radius = np.hypot(position[:, 0], position[:, 1]).astype(np.float64)
    position = position.astype(np.float64)
    eta = np.arcsinh(position[:, 2] / radius)
    a, b, step = position[i], position[j], position[j] - position[i]
    ri, rj, dz = radius[i], radius[j], step[:, 2]

    dphi = np.arctan2(b[:, 1], b[:, 0]) - np.arctan2(a[:, 1], a[:, 0])
    sine, chord = np.sin(dphi), np.hypot(step[:, 0], step[:, 1])
    curvature = 2 * sine / chord
    z0 = a[:, 2] - dz * ri / (rj - ri)
    values = [sine, z0, curvature, eta[j] - eta[i]]
    rounding = [
        1 + chord / rj,
        abs(a[:, 2]) + abs(dz * ri / (rj - ri)),
        2 / rj + abs(curvature),
        np.ones(n * n),
    ]
    # angle of the chord, from the radial direction at either end to the tangent of the circle
    arc = chord * (1 + sine**2 / 6 + 3 * sine**4 / 40)
    turn = np.arctan2(step[:, 1], step[:, 0])
    for hit, flight in ((i, turn - dphi), (j, turn + dphi)):
        direction = np.stack([np.cos(flight), np.sin(flight), dz / arc], axis=1)
        module = hits.module.numpy()[hit]
        local = abs(np.einsum("nji,nj->ni", detector.rotation[module], direction))
        for axis, name, pitch in ((0, "lx", detector.pitch_u), (1, "ly", detector.pitch_v)):
            per = detector.sensitive_thickness[module] / pitch[module]
            size = hits.features.numpy()[hit, FEATURES.index(name)] / pitch[module]
            values.append(size - per * local[:, axis] / local[:, 2])
            spread = (1 + abs(dz / arc)) / local[:, 2]
            rounding.append(spread * (per + size + per * local[:, axis] / local[:, 2]))
    n_used = len(VARIABLES) if windows.cluster_shape else N_GEOMETRY
    value = np.stack(values, axis=1)[:, :n_used]
    room = slack * 1e-5 * np.stack(rounding, axis=1)[:, :n_used]

    keys = detector.layer_keys[hits.layer.numpy()]
    found = set()
    length = (position**2).sum(axis=1)
    outward = (length[j] > length[i]) | ((length[j] == length[i]) & (j > i))
    right_angle = (a[:, :2] * b[:, :2]).sum(axis=1) >= -slack * 1e-5 * ri * rj
    for row in range(len(windows)):
        low, high = windows.bounds[row, :n_used].astype(np.float64).T
        passes = ((value >= low - room) & (value <= high + room)).all(axis=1)
        passes &= (keys[i] == windows.inner[row]).all(axis=1)
        passes &= (keys[j] == windows.outer[row]).all(axis=1) & outward & right_angle
        found |= set(zip(i[passes].tolist(), j[passes].tolist(), strict=True))
    return found


def check_against_brute_force(hits: Hits, windows: LayerWindows) -> tuple[int, int]:
    builder = WindowBuilder(windows, DETECTOR, threads=1)
    certain = brute_force(hits, DETECTOR, windows, -1.0)
    possible = brute_force(hits, DETECTOR, windows, 1.0)
    for found in (as_set(builder.build(hits)), as_set(builder.build_on_device(hits))):
        assert certain <= found, "pairs inside all windows were missed"
        assert found <= possible, "pairs outside a window were kept"
    return len(certain), len(possible)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_hits=st.integers(2, 60),
    n_edges=st.integers(1, 30),
    wrapped=st.booleans(),
    on_grid=st.booleans(),
    cluster_shape=st.booleans(),
)
def test_the_builder_finds_the_pairs_of_brute_force(
    seed: int, n_hits: int, n_edges: int, wrapped: bool, on_grid: bool, cluster_shape: bool
) -> None:
    random = np.random.default_rng(seed)
    hits = random_hits(random, n_hits, wrapped, on_grid)
    edges = random_edges(random, hits, n_edges)
    if edges.shape[1] == 0:
        return
    wanted = replace(EVERYTHING, cluster_shape=cluster_shape)
    check_against_brute_force(hits, learn_windows([(hits, edges)], DETECTOR, wanted))


@pytest.mark.parametrize("cluster_shape", [True, False])
@pytest.mark.parametrize("wrapped", [True, False])
def test_many_hits_give_the_pairs_of_brute_force(wrapped: bool, cluster_shape: bool) -> None:
    random = np.random.default_rng(3)
    hits = random_hits(random, 300, wrapped)
    edges = random_edges(random, hits, 400)
    wanted = WindowSettings(1.0, 0.05, 0.02, cluster_shape)
    n_certain, n_possible = check_against_brute_force(
        hits, learn_windows([(hits, edges)], DETECTOR, wanted)
    )
    assert n_certain > 200
    assert n_certain > 0.98 * n_possible  # the comparison leaves little open


def wide_windows(inner: int, outer: int, sine: float = 0.999) -> LayerWindows:
    """One window that only the azimuth limits, from a dense layer to another, without clusters."""
    bounds = np.empty((1, len(VARIABLES), 2), np.float32)
    bounds[:, :, 0], bounds[:, :, 1] = -1e9, 1e9
    bounds[:, VARIABLES.index("sin_dphi")] = -sine, sine
    bounds[:, VARIABLES.index("deta")] = -20, 20
    keys = DETECTOR.layer_keys
    return LayerWindows(keys[[inner]], keys[[outer]], bounds, np.ones(1, np.int64), False)


def test_chunks_change_nothing_on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    hits = random_hits(random, 60, wrapped=True)
    edges = random_edges(random, hits, 100)
    builder = WindowBuilder(learn_windows([(hits, edges)], DETECTOR, EVERYTHING), DETECTOR)
    whole = builder.build_on_device(hits)
    assert whole.shape[1] > 50
    for chunk in (50, 1000):
        monkeypatch.setattr(windows_on_device, "CHUNK", chunk)
        assert torch.equal(builder.build_on_device(hits), whole)


on_host_and_device = pytest.mark.parametrize("build", ["build", "build_on_device"])


@on_host_and_device
def test_the_seam_at_pi_is_no_border(build: str) -> None:
    """Also for hits exactly on it, from either side."""
    y = np.array([0.0, -0.0, 1e-6, -1e-6, 5.0, -5.0])
    position = np.concatenate(
        [np.stack([np.full(6, -x), y, np.zeros(6)], axis=1) for x in (30.0, 70.0)]
    )
    hits = hits_at(position, np.repeat([0, 2], 6))
    found = as_set(getattr(WindowBuilder(wide_windows(0, 1), DETECTOR), build)(hits))
    assert found == {(a, b) for a in range(6) for b in range(6, 12)}


@on_host_and_device
@pytest.mark.parametrize("sine", [1.0, 1.00001, np.inf])
def test_a_window_that_reaches_the_right_angle_holds_all_that_is_nearer(
    sine: float, build: str
) -> None:
    phi = np.linspace(-1.5, 1.5, 21)
    ring = np.stack([70 * np.cos(phi), 70 * np.sin(phi), 0 * phi], axis=1)
    hits = hits_at(np.concatenate([[[30.0, 0.0, 0.0]], ring]), np.array([0] + [2] * 21))
    found = as_set(getattr(WindowBuilder(wide_windows(0, 1, sine), DETECTOR), build)(hits))
    assert found == {(0, b) for b in range(1, 22)}


@on_host_and_device
def test_pairs_beyond_a_right_angle_are_no_candidates(build: str) -> None:
    phi = np.array([1.6, 2.5, 3.1, -3.1, -2.0, -1.6])
    ring = np.stack([70 * np.cos(phi), 70 * np.sin(phi), 0 * phi], axis=1)
    hits = hits_at(np.concatenate([[[30.0, 0.0, 0.0]], ring]), np.array([0] + [2] * 6))
    builder = WindowBuilder(wide_windows(0, 1, 0.9999), DETECTOR)
    assert as_set(getattr(builder, build)(hits)) == set()


@on_host_and_device
def test_hits_crowded_in_one_cell_are_all_looked_at(build: str) -> None:
    n = 3000
    random = np.random.default_rng(0)
    crowd = np.stack([np.full(n, 70.0), random.uniform(0, 0.5, n), np.zeros(n)], axis=1)
    hits = hits_at(np.concatenate([[[30.0, 0.0, 0.0]] * 2, crowd]), np.array([0, 0] + [2] * n))
    found = as_set(getattr(WindowBuilder(wide_windows(0, 1), DETECTOR), build)(hits))
    assert found == {(a, b) for a in (0, 1) for b in range(2, n + 2)}


@on_host_and_device
def test_equal_radius_is_outside_every_window_of_z0(build: str) -> None:
    """Such a pair points to nowhere on the beam line."""
    hits = hits_at(np.array([[30.0, 40, 0], [40, 30, 1], [30, 40, 2], [3, 4, 0]]), np.zeros(4, int))
    found = as_set(getattr(WindowBuilder(wide_windows(0, 0), DETECTOR), build)(hits))
    assert found == {(3, 0), (3, 1), (3, 2)}


def learnt_on(event: Event, wanted: WindowSettings) -> tuple[Hits, Detector, Tensor, LayerWindows]:
    detector = event.detector
    assert detector is not None
    hits = hits_from_event(event, detector)
    edges = torch.from_numpy(true_edges(event))
    return hits, detector, edges, learn_windows([(hits, edges)], detector, wanted)


@pytest.mark.parametrize("cluster_shape", [True, False])
def test_without_tails_every_true_edge_is_found_again(
    make_event: Callable[..., Event], cluster_shape: bool
) -> None:
    wanted = replace(EVERYTHING, cluster_shape=cluster_shape)
    hits, detector, edges, windows = learnt_on(make_event(100, 50, seed=4), wanted)
    assert windows.n_true.sum() == edges.shape[1] == 300
    assert as_set(edges) <= as_set(WindowBuilder(windows, detector).build(hits))


def test_windows_of_several_events_hold_the_edges_of_each(
    make_event: Callable[..., Event],
) -> None:
    pairs = []
    for seed in (1, 2, 3):
        event = make_event(40, 10, seed=seed)
        assert event.detector is not None
        edges = torch.from_numpy(true_edges(event))
        pairs.append((hits_from_event(event, event.detector), edges))
    windows = learn_windows(iter(pairs), event.detector, EVERYTHING)
    builder = WindowBuilder(windows, event.detector)
    for hits, edges in pairs:
        assert as_set(edges) <= as_set(builder.build(hits))


def test_edges_point_outward(make_event: Callable[..., Event]) -> None:
    hits, detector, _, windows = learnt_on(make_event(60, 30), EVERYTHING)
    edges = WindowBuilder(windows, detector).build(hits)
    assert edges.shape[1] > 180
    length = hits.position.double().square().sum(dim=1)
    assert (length[edges[0]] < length[edges[1]]).all()
    assert len(as_set(edges)) == edges.shape[1]


def test_overlapping_modules_of_one_layer_are_joined() -> None:
    hits = hits_at(
        np.array([[30.0, 0, 10], [31, 0.3, 10.3], [70, 0.1, 23], [71.5, 0.2, 23.5]]),
        np.array([0, 1, 2, 3]),
    )
    overlaps = torch.tensor([[0, 2], [1, 3]])
    windows = learn_windows([(hits, overlaps)], DETECTOR, EVERYTHING)
    np.testing.assert_array_equal(windows.inner, windows.outer)
    assert as_set(WindowBuilder(windows, DETECTOR).build(hits)) == as_set(overlaps)


def test_the_order_of_the_hits_and_the_threads_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(5)
    hits = random_hits(random, 400, wrapped=False)
    edges = random_edges(random, hits, 200)
    windows = learn_windows([(hits, edges)], DETECTOR, EVERYTHING)
    whole = WindowBuilder(windows, DETECTOR, threads=1).build(hits)
    assert whole.shape[1] > 500
    order = torch.from_numpy(random.permutation(len(hits)))
    shuffled = WindowBuilder(windows, DETECTOR, threads=1).build(hits.select(order))
    assert as_set(order[shuffled]) == as_set(whole)
    for block in (7, 150):
        monkeypatch.setattr(windows_module, "_HITS", block)
        for threads in (1, 2):
            assert torch.equal(WindowBuilder(windows, DETECTOR, threads).build(hits), whole)


def test_the_order_of_the_windows_changes_nothing() -> None:
    random = np.random.default_rng(6)
    hits = random_hits(random, 200, wrapped=False)
    windows = learn_windows([(hits, random_edges(random, hits, 100))], DETECTOR, EVERYTHING)
    order = random.permutation(len(windows))
    other = LayerWindows(
        windows.inner[order],
        windows.outer[order],
        windows.bounds[order],
        windows.n_true[order],
        windows.cluster_shape,
    )
    assert torch.equal(
        WindowBuilder(other, DETECTOR).build(hits), WindowBuilder(windows, DETECTOR).build(hits)
    )


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_edges=st.integers(1, 64),
    coverage=st.integers(1, 16).map(lambda k: k / 16),
)
def test_coverage_keeps_the_fewest_layer_pairs_that_hold_the_share(
    seed: int, n_edges: int, coverage: float
) -> None:
    random = np.random.default_rng(seed)
    hits = random_hits(random, 40, wrapped=False)
    edges = random_edges(random, hits, n_edges)
    layer = hits.layer.numpy()
    pairs = list(zip(layer[edges[0].numpy()], layer[edges[1].numpy()], strict=True))
    windows = learn_windows([(hits, edges)], DETECTOR, WindowSettings(coverage, 0.0, 0.0))
    counts = sorted((pairs.count(pair) for pair in set(pairs)), reverse=True)
    fewest = next(k for k in range(1, len(counts) + 1) if sum(counts[:k]) >= coverage * len(pairs))
    assert len(windows) == fewest
    assert windows.n_true.sum() == sum(counts[:fewest])
    keys = [tuple(key) for key in DETECTOR.layer_keys.tolist()]
    for row in range(len(windows)):
        inner, outer = keys.index(tuple(windows.inner[row])), keys.index(tuple(windows.outer[row]))
        assert windows.n_true[row] == pairs.count((inner, outer))


@pytest.mark.parametrize(("tail", "shape_tail"), [(0.1, 0.0), (0.0, 0.25), (0.05, 0.02), (0.49, 0)])
def test_the_tail_is_the_share_cut_on_each_side(tail: float, shape_tail: float) -> None:
    n = 1000
    random = np.random.default_rng(7)
    r, phi, z = random.uniform(68, 72, n), random.normal(0, 0.1, n), random.uniform(-200, 200, n)
    outer = np.stack([r * np.cos(phi), r * np.sin(phi), z], axis=1)
    inner = outer * [0.4, 0.4, 0.4] + random.normal(0, 1, (n, 3))
    hits = hits_at(np.concatenate([inner, outer]), np.repeat([0, 2], n))
    edges = torch.stack([torch.arange(n), torch.arange(n, 2 * n)])
    bounds = learn_windows([(hits, edges)], DETECTOR, WindowSettings(1, tail, shape_tail)).bounds[0]
    first, second = edges.numpy()
    values = pair_values(hit_rows(hits, DETECTOR), first, second)
    below, above = values < bounds[:, 0], values > bounds[:, 1]
    cut = np.where(np.arange(len(VARIABLES)) < N_GEOMETRY, tail, shape_tail)
    for outside in (below, above):
        np.testing.assert_allclose(outside.mean(axis=0), cut, atol=1.5 / n)


def test_a_saved_table_is_read_back(make_event: Callable[..., Event]) -> None:
    for cluster_shape in (True, False):
        wanted = replace(EVERYTHING, cluster_shape=cluster_shape)
        hits, detector, _, windows = learnt_on(make_event(20, 5), wanted)
        loaded = LayerWindows.from_tensors(windows.tensors(), cluster_shape)
        assert loaded.cluster_shape is cluster_shape
        for name in ("inner", "outer", "bounds", "n_true"):
            one, other = getattr(windows, name), getattr(loaded, name)
            assert one.dtype == other.dtype, name
            np.testing.assert_array_equal(one, other, name)
        assert torch.equal(
            WindowBuilder(loaded, detector).build(hits),
            WindowBuilder(windows, detector).build(hits),
        )


@given(
    seed=st.integers(0, 10**6),
    bad=st.lists(
        st.sampled_from([np.nan, np.inf, -np.inf, 1e30, -1e30, 0.0, 2.0, -2.0]),
        min_size=1,
        max_size=12,
    ),
)
@settings(max_examples=60, deadline=None)
def test_no_number_in_a_table_leads_a_kernel_out_of_its_arrays(seed: int, bad: list[float]) -> None:
    """Such tables are refused when they are read; the kernels hold by themselves."""
    random = np.random.default_rng(seed)
    hits = random_hits(random, 200, wrapped=False)
    edges = random_edges(random, hits, 100)
    windows = learn_windows([(hits, edges)], DETECTOR, EVERYTHING)
    bounds = windows.bounds.copy()
    place = random.integers(bounds.size, size=len(bad))
    bounds.reshape(-1)[place] = bad
    builder = WindowBuilder(replace(windows, bounds=bounds), DETECTOR)
    found = builder.build(hits)
    assert found.shape[0] == 2
    if found.shape[1]:
        assert 0 <= int(found.min()) <= int(found.max()) < len(hits)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("pair_coverage", value) for value in (0.0, -0.1, 1.01, float("nan"))],
        *[(key, v) for key in ("tail", "shape_tail") for v in (-0.001, 0.5, float("nan"))],
    ],
)
def test_settings_out_of_range_are_refused(key: str, value: float) -> None:
    with pytest.raises(SettingsError, match=f"^{key}: "):
        WindowSettings(**{key: value})


def test_cluster_shape_needs_clusters() -> None:
    bare = hits_at(np.array([[30.0, 0, 0], [70, 0, 0]]), np.array([0, 2]), clusters=False)
    edges = torch.tensor([[0], [1]])
    with pytest.raises(InputError, match="no cluster features"):
        learn_windows([(bare, edges)], DETECTOR, EVERYTHING)
    with_shape = replace(wide_windows(0, 1), cluster_shape=True)
    with pytest.raises(InputError, match="no cluster features"):
        WindowBuilder(with_shape, DETECTOR).build(bare)
    without = learn_windows([(bare, edges)], DETECTOR, replace(EVERYTHING, cluster_shape=False))
    assert as_set(WindowBuilder(without, DETECTOR).build(bare)) == {(0, 1)}


def test_windows_of_another_detector_are_refused() -> None:
    windows = replace(wide_windows(0, 1), outer=np.array([[9, 4]]))
    with pytest.raises(InputError, match="volume 9, layer 4"):
        WindowBuilder(windows, DETECTOR)


def test_windows_cannot_be_learnt_without_true_edges() -> None:
    hits = random_hits(np.random.default_rng(0), 5, wrapped=False)
    nothing = torch.empty((2, 0), dtype=torch.int64)
    for events in ([], [(hits, nothing)], [(hits, nothing), (hits, nothing)]):
        with pytest.raises(InputError, match="no true edges"):
            learn_windows(events, DETECTOR, EVERYTHING)


@pytest.mark.parametrize("n_hits", [0, 1])
@pytest.mark.parametrize("threads", [1, 2])
def test_no_or_one_hit_has_no_edge(n_hits: int, threads: int) -> None:
    hits = random_hits(np.random.default_rng(0), n_hits, wrapped=False)
    for layers in ((0, 0), (0, 1)):
        builder = WindowBuilder(wide_windows(*layers), DETECTOR, threads)
        for edges in (builder.build(hits), builder.build_on_device(hits)):
            assert edges.shape == (2, 0)
            assert edges.dtype == torch.int64
