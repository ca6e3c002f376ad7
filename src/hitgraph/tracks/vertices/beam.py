"""The tracks that vertices are found from: those that pass near the beam line."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import SettingsError
from hitgraph.event.fits import FittedTracks
from hitgraph.event.perigee import PARAMETERS

Float64 = NDArray[np.float64]

_D0, _Z0, _THETA, _QOP = (PARAMETERS.index(name) for name in ("d0", "z0", "theta", "qop"))


@dataclass(frozen=True)
class TrackCuts:
    """Which tracks may be attached to a vertex."""

    beam_size: float = 0.015  # mm, standard deviation of collisions in x and in y
    max_d0_pull: float = 4.0  # |d0| over its error and the size of the beam
    max_z0_error: float = 5.0  # mm; worse tracks tell nothing of a vertex

    def __post_init__(self) -> None:
        for name in ("beam_size", "max_d0_pull", "max_z0_error"):
            if not 0 < getattr(self, name) < np.inf:
                raise SettingsError(f"{name}: {getattr(self, name):g} is not above 0")


@dataclass(frozen=True, eq=False)
class BeamTracks:
    """Tracks of one event that pass `TrackCuts`."""

    track_id: NDArray[np.int64]  # (n_tracks,) rising
    z0: Float64  # (n_tracks,) mm
    error: Float64  # (n_tracks,) mm, of z0 as that of a collision: the beam's size is in it
    pt: Float64  # (n_tracks,) GeV
    parameters: Float64  # (n_tracks, 5), columns PARAMETERS
    covariance: Float64  # (n_tracks, 5, 5)
    field: Float64  # (n_tracks,) Tesla along z at the beam line

    def __len__(self) -> int:
        return len(self.track_id)


def beam_tracks(fits: FittedTracks, cuts: TrackCuts) -> BeamTracks:
    """The tracks of an event that pass the cuts, by rising track_id.

    A collision lies off the beam line by the size of the beam, which moves z0 along the track by
    as much times cot(theta).
    """
    variance = np.einsum("nii->ni", fits.covariance)
    theta = fits.parameters[:, _THETA]
    shift = cuts.beam_size / np.tan(theta)
    with np.errstate(invalid="ignore"):
        d0_error = np.sqrt(variance[:, _D0] + cuts.beam_size**2)
        error = np.sqrt(variance[:, _Z0] + shift**2)
        good = (error > 0) & (error <= cuts.max_z0_error)
        good &= np.abs(fits.parameters[:, _D0]) <= cuts.max_d0_pull * d0_error
    rows = np.flatnonzero(good)
    rows = rows[np.argsort(fits.track_id[rows], kind="stable")]
    return BeamTracks(
        track_id=fits.track_id[rows],
        z0=fits.parameters[rows, _Z0],
        error=error[rows],
        pt=np.abs(np.sin(theta[rows]) / fits.parameters[rows, _QOP]),
        parameters=fits.parameters[rows],
        covariance=fits.covariance[rows],
        field=fits.field[rows],
    )
