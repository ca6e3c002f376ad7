"""The edge half of a message-passing round.

For every edge i -> j with state e (and hit parts p_i, q_j of the split first layer)

    z  = W_1 e + b_1 + p_i + q_j
    e' = [e +] W_2 relu(z) + b_2
    m  = g e',  g = sigmoid(w_g . e' + b_g)  or 1

and m is summed over the outgoing edges of i and over the incoming edges of j.
"""

import torch
from torch import Tensor

from hitgraph.gnn.edge_update import cpu, plain
from hitgraph.gnn.edge_update.weights import Weights
from hitgraph.kernels.choice import Backend, for_host

__all__ = ["Weights", "update_edges"]


def update_edges(
    edges: Tensor,
    inner: Tensor,
    outer: Tensor,
    edge_index: Tensor,
    weights: Weights,
    residual: bool,
    backend: Backend = "auto",
) -> tuple[Tensor, Tensor, Tensor]:
    """New edge states (n_edges, h), and message sums over outgoing and incoming edges (n_hits, h).

    edges (n_edges, h); inner and outer (n_hits, m) are the parts of the first layer of the hit an
    edge starts from and of the one it ends at. The kernel of the CPU takes 32 bits only.
    """
    fits = for_host(edges, backend) and edges.dtype == inner.dtype == torch.float32
    update = cpu.update_edges if fits else plain.update_edges
    return update(edges, inner, outer, edge_index, weights, residual)
