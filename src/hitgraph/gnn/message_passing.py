"""Message passing (arXiv 1704.01212), recursive: the same weights in every round.

With x0 what is known of a hit and e what is known of an edge,

    x    = MLP(x0)
    m_ij = MLP[x_i, x_j, e_ij]
    x_i <- x_i + MLP[x_i, sum of m over outgoing edges, sum over incoming edges, x0_i]

for `steps` rounds, and logit_ij = MLP[x_i, x_j, e_ij]. Edges have no state of their own: that is
what tells it from the interaction network. Without `recursive` every round has its own weights.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from hitgraph.lessons.settings import check_at_least
from hitgraph.nn.blocks import logits_of, normalised_mlp, sum_at
from hitgraph.nn.edges import EdgeNetwork, at_both_ends
from hitgraph.stage import NetworkSettings


@dataclass(frozen=True)
class MessagePassingSettings(NetworkSettings):
    """Message passing: every hit adds up what an MLP makes of its edges."""

    hidden: int = 32  # width of every layer
    steps: int = 6  # rounds of message passing
    recursive: bool = True  # the same weights in every round

    paper: ClassVar[str] = "1704.01212"
    can_split: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_at_least(self, hidden=1, steps=1)

    def build(self, n_hit_inputs: int, n_edge_inputs: int) -> "MessagePassingNetwork":
        return MessagePassingNetwork(self, n_hit_inputs, n_edge_inputs)


class MessagePassingNetwork(EdgeNetwork):
    """Logit of each edge after message passing over the whole graph."""

    def __init__(
        self, settings: MessagePassingSettings, n_hit_inputs: int, n_edge_inputs: int
    ) -> None:
        super().__init__(n_hit_inputs, n_edge_inputs)
        self.steps = settings.steps
        hidden, n_rounds = settings.hidden, 1 if settings.recursive else settings.steps
        pair = 2 * hidden + n_edge_inputs
        self.encode = normalised_mlp([n_hit_inputs, hidden])
        self.messages = nn.ModuleList(
            normalised_mlp([pair, hidden, hidden]) for _ in range(n_rounds)
        )
        self.updates = nn.ModuleList(
            normalised_mlp([3 * hidden + n_hit_inputs, hidden, hidden]) for _ in range(n_rounds)
        )
        self.judge = normalised_mlp([pair, hidden]).append(nn.Linear(hidden, 1))

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        *_, last = self._states(x, edge_index, edge_attr)
        return self._judge(last, edge_index, self.standardise_edges(edge_attr))

    def all_logits(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        """Logits before the first round and after each, (steps + 1, n_edges)."""
        edges = self.standardise_edges(edge_attr)
        states = self._states(x, edge_index, edge_attr)
        return torch.stack([self._judge(hits, edge_index, edges) for hits in states])

    def _states(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Iterator[Tensor]:
        given, edges = self.standardise_hits(x), self.standardise_edges(edge_attr)
        hits = self.encode(given)
        yield hits
        for step in range(self.steps):
            number = step % len(self.messages)
            hits = self.recomputed(self._round, number, hits, given, edge_index, edges)
            hits = self.with_borders(hits)
            yield hits

    def _round(
        self, number: int, hits: Tensor, given: Tensor, edge_index: Tensor, edges: Tensor
    ) -> Tensor:
        messages = self.messages[number](at_both_ends(hits, edge_index, edges))
        sums = (sum_at(messages, ends, hits.shape[0]) for ends in edge_index.unbind(0))
        update: Tensor = self.updates[number](torch.cat([hits, *sums, given], dim=1))
        return hits + update

    def _judge(self, hits: Tensor, edge_index: Tensor, edges: Tensor) -> Tensor:
        return logits_of(self.judge, at_both_ends(hits, edge_index, edges))
