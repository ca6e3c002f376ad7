"""How many tracks come from each place on the beam line."""

import numpy as np
from numpy.typing import NDArray

from hitgraph.tracks.vertices.beam import BeamTracks

Float64 = NDArray[np.float64]

STEP = 0.05  # mm
REACH = 4.0  # errors, beyond which a track adds nothing
MARGIN = 1.0  # mm, on either side of all tracks
MAX_Z = 1000.0  # mm


def track_density(tracks: BeamTracks) -> tuple[Float64, Float64]:
    """z in mm, and how many tracks there are per mm: a Gaussian for each, as wide as its error."""
    near = np.abs(tracks.z0) < MAX_Z
    z0, error = tracks.z0[near], np.maximum(tracks.error[near], STEP)
    if not len(z0):
        return np.empty(0), np.empty(0)
    reach = REACH * error
    place = np.arange((z0 - reach).min() - MARGIN, (z0 + reach).max() + MARGIN, STEP)
    density = np.zeros(len(place))
    first = np.searchsorted(place, z0 - reach)
    end = np.searchsorted(place, z0 + reach)
    for centre, width, low, high in zip(z0, error, first, end, strict=True):
        pull = (place[low:high] - centre) / width
        density[low:high] += np.exp(-0.5 * pull**2) / (np.sqrt(2 * np.pi) * width)
    return place, density
