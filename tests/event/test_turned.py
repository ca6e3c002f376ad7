"""Events turned about the beam line."""

import numpy as np

from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.event.truth import true_edges
from hitgraph.event.turned import turned_detector, turned_event


def test_turning_keeps_hits_on_their_modules_and_particles_on_their_tracks(
    tiny_event: Event,
) -> None:
    angle = 0.7
    assert tiny_event.detector is not None
    detector = tiny_event.detector
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
