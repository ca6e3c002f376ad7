"""Scored windows: a slow reference, the learnt efficiency, tables that are refused."""

import dataclasses
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hitgraph.errors import InputError
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.event.source import read_event
from hitgraph.event.truth import same_particle
from hitgraph.graph.scored.builder import ScoredBuilder
from hitgraph.graph.scored.learning import hit_columns, learn_scored_windows
from hitgraph.graph.scored.stage import ScoredSettings
from hitgraph.graph.scored.tables import ScoredWindows
from hitgraph.graph.scored.values import N_BINS, N_GEOMETRY, SCORE_VARIABLES, score_values
from hitgraph.graph.windows import LayerWindows, along_is_z
from hitgraph.graph.windows.cpu import pair_values
from hitgraph.hits import FEATURES, Hits
from hitgraph.hits.density import hit_density, logit_shift
from hitgraph.lessons.samples import Sample, make_sample
from hitgraph.lessons.settings import TruthSettings
from hitgraph.pairs.geometry import hit_rows

ALL_PARTICLES = TruthSettings(min_hits=2)


@pytest.fixture(scope="module")
def samples(make_event: Callable[..., Event]) -> list[Sample]:
    events = [make_event(n_particles=60, n_noise=60, seed=seed) for seed in range(4)]
    return [make_sample(e, e.detector, True, ALL_PARTICLES) for e in events if e.detector]


@pytest.fixture(scope="module")
def detector(tiny_event: Event) -> Detector:
    assert tiny_event.detector is not None
    return tiny_event.detector


def read_all(samples: list[Sample]) -> list[Callable[[], Sample]]:
    return [lambda sample=sample: sample for sample in samples]  # type: ignore[misc]


@pytest.fixture(scope="module")
def scored(samples: list[Sample], detector: Detector) -> ScoredWindows:
    strict = ScoredSettings(target_efficiency=0.9, pair_coverage=1.0, tail=0.0, skip_weight=0.0)
    return learn_scored_windows(read_all(samples), detector, strict)


def keys(edges: torch.Tensor, n_hits: int) -> set[int]:
    return set((edges[0] * n_hits + edges[1]).tolist())


# ---------------------------------------------------------------- against a slow reference


def barrel_and_disk() -> Detector:
    """Two barrel layers of two modules and one disk of two, normals turned by a little."""
    centre = np.array(
        [[30, 0, -50], [30, 0, 50], [70, 0, -60], [70, 0, 60], [50, 0, 300], [120, 0, 310.0]]
    )
    barrel = np.array([[0, 0.1, 1], [1, 0, 0], [0, 1, -0.1]])
    disk = np.array([[1, 0, 0.1], [0, 1, 0], [-0.1, 0, 1]])
    n = len(centre)
    return Detector(
        volume_id=np.array([8, 8, 8, 8, 9, 9], np.int32),
        layer_id=np.array([2, 2, 4, 4, 2, 2], np.int32),
        module_id=np.arange(n, dtype=np.int32),
        centre=centre,
        rotation=np.stack([barrel] * 4 + [disk] * 2),
        half_thickness=np.full(n, 0.15),
        min_half_u=np.full(n, 100.0),
        max_half_u=np.full(n, 100.0),
        half_v=np.full(n, 100.0),
        pitch_u=np.full(n, 0.05),
        pitch_v=np.full(n, 0.06),
    )


def hits_on(detector: Detector, rng: np.random.Generator, n: int) -> Hits:
    """Hits all around the beam near each module's radius and z, with random clusters."""
    module = rng.integers(0, detector.n_modules, n)
    is_disk = detector.volume_id[module] == 9
    radius = detector.centre[module, 0] + rng.uniform(-20, 20, n) * np.where(is_disk, 1, 0.1)
    phi = rng.choice([rng.uniform(-np.pi, np.pi, n), np.pi - rng.normal(0, 0.1, n)])
    z = detector.centre[module, 2] + rng.uniform(-50, 50, n) * np.where(is_disk, 0.1, 1)
    position = np.stack([radius * np.cos(phi), radius * np.sin(phi), z], 1).astype(np.float32)
    features = np.zeros((n, len(FEATURES)), np.float32)
    features[:, 0], features[:, 1], features[:, 2] = radius, phi, z
    features[:, 3] = rng.integers(1, 9, n)
    features[:, 4] = rng.uniform(0.1, 1, n)
    features[:, 5] = 0.05 * rng.integers(1, 6, n)
    features[:, 6] = 0.06 * rng.integers(1, 6, n)
    return Hits(
        features=torch.from_numpy(features),
        position=torch.from_numpy(position),
        layer=torch.from_numpy(detector.layer[module]),
        module=torch.from_numpy(module),
    )


