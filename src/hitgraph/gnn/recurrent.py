"""An interaction network of gated recurrent units (arXiv 1511.05493, units of arXiv 1406.1078).

    e_ij <- GRU([x_i, x_j], e_ij)
    x_i  <- GRU([sum of e over outgoing edges, sum over incoming edges], x_i)

for `steps` rounds, the same weights in each; a unit decides how much of its state it keeps. The
logit is an MLP of e_ij, and is read after every second round for the loss.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from hitgraph.lessons.settings import check_at_least
from hitgraph.nn.blocks import logits_of, mlp, sum_at
from hitgraph.nn.edges import EdgeNetwork, at_both_ends
from hitgraph.stage import NetworkSettings


@dataclass(frozen=True)
class RecurrentSettings(NetworkSettings):
    """Interaction network whose hits and edges are gated recurrent units."""

    hidden: int = 32  # width of hit and edge states
    steps: int = 6  # rounds of message passing

    paper: ClassVar[str] = "1511.05493"
    can_split: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_at_least(self, hidden=1, steps=1)

    def build(self, n_hit_inputs: int, n_edge_inputs: int) -> "RecurrentNetwork":
        return RecurrentNetwork(self, n_hit_inputs, n_edge_inputs)


class RecurrentNetwork(EdgeNetwork):
    """Logit of each edge after message passing over the whole graph."""

    def __init__(self, settings: RecurrentSettings, n_hit_inputs: int, n_edge_inputs: int) -> None:
        super().__init__(n_hit_inputs, n_edge_inputs)
        self.steps, width = settings.steps, settings.hidden
        self.encode_hits = mlp([n_hit_inputs, width, width])
        self.encode_edges = mlp([n_edge_inputs, width, width])
        self.edge_unit = nn.GRUCell(2 * width, width)
        self.normalise = nn.LayerNorm(2 * width)
        self.hit_unit = nn.GRUCell(2 * width, width)
        self.classify = mlp([width, width, 1])

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        *_, last = self._states(x, edge_index, edge_attr)
        return logits_of(self.classify, last)

    def all_logits(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        """Logits after every second round, ending with the last, ((steps + 1) // 2, n_edges)."""
        states = list(self._states(x, edge_index, edge_attr))
        return torch.stack([logits_of(self.classify, state) for state in states[::-2][::-1]])

    def _states(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Iterator[Tensor]:
        hits = torch.tanh(self.encode_hits(self.standardise_hits(x)))
        edges = torch.tanh(self.encode_edges(self.standardise_edges(edge_attr)))
        for step in range(self.steps):
            if step:
                hits = self.with_borders(hits)
            hits, edges = self.recomputed(self._round, hits, edges, edge_index)
            yield edges

    def _round(self, hits: Tensor, edges: Tensor, edge_index: Tensor) -> tuple[Tensor, Tensor]:
        edges = self.edge_unit(at_both_ends(hits, edge_index), edges)
        sums = [sum_at(edges, ends, hits.shape[0]) for ends in edge_index.unbind(0)]
        return self.hit_unit(self.normalise(torch.cat(sums, dim=1)), hits), edges
