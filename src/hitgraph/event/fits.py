"""Fitted track parameters of an event: the table, and its file beside the tracks."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.archive import Place
from hitgraph.event.field import MagneticField
from hitgraph.event.modules import made_of
from hitgraph.event.perigee import PARAMETERS
from hitgraph.event.store import write_parquet
from hitgraph.event.tables import read_columns

_PAIRS = [(i, j) for i in range(len(PARAMETERS)) for j in range(i + 1)]
_COVARIANCES = [f"cov_{PARAMETERS[j]}_{PARAMETERS[i]}" for i, j in _PAIRS]

METHOD = "method"  # in the metadata of the file

_OF_TRACKS = ("track_id", "n_measurements", "chi2", "ndf", "field")


@dataclass(frozen=True, eq=False)
class FittedTracks:
    """Tracks whose fit converged, one row a track."""

    track_id: NDArray[np.int64]  # (n_tracks,) as in the file of tracks
    n_measurements: NDArray[np.int64]  # (n_tracks,)
    chi2: NDArray[np.float64]  # (n_tracks,)
    ndf: NDArray[np.int64]  # (n_tracks,)
    field: NDArray[np.float64]  # (n_tracks,) Tesla along z at the beam line, that the fit assumed
    parameters: NDArray[np.float64]  # (n_tracks, 5), columns PARAMETERS
    covariance: NDArray[np.float64]  # (n_tracks, 5, 5)

    def __len__(self) -> int:
        return len(self.track_id)


def field_at_beam_line(
    field: MagneticField, parameters: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(n_tracks,) Tesla along z where tracks with PARAMETERS (n_tracks, 5) pass the beam line."""
    return field.at(0.0, parameters[:, PARAMETERS.index("z0")])[1]


def fits_path(folder: Path, event: str) -> Path:
    """Where the fitted tracks of an event stand: `<event>-fits.parquet`."""
    return folder / f"{event}-fits.parquet"


def write_fits(fits: FittedTracks, path: Path, method: str) -> None:
    """Write one row a track: track_id, n_measurements, chi2, ndf, field, PARAMETERS, and cov_A_B
    for each pair of parameters. `method`, who fitted them, goes into the file's metadata. Raises
    HitgraphError if it cannot be written."""
    write_parquet(
        {name: getattr(fits, name) for name in _OF_TRACKS}
        | {name: fits.parameters[:, k].copy() for k, name in enumerate(PARAMETERS)}
        | {
            name: fits.covariance[:, i, j].copy()
            for name, (i, j) in zip(_COVARIANCES, _PAIRS, strict=True)
        },
        path,
        {METHOD: method},
    )


def method_of(path: Path) -> str:
    """Who made the fits of a file."""
    return str(made_of(Place(path)).get(METHOD, "kalman"))  # older files do not say


def read_fits(path: Path) -> FittedTracks:
    """Read what `write_fits` wrote. Raises InputError naming file and column."""
    whole, real = np.dtype(np.int64), np.dtype(np.float64)
    types = dict.fromkeys(("track_id", "n_measurements", "ndf"), whole)
    columns = read_columns(
        Place(path), types | dict.fromkeys(("chi2", "field", *PARAMETERS, *_COVARIANCES), real)
    )
    covariance = np.empty((len(columns["track_id"]), len(PARAMETERS), len(PARAMETERS)))
    for name, (i, j) in zip(_COVARIANCES, _PAIRS, strict=True):
        covariance[:, i, j] = covariance[:, j, i] = columns[name]
    return FittedTracks(
        **{name: columns[name] for name in _OF_TRACKS},
        parameters=np.stack([columns[name] for name in PARAMETERS], axis=1),
        covariance=covariance,
    )
