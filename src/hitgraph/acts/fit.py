"""Tracks through the Kalman filter of ACTS: parameters at the beam line, with covariances."""

from typing import Any

import acts
import numpy as np
from acts import examples
from numpy.typing import NDArray

from hitgraph.acts.algorithms import (
    MEASUREMENTS,
    PROTO_TRACKS,
    QUIET,
    SILENT,
    SUBSET,
    ProtoTrackFeeder,
    TrackReader,
    add_measurements,
    first_measurements,
    new_sequencer,
    run_sequencer,
)
from hitgraph.acts.geometry import generic_geometry
from hitgraph.acts.measurements import measurements_of
from hitgraph.event.event import Event
from hitgraph.event.field import MagneticField
from hitgraph.event.fits import FittedTracks, field_at_beam_line
from hitgraph.event.perigee import PARAMETERS

FITTED = "fitted_tracks"

_MM, _NS, _GEV = acts.UnitConstants.mm, acts.UnitConstants.ns, acts.UnitConstants.GeV
# Errors of the start values: loc0, loc1, phi, theta, q/p, time. They must be so large that the
# filter forgets the start, which is made of the track's own hits.
START_ERRORS = [1 * _MM, 1 * _MM, 0.02, 0.02, 0.0 / _GEV, 1 * _NS]
START_QOVERPT = 0.1 / _GEV  # of q/pT
START_INFLATION = 100.0
BOUND = 6  # bound parameters of ACTS, time is the last
# loc0, loc1, phi, theta and q/p stand first in ACTS's bound parameters, in this order
_N = len(PARAMETERS)


def add_kalman_fit(
    sequencer: Any,
    tracking_geometry: Any,
    field: Any,
    proto_tracks: str = PROTO_TRACKS,
    output_tracks: str = FITTED,
    measurements: str = MEASUREMENTS,
    measurement_subset: str = SUBSET,
) -> None:
    """Add what turns proto tracks into fitted tracks: start values from all of their space
    points, then the Kalman filter with scattering and energy loss of a pion.

    The strings are keys of the white board; `output_tracks` is made. Tracks of fewer than three
    hits, or whose fit fails, are left out.
    """
    spacepoints, seeds, seeded, starts, estimated = (
        f"{output_tracks}_{what}"
        for what in ("spacepoints", "seeds", "seeded", "starts", "estimated")
    )
    sequencer.addAlgorithm(
        examples.SpacePointMaker(
            level=QUIET,
            inputMeasurements=measurement_subset,
            outputSpacePoints=spacepoints,
            trackingGeometry=tracking_geometry,
            geometrySelection=[acts.GeometryIdentifier()],
        )
    )
    sequencer.addAlgorithm(
        examples.ProtoTracksToSeeds(
            level=SILENT,
            inputProtoTracks=proto_tracks,
            inputSpacePoints=spacepoints,
            outputProtoTracks=seeded,
            outputSeeds=seeds,
        )
    )
    sequencer.addAlgorithm(
        examples.TrackParamsEstimationAlgorithm(
            level=SILENT,
            inputSeeds=seeds,
            inputProtoTracks=seeded,
            outputProtoTracks=estimated,
            outputTrackParameters=starts,
            trackingGeometry=tracking_geometry,
            magneticField=field,
            spacePointSelection=examples.SeedSpacePointSelection.All,
            initialSigmas=START_ERRORS,
            initialSigmaQoverPt=START_QOVERPT,
            initialVarInflation=[START_INFLATION] * len(START_ERRORS),
        )
    )
    fit = examples.makeKalmanFitterFunction(
        tracking_geometry,
        field,
        multipleScattering=True,
        energyLoss=True,
        reverseFilteringMomThreshold=0.0,
        reverseFilteringCovarianceScaling=100.0,
        freeToBoundCorrection=examples.FreeToBoundCorrection(False),
        chi2Cut=float("inf"),
        useJosephFormulation=False,
        level=SILENT,
    )
    sequencer.addAlgorithm(
        examples.TrackFittingAlgorithm(
            level=SILENT,
            inputMeasurements=measurements,
            inputProtoTracks=estimated,
            inputInitialTrackParameters=starts,
            outputTracks=output_tracks,
            fit=fit,
            calibrator=examples.makePassThroughCalibrator(),
            referenceSurface=acts.Surface.createPerigee(acts.Vector3(0, 0, 0)),
        )
    )


def fit_tracks(
    event: Event, labels: NDArray[np.int64], field: MagneticField | None = None
) -> FittedTracks:
    """Fit the tracks of an event; `labels` (n_hits,) is the track of each hit, below 0 for none.

    track_id is the label. The field is the event's own where none is given. Raises InputError
    where the hits do not lie in the generic detector of ACTS.
    """
    field = event.likely_field if field is None else field
    geometry = generic_geometry(field)
    measurements = measurements_of(event, geometry)
    mine = labels[measurements.hit]
    tracks = _tracks(mine)
    fitted: list[FittedTracks] = []
    sequencer = new_sequencer()
    add_measurements(sequencer, measurements)
    sequencer.addAlgorithm(ProtoTrackFeeder(tracks))
    add_kalman_fit(sequencer, geometry.tracking, geometry.field)
    sequencer.addAlgorithm(
        TrackReader(FITTED, lambda found: fitted.append(_table(found, mine, field)))
    )
    run_sequencer(sequencer, event.name)
    return fitted[0]


def _tracks(labels: NDArray[np.int64]) -> list[list[int]]:
    """Measurement indices of each track of at least three measurements, by rising label."""
    order = np.argsort(labels, kind="stable")
    order = order[labels[order] >= 0]
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    return [part.tolist() for part in np.split(order, starts[1:]) if len(part) >= 3]


def _table(container: Any, labels: NDArray[np.int64], field: MagneticField) -> FittedTracks:
    """The fitted tracks of an ACTS container, by the label of one of their measurements."""
    count = len(container)
    track_id = labels[first_measurements(container)]
    order = np.argsort(track_id, kind="stable")
    parameters = np.array(container.parameters, np.float64).reshape(count, BOUND)
    covariance = np.array(container.covariance, np.float64).reshape(count, BOUND, BOUND)
    covariance = 0.5 * (covariance + covariance.transpose(0, 2, 1))  # rounding leaves it uneven
    chi2 = np.array(container.chi2, np.float64)
    finite = np.isfinite(chi2) & np.isfinite(parameters).all(axis=1)
    finite &= np.isfinite(covariance).all(axis=(1, 2))
    good = order[finite[order]]
    return FittedTracks(
        track_id=track_id[good],
        n_measurements=np.array(container.nMeasurements, np.int64)[good],
        chi2=chi2[good],
        ndf=np.array(container.ndf, np.int64)[good],
        field=field_at_beam_line(field, parameters[good]),
        parameters=parameters[good][:, :_N],
        covariance=covariance[good][:, :_N, :_N],
    )