def random_windows(rng: np.random.Generator, detector: Detector, n_variables: int) -> ScoredWindows:
    """Tables of random numbers for every ordered layer pair."""
    n_layers = detector.n_layers
    layers = detector.layer_keys
    inner, outer = (index.ravel() for index in np.indices((n_layers, n_layers)))
    shuffled = rng.permutation(n_layers**2)
    inner, outer = inner[shuffled], outer[shuffled]
    n = len(inner)
    # of each variable: narrow, wide or open on the low side
    scales = np.array([0.3, 300.0, 0.02, 1.5, 1, 1, 1, 1])
    low = -scales * rng.uniform(0.1, 3, (n, 8))
    low[rng.random((n, 8)) < 0.2] = -np.inf
    low[:, 0] = np.maximum(low[:, 0], -1)
    high = np.minimum(scales * rng.uniform(0.1, 3, (n, 8)), np.where(np.arange(8) == 0, 1, 1e9))
    windows = LayerWindows(
        inner=layers[inner],
        outer=layers[outer],
        bounds=np.stack([low, high], axis=2).astype(np.float32),
        n_true=np.ones(n, np.int64),
        cluster_shape=False,
    )
    middle = np.array([0, 0, -0.02, -1, -1, -100, -3, -3, 0, -3, -3, 0])[:n_variables]
    width = np.array([100, 100, 0.04, 2, 2, 200, 6, 6, 1, 6, 6, 1])[:n_variables]
    return ScoredWindows(
        windows=windows,
        base=rng.normal(0, 1, n).astype(np.float32),
        low=np.tile(middle.astype(np.float32), (n, 1)),
        scale=np.tile((N_BINS / width).astype(np.float32), (n, 1)),
        table=rng.normal(0, 1, (n, n_variables, N_BINS)).astype(np.float32),
        cut=float(rng.normal(0, 2)),
        density=float(rng.uniform(0, 2)),
    )


