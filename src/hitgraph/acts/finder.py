"""A pipeline as a track-finding algorithm of ACTS: measurements in, proto tracks out."""

from pathlib import Path
from typing import Any

import numpy as np
from acts import examples
from numpy.typing import NDArray

from hitgraph.acts.algorithms import MEASUREMENTS, PROTO_TRACKS, QUIET, proto_tracks
from hitgraph.acts.geometry import Geometry, generic_geometry
from hitgraph.errors import InputError, SettingsError
from hitgraph.event.event import CellTable, Event, HitTable
from hitgraph.pipeline import Pipeline


class TrackFinder(examples.IAlgorithm):  # type: ignore[misc]
    """Reads measurements (and clusters), writes proto tracks of their indices.

    `pipeline` is a Pipeline, the name of a shipped one or a folder. The strings are keys of the
    white board. Clusters can be left out (`inputClusters=""`) where the pipeline does not look at
    their shape. The measurements must be of ACTS's generic detector, with both local positions.
    Python algorithms run in one thread: the Sequencer needs numThreads=1.
    """

    def __init__(
        self,
        pipeline: Pipeline | str | Path = "compact",
        inputMeasurements: str = MEASUREMENTS,
        inputClusters: str = "clusters",
        outputProtoTracks: str = PROTO_TRACKS,
    ) -> None:
        examples.IAlgorithm.__init__(self, "HitgraphTrackFinder", QUIET)
        self.pipeline = pipeline if isinstance(pipeline, Pipeline) else Pipeline.load(pipeline)
        if self.pipeline.recipe.clusters and not inputClusters:
            raise SettingsError(
                "inputClusters is empty, but the pipeline looks at the shape of clusters: name "
                "the clusters of the digitisation, or take a pipeline without cluster features"
            )
        self._measurements = examples.ReadDataHandle(
            self, examples.MeasurementContainer, "InputMeasurements"
        )
        self._measurements.initialize(inputMeasurements)
        self._clusters = None
        if inputClusters:
            self._clusters = examples.ReadDataHandle(
                self, examples.ClusterContainer, "InputClusters"
            )
            self._clusters.initialize(inputClusters)
        self._output = examples.WriteDataHandle(
            self, examples.ProtoTrackContainer, "OutputProtoTracks"
        )
        self._output.initialize(outputProtoTracks)

    def execute(self, context: Any) -> Any:
        store = context.eventStore
        event = event_of(
            f"event{context.eventNumber:09d}",
            self._measurements(store),
            None if self._clusters is None else self._clusters(store),
            generic_geometry(),
        )
        tracks: list[list[int]] = []
        if event is not None:
            tracks = outward_tracks(event, self.pipeline.run(event).labels)
        self._output(context, proto_tracks(tracks))
        return examples.ProcessCode.SUCCESS


def event_of(name: str, measurements: Any, clusters: Any, geometry: Geometry) -> Event | None:
    """An Event of ACTS's containers, hit i being measurement i; None without measurements.

    ACTS does not let Python see the channels of a cluster, only how many it spans along u and v
    and their summed activation: the cells are a staircase with the same spans and the same sum.
    Raises InputError for a measurement on an unknown module or with one local position only.
    """
    n = len(measurements)
    if not n:
        return None
    module, local = np.empty(n, np.int64), np.zeros((n, 3))
    for row, measurement in enumerate(measurements):
        identifier = measurement.geometryId.value
        if identifier not in geometry.module_of:
            raise InputError(
                f"{name}: measurement {row} is on surface {identifier}, which ACTS's generic "
                "detector does not have: hitgraph finds tracks in that detector only"
            )
        if measurement.size < 2:
            raise InputError(
                f"{name}: measurement {row} has one local position where two are expected: "
                "digitise along both axes of a module"
            )
        module[row] = geometry.module_of[identifier]
        parameters = measurement.fullParameters
        local[row, 0], local[row, 1] = parameters[0], parameters[1]
    table = geometry.table
    position = table.centre[module] + np.einsum("nij,nj->ni", table.rotation[module], local)
    x, y, z = position.astype(np.float32).T.copy()
    hit_id = np.arange(1, n + 1, dtype=np.int64)
    hits = HitTable(
        hit_id, x, y, z, table.volume_id[module], table.layer_id[module], table.module_id[module]
    )
    cells = None if clusters is None else _cells(clusters, hit_id)
    return Event(name, hits, cells, detector=table)


def _cells(clusters: Any, hit_id: NDArray[np.int64]) -> CellTable:
    shapes = [(one.sizeLoc0, one.sizeLoc1, one.sumActivations()) for one in clusters]
    spans = np.maximum([shape[:2] for shape in shapes], 1)
    charge = np.array([shape[2] for shape in shapes])
    count = spans.sum(axis=1) - 1
    hit = np.repeat(np.arange(len(count)), count)
    step = np.arange(len(hit)) - np.repeat(np.cumsum(count) - count, count)
    ch0 = np.minimum(step, spans[hit, 0] - 1)
    return CellTable(
        hit_id=hit_id[hit],
        ch0=ch0.astype(np.int32),
        ch1=(step - ch0).astype(np.int32),
        value=(charge / count)[hit].astype(np.float32),
    )


def outward_tracks(event: Event, labels: NDArray[np.int64]) -> list[list[int]]:
    """Rows of the hits of each track, by rising label, from the origin outwards."""
    distance = np.sqrt(event.hits.x**2 + event.hits.y**2 + event.hits.z**2)
    order = np.lexsort((distance, labels))
    order = order[labels[order] >= 0]
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    return [part.tolist() for part in np.split(order, starts[1:]) if len(part)]
