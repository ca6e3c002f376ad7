"""The MLPs of layer pairs as a stage: candidate edges scored one by one; those below a cut go."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from hitgraph.errors import InputError
from hitgraph.graph.layer_mlps import LayerMlps, pair_values
from hitgraph.hits import Hits
from hitgraph.lessons.cuts import cut_at_efficiency
from hitgraph.lessons.material import Material
from hitgraph.lessons.settings import (
    TrainingSettings,
    check_at_least,
    check_share,
    refuse_graph_settings,
)
from hitgraph.lessons.workshop import Workshop
from hitgraph.stage import Context, StageSettings
from hitgraph.state import EDGES, HITS, LOGIT, State
from hitgraph.tensors import (
    SHARE,
    build_network,
    load_network,
    network_tensors,
    number,
    refuse_others,
    take,
    take_number,
)

BATCH = 500_000  # edges scored at a time
SOME = 200_000  # edges that the inputs are standardised by


@dataclass(frozen=True)
class LayerMlpSettings(StageSettings):
    """Candidate edges scored one by one by a small network of their pair of layers; cut."""

    hidden: int = 16  # width of every hidden layer
    layers: int = 2  # hidden layers
    training: TrainingSettings = field(default_factory=TrainingSettings)  # of the networks
    target_efficiency: float = 0.98  # of true edges entering that pass, on validation events
    batches_per_event: int = 12  # optimiser steps on each event an epoch
    balanced: bool = True  # as many true, hard and easy candidates a step; else as they come

    paper: ClassVar[str] = "1810.06111"
    needs: ClassVar[frozenset[str]] = frozenset({HITS, EDGES})
    gives: ClassVar[frozenset[str]] = frozenset({EDGES, LOGIT})

    def __post_init__(self) -> None:
        check_at_least(self, hidden=1, layers=1, batches_per_event=1)
        check_share(self, "target_efficiency")
        refuse_graph_settings(self.training)

    def build(self, n_pairs: int) -> LayerMlps:
        """The untrained networks of so many pairs of layers."""
        return LayerMlps(n_pairs, self.hidden, self.layers)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "LayerMlpStage":
        n_keys = context.detector.n_layers**2
        key = take(tensors, "pairs", (None,), torch.int64, low=0, high=n_keys - 1)
        if bool((key[1:] <= key[:-1]).any()):
            raise InputError("pairs: do not rise from row to row")
        network = load_network(partial(self.build, len(key)), tensors, "network", self, "")
        refuse_others(tensors, ["pairs", "cut", *network_tensors(network, "network")])
        table = LayerPairTable(key.to(context.device), context.detector.n_layers)
        cut = take_number(tensors, "cut", *SHARE)
        return LayerMlpStage(context, network.to(context.device), table, cut)

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "LayerMlpStage":
        from hitgraph.graph.layer_mlps.lesson import LayerMlpLesson

        table = _pairs_of_true_edges(material, context.detector.n_layers)
        network = build_network(partial(self.build, len(table.key)), self, "")
        sample, state = material.train[0]()
        edges = state.graph()
        some = edges[:, :: max(1, edges.shape[1] // SOME)]
        network.learn_inputs(table.attributes(sample.hits, some))
        events = material.train, material.validation
        teacher = workshop.teacher(self.training)
        lesson = LayerMlpLesson(self, workshop.truth, workshop.seed, *events, teacher, table)
        merit = workshop.fit(network, lesson, self.training)
        stage = LayerMlpStage(context, network, table, 0.0)
        cut = cut_at_efficiency(
            self.target_efficiency,
            material.validation,
            lambda state, true: stage.logits(state.with_edges(state.graph()[:, true])),
        )
        workshop.record({**merit, "cut": cut, "layer_pairs": len(table.key)})
        return replace(stage, cut=cut)


@dataclass(frozen=True, eq=False)
class LayerPairTable:
    """The pairs of layers that have a network."""

    key: Tensor  # (n_pairs,) int64 inner layer * n_layers + outer layer, rising
    n_layers: int

    def attributes(self, hits: Hits, edges: Tensor) -> Tensor:
        """(n_edges, 6) float32 what the networks see of edges (2, n_edges)."""
        inner, outer = hits.layer[edges]
        key = inner * self.n_layers + outer
        row = torch.searchsorted(self.key, key).clamp_max(len(self.key) - 1)
        row = torch.where(self.key[row] == key, row, -1)
        return torch.cat([pair_values(hits, edges), row.float()[:, None]], dim=1)


def _pairs_of_true_edges(material: Material, n_layers: int) -> LayerPairTable:
    found = []
    for read in material.train:
        sample = read().sample
        inner, outer = sample.hits.layer[sample.true_edges]
        found.append(torch.unique(inner * n_layers + outer))
    key = torch.unique(torch.cat(found))
    if not len(key):
        raise InputError("there are no true edges to learn from: are these events empty?")
    return LayerPairTable(key, n_layers)


@dataclass(frozen=True, eq=False)
class LayerMlpStage:
    """Ready to run."""

    context: Context
    network: LayerMlps
    table: LayerPairTable
    cut: float  # edges with a score (0 to 1) below it go

    def __call__(self, state: State) -> State:
        return state.with_edge(logit=self.logits(state)).cut(self.cut)

    @torch.no_grad()
    def logits(self, state: State) -> Tensor:
        """(n_edges,) float32 of the edges of the state."""
        position, edges = state.hits.position, state.graph()
        found = [position.new_zeros(0)]
        with self.context.mixed_precision():
            for begin in range(0, edges.shape[1], BATCH):
                part = edges[:, begin : begin + BATCH]
                attributes = self.table.attributes(state.hits, part)
                found.append(self.network(position, part, attributes).float())
        return torch.cat(found)

    def tensors(self) -> dict[str, Tensor]:
        own = {"pairs": self.table.key, "cut": number(self.cut)}
        return {**network_tensors(self.network, "network"), **own}
