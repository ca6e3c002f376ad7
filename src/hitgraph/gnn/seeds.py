"""Seeds from scored triplets (arXiv 2007.00149, section 4): three or four hits of one particle.

Scored edges make seeds too: two that follow each other are a triplet, as good as the worse of them.
"""

import torch
from torch import Tensor

from hitgraph.gnn.triplet_graph import Triplets
from hitgraph.graph.line_graph import edge_pairs
from hitgraph.kernels.choice import Backend
from hitgraph.state import logit

__all__ = ["innermost_seeds", "quadruplet_seeds", "triplet_seeds"]

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


def innermost_seeds(
    edge_index: Tensor, logits: Tensor, layer: Tensor, cut: float = CUT, backend: Backend = "auto"
) -> Tensor:
    """(n_seeds, 3) int64 hits, inner to outer, at the inner ends of tracks; the best ones first.

    Triplets of edges (2, n_edges) whose scores are at least `cut` and which lead from layer to
    layer; layer (n_hits,). No such edge leads to the first hit of a seed, and of all triplets that
    begin there the one with the best worse edge counts.
    """
    inner, outer = edge_index
    good = torch.nonzero((logits >= logit(cut)) & (layer[inner] != layer[outer])).squeeze(1)
    edges, logits = edge_index[:, good], logits[good]
    first, second = edge_pairs(edges, len(layer), backend)
    reached = torch.zeros_like(layer, dtype=torch.bool)
    reached[edges[1]] = True
    begins = torch.nonzero(~reached[edges[0, first]]).squeeze(1)
    first, second = first[begins], second[begins]
    best = torch.minimum(logits[first], logits[second]).argsort(descending=True, stable=True)
    seeds = torch.cat([edges[:, first], edges[1:, second]]).T[best]
    rank = torch.full_like(layer, len(seeds)).scatter_reduce_(
        0, seeds[:, 0], torch.arange(len(seeds), device=seeds.device), "amin"
    )
    return seeds[torch.sort(rank[rank < len(seeds)]).values]


def _good(triplets: Triplets, cut: float) -> Tensor:
    """(2, n) doublets of the triplets above a cut."""
    return triplets.doublets[:, triplets.logit >= logit(cut)]
