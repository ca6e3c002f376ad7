"""Other read-outs of the same sensors."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from hitgraph.errors import InputError
from hitgraph.event.clusters import CLUSTER_FEATURES, cluster_features
from hitgraph.event.detector import Detector
from hitgraph.event.event import CellTable, Event
from hitgraph.simulate.digitise import PLAIN, digitise, measured_positions
from hitgraph.studies.readout import (
    with_coarser_pixels,
    with_digital_readout,
    with_scaled_charge,
)


@pytest.fixture(scope="module")
def measured(make_event: Callable[..., Event]) -> tuple[Event, Detector]:
    """An event whose hits lie where its cells say, and its detector."""
    event = make_event(n_particles=30, n_noise=0)
    detector, truth = event.detector, event.truth
    assert detector is not None
    assert truth is not None
    module = modules(event, detector)
    position = np.stack([truth.tx, truth.ty, truth.tz], axis=1).astype(np.float64)
    momentum = np.stack([truth.tpx, truth.tpy, truth.tpz], axis=1).astype(np.float64)
    clusters = digitise(detector, module, position, momentum)
    x, y, z = clusters.position.T.astype(np.float32)
    hit_id = event.hits.hit_id[clusters.hit]
    cells = CellTable(hit_id, clusters.ch0, clusters.ch1, clusters.value)
    return replace(event, hits=replace(event.hits, x=x, y=y, z=z), cells=cells), detector


def modules(event: Event, detector: Detector) -> np.ndarray:
    hits = event.hits
    return detector.module_index(hits.volume_id, hits.layer_id, hits.module_id)


def expected_positions(event: Event, detector: Detector) -> np.ndarray:
    """Where the digitisation has hits of these cells."""
    cells = event.cells
    assert cells is not None
    hit = np.searchsorted(event.hits.hit_id, cells.hit_id)
    module = modules(event, detector)
    return measured_positions(detector, module, hit, cells.ch0, cells.ch1, cells.value, PLAIN)


def positions(event: Event) -> np.ndarray:
    return np.stack([event.hits.x, event.hits.y, event.hits.z], axis=1)


def charges(event: Event) -> np.ndarray:
    assert event.cells is not None
    row = np.searchsorted(event.hits.hit_id, event.cells.hit_id)
    return np.bincount(row, event.cells.value, event.n_hits)


def test_digital_hits_lie_where_the_digitisation_has_them(
    measured: tuple[Event, Detector],
) -> None:
    event, detector = measured
    digital = with_digital_readout(event, detector)
    assert digital.cells is not None
    assert (digital.cells.value == 1).all()
    np.testing.assert_allclose(positions(digital), expected_positions(digital, detector), atol=1e-4)
    moved = np.linalg.norm(positions(digital) - positions(event), axis=1)
    assert 1e-3 < moved.max() < 0.1  # mm, no more than a pixel or two
    assert digital.truth is event.truth


def test_scaled_charge_is_scaled_and_stays_in_its_place(measured: tuple[Event, Detector]) -> None:
    event, detector = measured
    less = with_scaled_charge(event, detector, 0.8)
    np.testing.assert_allclose(charges(less), 0.8 * charges(event), rtol=1e-5)
    np.testing.assert_array_equal(positions(less), positions(event))
    shape, before = (cluster_features(one, detector) for one in (less, event))
    others = [k for k, name in enumerate(CLUSTER_FEATURES) if name != "charge"]
    np.testing.assert_array_equal(shape[:, others], before[:, others])


def test_strips_have_no_charge_to_scale(measured: tuple[Event, Detector]) -> None:
    """What is a strip, the pitches tell, whatever number its volume has."""
    event, detector = measured
    strips = replace(detector, pitch_v=10 * detector.pitch_u)
    found = charges(with_scaled_charge(event, strips, 0.8))
    np.testing.assert_array_equal(found, charges(event))


def test_coarser_pixels_have_the_same_charge_at_nearly_the_same_place(
    measured: tuple[Event, Detector],
) -> None:
    event, detector = measured
    coarse, table = with_coarser_pixels(event, detector)
    np.testing.assert_allclose(table.pitch_u, 2 * detector.pitch_u)
    np.testing.assert_allclose(charges(coarse), charges(event), rtol=1e-5)
    np.testing.assert_allclose(positions(coarse), expected_positions(coarse, table), atol=1e-4)
    moved = np.linalg.norm(positions(coarse) - positions(event), axis=1)
    assert moved.max() < 0.1  # mm, within a large pixel
    assert coarse.cells is not None
    assert event.cells is not None
    assert len(coarse.cells) < len(event.cells)
    places = np.stack([coarse.cells.hit_id, coarse.cells.ch0, coarse.cells.ch1], axis=1)
    assert len(np.unique(places, axis=0)) == len(places)
    count, before = (cluster_features(*one)[:, 0] for one in ((coarse, table), (event, detector)))
    assert (count <= before).all()
    assert (count >= before / 4).all()


def test_an_event_without_cells_has_no_read_out_to_change(
    measured: tuple[Event, Detector],
) -> None:
    event, detector = measured
    bare = replace(event, cells=None)
    for change in (
        lambda: with_digital_readout(bare, detector),
        lambda: with_scaled_charge(bare, detector, 0.8),
        lambda: with_coarser_pixels(bare, detector),
    ):
        with pytest.raises(InputError, match="has no cells"):
            change()
