"""The ways to find vertices, by name. All say where on the beam line to look; from there one rule
shares out the tracks."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hitgraph.acts.geometry import require_acts
from hitgraph.errors import SettingsError
from hitgraph.event.fits import FittedTracks
from hitgraph.event.vertices import Vertices
from hitgraph.fingerprint import fingerprint_of_folder
from hitgraph.pipeline import Pipeline
from hitgraph.pipeline_files import find_pipeline
from hitgraph.tracks.vertices.attach import fitted
from hitgraph.tracks.vertices.beam import BeamTracks, TrackCuts, beam_tracks
from hitgraph.tracks.vertices.stage import VertexStage
from hitgraph.vertices.imaging import imaged
from hitgraph.vertices.stacking import stacked

# z in mm of the places where to look for the vertices of one event
Seeder = Callable[[BeamTracks], NDArray[np.float64]]

LEARNT = "learnt"
OF_ACTS = ("amvf", "iterative")
FINDERS = ("stacking", "imaging", *OF_ACTS, LEARNT)


@dataclass(frozen=True)
class Finder:
    """A way to find vertices."""

    method: str  # for people, and in the files
    seed: Seeder

    def __call__(self, fits: FittedTracks, cuts: TrackCuts) -> Vertices:
        """The vertices of one event, of the fitted tracks that pass the cuts."""
        tracks = beam_tracks(fits, cuts)
        return fitted(tracks, self.seed(tracks) if len(tracks) else np.empty(0))


def finder_of(name: str, pipeline: str | Path | None = None) -> Finder:
    """The finder of that name; the learnt one is the stage `vertices` of a pipeline.

    Raises MissingExtraError where it needs ACTS and there is none, SettingsError where a pipeline
    is missing, not needed or without that stage, InputError where it cannot be read.
    """
    if name == LEARNT and pipeline is None:
        raise SettingsError(
            f"--finder {LEARNT}: needs --pipeline, with a stage that finds vertices: train one "
            "with the recipe `vertices`"
        )
    if name != LEARNT and pipeline is not None:
        raise SettingsError(
            f"--pipeline: goes with --finder {LEARNT} only, the finder is {name}: leave it out, or "
            f"take --finder {LEARNT}"
        )
    if pipeline is not None:
        seeder = learnt_seeder(Pipeline.load(pipeline))
        if seeder is None:
            raise SettingsError(
                f"--pipeline {pipeline}: has no stage that finds vertices: train one with the "
                "recipe `vertices`"
            )
        return Finder(f"{LEARNT} {fingerprint_of_folder(find_pipeline(pipeline))}", seeder)
    if name in OF_ACTS:
        require_acts(f"the vertex finder {name}")
        from hitgraph.acts.vertices import adaptive_multi_vertices, iterative_vertices

        return Finder(name, adaptive_multi_vertices if name == "amvf" else iterative_vertices)
    return Finder(name, {"stacking": stacked, "imaging": imaged}[name])


def learnt_seeder(pipeline: Pipeline) -> Seeder | None:
    """That of the stage `vertices` of a pipeline, None where it has none."""
    for stage in pipeline.stages.values():
        if isinstance(stage, VertexStage):
            return stage.seeder
    return None
