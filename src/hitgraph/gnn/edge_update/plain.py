"""The edge half of a message-passing round in plain torch, on any device."""

import torch
from torch import Tensor

from hitgraph.gnn.edge_update.weights import Weights
from hitgraph.nn.blocks import sum_at


def update_edges(
    edges: Tensor,
    inner: Tensor,
    outer: Tensor,
    edge_index: Tensor,
    weights: Weights,
    residual: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """See edge_update.update_edges."""
    source, target = edge_index[0], edge_index[1]
    first = torch.nn.functional.linear(edges, weights.first, weights.first_bias)
    first = first + inner.index_select(0, source) + outer.index_select(0, target)
    update = torch.nn.functional.linear(torch.relu(first), weights.second, weights.second_bias)
    edges = edges + update if residual else update
    messages = edges
    if weights.gate is not None:
        gate = torch.nn.functional.linear(edges, weights.gate, weights.gate_bias)
        messages = edges * torch.sigmoid(gate)
    n_hits = inner.shape[0]
    return edges, sum_at(messages, source, n_hits), sum_at(messages, target, n_hits)
