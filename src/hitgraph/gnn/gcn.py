"""The graph convolutional network (arXiv 1609.02907): neighbours are averaged, all alike.

With A the adjacency of the graph without directions and D its number of edges a hit,

    x <- [MLP((D + 1)^-1/2 (A + 1) (D + 1)^-1/2 x), x0]

for `steps` rounds, each with its own weights; without `normalise` the plain sum (A + 1) x. Then
logit_ij = MLP[x_i, x_j, e_ij]. What a neighbour says does not depend on the edge it says it
through: that is what arXiv 2103.06995, section 5.3, holds against it.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from hitgraph.lessons.settings import check_at_least
from hitgraph.nn.blocks import logits_of, normalised_mlp, sum_at
from hitgraph.nn.edges import EdgeNetwork, at_both_ends
from hitgraph.stage import NetworkSettings


@dataclass(frozen=True)
class GcnSettings(NetworkSettings):
    """Graph convolution: hits average their neighbours, whatever the edges look like."""

    hidden: int = 32  # width of every hidden layer
    steps: int = 4  # rounds of averaging
    normalise: bool = True  # divide by the numbers of edges of both hits; else plain sums

    paper: ClassVar[str] = "1609.02907"
    can_split: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_at_least(self, hidden=1, steps=1)

    def build(self, n_hit_inputs: int, n_edge_inputs: int) -> "GcnNetwork":
        return GcnNetwork(self, n_hit_inputs, n_edge_inputs)


class GcnNetwork(EdgeNetwork):
    """Logit of each edge from what its hits have averaged."""

    def __init__(self, settings: GcnSettings, n_hit_inputs: int, n_edge_inputs: int) -> None:
        super().__init__(n_hit_inputs, n_edge_inputs)
        self.normalise = settings.normalise
        hidden, width = settings.hidden, settings.hidden + n_hit_inputs
        self.encode = normalised_mlp([n_hit_inputs, hidden])
        self.rounds = nn.ModuleList(normalised_mlp([width, hidden]) for _ in range(settings.steps))
        self.judge = normalised_mlp([2 * width + n_edge_inputs, hidden, hidden])
        self.judge.append(nn.Linear(hidden, 1))

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        given = self.standardise_hits(x)
        scale = torch.ones_like(given[:, :1])
        if self.normalise:
            ends = edge_index.flatten()
            degree = sum_at(given.new_ones(ends.shape[0], 1), ends, given.shape[0])
            scale = self.with_borders((degree + 1).rsqrt())
        hits = torch.cat([self.encode(given), given], dim=1)
        for layers in self.rounds:
            hits = self.recomputed(self._round, layers, hits, given, edge_index, scale)
            hits = self.with_borders(hits)
        edges = self.standardise_edges(edge_attr)
        return logits_of(self.judge, at_both_ends(hits, edge_index, edges))

    def _round(
        self, layers: nn.Module, hits: Tensor, given: Tensor, edge_index: Tensor, scale: Tensor
    ) -> Tensor:
        inner, outer = edge_index.unbind(0)
        scaled = hits * scale
        mean = scaled + sum_at(scaled.index_select(0, inner), outer, hits.shape[0])
        mean = mean + sum_at(scaled.index_select(0, outer), inner, hits.shape[0])
        return torch.cat([layers(mean * scale), given], dim=1)
