"""Changed events: what must change, and what must not."""

import numpy as np
import pytest

from hitgraph.errors import SettingsError
from hitgraph.event.clusters import cluster_features
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.event.truth import true_edges
from hitgraph.studies.changes import (
    innermost_layers,
    turned_detector,
    turned_event,
    with_noise,
    with_shifted_layers,
)


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


def test_turning_keeps_hits_on_their_modules_and_particles_on_their_tracks(
    tiny_event: Event,
) -> None:
    angle = 0.7
    detector = detector_of(tiny_event)
    turned, table = turned_event(tiny_event, angle), turned_detector(detector, angle)
    hits = tiny_event.hits
    module = detector.module_index(hits.volume_id, hits.layer_id, hits.module_id)

    def local(event: Event, where: Detector) -> np.ndarray:
        place = np.stack([event.hits.x, event.hits.y, event.hits.z], axis=1)
        return np.einsum("nji,nj->ni", where.rotation[module], place - where.centre[module])

    np.testing.assert_allclose(local(turned, table), local(tiny_event, detector), atol=1e-3)
    phi = np.arctan2(hits.y, hits.x)
    turned_phi = np.arctan2(turned.hits.y, turned.hits.x)
    np.testing.assert_allclose(np.exp(1j * (turned_phi - phi)), np.exp(1j * angle), atol=1e-6)
    np.testing.assert_array_equal(true_edges(turned), true_edges(tiny_event))
    assert turned.particles is not None
    assert tiny_event.particles is not None
    pt, before = (np.hypot(e.particles.px, e.particles.py) for e in (turned, tiny_event))
    np.testing.assert_allclose(pt, before, rtol=1e-6)
    whole = turned_event(tiny_event, 2 * np.pi)
    np.testing.assert_allclose(whole.hits.x, hits.x, atol=1e-4)