def reference(scored: ScoredWindows, hits: Hits, detector: Detector) -> dict[int, float]:
    """Score of every pair that must be found, and nan for those too close to a bound to say.

    For the search, not for the values of a pair: test_score_values has known answers for those.
    """
    n = len(hits)
    rows = hit_rows(hits, detector)
    columns = hit_columns(hits, detector, along_is_z(detector))
    layer, module = hits.layer.numpy(), hits.module.numpy()
    shift = float(logit_shift(hit_density(hits, detector.n_layers), scored.density))
    position = hits.position.double()
    distance = (position * position).sum(1).numpy()
    wanted = {}
    windows = scored.windows
    where = {
        (*inner, *outer): k
        for k, (inner, outer) in enumerate(
            zip(windows.inner.tolist(), windows.outer.tolist(), strict=True)
        )
    }
    for i in range(n):
        for j in range(n):
            if module[i] == module[j] or (distance[i], i) >= (distance[j], j):
                continue
            if float(position[i, :2] @ position[j, :2]) < 0:
                continue
            window = where[(*detector.layer_keys[layer[i]], *detector.layer_keys[layer[j]])]
            first, second = np.array([i]), np.array([j])
            geometry = pair_values(rows, first, second)[0, :4]
            bounds = windows.bounds[window, :4]
            if np.any(geometry < bounds[:, 0]) or np.any(geometry > bounds[:, 1]):
                continue
            near = np.isclose(geometry[:, None], bounds, rtol=1e-4, atol=1e-5).any()
            value = score_values(columns, first, second, scored.table.shape[1])[:, 0]
            place = (value - scored.low[window]) * scored.scale[window]
            bins = np.clip(place, 0, N_BINS - 1).astype(int)
            score = (
                scored.base[window] + scored.table[window, np.arange(len(bins)), bins].sum() - shift
            )
            edge = np.abs(place - np.round(place)) < 1e-3 * (1 + np.abs(place))
            edge &= (place > -0.5) & (place < N_BINS + 0.5)
            near |= edge.any() or abs(score - scored.cut) < 1e-4
            if score >= scored.cut or near:
                wanted[i * n + j] = np.nan if near else float(score)
    return wanted


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n_hits=st.integers(0, 40),
    n_variables=st.sampled_from([N_GEOMETRY, len(SCORE_VARIABLES)]),
)
def test_search_agrees_with_testing_every_pair(
    device: str, seed: int, n_hits: int, n_variables: int
) -> None:
    rng = np.random.default_rng(seed)
    detector = barrel_and_disk()
    hits = hits_on(detector, rng, n_hits)
    scored = random_windows(rng, detector, n_variables)
    wanted = reference(scored, hits, detector)
    unsure = {key for key, score in wanted.items() if np.isnan(score)}
    builder = ScoredBuilder(scored, detector, threads=1)
    for edges, scores in (builder.search(hits), builder.search_on_device(hits.to(device))):
        assert edges.dtype == torch.int64
        assert edges.shape == (2, len(scores))
        keys = (edges[0] * max(n_hits, 1) + edges[1]).tolist()
        found = dict(zip(keys, scores.tolist(), strict=True))
        assert len(found) == len(scores)  # none twice
        assert {key for key in wanted if key not in unsure} <= found.keys()
        for key in found.keys() - wanted.keys() - unsure:
            assert _near_a_bound(scored, hits, detector, *divmod(key, n_hits))
        for key in found.keys() & wanted.keys() - unsure:
            assert found[key] == pytest.approx(wanted[key], abs=1e-4)


def _near_a_bound(scored: ScoredWindows, hits: Hits, detector: Detector, i: int, j: int) -> bool:
    keys_of = detector.layer_keys[hits.layer.numpy()[[i, j]]]
    windows = scored.windows
    same = (windows.inner == keys_of[0]).all(1) & (windows.outer == keys_of[1]).all(1)
    value = pair_values(hit_rows(hits, detector), np.array([i]), np.array([j]))[0, :4]
    bounds = windows.bounds[same][0, :4]
    return bool(np.isclose(value[:, None], bounds, rtol=1e-4, atol=1e-5).any())


def test_threads_change_nothing(
    scored: ScoredWindows,
    detector: Detector,
    samples: list[Sample],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hitgraph.graph.scored.builder._HITS", 64)
    one, two = (ScoredBuilder(scored, detector, n).search(samples[0].hits) for n in (1, 2))
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[1], two[1])


def test_a_hit_or_none_gives_no_edges(
    scored: ScoredWindows, detector: Detector, samples: list[Sample]
) -> None:
    for rows in (torch.empty(0, dtype=torch.int64), torch.tensor([3])):
        edges, scores = ScoredBuilder(scored, detector).search(samples[0].hits.select(rows))
        assert edges.shape == (2, 0)
        assert scores.shape == (0,)


# ---------------------------------------------------------------- learning


def test_keeps_the_wanted_share_of_the_true_edges(
    scored: ScoredWindows, detector: Detector, samples: list[Sample]
) -> None:
    builder = ScoredBuilder(scored, detector)
    n_found = n_true = 0
    for sample in samples:
        n_hits = len(sample.hits)
        true = keys(sample.true_edges, n_hits)
        n_found += len(true & keys(builder.build(sample.hits), n_hits))
        n_true += len(true)
    assert n_found / n_true == pytest.approx(0.9, abs=0.05)


def test_a_higher_target_adds_candidates_and_drops_none(
    detector: Detector, samples: list[Sample]
) -> None:
    """Tables do not depend on the target, so the edges of a lower one are among the others."""
    hits, found = samples[0].hits, []
    for target in (0.7, 0.9, 1.0):
        wanted = ScoredSettings(target_efficiency=target, pair_coverage=1.0, tail=0.0)
        scored = learn_scored_windows(read_all(samples), detector, wanted)
        found.append(keys(ScoredBuilder(scored, detector).build(hits), len(hits)))
    assert found[0] < found[1] < found[2]
    assert keys(samples[0].true_edges, len(hits)) <= found[2]


