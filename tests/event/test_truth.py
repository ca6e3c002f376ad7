"""True edges, weights, particles: known answers, slow references, invariances, a real event."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hitgraph.errors import InputError
from hitgraph.event.event import Event, HitTable, ParticleTable, TruthTable
from hitgraph.event.source import read_event
from hitgraph.event.truth import (
    FAKE,
    SKIP,
    TRUE,
    edge_labels,
    hit_weights,
    particle_rows,
    require_truth,
    same_particle,
    summarise_particles,
    track_steps,
    true_edges,
)

FLOAT, INT = np.float32, np.int32


def event_of(hits, particles=(), listed=True):
    """Event from rows (x, y, z, module, particle_id) and (particle_id, vertex, momentum, q)."""
    columns = list(zip(*hits, strict=True)) or [()] * 5
    x, y, z = (np.array(c, FLOAT) for c in columns[:3])
    module, particle_id = np.array(columns[3], INT), np.array(columns[4], np.int64)
    n = len(x)
    hit_id = np.arange(1, n + 1, dtype=np.int64)
    ones, zeros = np.ones(n, INT), np.zeros(n, FLOAT)
    table = None
    if listed:
        vertex = np.array([p[1] for p in particles], FLOAT).reshape(-1, 3)
        momentum = np.array([p[2] for p in particles], FLOAT).reshape(-1, 3)
        table = ParticleTable(
            np.array([p[0] for p in particles], np.int64),
            np.zeros(len(particles), INT),
            *vertex.T,
            *momentum.T,
            np.array([p[3] for p in particles], INT),
            np.zeros(len(particles), INT),
        )
    return Event(
        "event000000007",
        HitTable(hit_id, x, y, z, 8 * ones, 2 * ones, module),
        particles=table,
        truth=TruthTable(hit_id, particle_id, x, y, z, zeros, zeros, zeros, zeros),
    )


def take(event, rows):
    """The event with its hits in another order."""

    def reorder(table):
        return replace(table, **{name: column[rows] for name, column in vars(table).items()})

    return replace(event, hits=reorder(event.hits), truth=reorder(event.truth))


def along_z(n, particle_id=1, step=10.0, first_module=1):
    """n hits of a particle that flies along z, each on a module of its own."""
    return [(1.0, 0.0, step * (k + 1), first_module + k, particle_id) for k in range(n)]


def track(particle_id, pt=1.0, vertex=(0, 0, 0), q=1, pz=0.0):
    return (particle_id, vertex, (pt, 0, pz), q)


def pairs(edges):
    return list(zip(*edges.tolist(), strict=True))


# A helix from the origin (radius of curvature 500 mm) crosses layers at r = 30, 70, 115, 170. It
# leaves two hits on one module of the second layer, and passes the overlap of two modules on the
# third. Rows are shuffled and noise lies between.
def on_helix(r, z):
    turn = 2 * np.arcsin(r / 1000)
    return 500 * np.sin(turn), 500 * (1 - np.cos(turn)), z


HELIX = event_of(
    [
        (*on_helix(170.0, 85.0), 5, 9),  # row 0: fourth layer
        (*on_helix(70.0, 35.0), 2, 9),  # row 1: second layer
        (50.0, -50.0, 10.0, 2, 0),  # row 2: noise
        (*on_helix(116.5, 58.0), 4, 9),  # row 3: third layer, outer of the overlapping modules
        (*on_helix(30.0, 15.0), 1, 9),  # row 4: first layer
        (*on_helix(70.1, 35.1), 2, 9),  # row 5: second layer, same module again
        (*on_helix(115.0, 57.5), 3, 9),  # row 6: third layer, inner of the overlapping modules
        (50.0, -51.0, 10.0, 2, 0),  # row 7: noise
    ],
    [track(9)],
)
HELIX_EDGES = {(4, 1), (4, 5), (1, 6), (5, 6), (6, 3), (3, 0)}


def test_helix_with_a_shared_module_an_overlap_and_noise():
    edges = true_edges(HELIX)
    assert edges.dtype == np.int64
    assert len(pairs(edges)) == len(HELIX_EDGES)
    assert set(pairs(edges)) == HELIX_EDGES
    assert track_steps(HELIX).tolist() == [4, 1, -1, 3, 0, 1, 2, -1]


@given(st.permutations(range(HELIX.n_hits)))
@settings(deadline=None)
def test_edges_do_not_depend_on_the_order_of_hits(rows):
    rows = np.array(rows)
    edges = true_edges(take(HELIX, rows))
    assert set(pairs(rows[edges])) == HELIX_EDGES


@given(st.floats(-np.pi, np.pi))
@settings(deadline=None)
def test_edges_do_not_depend_on_the_azimuth(angle):
    x, y = HELIX.hits.x, HELIX.hits.y
    turned = replace(
        HELIX.hits,
        x=(x * np.cos(angle) - y * np.sin(angle)).astype(FLOAT),
        y=(x * np.sin(angle) + y * np.cos(angle)).astype(FLOAT),
    )
    assert set(pairs(true_edges(replace(HELIX, hits=turned)))) == HELIX_EDGES


def test_order_is_from_the_vertex_and_storage_from_the_origin():
    """A decay product at r = 100 flies back to the beam line and beyond: 90, 10, -20, -120."""
    event = event_of(
        [(-120.0, 0, 0, 4, 3), (10.0, 0, 0, 2, 3), (-20.0, 0, 0, 3, 3), (90.0, 0, 0, 1, 3)],
        [track(3, vertex=(100, 0, 0))],
    )
    assert track_steps(event).tolist() == [3, 1, 2, 0]
    assert set(pairs(true_edges(event))) == {(1, 3), (1, 2), (2, 0)}


def test_without_a_particle_table_hits_are_ordered_from_the_origin():
    event = event_of(along_z(4), listed=False)
    assert pairs(true_edges(event)) == [(0, 1), (1, 2), (2, 3)]


def test_neighbouring_64_bit_particle_ids_stay_apart():
    """2^62 and 2^62 + 1 are the same number as floats."""
    event = event_of(
        along_z(2, 2**62) + along_z(2, 2**62 + 1, 20.0, 5), [track(2**62), track(2**62 + 1)]
    )
    assert set(pairs(true_edges(event))) == {(0, 1), (2, 3)}
    assert particle_rows(event).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("hits", [[], [(1.0, 2.0, 3.0, 1, 0)], [(1.0, 2.0, 3.0, 1, 5)]])
def test_no_edges_without_two_hits_of_a_particle(hits):
    event = event_of(hits, [track(5)])
    assert true_edges(event).shape == (2, 0)
    assert hit_weights(event).tolist() == [0.0] * len(hits)
    assert event_of(hits).n_hits == len(hits)
    assert (particle_rows(event_of(hits)) == -1).all()


def slow_steps(event):
    """Groups of rows along each particle, written down as physics.md says it."""
    hits, particles = event.hits, event.particles
    vertex = {
        int(p): (float(x), float(y), float(z))
        for p, x, y, z in zip(
            particles.particle_id, particles.vx, particles.vy, particles.vz, strict=True
        )
    }
    place = list(zip(hits.volume_id, hits.layer_id, hits.module_id, strict=True))
    groups = {}
    for particle in {int(p) for p in event.truth.particle_id} - {0}:
        vx, vy, vz = vertex.get(particle, (0.0, 0.0, 0.0))
        rows = [i for i in range(event.n_hits) if event.truth.particle_id[i] == particle]
        rows.sort(
            key=lambda i: (
                (float(hits.x[i]) - vx) ** 2
                + (float(hits.y[i]) - vy) ** 2
                + (float(hits.z[i]) - vz) ** 2,
                i,
            )
        )
        groups[particle] = [[rows[0]]]
        for before, row in pairwise(rows):
            if place[before] == place[row]:
                groups[particle][-1].append(row)
            else:
                groups[particle].append([row])
    return groups


def slow_edges(event):
    hits = event.hits

    def key(i):
        return (float(hits.x[i]) ** 2 + float(hits.y[i]) ** 2 + float(hits.z[i]) ** 2, i)

    return {
        (min(i, j, key=key), max(i, j, key=key))
        for groups in slow_steps(event).values()
        for first, second in pairwise(groups)
        for i in first
        for j in second
    }


# Small whole numbers make equal distances and repeated modules common.
HIT = st.tuples(*[st.integers(-3, 3)] * 3, st.integers(1, 3), st.sampled_from([0, 1, 2, 2**53 + 1]))
EVENTS = st.builds(
    lambda hits, vertex: event_of(hits, [track(1), track(2, vertex=vertex)]),
    st.lists(HIT, max_size=14),
    st.tuples(*[st.integers(-3, 3)] * 3),
)


@given(EVENTS)
@settings(deadline=None)
def test_true_edges_agree_with_the_slow_reference(event):
    edges = pairs(true_edges(event))
    assert len(edges) == len(set(edges))
    assert set(edges) == slow_edges(event)


@given(EVENTS, st.data())
@settings(deadline=None)
def test_edge_labels_agree_with_the_slow_reference(event, data):
    n = event.n_hits
    ends = st.integers(0, max(n - 1, 0))
    chosen = data.draw(st.lists(st.tuples(ends, ends), max_size=30 if n else 0))
    edge_index = np.array(chosen, np.int64).reshape(-1, 2).T
    particle_id = event.truth.particle_id
    neighbours = slow_edges(event)
    expected = [
        FAKE
        if particle_id[i] != particle_id[j] or particle_id[i] == 0
        else TRUE
        if (i, j) in neighbours or (j, i) in neighbours
        else SKIP
        for i, j in chosen
    ]
    labels = edge_labels(particle_id, track_steps(event), edge_index)
    assert labels.dtype == np.int8
    assert labels.tolist() == expected
    assert same_particle(particle_id, edge_index).tolist() == [label != FAKE for label in expected]


def test_edge_labels_refuse_a_hit_that_is_not_there():
    with pytest.raises(IndexError, match="not there"):
        edge_labels(HELIX.truth.particle_id, track_steps(HELIX), np.array([[0], [HELIX.n_hits]]))


# ---------------------------------------------------------------- weights


def profile(n):
    """The published profile 10, 8, 6, 5, 3, 3, 3, 5, 6 stretched over n hits, in fractions."""
    points = [Fraction(v) for v in (10, 8, 6, 5, 3, 3, 3, 5, 6)]
    values = []
    for hit in range(n):
        place = Fraction(8 * hit, n - 1)
        left = min(int(place), 7)
        values.append(points[left] + (place - left) * (points[left + 1] - points[left]))
    return np.array([float(v / sum(values)) for v in values])


def test_order_weights_of_four_hits_by_hand():
    """Hits at places 0, 8/3, 16/3, 8 of the profile: 10, 16/3, 3, 6, of 73/3."""
    weights = hit_weights(event_of(along_z(4), [track(1)]))
    assert weights.dtype == FLOAT
    np.testing.assert_allclose(weights * 73, [30, 16, 9, 18], rtol=1e-6)


@pytest.mark.parametrize("n", [4, 9, 13, 20])
def test_order_weights_follow_the_profile(n):
    np.testing.assert_allclose(hit_weights(event_of(along_z(n), [track(1)])), profile(n), rtol=1e-6)


def test_hits_beyond_the_twentieth_weigh_nothing():
    weights = hit_weights(event_of(along_z(25), [track(1)]))
    np.testing.assert_allclose(weights, [*profile(20), *[0] * 5], rtol=1e-6)


def test_hits_are_ranked_by_their_true_distance_in_z_from_the_vertex():
    event = event_of(along_z(9), [track(1, vertex=(0, 0, 500))])
    np.testing.assert_allclose(hit_weights(event), profile(9)[::-1], rtol=1e-6)


def test_short_particles_noise_and_unlisted_particles_weigh_nothing():
    event = event_of(
        along_z(3, 1) + along_z(4, 2) + along_z(6, 0) + along_z(7, 3), [track(1), track(2)]
    )
    weights = hit_weights(event)
    assert (weights[:3] == 0).all()
    assert (weights[7:] == 0).all()
    assert weights.sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("pt", "expected"),
    [(0.04, 0), (0.06, 0.2), (0.5, 0.2), (1.75, 0.6), (3.0, 1), (50.0, 1)],
)
def test_pt_weight(pt, expected):
    """Beside an equally long particle of weight 1."""
    event = event_of(along_z(5, 1) + along_z(5, 2), [track(1, pt), track(2, 10.0)])
    weights = hit_weights(event)
    assert weights[:5].sum() / weights[5:].sum() == pytest.approx(expected, rel=1e-5)


@given(st.lists(st.tuples(st.integers(1, 24), st.floats(0.01, 20)), min_size=1, max_size=6))
@settings(deadline=None)
def test_weights_sum_to_one(particles):
    hits = [hit for k, (n, _) in enumerate(particles, 1) for hit in along_z(n, k)]
    event = event_of(hits, [track(k, pt) for k, (_, pt) in enumerate(particles, 1)])
    weights = hit_weights(event)
    assert (weights >= 0).all()
    scored = any(n >= 4 and pt >= 0.05 for n, pt in particles)
    assert weights.sum() == pytest.approx(1 if scored else 0, abs=1e-5)


def test_phase_two_forgets_particles_made_in_the_detector():
    """Ids in TrackML's layout tell a generator's decay (generation 0) from a secondary."""
    decay, secondary = (1 << 52) + (7 << 36), (1 << 52) + (7 << 36) + (1 << 24)
    born = (50, 0, 0)
    event = event_of(
        along_z(5, 1) + along_z(5, 2) + along_z(5, decay) + along_z(5, secondary),
        [track(1), track(2, vertex=born), track(decay, vertex=born), track(secondary, vertex=born)],
    )
    by_particle = hit_weights(event, phase=2).reshape(4, 5).sum(axis=1)
    np.testing.assert_allclose(by_particle, [0.5, 0, 0.5, 0], atol=1e-6)
    np.testing.assert_allclose(hit_weights(event).reshape(4, 5).sum(axis=1), 0.25, atol=1e-6)
    with pytest.raises(ValueError, match="phase is 3"):
        hit_weights(event, phase=3)


# ---------------------------------------------------------------- particles

CROWD = event_of(
    along_z(5, 1) + along_z(4, 2) + along_z(6, 3) + along_z(3, 4) + along_z(2, 5) + along_z(1, 0),
    [
        track(1, 2.0, pz=2.0),
        track(2, 0.6, pz=-0.6, q=-1),
        track(3, 0.7, q=0),
        track(4, 0.2, vertex=(2.1, 0, 10)),
        track(5, 0.8, pz=0.8 * np.sinh(4.1)),
        track(6, 0.9),
    ],
)


def test_summary_of_particles():
    summary = summarise_particles(CROWD)
    assert summary.n_hits.tolist() == [5, 4, 6, 3, 2, 0]
    np.testing.assert_allclose(summary.pt, [2.0, 0.6, 0.7, 0.2, 0.8, 0.9], rtol=1e-6)
    np.testing.assert_allclose(summary.eta[:2], [np.arcsinh(1), -np.arcsinh(1)], rtol=1e-6)
    assert summary.eta[4] == pytest.approx(4.1)
    assert summary.primary.tolist() == [True, True, True, False, True, True]
    assert summary.vertex_radius[3] == pytest.approx(2.1)
    assert summary.vz[3] == 10
    assert len(summary) == 6


def test_missing_tables_are_named():
    with pytest.raises(InputError, match=r"event000000007: no truth.*event000000007-truth\.csv"):
        require_truth(replace(HELIX, truth=None))
    with pytest.raises(InputError, match="no truth table"):
        true_edges(replace(HELIX, truth=None))
    with pytest.raises(InputError, match=r"no particle table.*-particles\.csv"):
        hit_weights(replace(HELIX, particles=None))
    with pytest.raises(InputError, match="no particle table"):
        summarise_particles(replace(HELIX, particles=None))


# ---------------------------------------------------------------- a real TrackML event


@pytest.fixture(scope="module")
def real_event(shared_data: Path) -> Event:
    """One event of the throughput phase, thinned to 5 % of its particles, none of them cut."""
    return read_event(shared_data / "trackml_sample" / "event000000001")


def test_weights_of_the_real_event_are_reproduced(real_event):
    """Thinning keeps the ratios; the file is of phase 2 and rounds to six digits."""
    published = real_event.truth.weight.astype(np.float64)
    np.testing.assert_allclose(
        hit_weights(real_event, phase=2), published / published.sum(), rtol=2e-5, atol=1e-12
    )


def test_phases_differ_on_the_real_event_only_in_secondaries(real_event):
    published, ours = real_event.truth.weight, hit_weights(real_event)
    both = published > 0
    ratio = ours[both] / published[both]
    np.testing.assert_allclose(ratio, np.median(ratio), rtol=2e-5)
    more = (ours > 0) & ~both
    assert more.any()
    summary = summarise_particles(real_event)
    assert not summary.primary[particle_rows(real_event)[more]].any()


def test_true_edges_of_the_real_event(real_event):
    """All neighbours, no noise, and hits that the file lists are the hits that we count."""
    edges = true_edges(real_event)
    particle_id = real_event.truth.particle_id
    assert (edge_labels(particle_id, track_steps(real_event), edges) == TRUE).all()
    assert set(pairs(edges)) == slow_edges(real_event)
    summary = summarise_particles(real_event)
    np.testing.assert_array_equal(summary.n_hits, real_event.particles.nhits)
    assert summary.weight.sum() == pytest.approx(real_event.truth.weight.sum(), rel=1e-5)
