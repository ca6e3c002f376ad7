"""The attention network (arXiv 1810.06111): how good an edge looks is how much it passes on.

With x0 what is known of a hit and e what is known of an edge,

    x    = [MLP(x0), x0]
    a_ij = sigmoid(MLP[x_i, x_j, e_ij])
    m_i  = sum over incoming edges of a x_source + sum over outgoing edges of a x_target
    x_i <- x_i + [MLP(m_i, x_i), x0_i]

for `steps` rounds, the same weights in each. The attention a of a round is its edge score; the
logit of the last one is the network's. Without `residual`, x_i is replaced.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from hitgraph.lessons.settings import check_at_least
from hitgraph.nn.blocks import Norm, logits_of, normalised_mlp, sum_at
from hitgraph.nn.edges import EdgeNetwork, at_both_ends
from hitgraph.stage import NetworkSettings


@dataclass(frozen=True)
class AttentionSettings(NetworkSettings):
    """Attention network: edge scores weigh the messages of the next round."""

    hidden: int = 64  # width of every hidden layer
    steps: int = 6  # rounds of message passing
    residual: bool = True  # add to the states instead of replacing them
    norm: Norm = "layer"  # layer or batch: over the numbers of a row, or over the rows of a step

    paper: ClassVar[str] = "1810.06111"
    can_split: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_at_least(self, hidden=1, steps=1)

    def build(self, n_hit_inputs: int, n_edge_inputs: int) -> "AttentionNetwork":
        return AttentionNetwork(self, n_hit_inputs, n_edge_inputs)


class AttentionNetwork(EdgeNetwork):
    """Logit of each edge after message passing over the whole graph."""

    def __init__(self, settings: AttentionSettings, n_hit_inputs: int, n_edge_inputs: int) -> None:
        super().__init__(n_hit_inputs, n_edge_inputs)
        self.settings = settings
        hidden, width = settings.hidden, settings.hidden + n_hit_inputs
        norm = settings.norm
        self.encode = normalised_mlp([n_hit_inputs, hidden], norm)
        self.judge = normalised_mlp([2 * width + n_edge_inputs, hidden, hidden], norm).append(
            nn.Linear(hidden, 1)
        )
        self.update = normalised_mlp([2 * width, hidden, hidden], norm)

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        *_, last = self._logits(x, edge_index, edge_attr)
        return last

    def all_logits(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        """Logits before every round and after the last one, (steps + 1, n_edges)."""
        return torch.stack(list(self._logits(x, edge_index, edge_attr)))

    def _logits(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Iterator[Tensor]:
        given, edges = self.standardise_hits(x), self.standardise_edges(edge_attr)
        hits = torch.cat([self.encode(given), given], dim=1)
        logits = self.recomputed(self._judge, hits, edge_index, edges)
        yield logits
        for _ in range(self.settings.steps):
            hits = self.recomputed(self._round, hits, given, edge_index, logits)
            hits = self.with_borders(hits)
            logits = self.recomputed(self._judge, hits, edge_index, edges)
            yield logits

    def _round(self, hits: Tensor, given: Tensor, edge_index: Tensor, logits: Tensor) -> Tensor:
        """New states (n_hits, width)."""
        source, target = edge_index.unbind(0)
        attention = torch.sigmoid(logits)[:, None]
        incoming = sum_at(attention * hits.index_select(0, source), target, hits.shape[0])
        outgoing = sum_at(attention * hits.index_select(0, target), source, hits.shape[0])
        heard = torch.cat([incoming + outgoing, hits], dim=1)
        update = torch.cat([self.update(heard), given], dim=1)
        return hits + update if self.settings.residual else update

    def _judge(self, hits: Tensor, edge_index: Tensor, edges: Tensor) -> Tensor:
        return logits_of(self.judge, at_both_ends(hits, edge_index, edges))
