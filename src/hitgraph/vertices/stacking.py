"""Seeds of vertices where the z0 of tracks pile up."""

import numpy as np
from numpy.typing import NDArray

from hitgraph.tracks.vertices.beam import BeamTracks
from hitgraph.tracks.vertices.density import track_density

Float64 = NDArray[np.float64]


def stacked(tracks: BeamTracks) -> Float64:
    """(n_seeds,) mm: the local maxima of the sum of a Gaussian for each track.

    Each has the width of the track's error and the height of its density, so that one well measured
    track outweighs many vague ones (the Gaussian track density of ACTS is the same sum).
    """
    place, density = track_density(tracks)
    return place[peaks(density)]


def peaks(density: Float64) -> NDArray[np.int64]:
    """Rows of the local maxima of a smooth function, but those at its ends."""
    rises = np.diff(density) > 0
    return np.flatnonzero(rises[:-1] & ~rises[1:]) + 1
