"""The vertex finders of ACTS on our tracks (extra `sim`)."""

import csv
import tempfile
from pathlib import Path
from typing import Any

import acts
import numpy as np
from acts import examples
from numpy.typing import NDArray

from hitgraph.acts.algorithms import QUIET, SILENT, new_sequencer, run_sequencer
from hitgraph.event.perigee import PARAMETERS
from hitgraph.tracks.vertices.beam import BeamTracks

Float64 = NDArray[np.float64]

TRACKS, VERTICES = "track_parameters", "vertices"
MIN_PT = 0.5  # GeV; with softer tracks it is slower, and fits fail more often
HIGHER_PT = (0.7, 1.0)  # GeV, where a fit has failed
CHOICES = {
    "maxMergeVertexSignificance": 3.0,
    "tracksMaxSignificance": 5.0,
    "tracksMaxZinterval": 0.5,
}


def adaptive_multi_vertices(tracks: BeamTracks) -> Float64:
    """(n,) mm: z of the vertices of the adaptive multi-vertex finder, seeded by its Gaussian track
    density; z interval 0.5 mm, significance 5, merge significance 3."""
    return _found(
        tracks,
        examples.AdaptiveMultiVertexFinderAlgorithm,
        MIN_PT,
        seedFinder=examples.VertexSeedFinder.GaussianSeeder,
        **CHOICES,
    )


def iterative_vertices(tracks: BeamTracks) -> Float64:
    """(n,) mm: z of the vertices of the iterative finder, one after the other.

    It gives none at all where one of its fits fails (ACTS issue 3120), and is then asked again
    without the softest tracks, with which that happens most.
    """
    found = np.empty(0)
    for min_pt in (MIN_PT, *HIGHER_PT):
        found = _found(tracks, examples.IterativeVertexFinderAlgorithm, min_pt)
        if len(found):
            break
    return found


def _found(tracks: BeamTracks, algorithm: Any, min_pt: float, **choices: Any) -> Float64:
    """Python cannot give ACTS a covariance nor read its vertices (pyacts 48.1), so that both pass
    through its CSV files; which tracks a vertex has does not stand in there."""
    hard = tracks.pt > min_pt
    if not hard.any():
        return np.empty(0)
    tesla = float(np.median(tracks.field)) * acts.UnitConstants.T
    sequencer = new_sequencer()
    with tempfile.TemporaryDirectory() as folder:
        _write(tracks, hard, Path(folder) / f"event000000000-{TRACKS}.csv")
        sequencer.addReader(
            examples.CsvTrackParameterReader(
                level=QUIET,
                inputDir=folder,
                inputStem=TRACKS,
                outputTrackParameters=TRACKS,
                beamspot=[0, 0, 0],
            )
        )
        sequencer.addAlgorithm(
            algorithm(
                level=SILENT,
                inputTrackParameters=TRACKS,
                outputProtoVertices="proto_vertices",
                outputVertices=VERTICES,
                bField=acts.ConstantBField(acts.Vector3(0, 0, tesla)),
                **choices,
            )
        )
        sequencer.addWriter(
            examples.CsvVertexWriter(
                level=QUIET, inputVertices=VERTICES, outputDir=folder, outputStem=VERTICES
            )
        )
        run_sequencer(sequencer, "vertices")
        with (Path(folder) / f"event000000000-{VERTICES}.csv").open(encoding="utf-8") as file:
            return np.array([float(row["z"]) for row in csv.DictReader(file)])


def _write(tracks: BeamTracks, chosen: NDArray[np.bool_], path: Path) -> None:
    pairs = [(i, j) for i in range(len(PARAMETERS)) for j in range(len(PARAMETERS)) if i != j]
    names = [
        "trackId",
        *PARAMETERS,
        *(f"var_{name}" for name in PARAMETERS),
        *(f"cov_{PARAMETERS[i]}{PARAMETERS[j]}" for i, j in pairs),
    ]
    variance = np.einsum("nii->ni", tracks.covariance)
    mixed = np.stack([tracks.covariance[:, i, j] for i, j in pairs], axis=1)
    numbers = np.hstack([tracks.parameters, variance, mixed])[chosen]
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(names) + "\n")
        for row, values in enumerate(numbers.tolist()):
            file.write(",".join([str(row), *map(repr, values)]) + "\n")
