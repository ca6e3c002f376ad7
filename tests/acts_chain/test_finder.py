"""A pipeline inside the Sequencer of ACTS, from measurements to fitted tracks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("acts", reason="pyacts is not installed (extra sim)")

import acts
from acts import examples
from tests.acts_samples import add_pions, write_acts_csv

from hitgraph import Pipeline
from hitgraph.acts import TrackFinder, add_kalman_fit
from hitgraph.acts.finder import event_of, outward_tracks
from hitgraph.acts.geometry import generic_geometry
from hitgraph.errors import InputError, SettingsError
from hitgraph.evaluation import evaluate
from hitgraph.event.clusters import cluster_features
from hitgraph.event.event import Event
from hitgraph.event.source import list_events

EVENTS = 2


class Reader(examples.IAlgorithm):  # type: ignore[misc]
    """Keeps what `look` makes of an object on the white board, event by event."""

    def __init__(self, kind: Any, key: str, look: Any) -> None:
        examples.IAlgorithm.__init__(self, f"Reader {key}", acts.logging.ERROR)
        self.found: list[Any] = []
        self.look, self.input = look, examples.ReadDataHandle(self, kind, "Input")
        self.input.initialize(key)

    def execute(self, context: Any) -> Any:
        self.found.append(self.look(self.input(context.eventStore)))
        return examples.ProcessCode.SUCCESS


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline.load("quickstart")


@pytest.fixture(scope="module")
def run(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two events through simulation, finder and fit: what was on the white board."""
    geometry = generic_geometry()
    sequencer = examples.Sequencer(
        events=EVENTS, numThreads=1, trackFpes=False, logLevel=acts.logging.ERROR
    )
    add_pions(sequencer, tmp_path_factory.mktemp("chain"))
    sequencer.addAlgorithm(TrackFinder(pipeline))
    add_kalman_fit(sequencer, geometry.tracking, geometry.field)
    readers = {
        "tracks": Reader(
            examples.ProtoTrackContainer, "proto_tracks", lambda found: [list(one) for one in found]
        ),
        "fits": Reader(
            examples.ConstTrackContainer,
            "fitted_tracks",
            lambda found: (np.array(found.parameters), np.array(found.covariance)),
        ),
        "events": Reader(
            examples.MeasurementContainer,
            "measurements",
            lambda found: event_of("event1", found, None, geometry),
        ),
    }
    for reader in readers.values():
        sequencer.addAlgorithm(reader)
    sequencer.run()
    return {name: reader.found for name, reader in readers.items()}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    """The same events by way of ACTS's CSV files."""
    folder = tmp_path_factory.mktemp("csv")
    write_acts_csv(folder, events=EVENTS)
    return [source.read() for source in list_events([folder])]


def test_measurements_become_the_same_hits(run: dict[str, Any], written: list[Event]) -> None:
    for event, other in zip(run["events"], written, strict=True):
        assert np.array_equal(event.hits.hit_id, other.hits.hit_id)
        assert np.array_equal(event.hits.module_id, other.hits.module_id)
        for axis in "xyz":
            np.testing.assert_allclose(
                getattr(event.hits, axis), getattr(other.hits, axis), atol=1e-3
            )


def test_finds_the_particles(run: dict[str, Any], written: list[Event]) -> None:
    for tracks, event in zip(run["tracks"], written, strict=True):
        labels = np.full(event.n_hits, -1)
        for number, track in enumerate(tracks):
            assert (labels[track] == -1).all()  # a measurement is on one track at most
            labels[track] = number
        found = evaluate(event, labels).matchings["double majority"]
        assert found.efficiency[1].technical.value >= 0.9
        assert found.purity.value >= 0.9


def test_tracks_run_outwards(run: dict[str, Any]) -> None:
    for tracks, event in zip(run["tracks"], run["events"], strict=True):
        hits = event.hits
        for track in tracks:
            distance = np.sqrt(hits.x**2 + hits.y**2 + hits.z**2)[track]
            assert (np.diff(distance) >= 0).all()


