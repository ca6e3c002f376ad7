"""An edge network: each edge by itself, and what meets at its ends."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.nn.blocks import logits_of, mlp
from hitgraph.nn.edges import EdgeNetwork
from hitgraph.stage import NetworkSettings


@dataclass(frozen=True)
class EdgeMlpSettings(NetworkSettings):
    """An MLP on each edge, then one on it and the sums over the edges at both its hits."""

    hidden: int = 16  # width of every hidden layer

    paper: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if self.hidden < 1:
            raise SettingsError(f"hidden: {self.hidden} is not allowed, at least 1")

    def build(self, n_hit_inputs: int, n_edge_inputs: int) -> "EdgeMlp":
        return EdgeMlp(self, n_hit_inputs, n_edge_inputs)


class EdgeMlp(EdgeNetwork):
    """Logit of each edge."""

    def __init__(self, settings: EdgeMlpSettings, n_hit_inputs: int, n_edge_inputs: int) -> None:
        super().__init__(n_hit_inputs, n_edge_inputs)
        width = settings.hidden
        self.encode = mlp([2 * n_hit_inputs + n_edge_inputs, width, width])
        self.judge = mlp([3 * width, width, 1])

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        inner, outer = edge_index.unbind(0)
        hits, edges = self.standardise_hits(x), self.standardise_edges(edge_attr)
        states = self.encode(torch.cat([hits[inner], hits[outer], edges], dim=1))
        zeros = states.new_zeros(x.shape[0], states.shape[1])
        leaving, entering = (zeros.index_add(0, ends, states) for ends in (inner, outer))
        around = [states, entering[inner], leaving[outer]]
        return logits_of(self.judge, torch.cat(around, dim=1))
