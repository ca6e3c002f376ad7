"""Events of clusters made events of space points: the way there and back, and what is lost."""

from dataclasses import replace

import numpy as np
import pytest
from tests.event.strips import strip_detector, strip_event

from hitgraph.errors import InputError
from hitgraph.event.cluster_tables import require_clusters
from hitgraph.event.event import CellTable, Event
from hitgraph.event.space_points import event_of_clusters, ghosts
from hitgraph.hits.strips.points import event_of_points


def made(event: Event) -> Event:
    return event_of_points(event, strip_detector())


def test_clusters_of_space_points_make_them_again() -> None:
    event = strip_event(3)
    again = made(event_of_clusters(event))
    for table in ("hits", "spacepoints"):
        for key, values in vars(getattr(event, table)).items():
            np.testing.assert_array_equal(getattr(getattr(again, table), key), values, key)
    assert again.truth is not None
    assert event.truth is not None
    np.testing.assert_array_equal(again.truth.particle_id, event.truth.particle_id)
    np.testing.assert_array_equal(ghosts(again), ghosts(event))
    assert again.particles is not None
    assert again.particles.nhits.tolist() == [4, 4, 4]
    assert again.truth.weight.sum() == pytest.approx(1.0)


def test_truth_is_where_the_particle_crossed_the_first_side_and_ghosts_have_none() -> None:
    event = event_of_clusters(strip_event(2))
    assert event.truth is not None
    momentum = np.full(event.n_hits, 3.0, np.float32)
    places = (np.arange(event.n_hits) + 0.5).astype(np.float32)
    event = replace(event, truth=replace(event.truth, tx=places, tpx=momentum))
    points = made(event)
    crossed = ghosts(points)
    assert 0 < crossed.sum() < len(crossed)
    assert points.truth is not None
    clusters, table = require_clusters(points)
    first = np.searchsorted(clusters.cluster_id, table.cluster_1)
    np.testing.assert_array_equal(points.truth.tx[~crossed], places[first][~crossed])
    np.testing.assert_array_equal(points.truth.tx[crossed], points.hits.x[crossed])
    assert (points.truth.tpx == np.where(crossed, 0.0, 3.0)).all()


def test_cells_become_counts_and_events_without_truth_have_none() -> None:
    event = event_of_clusters(strip_event(2))
    hit_id = np.repeat(event.hits.hit_id, 2)[1:]
    channel = np.arange(len(hit_id), dtype=np.int32)
    cells = CellTable(hit_id, channel, channel, np.ones(len(hit_id), np.float32))
    points = made(replace(event, truth=None, particles=None, cells=cells))
    clusters, _ = require_clusters(points)
    assert clusters.n_cells.tolist() == [1] + [2] * (event.n_hits - 1)
    assert points.cells is points.truth is None
    assert not clusters.particle_id.any()


def test_space_points_are_not_crossed_again() -> None:
    with pytest.raises(InputError, match="are so already"):
        made(strip_event(2))
