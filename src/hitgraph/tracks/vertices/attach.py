"""Tracks and vertices: which track belongs to which, and where a vertex lies by its tracks."""

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.vertices import Vertices
from hitgraph.tracks.vertices.beam import BeamTracks

Float64 = NDArray[np.float64]

ROUNDS = 15
MAX_PULL = 3.5  # a track is attached to no vertex from which its z0 is farther, in errors
MIN_TRACKS = 2
SAME = 3.0  # errors, within which two vertices are one
OUTLIERS = 1e-3  # tracks per mm of no vertex


def fitted(tracks: BeamTracks, seeds: Float64) -> Vertices:
    """Vertices that begin at `seeds` (n,) mm and move to where their tracks say.

    The tracks' z0 are a mixture: each vertex a Gaussian about its z with the error of the track,
    as high as it has tracks, over a flat density of outliers. Expectation and maximisation in turn
    weigh the tracks and move the vertices, as an adaptive fit does at its lowest temperature (CMS
    NOTE 2007/008). A vertex of fewer than two tracks, and the smaller of two that cannot be told
    apart, goes.
    """
    z, size = np.sort(seeds), np.ones(len(seeds))
    while True:
        for _ in range(ROUNDS):
            weight = _shares(tracks, z, size)
            size = weight.sum(axis=0)
            weight /= tracks.error[:, None] ** 2
            total = weight.sum(axis=0)
            z = np.where(total > 0, weight.T @ tracks.z0, z) / np.where(total > 0, total, 1)
        found = _settled(tracks, z, size)
        drop = _beside_larger(found)
        if not drop.any():
            return found
        z, size = found.z[~drop], found.n_tracks[~drop].astype(np.float64)


def _settled(tracks: BeamTracks, z: Float64, size: Float64) -> Vertices:
    """Each track at its most probable vertex, and no vertex of fewer than two tracks.

    The error of a vertex is that of the mean of its tracks.
    """
    while True:
        order = np.argsort(z, kind="stable")
        z, size = z[order], size[order]
        vertex = _most_probable(tracks, z, size)
        counts = np.bincount(vertex[vertex >= 0], minlength=len(z))
        enough = counts >= MIN_TRACKS
        if enough.all():
            break
        z, size = z[enough], size[enough]
    on = np.flatnonzero(vertex >= 0)
    vertex = vertex[on]
    weight, sum_pt2 = np.zeros(len(z)), np.zeros(len(z))
    np.add.at(weight, vertex, tracks.error[on] ** -2)
    np.add.at(sum_pt2, vertex, tracks.pt[on] ** 2)
    return Vertices(
        z=z,
        z_error=1 / np.sqrt(weight),
        n_tracks=counts.astype(np.int64),
        sum_pt2=sum_pt2,
        track_id=tracks.track_id[on],
        vertex=vertex,
    )


def _most_probable(tracks: BeamTracks, z: Float64, size: Float64) -> NDArray[np.int64]:
    """(n_tracks,) row of the vertex, -1 for none."""
    if not len(z):
        return np.full(len(tracks), -1, np.int64)
    share = _shares(tracks, z, size)
    far = np.abs(tracks.z0[:, None] - z) > MAX_PULL * tracks.error[:, None]
    share[far] = 0
    return np.where(share.max(axis=1) > 0, share.argmax(axis=1), -1).astype(np.int64)


def _beside_larger(vertices: Vertices) -> NDArray[np.bool_]:
    """(n_vertices,) whether the next vertex on either side has as many tracks or more and cannot be
    told from this one by their errors."""
    near = np.diff(vertices.z) < SAME * np.hypot(vertices.z_error[1:], vertices.z_error[:-1])
    fewer = np.diff(vertices.n_tracks) > 0
    drop = np.zeros(len(vertices), np.bool_)
    drop[:-1] |= near & fewer
    drop[1:] |= near & ~fewer
    return drop


def _shares(tracks: BeamTracks, z: Float64, size: Float64) -> Float64:
    """(n_tracks, n_vertices) how probably each track is of each vertex."""
    pull = (tracks.z0[:, None] - z) / tracks.error[:, None]
    density = size * np.exp(-0.5 * pull**2) / (np.sqrt(2 * np.pi) * tracks.error[:, None])
    share: Float64 = density / (density.sum(axis=1, keepdims=True) + OUTLIERS)
    return share
