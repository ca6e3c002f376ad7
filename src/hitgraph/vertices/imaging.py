"""Seeds of vertices from an image of the beam line, made of tracks as medical scanners do it."""

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.perigee import PARAMETERS
from hitgraph.tracks.vertices.beam import BeamTracks
from hitgraph.tracks.vertices.density import MARGIN, MAX_Z
from hitgraph.vertices.stacking import peaks

Float64 = NDArray[np.float64]

PIXEL = 0.1  # mm, along z and across
HALF_WIDTH = 1.6  # mm, of the image across the beam
BLUR = 0.15  # mm, of the image after the filter

_D0, _THETA = PARAMETERS.index("d0"), PARAMETERS.index("theta")


def imaged(tracks: BeamTracks) -> Float64:
    """(n_seeds,) mm: the local maxima along the beam line of a filtered back-projection.

    Every track is drawn as a straight line into an image, z by the distance along the track's own
    azimuth from the beam line, and a ramp filter in Fourier space sharpens it: where lines of many
    slopes cross a point stays, and their long tails go. A line counts by the inverse of the error
    of its z0, and less where it misses the beam line. After S. Hageboeck, E. von Toerne, Medical
    imaging inspired vertex reconstruction at LHC, J. Phys. Conf. Ser. 396 (2012) 022021, whose
    image has all three dimensions.
    """
    image, start = _drawn(tracks)
    if not image.size:
        return np.empty(0)
    on_beam_line = _filtered(image)[:, image.shape[1] // 2]
    rows = peaks(on_beam_line)
    return np.asarray(start + PIXEL * (rows[on_beam_line[rows] > 0] + 0.5), np.float64)


def _drawn(tracks: BeamTracks) -> tuple[Float64, float]:
    """The image (n_z, n_across), and z in mm at its lower edge."""
    near = np.abs(tracks.z0) < MAX_Z
    if not near.any():
        return np.empty((0, 0)), 0.0
    z0, d0 = tracks.z0[near], tracks.parameters[near, _D0]
    slope = 1 / np.tan(tracks.parameters[near, _THETA])
    weight = np.exp(-0.5 * (d0 / HALF_WIDTH) ** 2) / tracks.error[near]
    across = np.arange(-HALF_WIDTH, HALF_WIDTH + PIXEL / 2, PIXEL)
    start = float(z0.min()) - MARGIN
    n_z = int((float(z0.max()) + MARGIN - start) / PIXEL) + 1
    image = np.zeros((n_z, len(across)))
    for column, distance in enumerate(across):
        row = ((z0 + slope * distance - start) / PIXEL).astype(np.int64)
        inside = (row >= 0) & (row < n_z)
        image[:, column] = np.bincount(row[inside], weight[inside], n_z)
    return image, start


def _filtered(image: Float64) -> Float64:
    """The image times |k| exp(-(BLUR k)^2 / 2) in Fourier space."""
    k_z = 2 * np.pi * np.fft.fftfreq(image.shape[0], PIXEL)
    k_across = 2 * np.pi * np.fft.rfftfreq(image.shape[1], PIXEL)
    k = np.hypot(k_z[:, None], k_across)
    spectrum = np.fft.rfft2(image) * k * np.exp(-0.5 * (BLUR * k) ** 2)
    filtered: Float64 = np.fft.irfft2(spectrum, s=image.shape)
    return filtered