def test_a_hit_on_the_beam_line_is_in_no_edge_and_harms_no_other() -> None:
    rng = np.random.default_rng(2)
    detector = barrel_and_disk()
    hits = hits_on(detector, rng, 40)
    scored = replace(random_windows(rng, detector, N_GEOMETRY), cut=-np.inf)
    position = hits.position.clone()
    position[7, :2] = 0
    moved = replace(hits, position=position)
    before, after = (ScoredBuilder(scored, detector).build(given) for given in (hits, moved))
    others = before[:, (before != 7).all(dim=0)]
    assert len(others[0]) > 10
    assert keys(after, 40) == keys(others, 40)


def test_scores_tell_true_pairs_from_fakes(
    scored: ScoredWindows, detector: Detector, samples: list[Sample]
) -> None:
    everything = ScoredBuilder(replace(scored, cut=-np.inf), detector)
    edges, scores = everything.search(samples[0].hits)
    same = torch.from_numpy(same_particle(samples[0].particle_id.numpy(), edges.numpy()))
    assert scores[same].mean() > scores[~same].mean() + 2


def test_real_event_in_windows_learnt_on_it(shared_data: Path) -> None:
    """In the real detector and its densities: few fakes beside nearly all true edges."""
    event = read_event(shared_data / "trackml_sample" / "event000000001")
    assert event.detector is not None
    sample = make_sample(event, event.detector, True, ALL_PARTICLES)
    wide = ScoredSettings(target_efficiency=0.97, pair_coverage=1.0, tail=0.0, max_radius=1000.0)
    scored = learn_scored_windows([lambda: sample], event.detector, wide)
    edges = ScoredBuilder(scored, event.detector).build(sample.hits)
    true = keys(sample.true_edges, event.n_hits)
    assert len(true & keys(edges, event.n_hits)) / len(true) > 0.95
    assert edges.shape[1] < 4 * len(true)


# ---------------------------------------------------------------- files and refusals


def test_a_saved_table_builds_the_same_edges(
    scored: ScoredWindows, detector: Detector, samples: list[Sample]
) -> None:
    loaded = ScoredWindows.from_tensors(scored.tensors(), cluster_shape=True)
    assert loaded.cut == scored.cut
    assert loaded.cluster_shape
    for name in ("base", "low", "scale", "table"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(scored, name))
    for name in ("inner", "outer", "bounds", "n_true"):
        np.testing.assert_array_equal(getattr(loaded.windows, name), getattr(scored.windows, name))
    before, after = (ScoredBuilder(s, detector).search(samples[0].hits) for s in (scored, loaded))
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1])


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("bounds", lambda t: t.flip(-1), "bounds: the window of sin_dphi in row 0 begins at"),
        ("bounds", lambda t: t * float("nan"), "bounds: .* infinite or NaN"),
        ("table", lambda t: t.double(), "table: is torch.float64 .* expected torch.float32"),
        ("table", lambda t: t[..., :16], r"table: .*expected torch.float32 of shape .*, 32\)"),
        ("scale", lambda t: -t, "scale: holds -"),
        ("cut", lambda t: t / 0, "cut: 1 of its 1 numbers are infinite"),
        ("inner", lambda t: t.float(), "inner: is torch.float32"),
        ("low", None, "low: is missing"),
    ],
)
def test_other_tables_are_refused(
    scored: ScoredWindows, name: str, damage: Callable[[Tensor], Tensor] | None, message: str
) -> None:
    tensors = scored.tensors()
    if damage is None:
        del tensors[name]
    else:
        tensors[name] = damage(tensors[name])
    with pytest.raises(InputError, match=message):
        ScoredWindows.from_tensors(tensors, cluster_shape=True)


