"""Seeds from scored triplets (arXiv 2007.00149, section 4): three or four hits of one particle."""

import torch
from torch import Tensor

from hitgraph.gnn.triplet_graph import Triplets
from hitgraph.graph.line_graph import edge_pairs
from hitgraph.kernels.choice import Backend
from hitgraph.state import logit

__all__ = ["quadruplet_seeds", "triplet_seeds"]

CUT = 0.75  # of the paper


def triplet_seeds(edge_index: Tensor, triplets: Triplets, cut: float = CUT) -> Tensor:
    """(n_seeds, 3) int64 hits, inner to outer, of the triplets with a score of at least `cut`.

    edge_index (2, n_edges) are the doublets whose rows the triplets name.
    """
    first, second = _good(triplets, cut)
    return torch.cat([edge_index[:, first], edge_index[1:, second]]).T


def quadruplet_seeds(
    edge_index: Tensor, triplets: Triplets, cut: float = CUT, backend: Backend = "auto"
) -> Tensor:
    """(n_seeds, 4) int64 hits, inner to outer, of two such triplets with a doublet in common."""
    good = _good(triplets, cut)
    inner, outer = edge_pairs(good, edge_index.shape[1], backend)
    return torch.cat([edge_index[:, good[0, inner]], edge_index[:, good[1, outer]]]).T


def _good(triplets: Triplets, cut: float) -> Tensor:
    """(2, n) doublets of the triplets above a cut."""
    return triplets.doublets[:, triplets.logit >= logit(cut)]
