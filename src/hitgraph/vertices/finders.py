"""The ways to find vertices, by name. All say where on the beam line vertices are; tracks are
attached by one rule."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hitgraph.acts.geometry import require_acts
from hitgraph.event.fits import FittedTracks
from hitgraph.event.vertices import Vertices
from hitgraph.vertices.attach import attached, fitted
from hitgraph.vertices.imaging import imaged
from hitgraph.vertices.stacking import stacked
from hitgraph.vertices.tracks import BeamTracks, TrackCuts, beam_tracks

# z in mm of the vertices of one event, or of places where to look for one
Seeder = Callable[[BeamTracks], NDArray[np.float64]]


@dataclass(frozen=True)
class Finder:
    """A way to find vertices."""

    method: str  # for people, and in the files
    seed: Seeder
    final: bool = False  # the places are those of vertices, else the tracks move them

    def __call__(self, fits: FittedTracks, cuts: TrackCuts) -> Vertices:
        """The vertices of one event, of the fitted tracks that pass the cuts."""
        tracks = beam_tracks(fits, cuts)
        if not len(tracks):
            return attached(tracks, np.empty(0))
        return (attached if self.final else fitted)(tracks, self.seed(tracks))


def finder_of(name: str) -> Finder:
    """The finder of that name. Raises MissingExtraError where it needs ACTS and there is none."""
    if name in ("amvf", "iterative"):
        require_acts(f"the vertex finder {name}")
        from hitgraph.vertices.amvf import adaptive_multi_vertices, iterative_vertices

        seed = adaptive_multi_vertices if name == "amvf" else iterative_vertices
        return Finder(name, seed, final=True)
    return Finder(name, {"stacking": stacked, "imaging": imaged}[name])
