"""Joining as a stage: tracks that are parts of one particle become one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from hitgraph.hits.density import hit_density, logit_shift
from hitgraph.lessons.material import Material, Read
from hitgraph.lessons.settings import (
    TrainingSettings,
    refuse_graph_settings,
    refuse_teacher,
    refuse_trackml_weights,
)
from hitgraph.lessons.workshop import Workshop
from hitgraph.stage import Context, StageSettings
from hitgraph.state import HITS, LABELS, State
from hitgraph.tensors import NOT_NEGATIVE, SHARE, build_network, learnt_tensors, load_learnt
from hitgraph.tracks.join import JoinNetwork, JoinSettings, join_tracks
from hitgraph.tracks.parts import part_pairs
from hitgraph.tracks.stage import best_of

if TYPE_CHECKING:
    from hitgraph.tracks.join.lesson import TaughtPairs

JOIN_CUTS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998)


@dataclass(frozen=True)
class JoinStageSettings(StageSettings):
    """Tracks that are parts of one particle joined, told by a small network."""

    network: JoinSettings = field(default_factory=JoinSettings)  # and what is done with its scores
    training: TrainingSettings = field(default_factory=TrainingSettings)  # of the network

    needs: ClassVar[frozenset[str]] = frozenset({HITS, LABELS})
    gives: ClassVar[frozenset[str]] = frozenset({LABELS})

    def __post_init__(self) -> None:
        refuse_graph_settings(self.training)
        refuse_teacher(self.training)
        refuse_trackml_weights(self.training)

    def build(self) -> JoinNetwork:
        """The untrained network."""
        return JoinNetwork(self.network)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "JoinStage":
        network, (cut, density) = load_learnt(
            self.build, tensors, context.device, self.network, score_cut=SHARE, density=NOT_NEGATIVE
        )
        return JoinStage(context, replace(self.network, score_cut=cut), network, density)

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "JoinStage":
        from hitgraph.tracks.join.lesson import JoinLesson, load_pairs

        n_layers = context.detector.n_layers
        found = [float(hit_density(read().sample.hits, n_layers)) for read in material.train]
        density = sum(found) / len(found)

        def prepared(kind: str, events: Sequence[Read]) -> "TaughtPairs":
            return load_pairs(
                [
                    workshop.cached(
                        f"{kind}-{k}", partial(self.pairs, read, workshop, context, density)
                    )
                    for k, read in enumerate(events)
                ]
            )

        network = build_network(self.build, self.network)
        pairs = prepared("train", material.train)
        check = prepared("validation", material.validation)
        if not pairs.is_true.any() or not len(check.is_true):
            why = (
                "the validation events have no two tracks that could be one: more of them may have"
                if pairs.is_true.any()
                else "no particle has two tracks, there is nothing to join"
            )
            workshop.report(f"join: left out, because {why}")
            workshop.record({"true_pairs": int(pairs.is_true.sum())})
            # No score is above one: nothing will be joined, short tracks are dropped.
            nothing = replace(self.network, score_cut=1.0)
            return JoinStage(context, nothing, network.eval(), density)
        network.standardise.learn(pairs.features)
        lesson = JoinLesson(self.network.score_cut, workshop.seed, pairs, check)
        merit = workshop.fit(network, lesson, self.training)
        workshop.report("choosing the score cut of the joining")
        choices = {
            cut: JoinStage(context, replace(self.network, score_cut=cut), network, density)
            for cut in sorted({self.network.score_cut, *JOIN_CUTS})
        }
        cut, facts = best_of(choices, self.network.score_cut, material, workshop)
        workshop.record({**merit, "score_cut": cut, **facts})
        return choices[cut]

    def pairs(
        self, read: Read, workshop: Workshop, context: Context, density: float
    ) -> dict[str, Tensor]:
        """What the lesson reads of one event."""
        from hitgraph.tracks.join.lesson import are_parts_of_one

        sample, state = read()
        assert state.labels is not None
        pairs = part_pairs(sample.hits, state.labels, self.network.max_hits)
        is_true = are_parts_of_one(
            workshop.majority(sample, state.labels), pairs.inner, pairs.outer
        )
        shift = logit_shift(hit_density(sample.hits, context.detector.n_layers), density).float()
        shifts = shift.expand(len(is_true)).contiguous()
        return {"features": pairs.features, "shift": shifts, "is_true": is_true}


@dataclass(frozen=True, eq=False)
class JoinStage:
    """Ready to run."""

    context: Context
    settings: JoinSettings
    network: JoinNetwork
    density: float  # of hits (hit_density) in the events learnt from, on average

    def __call__(self, state: State) -> State:
        assert state.labels is not None
        settings = self.settings
        backend = self.context.backend
        pairs = part_pairs(state.hits, state.labels, settings.max_hits, backend)
        with self.context.mixed_precision():
            logits = self.network(pairs.features).float()
        n_layers = self.context.detector.n_layers
        shift = logit_shift(hit_density(state.hits, n_layers), self.density)
        scores = torch.sigmoid(logits - shift.float())
        labels = join_tracks(state.hits, state.labels, pairs, scores, settings, backend)
        return state.with_labels(labels)

    def tensors(self) -> dict[str, Tensor]:
        cut = self.settings.score_cut
        return learnt_tensors(self.network, score_cut=cut, density=self.density)
