"""Primary vertices as a stage behind the fit of tracks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hitgraph.errors import InputError, SettingsError
from hitgraph.event.vertices import Vertices
from hitgraph.lessons.losses import mean_of_known
from hitgraph.lessons.material import Material, Read
from hitgraph.lessons.settings import (
    TrainingSettings,
    check_at_least,
    refuse_graph_settings,
    refuse_trackml_weights,
)
from hitgraph.lessons.workshop import Workshop
from hitgraph.settings import choice
from hitgraph.stage import STAGES, Context, StageSettings, class_of
from hitgraph.state import LABELS, State
from hitgraph.tensors import SHARE, build_network, learnt_tensors, load_learnt
from hitgraph.tracks.contraction import ContractionSettings
from hitgraph.tracks.parameters.stage import (
    CHI2,
    COVARIANCE,
    FIELD,
    NDF,
    PARAMETERS,
    fitted_tracks,
)
from hitgraph.tracks.stage import CUTS, TrackSettings, with_score_cut
from hitgraph.tracks.vertices.attach import fitted
from hitgraph.tracks.vertices.beam import BeamTracks, TrackCuts, beam_tracks
from hitgraph.tracks.vertices.similarity import (
    Similarity,
    SimilaritySettings,
    SimilarTracks,
)

VERTEX, Z, Z_ERROR = (f"track.{name}" for name in ("vertex", "vertex_z", "vertex_z_error"))


@dataclass(frozen=True)
class VertexSettings(StageSettings):
    """Tracks grouped into primary vertices: a Siamese network judges pairs, a labeller cuts."""

    network: SimilaritySettings = field(default_factory=SimilaritySettings)  # sizes
    labeller: TrackSettings = field(  # a track builder, whose edges are here pairs of tracks
        default_factory=lambda: ContractionSettings(min_hits=2, max_hits=1000),
        metadata=choice(STAGES),
    )
    training: TrainingSettings = field(default_factory=TrainingSettings)  # of the network
    pairs_per_event: int = 100_000  # that teach in an epoch, at most
    beam_size: float = 0.015  # mm, standard deviation of the collisions across the beam

    needs: ClassVar[frozenset[str]] = frozenset({LABELS, PARAMETERS, COVARIANCE, CHI2, NDF, FIELD})
    gives: ClassVar[frozenset[str]] = frozenset({VERTEX, Z, Z_ERROR})

    def __post_init__(self) -> None:
        refuse_graph_settings(self.training)
        refuse_trackml_weights(self.training)
        check_at_least(self, pairs_per_event=1)
        TrackCuts(beam_size=self.beam_size)
        if not isinstance(self.labeller, TrackSettings):
            raise SettingsError(
                f"labeller.use: {class_of(self.labeller)} builds no tracks from scored edges; "
                "contraction, components and dbscan do"
            )

    def build(self) -> Similarity:
        """The untrained network."""
        return Similarity(self.network)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "VertexStage":
        network, (cut,) = load_learnt(
            self.build, tensors, context.device, self.network, score_cut=SHARE
        )
        return self._stage(network, cut)

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "VertexStage":
        from hitgraph.tracks.vertices.lesson import Pairs, SimilarityLesson

        def prepared(kind: str, events: Sequence[Read]) -> list[Pairs]:
            found = [
                workshop.cached(f"{kind}-{k}", partial(self._pairs, read, workshop))()
                for k, read in enumerate(events)
            ]
            some = [pairs for pairs in found if len(pairs["same"])]
            if not any(bool(pairs["same"].any()) for pairs in some):
                raise InputError(
                    f"the {kind} events have no two fitted tracks of one collision, from which "
                    "vertices could be learnt: take more events, or a pipeline that finds tracks"
                )
            return some

        train, check = (
            prepared("training", material.train),
            prepared("validation", material.validation),
        )
        network = build_network(self.build, self.network)
        network.of_tracks.learn(torch.cat([pairs["tracks"] for pairs in train]))
        network.of_pairs.learn(torch.cat([pairs["columns"] for pairs in train]))
        lesson = SimilarityLesson(workshop.seed, train, check, self.pairs_per_event)
        merit = workshop.fit(network, lesson, self.training)
        cut, best = self._best_cut(network, material, workshop)
        workshop.record({**merit, "score_cut": cut, "share_found": best})
        return self._stage(network.to(context.device), cut)

    def _stage(self, network: Similarity, cut: float) -> "VertexStage":
        seeder = SimilarTracks(network, with_score_cut(self.labeller, cut))
        return VertexStage(seeder, TrackCuts(beam_size=self.beam_size))

    def _pairs(self, read: Read, workshop: Workshop) -> dict[str, Tensor]:
        from hitgraph.tracks.vertices.lesson import pairs_to_teach

        sample, state = read()
        assert state.labels is not None
        tracks = beam_tracks(fitted_tracks(state), TrackCuts(beam_size=self.beam_size))
        return pairs_to_teach(tracks, workshop.majority(sample, state.labels))

    def _best_cut(
        self, network: Similarity, material: Material, workshop: Workshop
    ) -> tuple[float, float]:
        """The cut of the labeller with which most is found in the validation events, and that."""
        from hitgraph.tracks.vertices.lesson import share_found

        workshop.report("choosing the score cut of the labeller")
        cuts = sorted({self.labeller.score_cut, *CUTS})
        shares: dict[float, list[float]] = {cut: [] for cut in cuts}
        for read in material.validation:
            sample, state = read()
            assert state.labels is not None
            majority = workshop.majority(sample, state.labels).numpy()
            tracks = beam_tracks(fitted_tracks(state), TrackCuts(beam_size=self.beam_size))
            if not len(tracks):
                continue
            pairs, scores = self._stage(network, 0.5).seeder.scored_pairs(tracks)
            for cut, found in shares.items():
                vertices = fitted(
                    tracks, self._stage(network, cut).seeder.seeds(tracks, pairs, scores)
                )
                vertex = np.full(len(majority), -1)
                vertex[vertices.track_id] = vertices.vertex
                found.append(share_found(vertex, majority))
        means = {cut: mean_of_known(found) or 0.0 for cut, found in shares.items()}
        best = max(means, key=lambda cut: means[cut])
        return best, means[best]


@dataclass(frozen=True, eq=False)
class VertexStage:
    """Ready to run."""

    seeder: SimilarTracks
    cuts: TrackCuts

    def __call__(self, state: State) -> State:
        """With the vertex of each track, from 0 by rising z, -1 = none, and in mm z of that vertex
        and its error, 0 where there is none."""
        fits = fitted_tracks(state)
        vertices = self.vertices(beam_tracks(fits, self.cuts))
        n = state.n_tracks
        vertex = np.full(n, -1)
        z, error = np.zeros((2, n))
        vertex[vertices.track_id] = vertices.vertex
        z[vertices.track_id] = vertices.z[vertices.vertex]
        error[vertices.track_id] = vertices.z_error[vertices.vertex]
        columns = {"vertex": vertex, "vertex_z": z, "vertex_z_error": error}
        own = {name: torch.from_numpy(one).to(state.device) for name, one in columns.items()}
        return replace(state, track={**state.track, **own})

    def vertices(self, tracks: BeamTracks) -> Vertices:
        """Of the tracks near the beam line of one event."""
        return fitted(tracks, self.seeder(tracks) if len(tracks) else np.empty(0))

    def tensors(self) -> dict[str, Tensor]:
        return learnt_tensors(self.seeder.network, score_cut=self.seeder.labeller.score_cut)


def found_vertices(state: State, track_id: NDArray[np.int64]) -> Vertices:
    """The vertices that a stage has found, as files hold them; track_id (n_tracks,) is rising."""
    names = ("vertex", "vertex_z", "vertex_z_error", "parameters")
    vertex, z, error, parameters = (state.track[name].cpu().numpy() for name in names)
    on = np.flatnonzero(vertex >= 0)
    vertex, parameters = vertex[on], parameters[on]
    pt = np.abs(np.sin(parameters[:, 3]) / parameters[:, 4])
    _, first = np.unique(vertex, return_index=True)
    return Vertices(
        z=z[on][first],
        z_error=error[on][first],
        n_tracks=np.bincount(vertex),
        sum_pt2=np.bincount(vertex, pt**2).astype(np.float64),
        track_id=track_id[on],
        vertex=vertex,
    )
