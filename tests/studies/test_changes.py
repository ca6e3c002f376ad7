"""Changed events: what must change, and what must not."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from hitgraph.errors import InputError, SettingsError
from hitgraph.event.clusters import cluster_features
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.event.field import constant
from hitgraph.event.truth import summarise_particles, true_edges
from hitgraph.studies.changes import (
    innermost_layers,
    overlaid,
    reweighted,
    with_dead_modules,
    with_inefficiency,
    with_misaligned_modules,
    with_noise,
    with_shifted_layers,
)
from hitgraph.studies.jets import collisions


def detector_of(event: Event) -> Detector:
    assert event.detector is not None
    return event.detector


@pytest.mark.parametrize("preset", ["plain", "trackml-like"])
@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5])
def test_noise_makes_its_share_of_the_hits_and_leaves_the_particles_alone(
    tiny_event: Event, fraction: float, preset: str
) -> None:
    detector = detector_of(tiny_event)
    noisy = with_noise(tiny_event, detector, fraction, np.random.default_rng(1), preset)
    assert noisy.truth is not None
    assert tiny_event.truth is not None
    assert noisy.cells is not None
    is_noise = noisy.truth.particle_id == 0
    assert is_noise.mean() == pytest.approx(fraction, abs=0.5 / noisy.n_hits)
    n_true = np.count_nonzero(tiny_event.truth.particle_id)
    assert not is_noise[:n_true].any()
    kept = np.flatnonzero(tiny_event.truth.particle_id)
    for name in ("hit_id", "x", "y", "z", "module_id"):
        before, after = (getattr(table, name) for table in (tiny_event.hits, noisy.hits))
        np.testing.assert_array_equal(after[:n_true], before[kept])
        assert after.dtype == before.dtype
    assert (np.diff(noisy.hits.hit_id) > 0).all()
    np.testing.assert_array_equal(noisy.truth.hit_id, noisy.hits.hit_id)
    assert set(noisy.cells.hit_id.tolist()) == set(noisy.hits.hit_id.tolist())
    cluster_features(noisy, detector)  # refuses cells out of order
    detector.module_index(noisy.hits.volume_id, noisy.hits.layer_id, noisy.hits.module_id)


def test_the_same_seed_makes_the_same_noise(tiny_event: Event) -> None:
    one, other = (
        with_noise(tiny_event, detector_of(tiny_event), 0.3, np.random.default_rng(7))
        for _ in range(2)
    )
    np.testing.assert_array_equal(one.hits.x, other.hits.x)


@pytest.mark.parametrize("fraction", [-0.1, 1.0])
def test_impossible_noise_is_refused(tiny_event: Event, fraction: float) -> None:
    with pytest.raises(SettingsError, match="noise"):
        with_noise(tiny_event, detector_of(tiny_event), fraction, np.random.default_rng(1))


def test_innermost_layers_are_those_nearest_to_the_beam(tiny_event: Event) -> None:
    detector = detector_of(tiny_event)
    layers = innermost_layers(detector, 2)
    radius = np.hypot(tiny_event.hits.x, tiny_event.hits.y)
    inside = np.isin(tiny_event.hits.layer_id, layers[:, 1])
    assert radius[inside].max() < radius[~inside].min()
    with pytest.raises(SettingsError, match="1 to 4"):
        innermost_layers(detector, 5)


def test_a_shift_moves_the_hits_of_the_layers_and_no_others(tiny_event: Event) -> None:
    layers = innermost_layers(detector_of(tiny_event), 1)
    moved = with_shifted_layers(tiny_event, layers, (0.5, 0.0, -2.0))
    inside = tiny_event.hits.layer_id == layers[0, 1]
    np.testing.assert_allclose(moved.hits.x - tiny_event.hits.x, 0.5 * inside, atol=1e-4)
    np.testing.assert_array_equal(moved.hits.y, tiny_event.hits.y)
    np.testing.assert_allclose(moved.hits.z - tiny_event.hits.z, -2.0 * inside, atol=1e-4)
    assert moved.truth is tiny_event.truth


def position(event: Event) -> np.ndarray:
    return np.stack([event.hits.x, event.hits.y, event.hits.z], axis=1).astype(np.float64)


def modules(event: Event) -> np.ndarray:
    hits = event.hits
    return detector_of(event).module_index(hits.volume_id, hits.layer_id, hits.module_id)


@pytest.fixture(scope="module")
def busy_event(make_event: Callable[..., Event]) -> Event:
    return make_event(n_particles=200, n_noise=50)


def test_dead_modules_have_no_hits_and_others_all_of_theirs(busy_event: Event) -> None:
    detector = detector_of(busy_event)
    left = with_dead_modules(busy_event, detector, 0.25, np.random.default_rng(1))
    before, after = (np.bincount(modules(e), minlength=588) for e in (busy_event, left))
    dead = (before > 0) & (after == 0)
    np.testing.assert_array_equal(after[~dead], before[~dead])
    # 147 of 588 modules are dead, and about as large a share of those with hits
    assert dead.sum() / (before > 0).sum() == pytest.approx(0.25, abs=0.05)
    again = with_dead_modules(left, detector, 0.25, np.random.default_rng(1))
    assert again.n_hits == left.n_hits  # the same modules
    assert left.cells is not None
    assert set(left.cells.hit_id.tolist()) == set(left.hits.hit_id.tolist())


def test_an_event_without_hits_left_is_refused(tiny_event: Event) -> None:
    with pytest.raises(InputError, match="no hit is left"):
        with_inefficiency(tiny_event, 1.0, np.random.default_rng(1))


def test_inefficiency_takes_its_share_and_particles_keep_their_weight(busy_event: Event) -> None:
    left = with_inefficiency(busy_event, 0.1, np.random.default_rng(1))
    # 850 hits: one standard deviation is 1 %
    assert left.n_hits / busy_event.n_hits == pytest.approx(0.9, abs=0.03)
    assert left.truth is not None
    whole = reweighted(busy_event)
    assert whole.truth is not None
    assert left.truth.weight.sum() == pytest.approx(1, abs=1e-5)
    # Particles of one pT weigh the same whatever is left of them, as long as four hits are.
    before, after = (summarise_particles(e) for e in (whole, left))
    still = after.n_hits == 4
    assert 0.5 < still.mean() < 0.9
    assert (after.weight[~still] == 0).all()
    ratio = after.weight[still] / before.weight[still]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)


def test_misaligned_modules_take_their_hits_along_and_leave_the_truth(busy_event: Event) -> None:
    detector = detector_of(busy_event)
    moved = with_misaligned_modules(busy_event, detector, 0.5, np.random.default_rng(2))
    shift = position(moved) - position(busy_event)
    assert 0.4 < np.abs(shift).max() <= 0.5 + 1e-4
    module = modules(busy_event)
    for one in np.unique(module):
        same = shift[module == one]
        np.testing.assert_allclose(same, same[:1].repeat(len(same), axis=0), atol=1e-4)
    assert np.ptp(shift, axis=0).min() > 0.8  # every module its own way
    assert moved.truth is busy_event.truth
    assert moved.cells is busy_event.cells


def test_events_laid_over_each_other_are_both_whole(make_event: Callable[..., Event]) -> None:
    one, other = make_event(n_particles=4, seed=1), make_event(n_particles=6, n_noise=2, seed=2)
    both = overlaid(one, other)
    assert (both.n_hits, both.name) == (one.n_hits + other.n_hits, one.name)
    assert (np.diff(both.hits.hit_id) > 0).all()
    assert both.truth is not None
    assert both.particles is not None
    np.testing.assert_array_equal(both.truth.hit_id, both.hits.hit_id)
    assert (np.diff(both.particles.particle_id) > 0).all()
    assert np.isin(both.truth.particle_id, [0, *both.particles.particle_id]).all()
    assert both.truth.weight.sum() == pytest.approx(1, abs=1e-5)
    # each half has its clusters and its true edges
    detector, n = detector_of(one), one.n_hits
    shape = cluster_features(both, detector)
    np.testing.assert_array_equal(shape[:n], cluster_features(one, detector))
    np.testing.assert_array_equal(shape[n:], cluster_features(other, detector))
    expected = np.concatenate([true_edges(one), true_edges(other) + n], axis=1)
    assert set(map(tuple, true_edges(both).T)) == set(map(tuple, expected.T))
    # and its collisions
    halves = collisions(both.particles.particle_id)
    assert not set(halves[:4]) & set(halves[4:])


def test_events_of_other_fields_are_not_laid_over_each_other(tiny_event: Event) -> None:
    other = replace(tiny_event, field=constant(1.0))
    with pytest.raises(InputError, match="constant:1"):
        overlaid(tiny_event, other)
