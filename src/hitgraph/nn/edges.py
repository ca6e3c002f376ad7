"""The contract of networks that score edges."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from hitgraph.kernels.choice import Backend
from hitgraph.nn.blocks import Standardise
from hitgraph.nn.borders import Borders

__all__ = ["EdgeNetwork", "at_both_ends"]


class EdgeNetwork(nn.Module):
    """Logit of each edge of a graph; a subclass encodes what `standardise_*` give."""

    backend: Backend = "auto"  # who computes where no gradient is wanted
    checkpointing = False  # recompute activations in the backward pass: less memory, more time
    borders: Borders | None = None  # of the part of a graph, where ranks share it

    def __init__(self, n_hit_inputs: int, n_edge_inputs: int) -> None:
        super().__init__()
        self.standardise_hits = Standardise(n_hit_inputs)
        self.standardise_edges = Standardise(n_edge_inputs)

    def learn_inputs(self, x: Tensor, edge_attr: Tensor) -> None:
        """Standardise by a sample of hits (n, n_hit_inputs) and edges (n, n_edge_inputs)."""
        self.standardise_hits.learn(x)
        self.standardise_edges.learn(edge_attr)

    @abstractmethod
    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        """(n_hits, n_hit_inputs), (2, n_edges), (n_edges, n_edge_inputs) -> logits (n_edges,)."""

    def all_logits(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        """(n, n_edges) logits that the training loss is the mean over; the last are `forward`'s."""
        logits: Tensor = self(x, edge_index, edge_attr)
        return logits[None]

    def with_borders(self, states: Tensor) -> Tensor:
        """(n_hits, n) states after a round as the next one may look at them.

        A rank that has a part of the graph has the right ones of its own hits only.
        """
        return states if self.borders is None else self.borders.exchange(states)

    def recomputed(self, one_round: Callable[..., Any], *given: Any) -> Any:
        """What a round makes of its inputs; where asked for, again in the backward pass."""
        if self.checkpointing and self.training:
            return checkpoint(one_round, *given, use_reentrant=False)
        return one_round(*given)


def at_both_ends(hits: Tensor, edge_index: Tensor, *more: Tensor) -> Tensor:
    """(n_edges, ...) states of the inner hit of each edge, of the outer one, and more of it."""
    inner, outer = (hits.index_select(0, ends) for ends in edge_index.unbind(0))
    return torch.cat([inner, outer, *more], dim=1)
