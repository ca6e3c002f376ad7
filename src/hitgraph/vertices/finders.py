"""The ways to find vertices, by name. All say where on the beam line vertices are; tracks are
attached by one rule."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hitgraph.acts.geometry import require_acts
from hitgraph.errors import SettingsError
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


def finder_of(name: str, model: Path | None = None) -> Finder:
    """The finder of that name; the learnt one has its network in the file `model`.

    Raises MissingExtraError where it needs ACTS and there is none, SettingsError where a model is
    missing or not needed, InputError where its file is something else.
    """
    if (name == "learnt") != (model is not None):
        raise SettingsError(
            f"--model: names the network of --finder learnt, and goes with no other; it is {name}"
        )
    if model is not None:
        from hitgraph.vertices.similarity import read_similarity

        seeder = read_similarity(model)
        return Finder(f"learnt {sha256(model.read_bytes()).hexdigest()[:12]}", seeder)
    if name in ("amvf", "iterative"):
        require_acts(f"the vertex finder {name}")
        from hitgraph.vertices.amvf import adaptive_multi_vertices, iterative_vertices

        seed = adaptive_multi_vertices if name == "amvf" else iterative_vertices
        return Finder(name, seed, final=True)
    return Finder(name, {"stacking": stacked, "imaging": imaged}[name])
