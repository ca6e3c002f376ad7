"""Small algorithms for an ACTS Sequencer: hits in, clocks between, tracks out."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import acts
import numpy as np
from acts import examples
from numpy.typing import NDArray

from hitgraph.acts.measurements import Measurements
from hitgraph.errors import InputError

QUIET = acts.logging.ERROR
# Hopeless seeds and fits are part of the business; ACTS reports each as an error.
SILENT = acts.logging.FATAL

MEASUREMENTS, SUBSET, PROTO_TRACKS = "measurements", "measurement_subset", "proto_tracks"


def new_sequencer() -> Any:
    """A Sequencer for one event in this thread; Python algorithms allow no other."""
    return examples.Sequencer(events=1, numThreads=1, trackFpes=False, logLevel=QUIET)


def run_sequencer(sequencer: Any, event_name: str) -> None:
    """Run it. Raises InputError with what ACTS says where it gives up."""
    try:
        sequencer.run()
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{event_name}: ACTS gave up on this event ({error})") from error


def add_measurements(sequencer: Any, measurements: Measurements) -> None:
    """Put the measurements of the event on the white board, and the subset of all of them."""
    sequencer.addAlgorithm(_Feeder(measurements))
    sequencer.addAlgorithm(_Subset())


class _Feeder(examples.IAlgorithm):  # type: ignore[misc]
    def __init__(self, measurements: Measurements) -> None:
        examples.IAlgorithm.__init__(self, "Feeder", QUIET)
        self._measurements = measurements
        self._output = examples.WriteDataHandle(self, examples.MeasurementContainer, "Output")
        self._output.initialize(MEASUREMENTS)

    def execute(self, context: Any) -> Any:
        container = examples.MeasurementContainer()
        container.reserve(len(self._measurements))
        rows = zip(
            self._measurements.identifier.tolist(),
            self._measurements.local.tolist(),
            self._measurements.variance.tolist(),
            strict=True,
        )
        last, identifier = None, None
        for value, local, variance in rows:
            if value != last:
                last, identifier = value, acts.GeometryIdentifier(value)
            container.emplaceMeasurement(identifier, (0, 1), local, variance)
        self._output(context, container)
        return examples.ProcessCode.SUCCESS


class _Subset(examples.IAlgorithm):  # type: ignore[misc]
    """A subset points to the container on the white board, so it cannot be made before."""

    def __init__(self) -> None:
        examples.IAlgorithm.__init__(self, "Subset", QUIET)
        self._input = examples.ReadDataHandle(self, examples.MeasurementContainer, "Input")
        self._input.initialize(MEASUREMENTS)
        self._output = examples.WriteDataHandle(self, examples.MeasurementSubset, "Output")
        self._output.initialize(SUBSET)

    def execute(self, context: Any) -> Any:
        container = self._input(context.eventStore)
        self._output(context, examples.MeasurementSubset(container, range(len(container))))
        return examples.ProcessCode.SUCCESS


class ProtoTrackFeeder(examples.IAlgorithm):  # type: ignore[misc]
    """Puts tracks, each a list of measurement indices, on the white board."""

    def __init__(self, tracks: Sequence[Sequence[int]]) -> None:
        examples.IAlgorithm.__init__(self, "ProtoTrackFeeder", QUIET)
        self._tracks = tracks
        self._output = examples.WriteDataHandle(self, examples.ProtoTrackContainer, "Output")
        self._output.initialize(PROTO_TRACKS)

    def execute(self, context: Any) -> Any:
        self._output(context, proto_tracks(self._tracks))
        return examples.ProcessCode.SUCCESS


def proto_tracks(tracks: Sequence[Sequence[int]]) -> Any:
    """An ACTS ProtoTrackContainer of tracks that are lists of measurement indices."""
    return examples.ProtoTrackContainer([examples.ProtoTrack(track) for track in tracks])


class Clock(examples.IAlgorithm):  # type: ignore[misc]
    """Notes when the Sequencer passes here, under the name of the stage that ends."""

    def __init__(self, stage: str, times: list[tuple[str, float]]) -> None:
        examples.IAlgorithm.__init__(self, f"Clock {stage} {len(times)}", QUIET)
        self._stage, self._times = stage, times

    def execute(self, context: Any) -> Any:  # noqa: ARG002
        self._times.append((self._stage, time.perf_counter()))
        return examples.ProcessCode.SUCCESS


@dataclass(frozen=True, eq=False)
class FoundTrack:
    """One track of an ACTS container."""

    measurements: list[int]  # indices, from the end of the track to its start
    chi2: float


class TrackReader(examples.IAlgorithm):  # type: ignore[misc]
    """Hands the container of tracks `key` to a function while the event lasts."""

    def __init__(self, key: str, look: Callable[[Any], None]) -> None:
        examples.IAlgorithm.__init__(self, f"TrackReader {key}", QUIET)
        self._look = look
        self._input = examples.ReadDataHandle(self, examples.ConstTrackContainer, "Input")
        self._input.initialize(key)

    def execute(self, context: Any) -> Any:
        self._look(self._input(context.eventStore))
        return examples.ProcessCode.SUCCESS


class ProtoTrackReader(examples.IAlgorithm):  # type: ignore[misc]
    """Hands the measurement indices of each proto track `key` to a function."""

    def __init__(self, key: str, look: Callable[[list[list[int]]], None]) -> None:
        examples.IAlgorithm.__init__(self, f"ProtoTrackReader {key}", QUIET)
        self._look = look
        self._input = examples.ReadDataHandle(self, examples.ProtoTrackContainer, "Input")
        self._input.initialize(key)

    def execute(self, context: Any) -> Any:
        self._look([list(track) for track in self._input(context.eventStore)])
        return examples.ProcessCode.SUCCESS


def found_tracks(container: Any) -> list[FoundTrack]:
    """The measurements and chi2 of every track; holes and outliers are left out."""
    index = examples.IndexSourceLink.fromSourceLink
    return [
        FoundTrack(
            [
                index(state.uncalibratedSourceLink).index()
                for state in track.trackStatesReversed
                if state.typeFlags.isMeasurement
            ],
            track.chi2,
        )
        for track in container
    ]


def first_measurements(container: Any) -> NDArray[np.int64]:
    """(n_tracks,) index of one measurement of each track."""
    index = examples.IndexSourceLink.fromSourceLink
    states = (
        next(state for state in track.trackStatesReversed if state.typeFlags.isMeasurement)
        for track in container
    )
    return np.array([index(state.uncalibratedSourceLink).index() for state in states], np.int64)


def track_labels(tracks: Sequence[FoundTrack], n_measurements: int) -> NDArray[np.int64]:
    """(n_measurements,) the track of each measurement, -1 = none; numbers rise from 0.

    A measurement on several tracks goes to the one with more of them, then the lower chi2.
    """
    labels = np.full(n_measurements, -1, np.int64)
    for number, track in enumerate(sorted(tracks, key=lambda t: (-len(t.measurements), t.chi2))):
        mine = np.array(track.measurements, np.int64)
        labels[mine[labels[mine] < 0]] = number
    return labels
