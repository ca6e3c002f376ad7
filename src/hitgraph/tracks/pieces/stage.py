"""Joining of clusters on planes as a stage: pieces of one view become one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from hitgraph.graph.planes import in_plane
from hitgraph.lessons.material import Material, Read
from hitgraph.lessons.settings import (
    TrainingSettings,
    check_above,
    check_at_least,
    refuse_graph_settings,
    refuse_teacher,
    refuse_trackml_weights,
)
from hitgraph.lessons.workshop import Workshop
from hitgraph.stage import Context, StageSettings
from hitgraph.state import EDGES, HITS, LABELS, LOGIT, State
from hitgraph.tensors import SHARE, build_network, learnt_tensors, load_learnt
from hitgraph.tracks import plain
from hitgraph.tracks.checks import check_score
from hitgraph.tracks.contraction import grouped, limited
from hitgraph.tracks.pieces import (
    Clustered,
    PieceNetwork,
    PieceNetworkSettings,
    PiecePairs,
    piece_pairs,
)
from hitgraph.tracks.stage import best_of
from hitgraph.tracks.unionfind import number_sets

if TYPE_CHECKING:
    from hitgraph.tracks.join.lesson import TaughtPairs

CUTS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True)
class PieceSettings(StageSettings):
    """Clusters on planes that are pieces of one view joined, told by a small network."""

    reach: float = 150.0  # mm that the nearest hits of two clusters may lie apart
    network: PieceNetworkSettings = field(default_factory=PieceNetworkSettings)  # sizes
    training: TrainingSettings = field(default_factory=TrainingSettings)  # of the network
    score_cut: float = 0.5  # pairs above it speak for joining, those below against
    min_hits: int = 3  # smaller clusters are dropped, after pieces are joined

    needs: ClassVar[frozenset[str]] = frozenset(
        {HITS, EDGES, LOGIT, LABELS, "hit.charge", "hit.classes"}
    )
    gives: ClassVar[frozenset[str]] = frozenset({LABELS})

    def __post_init__(self) -> None:
        refuse_graph_settings(self.training)
        refuse_teacher(self.training)
        refuse_trackml_weights(self.training)
        check_above(self, reach=0)
        check_at_least(self, min_hits=1)
        check_score("score_cut", self.score_cut)

    def build(self) -> PieceNetwork:
        """The untrained network."""
        return PieceNetwork(self.network)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "PieceStage":
        network, (cut,) = load_learnt(
            self.build, tensors, context.device, self.network, score_cut=SHARE
        )
        return PieceStage(context, replace(self, score_cut=cut), network)

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "PieceStage":
        from hitgraph.tracks.join.lesson import JoinLesson, load_pairs

        stage = PieceStage(context, self, build_network(self.build, self.network))

        def prepared(kind: str, events: Sequence[Read]) -> "TaughtPairs":
            return load_pairs(
                [
                    workshop.cached(f"{kind}-{k}", partial(stage.taught, read, workshop))
                    for k, read in enumerate(events)
                ]
            )

        pairs = prepared("train", material.train)
        check = prepared("validation", material.validation)
        if not pairs.is_true.any() or not len(check.is_true):
            workshop.report("join_pieces: left out, because there are no two pieces of one view")
            workshop.record({"true_pairs": int(pairs.is_true.sum())})
            return replace(stage, settings=replace(self, score_cut=1.0))  # no pair is above it
        stage.network.standardise.learn(pairs.features)
        lesson = JoinLesson(self.score_cut, workshop.seed, pairs, check)
        merit = workshop.fit(stage.network, lesson, self.training)
        workshop.report("choosing the score cut of the joining")
        choices = {
            cut: replace(stage, settings=replace(self, score_cut=cut))
            for cut in sorted({self.score_cut, *CUTS})
        }
        cut, facts = best_of(choices, self.score_cut, material, workshop)
        workshop.record({**merit, "score_cut": cut, **facts})
        return choices[cut]


@dataclass(frozen=True, eq=False)
class PieceStage:
    """Ready to run."""

    context: Context
    settings: PieceSettings
    network: PieceNetwork

    def __call__(self, state: State) -> State:
        assert state.labels is not None
        pairs = self.pairs(state)
        with torch.no_grad(), self.context.mixed_precision():
            logits = self.network(pairs.features).float()
        return state.with_labels(joined(state.labels, pairs, logits, self.settings))

    def tensors(self) -> dict[str, Tensor]:
        return learnt_tensors(self.network, score_cut=self.settings.score_cut)

    def pairs(self, state: State) -> PiecePairs:
        """The pairs of clusters that are judged."""
        hits, labels = state.hits, state.labels
        assert labels is not None
        place = in_plane(hits, self.context.detector)
        clustered = Clustered(
            place,
            hits.layer,
            hits.charge,
            state.hit["classes"],
            labels,
            state.graph(),
            state.edge["logit"],
        )
        return piece_pairs(clustered, self.settings.reach, self.context.backend)

    def taught(self, read: Read, workshop: Workshop) -> dict[str, Tensor]:
        """What the lesson reads of one event."""
        from hitgraph.tracks.join.lesson import are_parts_of_one

        sample, state = read()
        assert state.labels is not None
        pairs = self.pairs(state)
        majority = workshop.majority(sample, state.labels)
        is_true = are_parts_of_one(majority, pairs.larger, pairs.smaller)
        return {
            "features": pairs.features,
            "shift": torch.zeros(len(is_true)),
            "is_true": is_true,
        }


def joined(labels: Tensor, pairs: PiecePairs, logits: Tensor, settings: PieceSettings) -> Tensor:
    """Labels (n_hits,) with clusters joined by contraction of the pairs, and small ones dropped."""
    rows = torch.nonzero(labels >= 0).squeeze(1)
    if len(rows) == 0:
        return labels.clone()
    n = int(labels.max()) + 1
    cut = torch.logit(torch.tensor(settings.score_cut).double())
    evidence = limited(logits.double().cpu()) - limited(cut)
    edges = torch.stack([pairs.larger, pairs.smaller])
    parent = grouped(edges, evidence, torch.arange(n), n)
    group = torch.from_numpy(number_sets(parent, 1)).to(labels.device)[labels[rows]]
    row = torch.arange(len(rows), device=labels.device)
    first = torch.full_like(row, len(rows)).scatter_reduce_(0, group, row, "amin")
    found = torch.full_like(labels, -1)
    found[rows] = plain.number_sets(first[group], settings.min_hits)
    return found