@given(
    seed=st.integers(0, 10**6),
    bad=st.lists(
        st.sampled_from([np.nan, np.inf, -np.inf, 1e30, -1e30, 0.0, 2.0, -2.0]),
        min_size=1,
        max_size=12,
    ),
)
@settings(max_examples=60, deadline=None)
def test_no_number_in_a_table_leads_a_kernel_out_of_its_arrays(
    scored: ScoredWindows, detector: Detector, samples: list[Sample], seed: int, bad: list[float]
) -> None:
    """Such tables are refused when they are read; the kernels hold by themselves."""
    random = np.random.default_rng(seed)
    damaged = {}
    for name in ("base", "low", "scale", "table"):
        damaged[name] = getattr(scored, name).copy()
    bounds = scored.windows.bounds.copy()
    for array in (*damaged.values(), bounds):
        array.reshape(-1)[random.integers(array.size, size=len(bad))] = bad
    tables = replace(scored, windows=replace(scored.windows, bounds=bounds), **damaged)
    hits = samples[0].hits
    edges, scores = ScoredBuilder(tables, detector).search(hits)
    assert len(scores) == edges.shape[1]
    if edges.shape[1]:
        assert 0 <= int(edges.min()) <= int(edges.max()) < len(hits)


def test_another_detector_is_refused(scored: ScoredWindows, detector: Detector) -> None:
    columns = {field.name: getattr(detector, field.name) for field in dataclasses.fields(detector)}
    other = Detector(**{**columns, "volume_id": detector.volume_id + 1})
    with pytest.raises(InputError, match="volume 8, layer 2, which is not in the detectors table"):
        ScoredBuilder(scored, other)


def test_clusters_are_needed_or_left_out(
    scored: ScoredWindows, detector: Detector, samples: list[Sample]
) -> None:
    bare = [
        replace(sample, hits=sample.hits.with_features(sample.hits.features[:, :3]))
        for sample in samples
    ]
    with pytest.raises(InputError, match=r"events with cells.*cluster_shape false"):
        ScoredBuilder(scored, detector).build(bare[0].hits)
    with pytest.raises(InputError, match="cluster_shape is true"):
        learn_scored_windows(read_all(bare), detector, ScoredSettings())
    geometry = learn_scored_windows(
        read_all(bare), detector, ScoredSettings(cluster_shape=False, pair_coverage=1.0)
    )
    assert not geometry.cluster_shape
    assert ScoredBuilder(geometry, detector).build(bare[0].hits).shape[1] > 0


def test_events_without_true_edges_are_refused(detector: Detector, samples: list[Sample]) -> None:
    nothing = replace(samples[0], true_edges=torch.empty(2, 0, dtype=torch.int64))
    with pytest.raises(InputError, match="no true edges"):
        learn_scored_windows([lambda: nothing], detector, ScoredSettings())
    with pytest.raises(InputError, match="no true edges"):
        learn_scored_windows([], detector, ScoredSettings())


def test_particles_born_far_out_teach_the_score_but_not_the_windows(
    detector: Detector, samples: list[Sample]
) -> None:
    """Windows are those of the particles born near the beam line, as if there were no others."""
    settings = ScoredSettings(pair_coverage=1.0, tail=0.0, target_efficiency=0.9, max_radius=20.0)
    far = [
        replace(sample, born=torch.where(sample.particle_id % 3 == 0, 80.0, 1.0))
        for sample in samples
    ]
    near = [
        replace(sample, true_edges=sample.true_edges[:, sample.born[sample.true_edges[0]] <= 20.0])
        for sample in far
    ]
    assert near[0].true_edges.shape[1] < far[0].true_edges.shape[1]
    one, other = (learn_scored_windows(read_all(some), detector, settings) for some in (far, near))
    np.testing.assert_array_equal(one.windows.bounds, other.windows.bounds)
    np.testing.assert_array_equal(one.windows.n_true, other.windows.n_true)
    everybody = learn_scored_windows(
        read_all(far), detector, dataclasses.replace(settings, max_radius=100.0)
    )
    assert everybody.windows.n_true.sum() > one.windows.n_true.sum()
    # The cut keeps the wanted share of the near ones.
    builder, kept, n_true = ScoredBuilder(one, detector), 0, 0
    for sample in near:
        found = keys(builder.build(sample.hits), len(sample.hits))
        true = keys(sample.true_edges, len(sample.hits))
        kept, n_true = kept + len(found & true), n_true + len(true)
    assert kept / n_true >= 0.9
