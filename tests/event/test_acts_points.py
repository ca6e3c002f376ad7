"""Space points of ACTS with two measurements: the same event as from our own files."""

from pathlib import Path

import numpy as np
import pytest
from tests.event.strips import strip_detector, strip_event

from hitgraph.errors import InputError
from hitgraph.event.acts_modules import geometry_ids
from hitgraph.event.acts_points import NO_MEASUREMENT
from hitgraph.event.cluster_tables import require_clusters
from hitgraph.event.event import Event
from hitgraph.event.source import read_event
from hitgraph.event.store import write_detectors
from hitgraph.event.trackml import write_csv


def acts_files(folder: Path, event: Event, second: np.ndarray | None = None) -> Path:
    """Measurements and space points of an event as ACTS writes them, without truth."""
    clusters, points = require_clusters(event)
    detector = strip_detector()
    module = detector.module_index(clusters.volume_id, clusters.layer_id, clusters.module_id)
    zero = np.zeros(len(clusters))
    folder.mkdir(parents=True, exist_ok=True)
    measurements = {
        "measurement_id": clusters.cluster_id - 1,
        "geometry_id": geometry_ids(detector)[module],
        "local0": zero,
        "local1": zero,
        **{f"global_{axis}": getattr(clusters, axis) for axis in "xyz"},
    }
    write_csv(measurements, folder / f"{event.name}-measurements.csv")
    other = np.where(points.cluster_2 > 0, points.cluster_2 - 1, -1).astype(np.uint64)
    place = {axis: getattr(event.hits, axis) for axis in "xyz"}
    ids = {
        "measurement_id_1": (points.cluster_1 - 1).astype(np.uint64),
        "measurement_id_2": other if second is None else second,
    }
    write_csv(ids | place, folder / f"{event.name}-spacepoint.csv")
    write_detectors(detector, folder)
    return folder


def test_space_points_of_two_measurements_are_the_hits(tmp_path: Path) -> None:
    event = strip_event(3)
    found = read_event(acts_files(tmp_path, event))
    for table in ("hits", "spacepoints"):
        for key, values in vars(getattr(event, table)).items():
            np.testing.assert_array_equal(getattr(getattr(found, table), key), values, key)
    clusters, _ = require_clusters(found)
    np.testing.assert_array_equal(clusters.cluster_id, require_clusters(event)[0].cluster_id)
    assert found.truth is None


def test_space_points_of_one_measurement_each_are_the_measurements(tmp_path: Path) -> None:
    event = strip_event(2)
    alone = np.full(event.n_hits, NO_MEASUREMENT, np.uint64)
    found = read_event(acts_files(tmp_path, event, alone))
    assert found.clusters is None
    assert found.n_hits == len(require_clusters(event)[0])


def test_measurements_that_are_not_there_or_no_pair_are_refused(tmp_path: Path) -> None:
    event = strip_event(2)
    points = require_clusters(event)[1]
    second = np.where(points.cluster_2 > 0, points.cluster_2 - 1, -1).astype(np.uint64)
    wrong = second.copy()
    wrong[4] = 900
    expected = r"row 5 .*: column measurement_id_2 is 900 where the number of one of the 14"
    with pytest.raises(InputError, match=expected):
        read_event(acts_files(tmp_path / "none", event, wrong))
    with pytest.raises(InputError, match="where the module on the other side of that of its hit"):
        read_event(acts_files(tmp_path / "astray", event, np.roll(second, 4)))
