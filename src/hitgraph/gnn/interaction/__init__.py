"""The interaction network (arXiv 1612.00222, as used in arXiv 2103.06995, section 5.3).

Hits are nodes, candidate edges run outward. Each of `steps` rounds of message passing updates

    e_ij <- [e_ij +] f_e(e_ij, x_i, x_j)
    x_i  <- [x_i +]  f_x(x_i, sum_j g(e_ij) e_ij over outgoing edges, the same over incoming edges)

with sum aggregation; the brackets are the residual option and g is a learnt gate in (0, 1), or 1.
A logit can be read from e_ij after any round, so that a training loss can act on several.
The first layer of f_e is split: the parts of x_i and x_j are computed once a hit.
Layer normalisation holds on a part of an event too, batch normalisation is there to compare.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from hitgraph.gnn.edge_update import Weights, update_edges
from hitgraph.gnn.interaction.cpu import score_edges
from hitgraph.kernels.choice import Backend, for_host
from hitgraph.kernels.tiles import MAX_WIDTH
from hitgraph.lessons.settings import check_at_least
from hitgraph.nn.blocks import NORMS, Norm, logits_of, mlp
from hitgraph.nn.edges import EdgeNetwork
from hitgraph.stage import NetworkSettings


@dataclass(frozen=True)
class InteractionSettings(NetworkSettings):
    """Interaction network: hits and edges update each other, round after round."""

    hidden: int = 32  # width of hit and edge states
    mlp_hidden: int = 32  # width of the hidden layer of each two-layer MLP
    steps: int = 5  # rounds of message passing
    residual: bool = True  # add to the states instead of replacing them
    gated: bool = True  # weigh each message by a learnt gate
    shared: bool = False  # the same weights in every round
    norm: Norm = "layer"  # layer or batch: over the numbers of a hit, or over the hits of a step

    paper: ClassVar[str] = "1612.00222"
    can_split: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_at_least(self, hidden=1, mlp_hidden=1, steps=1)

    def build(self, n_hit_inputs: int, n_edge_inputs: int) -> "InteractionNetwork":
        return InteractionNetwork(self, n_hit_inputs, n_edge_inputs)


class InteractionNetwork(EdgeNetwork):
    """Logit of each edge after message passing over the whole graph."""

    def __init__(
        self, settings: InteractionSettings, n_hit_features: int, n_edge_features: int
    ) -> None:
        super().__init__(n_hit_features, n_edge_features)
        self.settings = settings
        width = settings.hidden
        self.encode_hits = mlp([n_hit_features, settings.mlp_hidden, width])
        self.encode_edges = mlp([n_edge_features, settings.mlp_hidden, width])
        n_rounds = 1 if settings.shared else settings.steps
        self.rounds = nn.ModuleList(Round(settings) for _ in range(n_rounds))
        self.classify = mlp([width, settings.mlp_hidden, 1])

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        """(n_hits, n_hit_features), (2, n_edges), (n_edges, n_edge_features) -> (n_edges,).

        Where no gradient is wanted, a CPU takes the kernel of interaction.cpu.
        """
        if self._runs_fused(x):
            return score_edges(self, x, edge_index, edge_attr)
        (last,) = deque(self._states(x, edge_index, edge_attr), maxlen=1)  # keeps no earlier round
        logits: Tensor = self.recomputed(logits_of, self.classify, last)
        return logits

    def _runs_fused(self, x: Tensor) -> bool:
        widest = max(self.settings.hidden, self.settings.mlp_hidden)
        return (
            not torch.is_grad_enabled()
            and self.borders is None
            and not torch.is_autocast_enabled("cpu")
            and for_host(x, self.backend)
            and x.dtype == self.standardise_hits.mean.dtype == torch.float32
            and self.settings.norm == "layer"
            and widest <= MAX_WIDTH  # wider weights leave the cache
        )

    def all_logits(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        """Logits after every second round, ending with the last, ((steps + 1) // 2, n_edges)."""
        states = list(self._states(x, edge_index, edge_attr))
        return torch.stack(
            [self.recomputed(logits_of, self.classify, state) for state in states[::-2][::-1]]
        )

    def _states(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Iterator[Tensor]:
        hits = self.encode_hits(self.standardise_hits(x))
        edges = self.recomputed(self.encode_edges, self.standardise_edges(edge_attr))
        for step in range(self.settings.steps):
            one_round = self.rounds[step % len(self.rounds)]
            if step:
                hits = self.with_borders(hits)
            hits, edges = self.recomputed(one_round, hits, edges, edge_index, self.backend)
            yield edges


class Round(nn.Module):
    """One round of message passing."""

    def __init__(self, settings: InteractionSettings) -> None:
        super().__init__()
        width, inner = settings.hidden, settings.mlp_hidden
        self.residual, self.gated = settings.residual, settings.gated
        self.edge_part = nn.Linear(width, inner)
        self.source_part = nn.Linear(width, inner, bias=False)
        self.target_part = nn.Linear(width, inner, bias=False)
        self.edge_out = nn.Linear(inner, width)
        self.gate = nn.Linear(width, 1) if settings.gated else None
        self.normalise = NORMS[settings.norm](3 * width)
        self.node = mlp([3 * width, inner, width])

    def forward(
        self, hits: Tensor, edges: Tensor, edge_index: Tensor, backend: Backend = "auto"
    ) -> tuple[Tensor, Tensor]:
        inner, outer = self.source_part(hits), self.target_part(hits)
        edges, outgoing, incoming = update_edges(
            edges, inner, outer, edge_index, self._weights(), self.residual, backend
        )
        update = self.node(self.normalise(torch.cat([hits, outgoing, incoming], dim=1)))
        hits = hits + update if self.residual else update
        return hits, edges

    def _weights(self) -> Weights:
        return Weights(
            self.edge_part.weight,
            self.edge_part.bias,
            self.edge_out.weight,
            self.edge_out.bias,
            None if self.gate is None else self.gate.weight,
            None if self.gate is None else self.gate.bias,
        )