def test_fits_have_errors_that_fit(run: dict[str, Any], written: list[Event]) -> None:
    """Pions of 1 to 5 GeV from the origin: d0 and z0 are within their errors of 0."""
    for tracks, (parameters, covariance) in zip(run["tracks"], run["fits"], strict=True):
        assert len(parameters) >= 0.9 * len(tracks)
        error = np.sqrt(np.einsum("nii->ni", covariance))[:, :2]
        assert (error > 0).all()
        assert (error < 1).all()  # mm
        pull = parameters[:, :2] / error
        assert np.median(np.abs(pull)) < 1.5
        momentum = 1 / np.abs(parameters[:, 4])
        assert (momentum > 0.5).all()
    assert written[0].particles is not None


def test_clusters_keep_their_shape(written: list[Event], tmp_path: Path) -> None:
    """What Python sees of a cluster is enough for the features of straight paths."""
    geometry = generic_geometry()
    sequencer = examples.Sequencer(
        events=1, numThreads=1, trackFpes=False, logLevel=acts.logging.ERROR
    )
    add_pions(sequencer, tmp_path)
    clusters = Reader(
        examples.ClusterContainer,
        "clusters",
        lambda found: [(one.sizeLoc0, one.sizeLoc1, one.sumActivations()) for one in found],
    )
    kept: list[Any] = []

    class Both(examples.IAlgorithm):  # type: ignore[misc]
        def __init__(self) -> None:
            examples.IAlgorithm.__init__(self, "Both", acts.logging.ERROR)
            self.m = examples.ReadDataHandle(self, examples.MeasurementContainer, "M")
            self.m.initialize("measurements")
            self.c = examples.ReadDataHandle(self, examples.ClusterContainer, "C")
            self.c.initialize("clusters")

        def execute(self, context: Any) -> Any:
            store = context.eventStore
            kept.append(event_of("event1", self.m(store), self.c(store), geometry))
            return examples.ProcessCode.SUCCESS

    sequencer.addAlgorithm(clusters)
    sequencer.addAlgorithm(Both())
    sequencer.run()
    seen = cluster_features(kept[0], geometry.table)
    real = cluster_features(written[0], geometry.table)
    names = dict(zip(("cells", "charge", "lx", "ly"), range(4), strict=True))
    for name in ("charge", "lx", "ly"):
        np.testing.assert_allclose(seen[:, names[name]], real[:, names[name]], rtol=1e-4)
    assert (seen[:, 0] == real[:, 0]).mean() > 0.95


def test_without_tracks_there_are_none(tiny_event: Event) -> None:
    assert outward_tracks(tiny_event, np.full(tiny_event.n_hits, -1)) == []


def test_no_measurements_no_event() -> None:
    container = examples.MeasurementContainer()
    assert event_of("event1", container, None, generic_geometry()) is None


def test_a_foreign_surface_is_named() -> None:
    container = examples.MeasurementContainer()
    container.emplaceMeasurement(acts.GeometryIdentifier(volume=99), (0, 1), (0.0, 0.0), (1.0, 1.0))
    with pytest.raises(InputError, match="which ACTS's generic detector does not have"):
        event_of("event1", container, None, generic_geometry())


def test_one_local_position_is_not_enough() -> None:
    container = examples.MeasurementContainer()
    surface = acts.GeometryIdentifier(int(generic_geometry().identifiers[0]))
    container.emplaceMeasurement(surface, (0,), (0.0,), (1.0,))
    with pytest.raises(InputError, match="one local position where two are expected"):
        event_of("event1", container, None, generic_geometry())


def test_clusters_are_asked_for(pipeline: Pipeline) -> None:
    with pytest.raises(SettingsError, match="inputClusters is empty"):
        TrackFinder(pipeline, inputClusters="")
