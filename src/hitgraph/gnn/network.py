"""The stage that all edge networks share: edges scored in their graph, those below a cut go."""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.gnn.graph_stage import GraphStage, GraphStageSettings
from hitgraph.gnn.interaction import InteractionSettings
from hitgraph.hits.columns import Mirror, check_mirrored
from hitgraph.lessons.material import Material, Read
from hitgraph.lessons.samples import edge_truth, trackml_weights
from hitgraph.lessons.settings import (
    TrainingSettings,
    TruthSettings,
    check_at_least,
    check_not_empty,
)
from hitgraph.lessons.workshop import Workshop
from hitgraph.nn.azimuths import AZIMUTHS
from hitgraph.nn.edges import EdgeNetwork
from hitgraph.picks import rows_at, rows_where
from hitgraph.settings import choice
from hitgraph.stage import NETWORKS, Context, NetworkSettings
from hitgraph.state import EDGES, LOGIT, State
from hitgraph.tensors import SHARE, build_network, load_learnt


@dataclass(frozen=True)
class NetworkStageSettings(GraphStageSettings):
    """A graph neural network that scores edges; those below a cut go."""

    network: NetworkSettings = field(  # `use` and the keys of the network
        default_factory=InteractionSettings, metadata=choice(NETWORKS)
    )
    training: TrainingSettings = field(default_factory=TrainingSettings)  # of the network
    target_efficiency: float = 0.99  # of true edges entering that pass, on validation events
    hit_inputs: tuple[str, ...] = ("r", "z")  # columns of hits
    edge_inputs: tuple[str, ...] = ("logit",)  # pair features and columns of edges
    sectors: int = 1  # train on this many phi sectors of an event, one a step
    overlap: float = 0.0  # rad, on either side of a sector, whose hits it sees in training
    reflect: bool = False  # train on mirror images at random
    mirrors: tuple[Mirror, ...] = ("y", "z")  # of reflect: coordinates that change their sign

    gives: ClassVar[frozenset[str]] = frozenset({EDGES, LOGIT})

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(self, sectors=1)
        check_overlap(self.sectors, self.overlap)
        check_not_empty(self, "mirrors")
        check_vector_inputs(self.network, self.hit_inputs)
        check_split(self.network, self.training)
        if len(set(self.mirrors)) < len(self.mirrors):
            raise SettingsError(f"mirrors: [{', '.join(self.mirrors)}] names one twice")
        if self.reflect:
            check_mirrored("hit_inputs", self.hit_inputs)

    def build(self) -> EdgeNetwork:
        """The untrained network."""
        return self.network.build(len(self.hit_inputs), len(self.edge_inputs))

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "NetworkStage":
        network, (cut,) = load_learnt(self.build, tensors, context.device, self.network, cut=SHARE)
        return NetworkStage(context, self, network, cut)

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "NetworkStage":
        from hitgraph.gnn.lesson import teach

        network = build_network(self.build, self.network)
        stage = NetworkStage(context, self, network, 0.0)
        return replace(stage, cut=teach(self, stage, material, workshop))


def check_vector_inputs(network: NetworkSettings, hit_inputs: Sequence[str]) -> None:
    """Raise SettingsError where a network that turns with the event is given something else."""
    vectors = network.vector_inputs
    if not vectors:
        return
    first, others = tuple(hit_inputs[: len(vectors)]), hit_inputs[len(vectors) :]
    fixed = [name for name in others if name in (*AZIMUTHS, *vectors)]
    if first != vectors or fixed:
        raise SettingsError(
            f"hit_inputs: [{', '.join(hit_inputs)}] is not allowed: the network "
            f"{NETWORKS.name_of(network)} needs {', '.join(vectors)} first, and then nothing that "
            f"knows the azimuth, for example [{', '.join(vectors)}, r, z]"
        )


def check_overlap(sectors: int, overlap: float) -> None:
    """Raise SettingsError where sectors would see more than those beside them."""
    if not 0 <= overlap <= 2 * math.pi / sectors or (overlap and sectors == 1):
        raise SettingsError(
            f"overlap: {overlap} is not allowed with {sectors} sectors, from 0 to their width, "
            f"{2 * math.pi / sectors:.3f} rad, and with one sector 0"
        )


def check_split(network: NetworkSettings, training: TrainingSettings) -> None:
    """Raise SettingsError where ranks are to share the graph of a network that cannot."""
    if training.split != "none" and not network.can_split:
        raise SettingsError(
            f"training.split: {training.split} is not allowed with the network "
            f"{NETWORKS.name_of(network)}, whose rounds exchange no states (docs/extending.md)"
        )
    if training.split != "none" and getattr(network, "norm", "layer") == "batch":
        raise SettingsError(
            f"training.split: {training.split} is not allowed with network.norm: batch, whose "
            "statistics would be those of a part: take norm: layer"
        )


@dataclass(frozen=True, eq=False)
class EdgeNetworkStage(GraphStage):
    """Edges scored by a network, those below a cut go: what is the same whatever it looks at."""

    network: EdgeNetwork

    def __call__(self, state: State) -> State:
        return state.with_edge(logit=self.logits(state)).cut(self.cut)

    @abstractmethod
    def logits(self, state: State) -> Tensor:
        """(n_edges,) of the edges of the state."""


@dataclass(frozen=True, eq=False)
class NetworkStage(EdgeNetworkStage):
    """Ready to run."""

    settings: NetworkStageSettings

    def network_inputs(self, state: State) -> dict[str, Tensor]:
        x, edge_attr = self.inputs(state)
        return {"x": x, "edge_index": state.graph(), "edge_attr": edge_attr}

    def network_columns(self) -> dict[str, tuple[str, ...]]:
        return {"x": self.settings.hit_inputs, "edge_attr": self.settings.edge_inputs}

    def logits(self, state: State) -> Tensor:
        """(n_edges,) of the edges of the state."""
        x, edge_attr = self.inputs(state)
        rows, edges = hits_with_edges(state.graph(), len(x))
        with self.context.mixed_precision():
            logits: Tensor = self.network(rows_at(x, rows), edges, edge_attr)
        return logits.float()

    def graph(self, read: Read, truth: TruthSettings) -> dict[str, Tensor]:
        """What a lesson reads of one event."""
        sample, state = read()
        edges = state.graph()
        x, edge_attr = self.inputs(state)
        y, weight = edge_truth(sample, edges, truth)
        if self.settings.training.trackml_weights:
            weight = weight * trackml_weights(sample, edges, y)
        return {
            "x": x,
            "phi": sample.hits.column("phi"),
            "edge_index": edges.int(),
            "edge_attr": edge_attr,
            "y": y.to(torch.uint8),
            "weight": weight,
        }


def hits_with_edges(edges: Tensor, n_hits: int) -> tuple[Tensor, Tensor]:
    """(n,) int64 rows of the hits that have edges, and the edges (2, n_edges) between these rows.

    Others learn nothing from anybody and teach nobody, and behind a filter they are many.
    """
    has = torch.zeros(n_hits, dtype=torch.bool, device=edges.device)
    has[edges.reshape(-1)] = True
    place = torch.cumsum(has, 0) - 1
    return rows_where(has), rows_at(place, edges)
