"""The triplet graph (arXiv 2007.00149): doublets become nodes, triplets edges between them.

Edges (doublets) with a score above `doublet_cut` are the nodes of a second graph. Two of them are
joined where the first ends at the hit that the second starts from; that triplet is true where all
three hits are of one particle. Any edge network of this package scores triplets: a node has the
columns of both its hits and those of its doublet, a triplet how the columns of its doublets differ.

The score of a doublet is then that of the best triplet it is part of; one that is part of none
keeps the score it came with. Triplets, and pairs of triplets that share a doublet, are seeds
(`gnn.seeds`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.gnn.attention import AttentionSettings
from hitgraph.gnn.graph_stage import GraphStageSettings
from hitgraph.gnn.inputs import edge_inputs
from hitgraph.gnn.network import EdgeNetworkStage, check_split
from hitgraph.graph.line_graph import edge_pairs
from hitgraph.hits.columns import Mirror
from hitgraph.lessons.material import Material, Read
from hitgraph.lessons.samples import edge_truth
from hitgraph.lessons.settings import (
    TrainingSettings,
    TruthSettings,
    check_at_least,
    refuse_teacher,
    refuse_trackml_weights,
)
from hitgraph.lessons.workshop import Workshop
from hitgraph.nn.edges import EdgeNetwork, at_both_ends
from hitgraph.settings import choice
from hitgraph.stage import NETWORKS, Context, NetworkSettings
from hitgraph.state import EDGES, LOGIT, State, logit
from hitgraph.tensors import SHARE, build_network, load_learnt


class Triplets(NamedTuple):
    """Triplets of hits i -> j -> k with their scores."""

    doublets: Tensor  # (2, n_triplets) int64, rows of the edges i -> j and j -> k
    logit: Tensor  # (n_triplets,) float32


@dataclass(frozen=True)
class TripletGraphSettings(GraphStageSettings):
    """A graph neural network on triplets: doublets are its nodes; doublets below a cut go."""

    network: NetworkSettings = field(  # `use` and the keys of the network
        default_factory=lambda: AttentionSettings(hidden=64, steps=4), metadata=choice(NETWORKS)
    )
    training: TrainingSettings = field(default_factory=TrainingSettings)  # of the network
    doublet_cut: float = 0.04  # doublets with a lower score are part of no triplet
    target_efficiency: float = 0.99  # of true edges entering that pass, on validation events
    hit_inputs: tuple[str, ...] = ("r", "z")  # columns of hits
    edge_inputs: tuple[str, ...] = ("logit", "curvature", "z0", "slope")  # columns of doublets
    sectors: int = 1  # train on this many phi sectors of an event, one a step

    paper: ClassVar[str] = "2007.00149"
    gives: ClassVar[frozenset[str]] = frozenset({EDGES, LOGIT})
    reflect: ClassVar[bool] = False
    mirrors: ClassVar[tuple[Mirror, ...]] = ()
    overlap: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(self, sectors=1)
        refuse_teacher(self.training)
        refuse_trackml_weights(self.training)
        check_split(self.network, self.training)
        if not 0 <= self.doublet_cut < 1:
            raise SettingsError(f"doublet_cut: {self.doublet_cut} is not in [0, 1)")
        if self.network.vector_inputs:
            raise SettingsError(
                f"network.use: {NETWORKS.name_of(self.network)} is not allowed here: its nodes "
                "have to be hits, those of a triplet graph are doublets"
            )

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return super().needs | {LOGIT}

    def build(self) -> EdgeNetwork:
        """The untrained network."""
        n_edge = len(self.edge_inputs)
        return self.network.build(2 * len(self.hit_inputs) + n_edge, n_edge)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "TripletGraphStage":
        network, (cut,) = load_learnt(self.build, tensors, context.device, self.network, cut=SHARE)
        return TripletGraphStage(context, self, network, cut)

    def learn(
        self, context: Context, material: Material, workshop: Workshop
    ) -> "TripletGraphStage":
        from hitgraph.gnn.lesson import teach

        network = build_network(self.build, self.network)
        stage = TripletGraphStage(context, self, network, 0.0)
        return replace(stage, cut=teach(self, stage, material, workshop))


@dataclass(frozen=True, eq=False)
class TripletGraphStage(EdgeNetworkStage):
    """Ready to run."""

    settings: TripletGraphSettings

    def logits(self, state: State) -> Tensor:
        """(n_edges,) of the doublets: each that of its best triplet, else its own."""
        triplets = self.triplets(state)
        own: Tensor = state.edge["logit"]
        return own.scatter_reduce(
            0, triplets.doublets.flatten(), triplets.logit.repeat(2), "amax", include_self=False
        )

    def triplets(self, state: State) -> Triplets:
        """All triplets of doublets above the cut, scored; rows are those of the state's edges."""
        nodes, pairs, inputs, differences = self._line_graph(state)
        with torch.no_grad(), self.context.mixed_precision():
            logits = self.network(inputs, pairs, differences)
        return Triplets(nodes[pairs], logits.float())

    def network_inputs(self, state: State) -> dict[str, Tensor]:
        """Doublets are the hits of this network, triplets its edges."""
        _, pairs, inputs, differences = self._line_graph(state)
        return {"x": inputs, "edge_index": pairs, "edge_attr": differences}

    def network_columns(self) -> dict[str, tuple[str, ...]]:
        hits, doublet = self.settings.hit_inputs, self.settings.edge_inputs
        ends = (f"{end}_{name}" for end in ("inner", "outer") for name in hits)
        return {"x": (*ends, *doublet), "edge_attr": tuple(f"d_{name}" for name in doublet)}

    def graph(self, read: Read, truth: TruthSettings) -> dict[str, Tensor]:
        """What a lesson reads of one event."""
        sample, state = read()
        nodes, pairs, inputs, differences = self._line_graph(state)
        edges = state.graph()[:, nodes]
        y, weight = edge_truth(sample, edges, truth)
        return {
            "x": inputs,
            "phi": sample.hits.column("phi")[edges[0]],
            "edge_index": pairs.int(),
            "edge_attr": differences,
            "y": (y[pairs[0]] * y[pairs[1]]).to(torch.uint8),
            "weight": weight[pairs[0]] * weight[pairs[1]],
        }

    def _line_graph(self, state: State) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Rows of the doublets that are nodes, (2, n_triplets) of nodes, inputs of both."""
        settings, context = self.settings, self.context
        nodes = torch.nonzero(state.edge["logit"] >= logit(settings.doublet_cut)).squeeze(1)
        edges = state.graph()[:, nodes]
        pairs = edge_pairs(edges, len(state.hits), context.backend)
        doublets = edge_inputs(state, context.detector, settings.edge_inputs, context.backend)[
            nodes
        ]
        inputs = at_both_ends(state.hit_columns(settings.hit_inputs), edges, doublets)
        return nodes, pairs, inputs, doublets[pairs[1]] - doublets[pairs[0]]
