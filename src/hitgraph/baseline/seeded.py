"""The combinatorial Kalman filter with the seeds of a pipeline in place of its grid seeds."""

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import acts
import numpy as np
import torch
from acts import examples
from numpy.typing import NDArray

from hitgraph.acts.algorithms import (
    PROTO_TRACKS,
    QUIET,
    SILENT,
    SUBSET,
    Clock,
    FoundTrack,
    ProtoTrackFeeder,
    TrackReader,
    add_measurements,
    found_tracks,
    new_sequencer,
    run_sequencer,
)
from hitgraph.acts.geometry import Geometry, generic_geometry
from hitgraph.acts.measurements import measurements_of
from hitgraph.baseline.ckf import CkfResult, add_search, combined_labels, stages_between
from hitgraph.baseline.settings import SEED_CUT, SEEDED, SearchPass
from hitgraph.errors import SettingsError
from hitgraph.event.event import Event
from hitgraph.event.field import MagneticField
from hitgraph.gnn.seeds import innermost_seeds, triplet_seeds
from hitgraph.gnn.triplet_graph import TripletGraphStage
from hitgraph.graph.second_pass import SURE, edges_along
from hitgraph.observe import StageRecord
from hitgraph.pipeline import Pipeline
from hitgraph.state import EDGES, LOGIT, State


@dataclass(frozen=True, eq=False)
class Seeder:
    """The stages of a pipeline up to the last that scores edges, and seeds of what that leaves.

    Where this stage is a triplet graph its triplets are the seeds (arXiv 2007.00149), else two
    edges that follow each other, at the inner end of a track.
    """

    pipeline: Pipeline
    cut: float = SEED_CUT  # on the score of a seed

    def __post_init__(self) -> None:
        if self.last is None:
            raise SettingsError(
                f"--seeds: no stage of the pipeline {self.pipeline.recipe.name} scores edges, of "
                "which seeds could be made: take another, for example compact"
            )

    @property
    def last(self) -> str | None:
        """The stage behind which seeds are made."""
        scoring = [
            step.name
            for step in self.pipeline.recipe.stages
            if {EDGES, LOGIT} <= step.settings.gives
        ]
        return scoring[-1] if scoring else None

    def __call__(self, event: Event) -> NDArray[np.int64]:
        """(n_seeds, 3) hits of each seed, inner to outer, the best ones first."""
        state = self.pipeline.start(event)
        with torch.inference_mode():
            for name, stage in self.pipeline.stages.items():
                if name == self.last and isinstance(stage, TripletGraphStage):
                    triplets = stage.triplets(state)
                    return triplet_seeds(state.graph(), triplets, self.cut).numpy()
                state = stage(state)
                if name == self.last:
                    break
        return self._of_edges(state)

    def _of_edges(self, state: State) -> NDArray[np.int64]:
        """Of the graph, and of the tracks that it leaves out since an earlier pass has them."""
        hits, edges, logits = state.hits, state.graph(), state.edge["logit"]
        if (aside := state.hit.get("first_pass")) is not None:
            along = edges_along(aside, hits)
            edges = torch.cat([edges, along], dim=1)
            logits = torch.cat([logits, logits.new_full((along.shape[1],), SURE)])
        return innermost_seeds(edges, logits, hits.layer, self.cut).cpu().numpy()


@dataclass(frozen=True, eq=False)
class SeededCkf:
    """The chain with its settings; one event at a time, in one pass."""

    seeder: Seeder
    search: SearchPass = SEEDED
    field: MagneticField | None = None  # the event's own where none is given

    def run(self, event: Event) -> CkfResult:
        """As Ckf.run."""
        start = perf_counter()
        seeds = self.seeder(event)
        seconds = perf_counter() - start
        geometry = generic_geometry(event.likely_field if self.field is None else self.field)
        times: list[tuple[str, float]] = []
        tracks: list[list[FoundTrack]] = []
        sequencer = new_sequencer()
        sequencer.addAlgorithm(Clock("start", times))
        measurements = measurements_of(event, geometry)
        place = np.empty(len(measurements), np.int64)
        place[measurements.hit] = np.arange(len(measurements))
        add_measurements(sequencer, measurements)
        sequencer.addAlgorithm(ProtoTrackFeeder(place[seeds].tolist()))
        sequencer.addAlgorithm(Clock("to ACTS", times))
        _add_given_seeds(sequencer, geometry, times)
        add_search(sequencer, self.search, 0, SUBSET, geometry, times)
        sequencer.addAlgorithm(
            TrackReader("tracks0", lambda found: tracks.append(found_tracks(found)))
        )
        sequencer.addAlgorithm(Clock("from ACTS", times))
        run_sequencer(sequencer, event.name)
        labels, shared = combined_labels(tracks, measurements)
        stages = (StageRecord("pipeline", seconds), *stages_between(times))
        return CkfResult(labels, stages, shared)


def open_seeded(pipeline: str, field: MagneticField | None) -> SeededCkf:
    """The chain with the seeds of a shipped pipeline or of a folder."""
    return SeededCkf(Seeder(Pipeline.load(pipeline)), field=field)


def _add_given_seeds(sequencer: Any, geometry: Geometry, times: list[tuple[str, float]]) -> None:
    """Seeds of the proto tracks on the white board."""
    sequencer.addAlgorithm(
        examples.SpacePointMaker(
            level=QUIET,
            inputMeasurements=SUBSET,
            outputSpacePoints="spacepoints0",
            trackingGeometry=geometry.tracking,
            geometrySelection=[acts.GeometryIdentifier()],
        )
    )
    sequencer.addAlgorithm(Clock("space points", times))
    sequencer.addAlgorithm(
        examples.ProtoTracksToSeeds(
            level=SILENT,
            inputProtoTracks=PROTO_TRACKS,
            inputSpacePoints="spacepoints0",
            outputProtoTracks="seeded0",
            outputSeeds="seeds0",
        )
    )
