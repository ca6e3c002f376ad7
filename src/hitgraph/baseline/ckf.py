"""Space points, triplet seeds, combinatorial Kalman filter and ambiguity resolution of ACTS."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import acts
import numpy as np
from acts import examples
from numpy.typing import NDArray

from hitgraph.acts.algorithms import (
    QUIET,
    SILENT,
    SUBSET,
    Clock,
    FoundTrack,
    TrackReader,
    add_measurements,
    found_tracks,
    new_sequencer,
    run_sequencer,
    track_labels,
)
from hitgraph.acts.geometry import Geometry, generic_geometry
from hitgraph.acts.measurements import Measurements, measurements_of
from hitgraph.baseline.settings import CKF, SearchPass
from hitgraph.event.event import Event
from hitgraph.event.field import MagneticField
from hitgraph.event.known_detectors import PIXEL_VOLUMES
from hitgraph.observe import StageRecord

STRIP_VOLUMES = (12, 13, 14, 16, 17, 18)
MAX_ETA = 4.0
COLLISION_Z = 250.0  # mm, seeds point to the beam line within this
MAX_SEED_Z = 2000.0  # mm
MIN_SEED_STEP = 1.0  # mm


@dataclass(frozen=True, eq=False)
class CkfResult:
    """Tracks of one event."""

    labels: NDArray[np.int64]  # (n_hits,) track of each hit, -1 = none
    stages: tuple[StageRecord, ...]
    shared_fraction: float  # hits that several tracks claimed / hits on tracks

    @property
    def n_tracks(self) -> int:
        return int(self.labels.max(initial=-1)) + 1


@dataclass(frozen=True, eq=False)
class Ckf:
    """The chain with its settings; one event at a time."""

    passes: tuple[SearchPass, ...] = CKF
    field: MagneticField | None = None  # the event's own where none is given

    def run(self, event: Event) -> CkfResult:
        """Find the tracks of one event.

        Raises InputError where its hits do not lie in the generic detector of ACTS.
        """
        geometry = generic_geometry(event.likely_field if self.field is None else self.field)
        times: list[tuple[str, float]] = []
        tracks: list[list[FoundTrack]] = []
        sequencer = new_sequencer()
        sequencer.addAlgorithm(Clock("start", times))
        measurements = measurements_of(event, geometry)
        add_measurements(sequencer, measurements)
        sequencer.addAlgorithm(Clock("to ACTS", times))
        subset = SUBSET
        for number, search in enumerate(self.passes):
            if number:
                subset = _add_filter(sequencer, number, subset)
            add_grid_seeds(sequencer, search, number, subset, geometry, times)
            add_search(sequencer, search, number, subset, geometry, times)
            sequencer.addAlgorithm(
                TrackReader(f"tracks{number}", lambda found: tracks.append(found_tracks(found)))
            )
            sequencer.addAlgorithm(Clock("from ACTS", times))
        run_sequencer(sequencer, event.name)
        labels, shared = combined_labels(tracks, measurements)
        return CkfResult(labels, stages_between(times), shared)


def _add_filter(sequencer: Any, number: int, subset: str) -> str:
    """Take the measurements on tracks of the last pass away; returns the name of what is left."""
    left = f"left{number}"
    sequencer.addAlgorithm(
        examples.MeasurementFilterAlgorithm(
            level=QUIET,
            inputTracks=f"tracks{number - 1}",
            inputMeasurementSubset=subset,
            outputMeasurementSubset=left,
        )
    )
    return left


def add_grid_seeds(
    sequencer: Any,
    search: SearchPass,
    number: int,
    subset: str,
    geometry: Geometry,
    times: list[tuple[str, float]],
) -> None:
    """Make the seeds `seeds{number}` of the measurements of a subset."""
    millimetre, gev = acts.UnitConstants.mm, acts.UnitConstants.GeV
    sequencer.addAlgorithm(
        examples.SpacePointMaker(
            level=QUIET,
            inputMeasurements=subset,
            outputSpacePoints=f"spacepoints{number}",
            trackingGeometry=geometry.tracking,
            geometrySelection=[
                acts.GeometryIdentifier(volume=volume, layer=layer)
                for volume, layer in search.seed_layers
            ],
        )
    )
    sequencer.addAlgorithm(Clock("space points", times))
    sequencer.addAlgorithm(
        examples.GridTripletSeedingAlgorithm(
            level=QUIET,
            inputSpacePoints=f"spacepoints{number}",
            outputSeeds=f"seeds{number}",
            bFieldInZ=abs(geometry.centre_field) * acts.UnitConstants.T,
            minPt=search.min_pt * gev,
            cotThetaMax=float(np.sinh(MAX_ETA)),
            impactMax=search.max_impact * millimetre,
            deltaRMin=MIN_SEED_STEP * millimetre,
            deltaRMax=search.max_seed_step * millimetre,
            rMin=0.0,
            rMax=search.max_seed_radius * millimetre,
            zMin=-MAX_SEED_Z * millimetre,
            zMax=MAX_SEED_Z * millimetre,
            collisionRegionMin=-COLLISION_Z * millimetre,
            collisionRegionMax=COLLISION_Z * millimetre,
            rMinMiddle=search.middle_radius[0] * millimetre,
            rMaxMiddle=search.middle_radius[1] * millimetre,
            maxSeedsPerSpM=search.seeds_per_middle,
            radLengthPerSeed=0.1,
        )
    )


def add_search(
    sequencer: Any,
    search: SearchPass,
    number: int,
    subset: str,
    geometry: Geometry,
    times: list[tuple[str, float]],
) -> None:
    """Follow the seeds `seeds{number}`; the tracks found are `tracks{number}`."""
    gev = acts.UnitConstants.GeV
    sequencer.addAlgorithm(
        examples.TrackParamsEstimationAlgorithm(
            level=SILENT,
            inputSeeds=f"seeds{number}",
            outputSeeds=f"estimated{number}",
            outputTrackParameters=f"parameters{number}",
            trackingGeometry=geometry.tracking,
            magneticField=geometry.field,
            initialSigmaQoverPt=0.1 / gev,
        )
    )
    sequencer.addAlgorithm(Clock("seeding", times))
    sequencer.addAlgorithm(_track_finding(search, number, subset, geometry))
    sequencer.addAlgorithm(Clock("CKF", times))
    sequencer.addAlgorithm(
        examples.GreedyAmbiguityResolutionAlgorithm(
            level=QUIET,
            inputTracks=f"candidates{number}",
            outputTracks=f"tracks{number}",
            maximumSharedHits=search.max_shared,
            nMeasurementsMin=search.min_measurements,
            maximumIterations=1_000_000,
        )
    )
    sequencer.addAlgorithm(Clock("ambiguity", times))


def _track_finding(search: SearchPass, number: int, subset: str, geometry: Geometry) -> Any:
    algorithm = examples.TrackFindingAlgorithm
    everywhere = acts.GeometryIdentifier()
    candidates = 1  # the best measurement of each surface: more cost time and gain nothing
    cuts: Any = ([], [search.max_chi2], [search.max_outlier_chi2], [candidates])
    return algorithm(
        level=SILENT,
        inputMeasurements=subset,
        inputInitialTrackParameters=f"parameters{number}",
        inputSeeds=f"estimated{number}",
        outputTracks=f"candidates{number}",
        measurementSelectorCfg=acts.MeasurementSelector.Config([(everywhere, cuts)]),
        trackSelectorCfg=acts.TrackSelector.Config(minMeasurements=search.min_measurements),
        findTracks=algorithm.makeTrackFinderFunction(geometry.tracking, geometry.field, SILENT),
        findTracksBrem=algorithm.makeBremTrackFinderFunction(
            geometry.tracking, geometry.field, SILENT
        ),
        trackingGeometry=geometry.tracking,
        magneticField=geometry.field,
        pixelVolumeIds=list(PIXEL_VOLUMES),
        stripVolumeIds=list(STRIP_VOLUMES),
        maxPixelHoles=search.max_holes,
        maxStripHoles=search.max_holes,
        seedDeduplication=True,
        stayOnSeed=True,
        recordMaterialStates=False,
    )


def combined_labels(
    passes: list[list[FoundTrack]], measurements: Measurements
) -> tuple[NDArray[np.int64], float]:
    """(n_hits,) track of each hit of the event, and the fraction of them that tracks shared."""
    labels = np.full(len(measurements), -1, np.int64)
    claims = np.zeros(len(measurements), np.int64)
    for tracks in passes:  # each on what the last left
        own = track_labels(tracks, len(measurements))
        labels = np.where(own >= 0, own + labels.max(initial=-1) + 1, labels)
        for track in tracks:
            claims[np.unique(track.measurements)] += 1
    by_hit = np.empty_like(labels)
    by_hit[measurements.hit] = labels
    return by_hit, float((claims > 1).sum() / max(1, (claims > 0).sum()))


def stages_between(times: list[tuple[str, float]]) -> tuple[StageRecord, ...]:
    """The seconds between ticks, added up by stage."""
    seconds: dict[str, float] = {}
    for (_, before), (name, after) in pairwise(times):
        seconds[name] = seconds.get(name, 0.0) + after - before
    return tuple(StageRecord(name, value) for name, value in seconds.items())
