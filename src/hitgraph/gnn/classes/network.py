"""An interaction network with two outcomes: the class of each edge, and that of each hit.

The rounds are those of hitgraph.gnn.interaction. After the last one a class is read from the state
of each edge, and from that of each hit with the sum of the messages that reach it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hitgraph.event.argon import CLASSES
from hitgraph.gnn.interaction import InteractionSettings, Round
from hitgraph.kernels.choice import Backend
from hitgraph.lessons.settings import check_at_least
from hitgraph.nn.blocks import Standardise, mlp

N_EDGE_CLASSES = 1 + len(CLASSES)  # the first: not of one particle


@dataclass(frozen=True)
class ClassNetworkSettings:
    """Sizes of the network."""

    hidden: int = 32  # width of hit and edge states
    mlp_hidden: int = 32  # width of the hidden layer of each two-layer MLP
    steps: int = 6  # rounds of message passing

    def __post_init__(self) -> None:
        check_at_least(self, hidden=1, mlp_hidden=1, steps=1)


class ClassNetwork(nn.Module):
    """Logits of the classes of edges and hits."""

    def __init__(
        self, settings: ClassNetworkSettings, n_hit_inputs: int, n_edge_inputs: int
    ) -> None:
        super().__init__()
        self.backend: Backend = "auto"
        width, inner = settings.hidden, settings.mlp_hidden
        rounds = InteractionSettings(width, inner, settings.steps)
        self.standardise_hits = Standardise(n_hit_inputs)
        self.standardise_edges = Standardise(n_edge_inputs)
        self.encode_hits = mlp([n_hit_inputs, inner, width])
        self.encode_edges = mlp([n_edge_inputs, inner, width])
        self.rounds = nn.ModuleList(Round(rounds) for _ in range(settings.steps))
        self.edge_classes = mlp([width, inner, N_EDGE_CLASSES])
        self.hit_classes = mlp([width, inner, len(CLASSES)])

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> tuple[Tensor, Tensor]:
        """(n_hits, ...), (2, n_edges), (n_edges, ...) -> (n_edges, 1 + n_classes), (n_hits,
        n_classes)."""
        hits = self.encode_hits(self.standardise_hits(x))
        edges = self.encode_edges(self.standardise_edges(edge_attr))
        for one_round in self.rounds:
            hits, edges = one_round(hits, edges, edge_index, self.backend)
        with torch.autocast(x.device.type, enabled=False):
            return self.edge_classes(edges.float()), self.hit_classes(hits.float())


def edge_logit(classes: Tensor) -> Tensor:
    """(n_edges,) of one particle against of none, out of the logits of an edge's classes."""
    return classes[:, 1:].logsumexp(dim=1) - classes[:, 0]
